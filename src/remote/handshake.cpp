#include "remote/internal/handshake.hpp"

#include "remote/internal/cursor.hpp"
#include <odeon/base/assert.hpp>
#include <odeon/base/crc32c.hpp>
#include <odeon/net/http_message.hpp>

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

namespace odeon::remote::detail {

namespace {

constexpr std::array magic{std::byte{'O'}, std::byte{'D'}, std::byte{'R'}, std::byte{'M'}};
constexpr std::size_t prologue = 12;
constexpr std::size_t trailer = 4;
constexpr std::uint8_t kind_hello = 1;
constexpr std::uint8_t kind_confirm = 2;
constexpr std::uint8_t kind_welcome = 3;
constexpr std::uint8_t kind_refusal = 4;
constexpr std::uint32_t can_expand = 1;      // capabilities: zstd
constexpr std::uint32_t codecs_read = 0x3e;  // formats 1 to 5

std::string_view name_of(protection p) noexcept {
  switch (p) {
    case protection::none: return "none (plain)";
    case protection::secret: return "a shared secret";
    case protection::tls: return "TLS";
  }
  return "something unknown";
}
std::string_view name_of(role r) noexcept { return r == role::dialer ? "dialer" : "acceptor"; }

/// Codes that may cross the wire in a refusal.
errc crossing(errc code) noexcept {
  switch (code) {
    case errc::stale:
    case errc::peer_overloaded:
    case errc::name_taken:
    case errc::system_stopped:
    case errc::limit_exceeded:
    case errc::authentication_failed:
    case errc::incompatible_peer:
    case errc::protocol_violation:
    case errc::quarantined: return code;
    default: return errc::refused;
  }
}

bool printable(std::string_view text) noexcept {
  return std::ranges::none_of(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

/// What a hello may have as a text.
bool is_text(std::string_view text) noexcept { return printable(text) && is_utf8(text); }

void put_text(wire::buffer& out, std::string_view text) {
  append_word(out, static_cast<std::uint16_t>(text.size()));
  out.append(text);
}
std::string get_text(cursor& in) {
  const auto size = in.word<std::uint16_t>();
  const std::string_view text = size <= hello_text_max ? in.text(size) : std::string_view();
  if (size > hello_text_max || !is_text(text)) in.fail();
  return std::string(text);
}

template <class Number>
Number clamped(std::size_t wanted, std::size_t least) noexcept {
  return static_cast<Number>(
      std::clamp<std::uint64_t>(wanted, least, std::numeric_limits<Number>::max() >> 1U));
}

wire::bytes hello_body(const session_options& o, unsigned stream, unsigned streams) {
  wire::buffer out;
  out.append(o.fresh);
  append_word(out, o.incarnation);
  append_word(out, static_cast<std::uint8_t>(o.protect));
  append_word(out, static_cast<std::uint8_t>(stream));
  append_word(out, static_cast<std::uint8_t>(streams));
  append_word(out, std::uint8_t{0});
  append_word(out, can_expand);
  append_word(out, codecs_read);
  append_word(out, clamped<std::uint32_t>(o.limits.frame_bytes, frame_bytes_least));
  append_word(out, clamped<std::uint64_t>(o.limits.message_bytes, small_bytes_max));
  append_word(out, clamped<std::uint64_t>(o.limits.credit_bytes, credit_bytes_least));
  append_word(out, clamped<std::uint32_t>(o.limits.names, names_least));
  const auto beat = std::chrono::duration_cast<std::chrono::milliseconds>(o.limits.heartbeat);
  append_word(out, clamped<std::uint32_t>(
                       static_cast<std::size_t>(std::max<std::int64_t>(beat.count(), 1)), 1));
  put_text(out, o.system);
  put_text(out, o.node);
  put_text(out, o.to);
  put_text(out, o.version);
  append_word(out, static_cast<std::uint8_t>(o.tags.size()));
  for (const auto& [key, value] : o.tags) {
    put_text(out, key);
    put_text(out, value);
  }
  return out.to_bytes();
}

struct parsed_hello {
  peer_hello hello;
  nonce fresh{};
  std::uint8_t protect = 0;
};
/// What follows the fields of this version is a later one's, and skipped.
std::optional<parsed_hello> parse_hello(std::span<const std::byte> body) {
  cursor in(body);
  parsed_hello p;
  peer_hello& h = p.hello;
  if (const auto fresh = in.bytes(p.fresh.size()); !fresh.empty())
    std::ranges::copy(fresh, p.fresh.begin());
  h.who.incarnation = in.word<std::uint64_t>();
  p.protect = in.word<std::uint8_t>();
  h.stream = in.word<std::uint8_t>();
  h.streams = in.word<std::uint8_t>();
  (void)in.word<std::uint8_t>();
  h.compress = (in.word<std::uint32_t>() & can_expand) != 0;
  h.codecs = in.word<std::uint32_t>();
  h.frame_bytes = in.word<std::uint32_t>();
  h.message_bytes = in.word<std::uint64_t>();
  h.credit_bytes = in.word<std::uint64_t>();
  h.names = in.word<std::uint32_t>();
  h.heartbeat = std::chrono::milliseconds(in.word<std::uint32_t>());
  h.who.system = get_text(in);
  h.who.node = get_text(in);
  h.to = get_text(in);
  h.who.version = get_text(in);
  const auto tags = in.word<std::uint8_t>();
  if (tags > hello_tags_max) in.fail();
  for (unsigned i = 0; i < tags && !in.bad(); ++i) {
    std::string key = get_text(in);
    h.who.tags.insert_or_assign(std::move(key), get_text(in));
  }
  const bool sound = !in.bad() && h.who.incarnation != 0 && !h.who.system.empty() &&
                     h.streams >= 1 && h.streams <= streams_max && h.stream < h.streams;
  return sound ? std::optional(std::move(p)) : std::nullopt;
}

/// What is wrong with the limits that a node has told, in words; "" when nothing is.
std::string unfit_limit(const peer_hello& h) {
  struct told {
    std::string_view name;
    std::uint64_t value, least, most;
  };
  const auto half = [](auto most) { return static_cast<std::uint64_t>(most >> 1U); };
  const std::uint64_t most32 = half(std::numeric_limits<std::uint32_t>::max());
  const std::uint64_t most64 = half(std::numeric_limits<std::uint64_t>::max());
  const auto beat = static_cast<std::uint64_t>(h.heartbeat / std::chrono::milliseconds(1));
  for (const told& t :
       {told{"frame_bytes", h.frame_bytes, frame_bytes_least, most32},
        told{"message_bytes", h.message_bytes, small_bytes_max, most64},
        told{"credit_bytes", h.credit_bytes, credit_bytes_least, most64},
        told{"names", h.names, names_least, most32}, told{"heartbeat", beat, 1, most32}})
    if (t.value < t.least || t.value > t.most)
      return "tells remote." + std::string(t.name) + " = " + std::to_string(t.value) +
             ", and no node has less than " + std::to_string(t.least) + " or more than " +
             std::to_string(t.most) + ": correct it there";
  if ((h.codecs & codecs_read) == 0)
    return "reads none of the formats that are written here: update the older one of the two";
  return {};
}

/// That of a certificate's names which is the node, its host, or the system; "" when none is.
std::string covering(const std::vector<std::string>& identities, const peer_info& who) {
  const auto address = parse_address(who.node);
  const auto found = std::ranges::find_if(identities, [&](const std::string& name) {
    return name == who.system || (!name.empty() && name == who.node) ||
           (address && name == address->host);
  });
  return found == identities.end() ? std::string() : *found;
}

}  // namespace

std::string made_printable(std::string_view text) {
  std::string out(text.substr(0, refusal_text_max));
  const bool foreign = !is_utf8(out);  // or cut within a character
  std::ranges::replace_if(
      out, [&](char c) { return !printable({&c, 1}) || (foreign && (c & '\x80') != 0); }, '?');
  return out;
}

result<void> check_options(const session_options& o) {
  const auto wrong = [](std::string_view what) {
    return fail(errc::invalid_argument, "remote: " + std::string(what));
  };
  const auto too_long = [](const std::string& s) {
    return s.size() > hello_text_max || !is_text(s);
  };
  if (o.system.empty() || too_long(o.system))
    return wrong("the system's name must have 1 to 1024 characters and no control characters");
  if (too_long(o.node) || too_long(o.to) || too_long(o.version))
    return wrong("an address or version has more than 1024 or control characters");
  if (o.tags.size() > hello_tags_max) return wrong("more than 64 tags");
  for (const auto& [key, value] : o.tags)
    if (too_long(key) || too_long(value))
      return wrong("a tag has more than 1024 or control characters");
  if (o.incarnation == 0) return wrong("an incarnation is never 0");
  if (o.streams < 1 || o.streams > streams_max || o.stream >= o.streams)
    return wrong("an association has 1 to 16 streams");
  if (o.protect == protection::secret && o.secret.size() < 16)
    return wrong("the shared secret must have at least 16 bytes; `odeon cert secret` makes one");
  if (hello_body(o, 0, 1).size() > hello_bytes_max)
    return wrong("the tags are more than 16 KiB together");
  return {};
}

handshake::handshake(session_options options) : options_(std::move(options)) {
  ODEON_ASSERT(check_options(options_).has_value(), "options that a hello can carry");
  if (options_.side == role::dialer)
    send(kind_hello, hello_body(options_, options_.stream, options_.streams));
}

handshake::~handshake() {
  wipe(std::as_writable_bytes(std::span(options_.secret)));
  for (direction_keys* k : {&keys_.dialer, &keys_.acceptor}) {
    wipe(k->key);
    wipe(k->iv);
  }
}

void handshake::send(std::uint8_t kind, std::span<const std::byte> body) {
  const std::size_t begin = out_.size();
  out_.append(magic);
  append_word(out_, kind);
  append_word(out_, protocol_least);
  append_word(out_, protocol_most);
  append_word(out_, static_cast<std::uint8_t>(options_.side));
  append_word(out_, static_cast<std::uint32_t>(body.size()));
  out_.append(body);
  append_word(out_, crc32c(out_.view().subspan(begin)));
  if (kind == kind_hello) {
    const auto whole = out_.view().subspan(begin);
    mine_.assign(whole.begin(), whole.end());
  }
}

void handshake::refuse(const error& why) {
  if (step_ == step::failed) return;
  step_ = step::failed;
  const std::string_view text = why.text().substr(0, refusal_text_max);
  wire::buffer body;
  append_word(body, static_cast<std::uint16_t>(crossing(why.code())));
  put_text(body, text);
  send(kind_refusal, body.view());
}

std::unexpected<error> handshake::end(errc code, errc to_peer, std::string text) {
  refuse(error(to_peer, text));
  return fail(code, std::move(text));
}

result<std::size_t> handshake::receive(std::span<const std::byte> bytes) {
  if (step_ != step::hello && step_ != step::proof) return std::size_t{0};
  // A stranger that speaks something else is recognised by its first bytes.
  const std::size_t seen = std::min(bytes.size(), magic.size());
  if (!std::ranges::equal(bytes.first(seen), std::span(magic).first(seen)))
    return end(errc::protocol_violation, errc::protocol_violation,
               "what came is not the protocol of Odeon's nodes: is the address right, and are both "
               "sides configured with TLS or both without?");
  if (bytes.size() < prologue) return std::size_t{0};
  cursor in(bytes.subspan(magic.size()));
  const auto kind = in.word<std::uint8_t>();
  const auto least = in.word<std::uint8_t>();
  const auto most = in.word<std::uint8_t>();
  const auto side = in.word<std::uint8_t>();
  const auto size = in.word<std::uint32_t>();
  if (size > hello_bytes_max)
    return end(errc::protocol_violation, errc::protocol_violation,
               "a message of the handshake claims " + std::to_string(size) + " bytes; at most " +
                   std::to_string(hello_bytes_max) + " are taken");
  const std::size_t whole = prologue + size + trailer;
  if (bytes.size() < whole) return std::size_t{0};
  cursor tail(bytes.subspan(prologue + size, trailer));
  if (crc32c(bytes.first(prologue + size)) != tail.word<std::uint32_t>())
    return end(errc::protocol_violation, errc::protocol_violation,
               "a message of the handshake was altered on its way: its checksum is wrong");
  const role other = options_.side == role::dialer ? role::acceptor : role::dialer;
  if (side != static_cast<std::uint8_t>(other))
    return end(errc::protocol_violation, errc::protocol_violation,
               "the other side plays this side's role: a message was sent back, or two listeners "
               "were connected to each other");
  const auto body = bytes.subspan(prologue, size);
  if (kind == kind_refusal) {  // of every version in the same form
    step_ = step::failed;
    return std::unexpected(on_refusal(body));
  }
  if (least > protocol_most || most < protocol_least || least > most)
    return end(errc::incompatible_peer, errc::incompatible_peer,
               std::string("the ") + std::string(name_of(other)) + " speaks versions " +
                   std::to_string(least) + " to " + std::to_string(most) +
                   " of the protocol, the " + std::string(name_of(options_.side)) + " " +
                   std::to_string(protocol_least) + " to " + std::to_string(protocol_most) +
                   ": update the older one of the two");
  const std::uint8_t proof_kind = options_.side == role::dialer ? kind_welcome : kind_confirm;
  if (kind != (step_ == step::hello ? kind_hello : proof_kind))
    return end(errc::protocol_violation, errc::protocol_violation,
               "a message of the handshake out of its turn");
  auto taken = step_ == step::hello ? on_hello(bytes.first(whole), body) : on_proof(body);
  if (!taken) return std::unexpected(std::move(taken).error());
  return whole;
}

result<void> handshake::on_hello(std::span<const std::byte> whole,
                                 std::span<const std::byte> body) {
  auto parsed = parse_hello(body);
  if (!parsed)
    return end(errc::protocol_violation, errc::protocol_violation,
               "the other side's hello is malformed");
  const auto theirs = static_cast<protection>(parsed->protect);
  if (theirs != options_.protect) {
    const bool less = theirs < options_.protect;
    const errc mine = less ? errc::authentication_failed : errc::incompatible_peer;
    const errc other = less ? errc::incompatible_peer : errc::authentication_failed;
    return end(mine, other,
               "node '" + options_.node + "' of system '" + options_.system + "' demands " +
                   std::string(name_of(options_.protect)) + ", '" + parsed->hello.who.node +
                   "' of '" + parsed->hello.who.system + "' " + std::string(name_of(theirs)) +
                   ": give both the same security");
  }
  if (parsed->fresh == options_.fresh || parsed->hello.who.incarnation == options_.incarnation)
    return end(errc::protocol_violation, errc::protocol_violation,
               "the node is connected to itself, or its own words were sent back to it");
  peer_ = std::move(parsed->hello);
  if (options_.protect == protection::tls)
    peer_->who.identity = covering(options_.identities, peer_->who);
  if (auto fits = check_peer(); !fits) {
    refuse(fits.error());
    return fits;
  }
  peer_->streams = std::min(peer_->streams, options_.streams);
  if (options_.side == role::dialer) {
    derive(whole);
    send_proof(kind_confirm);
  } else {
    send(kind_hello, hello_body(options_, peer_->stream, peer_->streams));
    derive(whole);
  }
  step_ = step::proof;
  return {};
}

result<void> handshake::check_peer() const {
  if (const std::string unfit = unfit_limit(*peer_); !unfit.empty())
    return fail(errc::incompatible_peer,
                "node '" + peer_->who.node + "' of system '" + peer_->who.system + "' " + unfit);
  if (options_.side == role::acceptor && peer_->stream >= options_.streams)
    return fail(errc::incompatible_peer, "stream " + std::to_string(peer_->stream) +
                                             " of the association is more than the " +
                                             std::to_string(options_.streams) + " that node '" +
                                             options_.node + "' takes (remote.streams)");
  if (options_.side == role::dialer && peer_->stream != options_.stream)
    return fail(errc::protocol_violation, "the answer is for another stream of the association");
  if (options_.protect != protection::tls || !peer_->who.identity.empty()) return {};
  std::string names;
  for (const std::string& name : options_.identities)
    names += (names.empty() ? "'" : ", '") + made_printable(name) + "'";
  return fail(errc::authentication_failed,
              "a peer calls itself '" + peer_->who.node + "' of system '" + peer_->who.system +
                  "', but its certificate is for " + (names.empty() ? "nobody" : names) +
                  ": make one for that node with `odeon cert node`");
}

void handshake::derive(std::span<const std::byte> theirs) {
  static constexpr std::string_view label = "odeon remote 1 transcript";
  const bool dialer = options_.side == role::dialer;
  const std::array<const_bytes, 3> pieces{wire::as_bytes(label),
                                          dialer ? const_bytes(mine_) : theirs,
                                          dialer ? theirs : const_bytes(mine_)};
  transcript_ = sha256(pieces);
  // A direction's frames never pass for the other's.
  keys_.dialer.crc_seed = crc32c(wire::as_bytes(name_of(role::dialer)), crc32c(transcript_));
  keys_.acceptor.crc_seed = crc32c(wire::as_bytes(name_of(role::acceptor)), crc32c(transcript_));
  mine_ = {};
  if (options_.protect != protection::secret) return;
  const auto expand = [&](std::string_view info, direction_keys& into) {
    std::array<std::byte, 44> both;
    hkdf_sha256(wire::as_bytes(options_.secret), transcript_, wire::as_bytes(info), both);
    std::copy_n(both.begin(), into.key.size(), into.key.begin());
    std::copy_n(both.begin() + 32, into.iv.size(), into.iv.begin());
    wipe(both);
  };
  expand("odeon remote 1 frames of the dialer", keys_.dialer);
  expand("odeon remote 1 frames of the acceptor", keys_.acceptor);
}

digest handshake::proof_of(role side) const {
  std::array<std::byte, 32> key;
  hkdf_sha256(wire::as_bytes(options_.secret), transcript_, wire::as_bytes("odeon remote 1 proof"),
              key);
  const digest proof = hmac_sha256(key, wire::as_bytes(name_of(side)));
  wipe(key);
  return proof;
}

void handshake::send_proof(std::uint8_t kind) {
  if (options_.protect != protection::secret) return send(kind, {});
  send(kind, proof_of(options_.side));
}

result<void> handshake::on_proof(std::span<const std::byte> proof) {
  if (options_.protect != protection::secret) {
    if (!proof.empty())
      return end(errc::protocol_violation, errc::protocol_violation, "a proof of no secret");
  } else if (!equal_in_constant_time(
                 proof, proof_of(options_.side == role::dialer ? role::acceptor : role::dialer))) {
    return end(errc::authentication_failed, errc::authentication_failed,
               "'" + peer_->who.node + "' of system '" + peer_->who.system + "' and '" +
                   options_.node + "' of '" + options_.system +
                   "' do not have the same secret: give both the same one (remote.secret)");
  }
  step_ = options_.side == role::dialer ? step::done : step::deciding;
  return {};
}

void handshake::accept() {
  ODEON_ASSERT(step_ == step::deciding, "only a dialer that has proven itself is accepted");
  send_proof(kind_welcome);
  step_ = step::done;
}

error handshake::on_refusal(std::span<const std::byte> body) const {
  cursor in(body);
  const auto code = in.word<std::uint16_t>();
  const auto size = in.word<std::uint16_t>();
  const std::string text = made_printable(in.text(size));
  if (in.bad()) return {errc::protocol_violation, "the other side's refusal is malformed"};
  return {crossing(static_cast<errc>(code)),
          "the other side has refused: " + (text.empty() ? "without a reason" : text)};
}

}  // namespace odeon::remote::detail
