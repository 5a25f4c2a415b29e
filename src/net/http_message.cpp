#include "internal/http_text.hpp"
#include <odeon/net/http_message.hpp>

#include <algorithm>
#include <array>
#include <limits>

namespace odeon {

using namespace http_detail;

void http_fields::append(std::string_view name, std::string_view value) {
  if (bytes_.size() + name.size() + value.size() > std::numeric_limits<std::uint32_t>::max())
    throw actor_error(errc::invalid_argument, "the fields of a message are larger than 4 GiB");
  all_.push_back(
      {std::uint32_t(bytes_.size()), std::uint32_t(name.size()), std::uint32_t(value.size())});
  bytes_.append(name).append(value);
}
void http_fields::add(std::string_view name, std::string_view value) {
  if (!is_token(name))
    throw actor_error(errc::invalid_argument,
                      "'" + printable(name) + "' is no name of a header field");
  if (!is_field_value(value))
    throw actor_error(errc::invalid_argument, "the value of the header field " + std::string(name) +
                                                  " has a control character");
  append(name, value);
}
void http_fields::set(std::string_view name, std::string_view value) {
  (void)remove(name);
  add(name, value);
}
std::size_t http_fields::remove(std::string_view name) {
  return std::erase_if(all_, [&](const span& s) {
    return equal_ignoring_case({bytes_.data() + s.at, s.name_size}, name);
  });
}
std::optional<std::string_view> http_fields::get(std::string_view name) const noexcept {
  for (std::size_t i = 0; i < all_.size(); ++i)
    if (const entry e = (*this)[i]; equal_ignoring_case(e.name, name)) return e.value;
  return std::nullopt;
}
std::size_t http_fields::count(std::string_view name) const noexcept {
  std::size_t n = 0;
  for (std::size_t i = 0; i < all_.size(); ++i) n += equal_ignoring_case((*this)[i].name, name);
  return n;
}
bool http_fields::has_token(std::string_view name, std::string_view token) const noexcept {
  for (std::size_t i = 0; i < all_.size(); ++i) {
    const entry e = (*this)[i];
    if (!equal_ignoring_case(e.name, name)) continue;
    std::string_view rest = e.value;
    while (!rest.empty()) {
      const auto comma = std::min(rest.find(','), rest.size());
      if (equal_ignoring_case(trimmed(rest.substr(0, comma)), token)) return true;
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
  }
  return false;
}
http_fields::entry http_fields::operator[](std::size_t i) const noexcept {
  const span& s = all_[i];
  return {{bytes_.data() + s.at, s.name_size}, {bytes_.data() + s.at + s.name_size, s.value_size}};
}

std::string_view http_request::query() const noexcept {
  const auto mark = target.find('?');
  return mark == std::string::npos ? std::string_view() : std::string_view(target).substr(mark + 1);
}
std::optional<std::string> http_request::query_value(std::string_view name) const {
  std::string_view rest = query();
  while (!rest.empty()) {
    const auto end = std::min(rest.find('&'), rest.size());
    const std::string_view pair = rest.substr(0, end);
    const auto equals = std::min(pair.find('='), pair.size());
    if (const auto key = percent_decoded(pair.substr(0, equals), true); key && *key == name) {
      auto value = percent_decoded(pair.substr(std::min(equals + 1, pair.size())), true);
      if (!value) return std::nullopt;
      return std::move(*value);
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return std::nullopt;
}
std::string_view http_request::parameter(std::string_view name) const noexcept {
  for (const auto& [key, value] : parameters)
    if (key == name) return value;
  return {};
}

http_response http_text(int status, std::string text) {
  return {.status = status,
          .fields = {{"Content-Type", "text/plain; charset=utf-8"}},
          .body = std::move(text)};
}
http_response http_json(std::string json, int status) {
  return {
      .status = status, .fields = {{"Content-Type", "application/json"}}, .body = std::move(json)};
}

std::string_view http_reason(int status) noexcept {
  switch (status) {
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 426: return "Upgrade Required";
    case 428: return "Precondition Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    case 507: return "Insufficient Storage";
    default: return "Unknown";
  }
}

std::string to_text(const server_event& e) {
  std::string out;
  const auto line = [&](std::string_view name, std::string_view value) {
    out.append(name).append(": ");
    for (const char c : value)
      if (c != '\r' && c != '\n' && c != '\0') out += c;
    out += '\n';
  };
  if (!e.event.empty()) line("event", e.event);
  if (!e.id.empty()) line("id", e.id);
  if (e.retry_ms) line("retry", std::to_string(*e.retry_ms));
  // A line ends with CR, LF or both: each of them would end a field.
  std::string_view rest = e.data;
  for (;;) {
    const auto end = rest.find_first_of("\r\n");
    line("data", rest.substr(0, end));
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + (rest.substr(end, 2) == "\r\n" ? 2 : 1));
  }
  return out += '\n';
}

result<std::string> percent_decoded(std::string_view text, bool plus_is_blank) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_blank) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
      if (high < 0 || low < 0)
        return fail(errc::bad_encoding,
                    "the percent code at offset " + std::to_string(i) + " has not two hex digits");
      out += char(high * 16 + low);
      i += 2;
    }
  }
  return out;
}
std::string percent_encoded(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto b = static_cast<unsigned char>(c);
    const bool plain = (b >= '0' && b <= '9') || (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain)
      out += c;
    else
      out.append({'%', digits[b >> 4], digits[b & 15]});
  }
  return out;
}

// The ranges of table 3-7 of the Unicode standard.
std::size_t http_detail::utf8_prefix(std::string_view bytes, bool& cut) noexcept {
  cut = false;
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  std::size_t i = 0;
  while (i < bytes.size()) {
    const unsigned lead = at(i);
    if (lead < 0x80) {
      ++i;
      continue;
    }
    std::size_t more = 0;
    unsigned low = 0x80, high = 0xBF;
    if (lead >= 0xC2 && lead <= 0xDF) {
      more = 1;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
      more = 2;
      if (lead == 0xE0) low = 0xA0;
      if (lead == 0xED) high = 0x9F;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
      more = 3;
      if (lead == 0xF0) low = 0x90;
      if (lead == 0xF4) high = 0x8F;
    } else {
      return i;
    }
    for (std::size_t k = 1; k <= more; ++k) {
      if (i + k == bytes.size()) {
        cut = true;
        return i;
      }
      if (at(i + k) < low || at(i + k) > high) return i;
      low = 0x80, high = 0xBF;
    }
    i += more + 1;
  }
  return i;
}
bool is_utf8(std::string_view bytes) noexcept {
  bool cut = false;
  return utf8_prefix(bytes, cut) == bytes.size();
}

}  // namespace odeon
