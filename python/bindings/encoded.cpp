#include "encoded.hpp"

#include "codec.hpp"
#include "named_message.hpp"

#include <functional>
#include <map>
#include <mutex>
#include <new>
#include <utility>

namespace odeon::python {

namespace {

constexpr std::size_t types_max = 65'536;
constexpr unsigned in_process = codec_pickle | codec_import;

/// The types of messages of payload `P`, by manifest.
template <class P>
const detail::message_type& type_for(std::string_view manifest) {
  struct known {
    std::string name;
    detail::message_type type;
  };
  static constexpr detail::message_type any = named_type<P>("encoded object");
  static std::mutex mutex;
  static std::map<std::string, std::unique_ptr<known>, std::less<>> all;
  std::lock_guard guard(mutex);
  if (auto found = all.find(manifest); found != all.end()) return found->second->type;
  if (all.size() >= types_max) return any;
  auto made = std::make_unique<known>(std::string(manifest), any);
  made->type = named_type<P>(made->name);
  return all.emplace(manifest, std::move(made)).first->second->type;
}

constinit thread_local const detail::system_anchor* far_here = nullptr;

class far_scope {
 public:
  explicit far_scope(const detail::system_anchor* far) noexcept
      : before_(std::exchange(far_here, far)) {}
  ~far_scope() { far_here = before_; }
  far_scope(const far_scope&) = delete;

 private:
  const detail::system_anchor* before_;
};

}  // namespace

bool is_far_message(const detail::message_type& type) noexcept {
  return is_named_type<far_payload>(type);
}

bool is_encoded(const detail::message_type& type) noexcept {
  return is_named_type<encoded_payload>(type) || is_far_message(type);
}

detail::envelope* make_encoded_envelope(encoded_payload body, bool extra) {
  const detail::message_type& type = type_for<encoded_payload>(body->manifest);
  return make_named_envelope(type, std::move(body), extra);
}

detail::envelope* make_far_envelope(encoded_payload body, bool extra) {
  const detail::message_type& type = type_for<far_payload>(body->manifest);
  return make_named_envelope(type, far_payload(std::move(body)), extra);
}

const detail::system_anchor* far_system() noexcept { return far_here; }

// -- with the codec ------------------------------------------------------------------------------

PyObject* codec_of(interp& in) noexcept {
  if (in.codec) [[likely]]
    return in.codec;
  owned module(PyImport_ImportModule("odeon._interop"));
  if (!module) return nullptr;
  return in.codec = PyObject_CallMethod(module.get(), "native_codec", nullptr);
}

encoded_payload encode_object(interp& in, PyObject* value, const detail::system_anchor* far) {
  PyObject* codec = codec_of(in);
  if (!codec) return nullptr;
  const far_scope scope(far);
  std::byte scratch[512];
  encoded_message message;
  message.payload = wire::buffer{std::span(scratch)};
  if (!codec_encode(codec, value, far ? codec_plain : in_process, message)) return nullptr;
  auto body = std::make_shared<encoded_body>();
  if (!read_text(message.manifest, "a manifest", body->manifest)) return nullptr;
  body->version = message.version;
  body->payload = message.payload.to_bytes();
  return body;
}

PyObject* decode_object(interp& in, const encoded_body& body,
                        const detail::system_anchor* far) noexcept {
  PyObject* codec = codec_of(in);
  if (!codec) return nullptr;
  const far_scope scope(far);
  return guarded(in, [&] {
    return codec_decode(codec, body.manifest, body.version, body.payload, nullptr,
                        far ? codec_plain : in_process);
  });
}

}  // namespace odeon::python
