#include "encoded.hpp"

#include "codec.hpp"
#include "named_message.hpp"

#include <functional>
#include <map>
#include <mutex>
#include <new>

namespace odeon::python {

namespace {

constexpr std::size_t types_max = 65'536;
constexpr unsigned in_process = codec_pickle | codec_import;

constexpr detail::message_type any_encoded = named_type<encoded_payload>("encoded object");

}  // namespace

const detail::message_type& encoded_type_for(std::string_view manifest) {
  struct known {
    std::string name;
    detail::message_type type;
  };
  static std::mutex mutex;
  static std::map<std::string, std::unique_ptr<known>, std::less<>> all;
  std::lock_guard guard(mutex);
  if (auto found = all.find(manifest); found != all.end()) return found->second->type;
  if (all.size() >= types_max) return any_encoded;
  auto made = std::make_unique<known>(std::string(manifest), any_encoded);
  made->type = named_type<encoded_payload>(made->name);
  return all.emplace(manifest, std::move(made)).first->second->type;
}

bool is_encoded(const detail::message_type& type) noexcept {
  return is_named_type<encoded_payload>(type);
}

detail::envelope* make_encoded_envelope(encoded_payload body, bool extra) {
  const detail::message_type& type = encoded_type_for(body->manifest);
  return make_named_envelope(type, std::move(body), extra);
}

// -- with the codec ------------------------------------------------------------------------------

PyObject* codec_of(interp& in) noexcept {
  if (in.codec) [[likely]]
    return in.codec;
  owned module(PyImport_ImportModule("odeon._interop"));
  if (!module) return nullptr;
  return in.codec = PyObject_CallMethod(module.get(), "native_codec", nullptr);
}

encoded_payload encode_object(interp& in, PyObject* value) {
  PyObject* codec = codec_of(in);
  if (!codec) return nullptr;
  std::byte scratch[512];
  encoded_message message;
  message.payload = wire::buffer{std::span(scratch)};
  if (!codec_encode(codec, value, in_process, message)) return nullptr;
  auto body = std::make_shared<encoded_body>();
  if (!read_text(message.manifest, "a manifest", body->manifest)) return nullptr;
  body->version = message.version;
  body->payload = message.payload.to_bytes();
  return body;
}

PyObject* decode_object(interp& in, const encoded_body& body) noexcept {
  PyObject* codec = codec_of(in);
  if (!codec) return nullptr;
  return guarded(in, [&] {
    return codec_decode(codec, body.manifest, body.version, body.payload, nullptr, in_process);
  });
}

}  // namespace odeon::python
