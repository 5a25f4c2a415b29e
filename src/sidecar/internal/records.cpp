#include "sidecar/internal/records.hpp"

#include <odeon/net/crypto.hpp>
#include <odeon/wire/codec.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace odeon::sidecar::records {

namespace {

using wire::bytes;

constexpr std::size_t readable_system = 24;
constexpr std::size_t readable_name = 64;
constexpr std::size_t id_hash_bytes = 16;
constexpr std::size_t length_bytes = 4;
constexpr std::uint64_t time_left_ms_max = 24 * 60 * 60 * 1000;

bytes owned(std::string_view text) {
  const auto raw = wire::as_bytes(text);
  return {raw.begin(), raw.end()};
}
std::string text(const bytes& b) { return std::string(wire::as_text(b)); }

struct state_head {
  bytes system;
  bytes name;
  bytes type;  // empty: it is the manifest
};
struct any_record {
  bytes type;
  bytes value;
};
struct actor_record {
  bytes system;
  bytes name;
  bytes parent;
};
struct tag_record {
  bytes name;
  bytes value;
};
struct invocation_record {
  actor_record actor;
  bytes action;
  std::optional<any_record> value;
  bool async = false;
  bool pooled = false;
  std::optional<actor_record> caller;
  std::vector<tag_record> metadata;
  std::optional<std::int64_t> scheduled_to;  // nanoseconds since 1970
  std::uint64_t revision = 0;
};
struct answer_record {
  std::uint8_t status = 0;
  bytes message;
  std::optional<any_record> value;
};
struct forwarded_record {
  std::uint64_t time_left_ms = 0;
  invocation_record what;
};
struct broadcast_record {
  bytes channel;
  bytes action;
  std::optional<any_record> value;
};

std::optional<any_record> record_of(const payload& p) {
  if (!p) return std::nullopt;
  return any_record{owned(p->type_url), owned(p->value)};
}
payload payload_of(const std::optional<any_record>& r) {
  if (!r) return std::nullopt;
  return any{text(r->type), text(r->value)};
}
actor_record record_of(const actor_id& a) {
  return {owned(a.system), owned(a.name), owned(a.parent)};
}
actor_id actor_of(const actor_record& r) { return {text(r.system), text(r.name), text(r.parent)}; }

invocation_record record_of(const invocation& what) {
  invocation_record r{.actor = record_of(what.actor),
                      .action = owned(what.action),
                      .value = record_of(what.value),
                      .async = what.async,
                      .pooled = what.pooled,
                      .caller = {},
                      .metadata = {},
                      .scheduled_to = {},
                      .revision = what.revision};
  if (what.caller) r.caller = record_of(*what.caller);
  if (what.scheduled_to) r.scheduled_to = what.scheduled_to->time_since_epoch().count();
  for (const auto& [name, value] : what.metadata) r.metadata.push_back({owned(name), owned(value)});
  return r;
}

invocation invocation_in(const invocation_record& r) {
  invocation out{.actor = actor_of(r.actor),
                 .action = text(r.action),
                 .value = payload_of(r.value),
                 .async = r.async,
                 .pooled = r.pooled,
                 .revision = r.revision};
  if (r.caller) out.caller = actor_of(*r.caller);
  if (r.scheduled_to) out.scheduled_to = wall_time(duration(*r.scheduled_to));
  for (const auto& m : r.metadata) out.metadata[text(m.name)] = text(m.value);
  return out;
}

// What is too large for a message of MessagePack was too large for a journal or NATS before.
template <class T>
bytes encoded(const T& record) {
  return wire::encode(record);
}

/// `name`, with '_' for what does not read well in lists of ids; at most `max` bytes.
std::string readable(std::string_view name, std::size_t max) {
  std::string out(name.substr(0, max));
  for (char& c : out) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '-' || c == '_';
    if (!plain) c = '_';
  }
  return out;
}

std::array<std::byte, length_bytes> little_endian(std::size_t n) {
  std::array<std::byte, length_bytes> out{};
  for (std::size_t k = 0; k < length_bytes; ++k) out[k] = static_cast<std::byte>(n >> (8 * k));
  return out;
}

std::string what_of(const actor_id& a) { return "the state of actor " + a.system + "/" + a.name; }

}  // namespace

result<void> check_names(const actor_id& actor) {
  for (const auto& [what, name] :
       {std::pair("system", &actor.system), std::pair("actor", &actor.name)}) {
    if (name->empty())
      return fail(errc::invalid_argument, std::string("the name of the ") + what + " is empty");
    if (name->size() > actor_name_max)
      return fail(errc::invalid_argument, std::string("the name of the ") + what + " has " +
                                              std::to_string(name->size()) + " bytes, more than " +
                                              std::to_string(actor_name_max));
  }
  return {};
}

