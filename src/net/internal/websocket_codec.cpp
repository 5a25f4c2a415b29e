#include "websocket_codec.hpp"

#include "http_text.hpp"

#include <boost/beast/zlib/deflate_stream.hpp>
#include <boost/beast/zlib/inflate_stream.hpp>

#include <algorithm>
#include <cstring>

namespace odeon::http_detail {

namespace {

namespace zlib = boost::beast::zlib;

void apply_mask(char* bytes, std::size_t n, const std::array<unsigned char, 4>& key,
                std::size_t at) noexcept {
  std::array<unsigned char, 8> turned{};
  for (std::size_t i = 0; i < 8; ++i) turned[i] = key[(at + i) % 4];
  std::uint64_t word = 0;
  std::memcpy(&word, turned.data(), 8);
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    std::uint64_t v = 0;
    std::memcpy(&v, bytes + i, 8);
    v ^= word;
    std::memcpy(bytes + i, &v, 8);
  }
  for (; i < n; ++i) bytes[i] = char(static_cast<unsigned char>(bytes[i]) ^ turned[i % 8]);
}
websocket_violation violates(const char* why) { return {1002, why}; }

}  // namespace

// -- compression ----------------------------------------------------------------------------------

struct message_deflate::streams {
  zlib::deflate_stream out;
  zlib::inflate_stream in;
};
message_deflate::message_deflate() : streams_(std::make_unique<streams>()) {}
message_deflate::~message_deflate() = default;

std::string message_deflate::pack(std::string_view bytes) {
  zlib::deflate_stream& z = streams_->out;
  z.reset(6, 15, 8, zlib::Strategy::normal);
  std::string out(z.upper_bound(bytes.size()) + 16, '\0');
  zlib::z_params p{};
  p.next_in = bytes.data();
  p.avail_in = bytes.size();
  p.next_out = out.data();
  p.avail_out = out.size();
  boost::beast::error_code ec;
  z.write(p, zlib::Flush::sync, ec);
  out.resize(out.size() - p.avail_out);
  // It ends with an empty stored block, whose four bytes are left out.
  if (out.ends_with(std::string_view("\0\0\xFF\xFF", 4))) out.resize(out.size() - 4);
  return out;
}
std::optional<std::string> message_deflate::unpack(std::string_view bytes, std::size_t most,
                                                   bool& too_large) {
  zlib::inflate_stream& z = streams_->in;
  z.reset(15);
  std::string all(bytes);
  all.append("\0\0\xFF\xFF", 4);
  std::string out;
  zlib::z_params p{};
  p.next_in = all.data();
  p.avail_in = all.size();
  too_large = false;
  for (;;) {
    const std::size_t before = out.size();
    const std::size_t room = std::min(std::max<std::size_t>(4096, before), most + 1 - before);
    out.resize(before + room);
    p.next_out = out.data() + before;
    p.avail_out = room;
    boost::beast::error_code ec;
    z.write(p, zlib::Flush::sync, ec);
    out.resize(out.size() - p.avail_out);
    if (out.size() > most) {
      too_large = true;
      return std::nullopt;
    }
    if (ec == zlib::error::end_of_stream) return out;  // a final block ends the message
    if (ec && ec != zlib::error::need_buffers) return std::nullopt;
    if (p.avail_out > 0) return p.avail_in == 0 ? std::optional(std::move(out)) : std::nullopt;
  }
}

// -- frames that come -----------------------------------------------------------------------------

auto websocket_decoder::take(std::string_view& in) -> outcome {
  for (;;) {
    if (!in_payload_) {
      while (head_size_ < head_wanted_) {
        if (in.empty()) return std::nullopt;
        head_[head_size_++] = static_cast<unsigned char>(in.front());
        in.remove_prefix(1);
        if (head_size_ == 2) {
          const unsigned n = head_[1] & 127;
          head_wanted_ = 2 + (n == 126 ? 2 : n == 127 ? 8 : 0) + (head_[1] & 128 ? 4 : 0);
        }
      }
      if (auto wrong = begin_frame()) return std::unexpected(std::move(*wrong));
    }
    const std::size_t n = std::size_t(std::min<std::uint64_t>(left_, in.size()));
    if (n > 0) {
      std::string& to = frame_ >= opcode::close ? control_ : message_;
      const std::size_t before = to.size();
      to.append(in.substr(0, n));
      in.remove_prefix(n);
      if (masked_) {
        apply_mask(to.data() + before, n, key_, key_at_);
        key_at_ = (key_at_ + n) % 4;
      }
      left_ -= n;
      if (frame_ < opcode::close)
        if (auto wrong = check_text(false)) return std::unexpected(std::move(*wrong));
    }
    if (left_ > 0) return std::nullopt;
    in_payload_ = false;
    head_size_ = 0;
    head_wanted_ = 2;
    auto e = end_frame();
    if (!e || *e) return e;
  }
}

