#include "wire/internal/json_tape.hpp"

#include <boost/json/basic_parser_impl.hpp>

#include <algorithm>
#include <limits>

namespace odeon::wire::internal {

namespace json = boost::json;

// What Boost.JSON calls with each piece of the text.
struct json_handler {
  static constexpr std::size_t max_object_size = std::numeric_limits<std::uint32_t>::max();
  static constexpr std::size_t max_array_size = std::numeric_limits<std::uint32_t>::max();
  static constexpr std::size_t max_key_size = std::numeric_limits<std::uint32_t>::max();
  static constexpr std::size_t max_string_size = std::numeric_limits<std::uint32_t>::max();

  json_handler(json_tape& to, const limits& within, failure& report)
      : tape(to),
        bounds(within),
        why(report),
        memory{within.max_memory} {}

  json_tape& tape;
  const limits& bounds;
  failure& why;
  budget memory;
  std::size_t items = 0;
  std::vector<std::size_t> open;  // containers whose end is to come
  std::size_t unfinished = 0;     // bytes of a text whose last piece is to come

  bool refuse(std::string what, json::error_code& ec) {
    ec = json::error::exception;
    return why.set(errc::limit_exceeded, std::move(what));
  }

  bool push(json_token t, json::error_code& ec) {
    if (!memory.take(1, sizeof(json_token))) {
      return refuse("the values need more than the allowed memory", ec);
    }
    tape.tokens_.push_back(t);
    return true;
  }

  bool value(json_token t, json::error_code& ec) {
    if (!open.empty() && ++items > bounds.max_items) return refuse("more items than allowed", ec);
    return push(t, ec);
  }

  bool begin(token type, json::error_code& ec) {
    if (!value({.type = type}, ec)) return false;
    open.push_back(tape.tokens_.size() - 1);
    return true;
  }

  bool end(std::size_t count) {
    json_token& t = tape.tokens_[open.back()];
    t.count = static_cast<std::uint32_t>(count);
    t.where = tape.tokens_.size();
    open.pop_back();
    return true;
  }

  bool piece(json::string_view s, std::size_t total, json::error_code& ec) {
    if (total > bounds.max_string) return refuse("a string is longer than allowed", ec);
    if (!memory.take(s.size(), 1))
      return refuse("the values need more than the allowed memory", ec);
    tape.unescaped_.append(s.data(), s.size());
    unfinished += s.size();
    return true;
  }

  bool text(json::string_view s, std::size_t total, bool is_key, json::error_code& ec) {
    if (total > bounds.max_string) return refuse("a string is longer than allowed", ec);
    json_token t{.type = token::text, .count = static_cast<std::uint32_t>(total)};
    const std::less_equal<> before;
    const bool in_place = unfinished == 0 && before(tape.in_.data(), s.data()) &&
                          before(s.data() + s.size(), tape.in_.data() + tape.in_.size());
    if (in_place) {
      t.where = static_cast<std::uint64_t>(s.data() - tape.in_.data());
    } else {
      if (!piece(s, total, ec)) return false;
      t.flag = true;
      t.where = tape.unescaped_.size() - unfinished;
      unfinished = 0;
    }
    return is_key ? push(t, ec) : value(t, ec);
  }

  bool on_document_begin(json::error_code&) { return true; }
  bool on_document_end(json::error_code&) { return true; }
  bool on_object_begin(json::error_code& ec) { return begin(token::map, ec); }
  bool on_object_end(std::size_t n, json::error_code&) { return end(n); }
  bool on_array_begin(json::error_code& ec) { return begin(token::array, ec); }
  bool on_array_end(std::size_t n, json::error_code&) { return end(n); }
  bool on_key_part(json::string_view s, std::size_t n, json::error_code& ec) {
    return piece(s, n, ec);
  }
  bool on_key(json::string_view s, std::size_t n, json::error_code& ec) {
    return text(s, n, true, ec);
  }
  bool on_string_part(json::string_view s, std::size_t n, json::error_code& ec) {
    return piece(s, n, ec);
  }
  bool on_string(json::string_view s, std::size_t n, json::error_code& ec) {
    return text(s, n, false, ec);
  }
  bool on_number_part(json::string_view, json::error_code&) { return true; }
  bool on_int64(std::int64_t v, json::string_view, json::error_code& ec) {
    return value({.type = token::integer, .flag = v < 0, .where = static_cast<std::uint64_t>(v)},
                 ec);
  }
  bool on_uint64(std::uint64_t v, json::string_view, json::error_code& ec) {
    return value({.type = token::integer, .where = v}, ec);
  }
  // The double that Boost.JSON 1.81 makes may be a bit off, so its text is kept and read by
  // std::from_chars.
  bool on_double(double, json::string_view s, json::error_code& ec) {
    return value({.type = token::real,
                  .count = static_cast<std::uint32_t>(s.size()),
                  .where = static_cast<std::uint64_t>(s.data() - tape.in_.data())},
                 ec);
  }
  bool on_bool(bool v, json::error_code& ec) {
    return value({.type = token::boolean, .flag = v}, ec);
  }
  bool on_null(json::error_code& ec) { return value({.type = token::nil}, ec); }
  bool on_comment_part(json::string_view, json::error_code&) { return true; }
  bool on_comment(json::string_view, json::error_code&) { return true; }
};

bool json_tape::parse(std::string_view in, const limits& bounds, failure& why) {
  in_ = in;
  if (in.size() > std::numeric_limits<std::uint32_t>::max()) {
    return why.set(errc::limit_exceeded, "a JSON text of 4 GiB or more");
  }
  json::parse_options options;
  options.max_depth = bounds.max_depth;
  json::basic_parser<json_handler> parser(options, *this, bounds, why);
  json::error_code ec;
  const std::size_t used = parser.write_some(false, in.data(), in.size(), ec);
  if (why.is_set()) return why.place(used);
  if (ec == json::error::too_deep) {
    return why.set(errc::limit_exceeded, "nested more deeply than allowed", used);
  }
  // Also what fails at the very end: more input might have made it right.
  if (ec && used == in.size()) {
    return why.set(errc::truncated, "the JSON text ends within a value", used);
  }
  if (ec) return why.set(errc::bad_encoding, "not JSON: " + ec.message(), used);
  if (used < in.size()) {
    return why.set(errc::bad_encoding, std::to_string(in.size() - used) + " bytes follow the value",
                   used);
  }
  return true;
}

std::size_t json_tape::offset_of(std::size_t i) const noexcept {
  std::size_t at = 0;
  for (std::size_t seen = 0; at < in_.size();) {
    const char c = in_[at];
    if (std::string_view(" \t\r\n,:]}").find(c) != std::string_view::npos) {
      ++at;
      continue;
    }
    if (seen++ == i) return at;
    ++at;
    if (c == '"') {
      while (at < in_.size() && in_[at] != '"') at += in_[at] == '\\' ? 2 : 1;
      ++at;
    } else if (c != '[' && c != '{') {
      at = std::min(in_.find_first_of(" \t\r\n,:]}", at), in_.size());
    }
  }
  return std::min(at, in_.size());
}

}  // namespace odeon::wire::internal
