#include <odeon/stream/framing_json.hpp>

namespace odeon::stream::detail {

namespace {

[[noreturn]] void throw_at(errc why, const std::string& what, std::size_t at) {
  throw actor_error(why, "framing::json_objects: " + what + " at offset " + std::to_string(at));
}
bool is_space(char c) noexcept { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

}  // namespace

void json_cutter::feed(std::string_view piece) {
  if (begin_ >= bytes_.size() / 2) {
    bytes_.erase(0, begin_);
    offset_ += begin_;
    at_ -= begin_;
    begin_ = 0;
  }
  bytes_.append(piece);
}

/// One byte that is in no object. Which follow which: nothing is skipped that a list of objects, or
/// an array of them, would not have there.
void json_cutter::between(char c) {
  if (is_space(c)) return;
  switch (c) {
    case '[':
      if (place_ != place::before) break;
      in_array_ = true;
      place_ = place::array;
      return;
    case ']':
      if (!in_array_ || place_ == place::after_comma) break;
      in_array_ = false;
      place_ = place::closed;
      return;
    case ',':
      if (place_ != place::after_element) break;
      place_ = place::after_comma;
      return;
    case '{':
      if (place_ == place::closed || (in_array_ && place_ == place::after_element)) break;
      open_.push_back('}');
      return;
    default: break;
  }
  throw_at(errc::bad_encoding, "between objects stands what does not belong there", offset_ + at_);
}

void json_cutter::inside(char c) {
  if (in_string_) {
    if (escaped_)
      escaped_ = false;
    else if (c == '\\')
      escaped_ = true;
    else
      in_string_ = c != '"';
    return;
  }
  switch (c) {
    case '"': in_string_ = true; return;
    case '{':
    case '[':
      if (open_.size() == framing::json_depth_max)
        throw_at(errc::limit_exceeded, "brackets are too deep", offset_ + at_);
      open_.push_back(c == '{' ? '}' : ']');
      return;
    case '}':
    case ']':
      if (open_.back() != c) throw_at(errc::bad_encoding, "brackets do not match", offset_ + at_);
      open_.pop_back();
      return;
    default: return;
  }
}

std::optional<std::string> json_cutter::next() {
  for (; at_ < bytes_.size(); ++at_) {
    const char c = bytes_[at_];
    if (open_.empty()) {
      between(c);
      begin_ = at_;
      continue;
    }
    if (at_ - begin_ == max_)
      throw_at(errc::limit_exceeded, "an object is longer than " + std::to_string(max_) + " bytes",
               offset_ + begin_);
    inside(c);
    if (!open_.empty()) continue;
    std::string frame = bytes_.substr(begin_, ++at_ - begin_);
    begin_ = at_;
    place_ = place::after_element;
    return frame;
  }
  if (open_.empty()) begin_ = at_;
  return std::nullopt;
}

std::optional<std::string> json_cutter::finish() {
  if (!open_.empty())
    throw_at(errc::truncated, "the bytes end inside the object", offset_ + begin_);
  if (in_array_ || place_ == place::after_comma)
    throw_at(errc::truncated, "the bytes end where an object is to come, or the array's end,",
             offset_ + at_);
  return std::nullopt;
}

}  // namespace odeon::stream::detail
