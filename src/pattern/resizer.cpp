#include <odeon/pattern/resizer.hpp>

#include <algorithm>
#include <cmath>

namespace odeon {

std::ptrdiff_t resizer::delta(std::size_t pressed, std::size_t size) const noexcept {
  const auto part = [size](double of) {
    return static_cast<std::ptrdiff_t>(std::ceil(static_cast<double>(size) * of));
  };
  const auto now = static_cast<std::ptrdiff_t>(size);
  std::ptrdiff_t wanted = now;
  if (pressed >= size)
    wanted += part(grow);
  else if (static_cast<double>(pressed) < static_cast<double>(size) * shrink_below)
    wanted -= part(shrink);
  return std::clamp(wanted, static_cast<std::ptrdiff_t>(min), static_cast<std::ptrdiff_t>(max)) -
         now;
}

const char* resizer::wrong() const noexcept {
  if (min < 1) return "a resizer's min is at least 1";
  if (max < min) return "a resizer's max is at least its min";
  if (!(grow >= 0 && grow <= 10)) return "a resizer's grow is a part from 0 to 10";
  if (!(shrink >= 0 && shrink <= 1)) return "a resizer's shrink is a part from 0 to 1";
  if (!(shrink_below >= 0 && shrink_below <= 1))
    return "a resizer's shrink_below is a part from 0 to 1";
  if (every <= duration::zero()) return "a resizer's every is more than 0";
  return nullptr;
}

}  // namespace odeon
