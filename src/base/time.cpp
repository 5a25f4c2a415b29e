#include <odeon/base/time.hpp>

#include <array>
#include <cmath>
#include <cstdio>

namespace odeon {

std::string to_string(duration d) {
  struct unit {
    double nanoseconds;
    const char* name;
  };
  static constexpr std::array units{unit{1e9, "s"}, unit{1e6, "ms"}, unit{1e3, "us"},
                                    unit{1, "ns"}};
  auto count = static_cast<double>(d.count());
  const unit* chosen = &units.back();
  for (const auto& u : units) {
    // What would be rounded to a thousand of this unit's next smaller one is told in this one.
    if (std::abs(count) >= u.nanoseconds * (u.nanoseconds > 1 ? 0.9995 : 1)) {
      chosen = &u;
      break;
    }
  }
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%.3g %s", count / chosen->nanoseconds, chosen->name);
  if (std::abs(count) >= 999.5e9) std::snprintf(text.data(), text.size(), "%.0f s", count / 1e9);
  return text.data();
}

}  // namespace odeon
