#include "http_head.hpp"

#include "http_text.hpp"

#include <boost/beast/core/detail/base64.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/websocket/detail/hybi13.hpp>

#include <algorithm>
#include <charconv>
#include <optional>

namespace odeon::http_detail {

namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using beast::error_code;
using view = beast::string_view;

std::unexpected<refusal> refuse(int status, std::string why) {
  return std::unexpected(refusal{status, std::move(why)});
}

/// Beast's parser, which tells each part of a head as it comes to it.
template <bool IsRequest>
class head_parser final : public http::basic_parser<IsRequest> {
 public:
  head_parser() {
    this->header_limit(0xFFFFFFFF);  // head_scan has its own
    this->body_limit(boost::none);
    this->skip(true);
  }
  std::string_view method, target, reason;
  int status = 0, version = 11;
  http_fields fields;

 private:
  static std::string_view plain(view s) { return {s.data(), s.size()}; }
  void on_request_impl(http::verb, view m, view t, int v, error_code&) override {
    method = plain(m), target = plain(t), version = v;
  }
  void on_response_impl(int code, view r, int v, error_code&) override {
    status = code, reason = plain(r), version = v;
  }
  void on_field_impl(http::field, view name, view value, error_code&) override {
    http_fields_access::append(fields, plain(name), plain(value));
  }
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(view body, error_code&) override { return body.size(); }
  void on_chunk_header_impl(std::uint64_t, view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, view body, error_code&) override {
    return body.size();
  }
  void on_finish_impl(error_code&) override {}
};

template <bool IsRequest>
std::optional<refusal> run(head_parser<IsRequest>& p, std::string_view head) {
  error_code ec;
  const std::size_t used = p.put(boost::asio::buffer(head.data(), head.size()), ec);
  if (ec == http::error::bad_version)
    return refusal{505, "the version of HTTP is neither 1.0 nor 1.1"};
  if (ec) return refusal{400, "no message of HTTP/1.1: " + ec.message()};
  if (used != head.size()) return refusal{400, "an empty line inside of the header"};
  return std::nullopt;
}

/// How the body is framed. Two ways of telling its length are how requests are smuggled past one of
/// two readers: each of them alone, once, and in its strict form (RFC 9112, section 6.3).
std::expected<std::pair<framing, std::uint64_t>, refusal> framing_of(const http_fields& f,
                                                                     int version) {
  const std::size_t lengths = f.count("Content-Length"), codings = f.count("Transfer-Encoding");
  if (lengths + codings > 1) return refuse(400, "more than one field tells the length of the body");
  if (codings == 1) {
    if (version < 11) return refuse(400, "Transfer-Encoding in a message of HTTP/1.0");
    const std::string_view coding = *f.get("Transfer-Encoding");
    if (!equal_ignoring_case(coding, "chunked"))
      return refuse(501, "the transfer coding '" + printable(coding) + "' is not 'chunked'");
    return std::pair(framing::chunked, std::uint64_t(0));
  }
  if (lengths == 0) return std::pair(framing::none, std::uint64_t(0));
  const std::string_view text = *f.get("Content-Length");
  std::uint64_t n = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (ec != std::errc() || end != text.data() + text.size())
    return refuse(400, "Content-Length is no number: '" + printable(text) + "'");
  return std::pair(n > 0 ? framing::length : framing::none, n);
}

bool stays_open(const http_fields& f, int version) {
  if (f.has_token("Connection", "close")) return false;
  return version >= 11 || f.has_token("Connection", "keep-alive");
}

std::optional<refusal> wrong_host(const http_fields& f, int version) {
  const std::size_t n = f.count("Host");
  if (n > 1 || (n == 0 && version >= 11))
    return refusal{400, n == 0 ? "there is no Host field" : "there is more than one Host field"};
  if (n == 0) return std::nullopt;
  const std::string_view host = f.get("Host").value_or("");
  for (const char c : host) {
    const bool good = (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') ||
                      std::string_view("-._:[]%~").contains(c);
    if (!good) return refusal{400, "the Host field is no host: '" + printable(host) + "'"};
  }
  return std::nullopt;
}

}  // namespace

std::expected<std::size_t, refusal> head_scan::look(std::string_view bytes,
                                                    const head_limits& limits, bool is_request) {
  const std::size_t most = std::min(bytes.size(), limits.header_bytes);
  for (; looked_ < most; ++looked_) {
    const char c = bytes[looked_];
    if (c == '\0') return refuse(400, "a NUL byte in the header");
    if (looked_ > 0 && bytes[looked_ - 1] == '\r' && c != '\n')
      return refuse(400, "a CR without its LF in the header");
    if (looked_ == line_at_ && lines_ > 0 && (c == ' ' || c == '\t'))
      return refuse(400, "a header line that begins with a blank: folded lines are not taken");
    if (c != '\n') continue;
    if (looked_ == 0 || bytes[looked_ - 1] != '\r')
      return refuse(400, "an LF without its CR in the header");
    const bool is_empty = looked_ == line_at_ + 1;
    line_at_ = looked_ + 1;
    if (is_empty) {
      if (lines_ == 0) return refuse(400, "the message begins with an empty line");
      return line_at_;
    }
    ++lines_;
    if (is_request && lines_ == 1 && looked_ > limits.target_bytes + 64) break;
    if (lines_ > limits.header_count + 1)
      return refuse(431, "more than " + std::to_string(limits.header_count) + " header fields");
  }
  if (is_request && (lines_ == 0 || looked_ + 1 == line_at_) && looked_ > limits.target_bytes + 64)
    return refuse(414, "the request line is longer than the limit of " +
                           std::to_string(limits.target_bytes) + " bytes for targets");
  if (bytes.size() >= limits.header_bytes)
    return refuse(431,
                  "the header is larger than " + std::to_string(limits.header_bytes) + " bytes");
  return 0;
}

std::expected<std::string, refusal> path_of_target(std::string_view target) {
  const std::string_view raw = target.substr(0, target.find('?'));
  for (std::size_t i = 0; i + 2 < raw.size(); ++i) {
    if (raw[i] != '%') continue;
    const int code = hex_value(raw[i + 1]) * 16 + hex_value(raw[i + 2]);
    // An encoded slash is no part of the structure, and none of a name either: who reads the path
    // twice would see another structure.
    if (code == '/' || code == '\\')
      return refuse(400, "an encoded slash in the path of the target");
  }
  auto path = percent_decoded(raw);
  if (!path) return refuse(400, "the target: " + std::string(path.error().text()));
  if (!is_field_value(*path) || path->contains('\t') || path->contains('\\'))
    return refuse(400, "a control character or a backslash in the path of the target");
  if (!is_utf8(*path)) return refuse(400, "the path of the target is not UTF-8");
  std::string_view rest = *path;
  while (!rest.empty()) {
    rest.remove_prefix(1);  // the slash
    const auto end = std::min(rest.find('/'), rest.size());
    const std::string_view segment = rest.substr(0, end);
    if (segment == "." || segment == "..")
      return refuse(400, "a dot segment in the path of the target");
    rest.remove_prefix(end);
  }
  return std::move(*path);
}

std::expected<request_head, refusal> parse_request_head(std::string_view head) {
  head_parser<true> p;
  if (auto wrong = run(p, head)) return std::unexpected(std::move(*wrong));
  request_head out;
  http_request& r = out.request;
  r.version = p.version;
  r.method = p.method;
  r.target = p.target;
  r.fields = std::move(p.fields);
  if (r.target == "*" && r.method == "OPTIONS") {
    r.path = "*";
  } else if (!r.target.starts_with('/') || r.target.contains('#')) {
    return refuse(400, "the target is no absolute path: '" + printable(r.target) + "'");
  } else {
    auto path = path_of_target(r.target);
    if (!path) return std::unexpected(std::move(path.error()));
    r.path = std::move(*path);
  }
  if (auto wrong = wrong_host(r.fields, r.version)) return std::unexpected(std::move(*wrong));
  auto body = framing_of(r.fields, r.version);
  if (!body) return std::unexpected(std::move(body.error()));
  std::tie(out.body, out.length) = *body;
  out.keep_alive = stays_open(r.fields, r.version);
  if (const auto expects = r.fields.get("Expect")) {
    if (!equal_ignoring_case(*expects, "100-continue"))
      return refuse(417, "an expectation that is not '100-continue'");
    out.expects_continue = r.version >= 11 && out.body != framing::none;
  }
  out.is_upgrade = r.version >= 11 && r.fields.has_token("Connection", "upgrade") &&
                   r.fields.has_token("Upgrade", "websocket");
  return out;
}

std::expected<response_head, refusal> parse_response_head(std::string_view head, bool to_head) {
  head_parser<false> p;
  if (auto wrong = run(p, head)) return std::unexpected(std::move(*wrong));
  response_head out;
  out.response.status = p.status;
  if (p.status < 100 || p.status > 599)
    return refuse(502, "the status " + std::to_string(p.status) + " is none");
  out.response.reason = p.reason;
  out.response.fields = std::move(p.fields);
  auto body = framing_of(out.response.fields, p.version);
  if (!body) return std::unexpected(std::move(body.error()));
  std::tie(out.body, out.length) = *body;
  if (to_head || p.status / 100 == 1 || p.status == 204 || p.status == 304)
    out.body = framing::none;
  else if (out.body == framing::none && !out.response.fields.has("Content-Length"))
    out.body = framing::to_end;
  out.keep_alive = stays_open(out.response.fields, p.version) && out.body != framing::to_end;
  return out;
}

std::string websocket_accept(std::string_view key) {
  beast::websocket::detail::sec_ws_accept_type accept;
  beast::websocket::detail::make_sec_ws_accept(accept, {key.data(), key.size()});
  return std::string(accept.data(), accept.size());
}
std::string base64(std::string_view bytes) {
  std::string out(beast::detail::base64::encoded_size(bytes.size()), '\0');
  out.resize(beast::detail::base64::encode(out.data(), bytes.data(), bytes.size()));
  return out;
}

}  // namespace odeon::http_detail
