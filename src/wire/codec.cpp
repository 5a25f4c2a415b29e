#include "wire/internal/entry.hpp"
#include <odeon/wire/codec.hpp>

#include <array>
#include <string>

namespace odeon::wire {

namespace {

struct format_name {
  format value;
  std::string_view name;
};
constexpr std::array format_names = {
    format_name{format::msgpack, "msgpack"}, format_name{format::compact, "compact"},
    format_name{format::json, "json"}, format_name{format::cbor, "cbor"},
    format_name{format::raw, "raw"}};

error unknown_format(format f) {
  return {errc::no_codec, "there is no codec for format " + std::to_string(static_cast<int>(f))};
}

}  // namespace

std::string_view to_string(format f) noexcept {
  for (const format_name& known : format_names) {
    if (known.value == f) return known.name;
  }
  return "unknown";
}

std::optional<format> format_named(std::string_view name) noexcept {
  for (const format_name& known : format_names) {
    if (known.name == name) return known.value;
  }
  return {};
}

namespace detail {

result<void> write(buffer& out, const schema& s, const void* value, format f, const context& c) {
  const std::size_t before = out.size();
  internal::failure why;
  bool done = false;
  switch (f) {
    case format::msgpack:
    case format::compact:
      done = internal::write_msgpack(out, s, value, f == format::msgpack, c, why);
      break;
    case format::json: done = internal::write_json(out, s, value, c, why); break;
    case format::cbor: done = internal::write_cbor(out, s, value, c, why); break;
    case format::raw: done = internal::write_raw(out, s, value, c, why); break;
    default: return std::unexpected(unknown_format(f));
  }
  if (done) return {};
  out.truncate(before);
  return std::unexpected(std::move(why).take());
}

result<void> read(void* value, const schema& s, std::span<const std::byte> in, format f,
                  const limits& bounds, const context& c) {
  if (in.size() > bounds.max_bytes) {
    return fail(errc::limit_exceeded, std::to_string(in.size()) +
                                          " bytes are more than the allowed " +
                                          std::to_string(bounds.max_bytes));
  }
  if (bounds.max_depth > internal::deepest) [[unlikely]] {
    limits less = bounds;
    less.max_depth = internal::deepest;
    return read(value, s, in, f, less, c);
  }
  internal::failure why;
  bool done = false;
  switch (f) {
    case format::msgpack:
    case format::compact: done = internal::read_msgpack(value, s, in, bounds, c, why); break;
    case format::json: done = internal::read_json(value, s, in, bounds, c, why); break;
    case format::cbor: done = internal::read_cbor(value, s, in, bounds, c, why); break;
    case format::raw: done = internal::read_raw(value, s, in, bounds, c, why); break;
    default: return std::unexpected(unknown_format(f));
  }
  if (done) return {};
  return std::unexpected(std::move(why).take());
}

error version_refused(std::string_view manifest, int known, int found) {
  const std::string place = std::string(manifest) + ", version " + std::to_string(found);
  if (found > known) {
    return {errc::newer_version,
            place + ": this program knows versions up to " + std::to_string(known)};
  }
  return {errc::no_codec, place + ": nothing upcasts from it to version " + std::to_string(known)};
}

}  // namespace detail

}  // namespace odeon::wire
