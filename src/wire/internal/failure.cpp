#include "wire/internal/failure.hpp"

#include <utility>

namespace odeon::wire::internal {

namespace {
constexpr std::size_t max_quoted = 96;
constexpr std::size_t max_path = 1024;
}  // namespace

bool failure::set(errc code, std::string what, std::optional<std::size_t> offset) {
  if (!set_) {
    set_ = true;
    code_ = code;
    what_ = std::move(what);
    offset_ = offset;
  }
  return false;
}

bool failure::place(std::size_t offset) {
  if (!offset_) offset_ = offset;
  return false;
}

void failure::prepend(std::string_view step) {
  if (path_.size() + step.size() <= max_path) path_.insert(0, step);
}

void failure::in_field(std::string_view name) {
  prepend(name);
  prepend(".");
}

void failure::in_element(std::size_t index) { prepend("[" + std::to_string(index) + "]"); }

void failure::in_entry(std::string_view key) { prepend("[" + std::string(key) + "]"); }

error failure::take() && {
  std::string_view path = path_;
  if (path.starts_with('.')) path.remove_prefix(1);
  std::string place;
  if (offset_) place = "at byte " + std::to_string(*offset_);
  if (!path.empty()) {
    place += place.empty() ? "field " : ", field ";
    place += path;
  }
  return {code_, place.empty() ? std::move(what_) : place + ": " + what_};
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text.substr(0, max_quoted)) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte < 0x20 || byte >= 0x7f ? '?' : c;
  }
  out += text.size() > max_quoted ? "...\"" : "\"";
  return out;
}

}  // namespace odeon::wire::internal