std::string state_id(const actor_id& actor) {
  // Lengths first: no two pairs of names give the same bytes.
  const auto length = little_endian(actor.system.size());
  const std::array<const_bytes, 3> pieces{const_bytes(length), wire::as_bytes(actor.system),
                                          wire::as_bytes(actor.name)};
  const digest hash = sha256(pieces);
  std::string out = "sidecar/" + readable(actor.system, readable_system) + "/" +
                    readable(actor.name, readable_name) + "/";
  constexpr std::string_view digits = "0123456789abcdef";
  for (std::size_t k = 0; k < id_hash_bytes; ++k) {
    const auto b = std::to_integer<unsigned>(hash[k]);
    out += digits[b >> 4U];
    out += digits[b & 15U];
  }
  return out;
}

std::string state_manifest(const any& state) {
  const bool fits = !state.type_url.empty() && state.type_url.size() <= type_in_manifest &&
                    std::ranges::all_of(state.type_url, [](char c) { return c > ' ' && c < 127; });
  return fits ? state.type_url : std::string();
}

std::vector<std::byte> write_state(const actor_id& actor, const any& state) {
  const bytes head =
      encoded(state_head{owned(actor.system), owned(actor.name),
                         state_manifest(state).empty() ? owned(state.type_url) : bytes{}});
  const auto length = little_endian(head.size());
  std::vector<std::byte> out;
  out.reserve(length_bytes + head.size() + state.value.size());
  out.insert(out.end(), length.begin(), length.end());
  out.insert(out.end(), head.begin(), head.end());
  const auto value = wire::as_bytes(state.value);
  out.insert(out.end(), value.begin(), value.end());
  return out;
}

result<any> read_state(const actor_id& actor, std::string_view manifest, std::uint32_t version,
                       std::span<const std::byte> payload) {
  if (version > layout)
    return fail(errc::newer_version, what_of(actor) + " is of layout " + std::to_string(version) +
                                         ", and this program knows " + std::to_string(layout));
  const auto damaged = [&](const std::string& why) {
    return fail(errc::corrupt_record, what_of(actor) + ": " + why);
  };
  if (payload.size() < length_bytes) return damaged("it ends inside its length");
  std::size_t length = 0;
  for (std::size_t k = 0; k < length_bytes; ++k)
    length |= std::to_integer<std::size_t>(payload[k]) << (8 * k);
  if (length > payload.size() - length_bytes) return damaged("it ends inside its head");
  auto head = wire::decode<state_head>(payload.subspan(length_bytes, length));
  if (!head) return damaged(std::string(head.error().text()));
  if (text(head->system) != actor.system || text(head->name) != actor.name)
    return damaged("it belongs to actor " + text(head->system) + "/" + text(head->name));
  any out{manifest.empty() ? text(head->type) : std::string(manifest), {}};
  out.value = wire::as_text(payload.subspan(length_bytes + length));
  return out;
}

std::vector<std::byte> write_invocation(const invocation& what) { return encoded(record_of(what)); }

result<invocation> read_invocation(std::span<const std::byte> bytes) {
  const auto r = wire::decode<invocation_record>(bytes);
  if (!r) return std::unexpected(r.error());
  return invocation_in(*r);
}

std::vector<std::byte> write_forwarded(const forwarded& what) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(what.time_left).count();
  return encoded(forwarded_record{static_cast<std::uint64_t>(left), record_of(what.what)});
}

result<forwarded> read_forwarded(std::span<const std::byte> bytes) {
  const auto r = wire::decode<forwarded_record>(bytes);
  if (!r) return std::unexpected(r.error());
  const auto left = std::min(r->time_left_ms, time_left_ms_max);
  return forwarded{std::chrono::milliseconds(left), invocation_in(r->what)};
}

std::vector<std::byte> write_answer(const invocation_answer& what) {
  return encoded(answer_record{static_cast<std::uint8_t>(what.status), owned(what.message),
                               record_of(what.value)});
}

result<invocation_answer> read_answer(std::span<const std::byte> bytes) {
  auto r = wire::decode<answer_record>(bytes);
  if (!r) return std::unexpected(std::move(r.error()));
  if (r->status > static_cast<std::uint8_t>(outcome::error))
    return fail(errc::bad_encoding, "an answer of the unknown status " + std::to_string(r->status));
  return invocation_answer{static_cast<outcome>(r->status), text(r->message), payload_of(r->value)};
}

std::vector<std::byte> write_broadcast(const broadcast& what) {
  return encoded(broadcast_record{owned(what.channel), owned(what.action), record_of(what.value)});
}

result<broadcast> read_broadcast(std::span<const std::byte> bytes) {
  auto r = wire::decode<broadcast_record>(bytes);
  if (!r) return std::unexpected(std::move(r.error()));
  return broadcast{text(r->channel), text(r->action), payload_of(r->value)};
}

}  // namespace odeon::sidecar::records