std::optional<websocket_violation> websocket_decoder::begin_frame() {
  fin_ = head_[0] & 128;
  const unsigned reserved = head_[0] & 0x70, code = head_[0] & 15;
  frame_ = opcode(code);
  const bool is_control = code >= 8;
  if (code > 10 || (code > 2 && code < 8)) return violates("a frame of an unknown kind");
  if (((head_[1] & 128) != 0) != masked_)
    return violates(masked_ ? "a frame of a client that is not masked"
                            : "a frame of a server that is masked");
  const bool packed = reserved == 0x40 && deflate_ && (code == 1 || code == 2);
  if (reserved && !packed) return violates("a reserved bit that nothing was agreed for");
  std::uint64_t n = head_[1] & 127;
  std::size_t at = 2;
  if (n >= 126) {
    const std::size_t bytes = n == 126 ? 2 : 8;
    n = 0;
    for (std::size_t i = 0; i < bytes; ++i) n = n << 8 | head_[at++];
    if (n < 126 || (bytes == 8 && n < 65536) || n >> 63)
      return violates("a length in more bytes than it needs, or past 2^63");
  }
  if (is_control && (n > 125 || !fin_)) return violates("a control frame that is long or in parts");
  if (code == 0 && !in_message_) return violates("a continuation of nothing");
  if ((code == 1 || code == 2) && in_message_) return violates("a message inside of another");
  if (n > limits_.frame_bytes && !is_control)
    return websocket_violation{
        1009, "a frame of more than " + std::to_string(limits_.frame_bytes) + " bytes"};
  if (!is_control) {
    if (code != 0) {
      message_.clear();
      checked_ = 0;
      message_kind_ = frame_;
      packed_ = packed;
      in_message_ = true;
    }
    if (message_.size() + n > limits_.message_bytes)
      return websocket_violation{
          1009, "a message of more than " + std::to_string(limits_.message_bytes) + " bytes"};
  } else {
    control_.clear();
  }
  if (masked_) std::copy_n(head_.begin() + std::ptrdiff_t(at), 4, key_.begin());
  key_at_ = 0;
  left_ = n;
  in_payload_ = true;
  return std::nullopt;
}

std::optional<websocket_violation> websocket_decoder::check_text(bool whole) {
  if (message_kind_ != opcode::text || packed_) return std::nullopt;
  bool cut = false;
  const std::string_view rest = std::string_view(message_).substr(checked_);
  const std::size_t good = utf8_prefix(rest, cut);
  checked_ += good;
  if (good == rest.size() || (cut && !whole)) return std::nullopt;
  return websocket_violation{1007, "a text that is not UTF-8"};
}

auto websocket_decoder::end_frame() -> outcome {
  switch (frame_) {
    case opcode::ping:
    case opcode::pong: return websocket_event{frame_, std::move(control_)};
    case opcode::close: {
      if (control_.empty()) return websocket_event{frame_, "", 1005};
      if (control_.size() == 1) return std::unexpected(violates("a close of one byte"));
      const int code =
          static_cast<unsigned char>(control_[0]) << 8 | static_cast<unsigned char>(control_[1]);
      if (!is_close_code(code)) return std::unexpected(violates("a close with no such code"));
      const std::string reason = control_.substr(2);
      if (!is_utf8(reason))
        return std::unexpected(websocket_violation{1007, "a close whose reason is not UTF-8"});
      return websocket_event{frame_, reason, code};
    }
    default: break;
  }
  if (!fin_) return std::nullopt;
  in_message_ = false;
  if (packed_) {
    bool too_large = false;
    auto all = deflate_->unpack(message_, limits_.message_bytes, too_large);
    if (!all)
      return std::unexpected(too_large ? websocket_violation{1009,
                                                             "a message that unpacks to more "
                                                             "than its limit"}
                                       : websocket_violation{1007,
                                                             "a message that is packed "
                                                             "wrongly"});
    message_ = std::move(*all);
    packed_ = false;
  }
  if (auto wrong = check_text(true)) return std::unexpected(std::move(*wrong));
  return websocket_event{message_kind_, std::exchange(message_, {})};
}

// -- frames that go -------------------------------------------------------------------------------

void append_frame(std::string& out, opcode kind, std::string_view payload, bool fin, bool packed,
                  const std::optional<std::array<unsigned char, 4>>& key) {
  const std::size_t n = payload.size();
  out += char((fin ? 128 : 0) | (packed ? 64 : 0) | unsigned(kind));
  const unsigned mask = key ? 128 : 0;
  const int bytes = n < 126 ? 0 : n < 65536 ? 2 : 8;
  out += char(mask | (bytes == 0 ? unsigned(n) : bytes == 2 ? 126U : 127U));
  for (int i = bytes - 1; i >= 0; --i) out += char(std::uint64_t(n) >> (8 * i) & 255);
  if (key) out.append(reinterpret_cast<const char*>(key->data()), 4);
  const std::size_t at = out.size();
  out.append(payload);
  if (key) apply_mask(out.data() + at, n, *key, 0);
}
std::string close_payload(int code, std::string_view reason) {
  std::string out;
  out += char(code >> 8);
  out += char(code & 255);
  return out.append(reason);
}
bool is_close_code(int code) noexcept {
  return (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
         (code >= 3000 && code <= 4999);
}

}  // namespace odeon::http_detail
