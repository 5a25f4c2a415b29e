#include <odeon/address/address.hpp>

#include <charconv>
#include <utility>

namespace odeon {

namespace {

constexpr std::string_view begin_of_all = "odeon://";
constexpr std::string_view hex = "0123456789ABCDEF";

constexpr bool is_letter_or_digit(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// What stands for itself, beside letters and digits: "pchar" of RFC 3986 and what separates, each
// part without what would end it.
constexpr std::string_view of_system = "-._~!$&'()*+,;=";
constexpr std::string_view of_node = "-._~!$&'()*+,;=:[]";
constexpr std::string_view of_path = "-._~!$&'()*+,;=:@/";

void append(std::string& out, std::string_view part, std::string_view plain) {
  for (const char c : part) {
    if (is_letter_or_digit(c) || plain.contains(c)) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += hex[byte >> 4U];
      out += hex[byte & 15U];
    }
  }
}

// Reads an address from left to right.
struct scan {
  std::string_view text;
  std::size_t at = 0;

  [[nodiscard]] bool done() const noexcept { return at == text.size(); }
  [[nodiscard]] bool next_is(char c) const noexcept { return !done() && text[at] == c; }

  [[nodiscard]] std::unexpected<error> wrong(std::string_view what) const {
    return fail(errc::bad_encoding,
                "at character " + std::to_string(at) + " of the address: " + std::string(what));
  }

  // Digits in capitals, of a character that does not stand for itself: the one text of an address.
  result<char> encoded(std::string_view plain) {
    const auto high = at + 2 < text.size() ? hex.find(text[at + 1]) : std::string_view::npos;
    const auto low = at + 2 < text.size() ? hex.find(text[at + 2]) : std::string_view::npos;
    if (high == std::string_view::npos || low == std::string_view::npos) {
      return wrong("'%' is followed by two digits, 0-9 and A-F");
    }
    const auto c = static_cast<char>(high << 4U | low);
    if (is_letter_or_digit(c) || plain.contains(c)) {
      return wrong("a character is percent-encoded that need not be");
    }
    at += 3;
    return c;
  }

  // Up to what may not stand in the part.
  result<std::string> part(std::string_view plain) {
    std::string out;
    while (!done()) {
      if (text[at] == '%') {
        auto c = encoded(plain);
        if (!c) return std::unexpected(std::move(c).error());
        out += *c;
      } else if (is_letter_or_digit(text[at]) || plain.contains(text[at])) {
        out += text[at++];
      } else {
        break;
      }
    }
    return out;
  }

  result<std::uint64_t> number() {
    std::uint64_t v = 0;
    const char* const end = text.data() + text.size();
    const auto read = std::from_chars(text.data() + at, end, v);
    if (read.ec != std::errc{} || read.ptr != end || v == 0 || text[at] == '0') {
      return wrong("a uid is a number of 64 bits above 0, and the last thing");
    }
    at = text.size();
    return v;
  }
};

}  // namespace

std::string address::to_string() const {
  std::string out(begin_of_all);
  append(out, system, of_system);
  if (!node.empty()) {
    out += '@';
    append(out, node, of_node);
  }
  append(out, path, of_path);
  if (uid != 0) {
    out += '#';
    out += std::to_string(uid);
  }
  return out;
}

result<address> address::parse(std::string_view text) {
  if (text.size() > max_length) {
    return fail(errc::limit_exceeded, "an address of " + std::to_string(text.size()) +
                                          " characters, more than the allowed " +
                                          std::to_string(max_length));
  }
  scan in{text};
  if (!text.starts_with(begin_of_all)) return in.wrong("it begins with \"odeon://\"");
  in.at = begin_of_all.size();
  address out;
  auto system = in.part(of_system);
  if (!system) return std::unexpected(std::move(system).error());
  if (system->empty()) return in.wrong("the name of the system is missing");
  out.system = *std::move(system);
  if (in.next_is('@')) {
    ++in.at;
    auto node = in.part(of_node);
    if (!node) return std::unexpected(std::move(node).error());
    if (node->empty()) return in.wrong("the node is missing behind '@'");
    out.node = *std::move(node);
  }
  if (!in.next_is('/')) return in.wrong("a path, which begins with '/', is missing");
  auto path = in.part(of_path);
  if (!path) return std::unexpected(std::move(path).error());
  if (path->size() < 2) return in.wrong("the path is empty");
  out.path = *std::move(path);
  if (in.next_is('#')) {
    ++in.at;
    auto uid = in.number();
    if (!uid) return std::unexpected(std::move(uid).error());
    out.uid = *uid;
  }
  if (!in.done()) return in.wrong("a character that an address does not have there");
  return out;
}

result<std::string> wire::codec<address>::to_wire(const address& a) {
  if (a.system.empty() || a.path.size() < 2 || a.path.front() != '/') {
    return fail(errc::invalid_argument,
                "an address needs a system and a path, this one is \"" + a.to_string() + "\"");
  }
  std::string text = a.to_string();
  if (text.size() > address::max_length) {
    return fail(errc::limit_exceeded, "an address of " + std::to_string(text.size()) +
                                          " characters, more than the allowed " +
                                          std::to_string(address::max_length));
  }
  return text;
}

}  // namespace odeon
