#include "encoded.hpp"

#include "codec.hpp"

#include <functional>
#include <map>
#include <mutex>
#include <new>

namespace odeon::python {

namespace {

constexpr std::size_t types_max = 65'536;
constexpr unsigned in_process = codec_pickle | codec_import;

void destroy_encoded(void* p) noexcept { std::destroy_at(static_cast<encoded_payload*>(p)); }
void relocate_encoded(void* to, void* from) {
  auto* m = static_cast<encoded_payload*>(from);
  std::construct_at(static_cast<encoded_payload*>(to), std::move(*m));
  std::destroy_at(m);
}
void copy_encoded(void* to, const void* from) {
  std::construct_at(static_cast<encoded_payload*>(to), *static_cast<const encoded_payload*>(from));
}

constexpr detail::message_type make_type(std::string_view name) {
  return {.name = name,
          .hash = fnv1a(name),
          .destroy = &destroy_encoded,
          .relocate = &relocate_encoded,
          .size = sizeof(encoded_payload),
          .align = alignof(encoded_payload),
          .in_line = true,
          .signal = false,
          .copy = &copy_encoded,
          .key = nullptr};
}

constexpr detail::message_type any_encoded = make_type("encoded object");

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
  made->type = make_type(made->name);
  return all.emplace(manifest, std::move(made)).first->second->type;
}

bool is_encoded(const detail::message_type& type) noexcept {
  return type.destroy == &destroy_encoded;
}

detail::envelope* make_encoded_envelope(encoded_payload body, bool extra) {
  const detail::message_type& type = encoded_type_for(body->manifest);
  constexpr std::size_t bytes = sizeof(detail::envelope) + sizeof(encoded_payload);
  const auto cls = static_cast<std::uint8_t>(
      detail::pool_class(extra ? bytes + sizeof(detail::envelope_extra) + 8 : bytes));
  auto* e = static_cast<detail::envelope*>(detail::pool_get(detail::pool_kind::envelope, cls));
  e->next.store(nullptr, std::memory_order_relaxed);  // published by the delivery
  e->type = &type;
  e->cls = cls;
  e->flags = 0;
  if (extra) {
    e->flags = detail::envelope::has_extra;
    std::construct_at(e->extra());
  }
  ::new (static_cast<void*>(e + 1)) encoded_payload(std::move(body));
  return e;
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
