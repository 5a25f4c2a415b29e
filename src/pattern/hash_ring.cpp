#include <odeon/pattern/hash_ring.hpp>

#include <algorithm>

namespace odeon {

hash_ring::hash_ring(std::span<const std::uint64_t> ids, std::size_t places) {
  places_.reserve(ids.size() * places);
  for (std::size_t n = 0; n < ids.size(); ++n)
    for (std::size_t i = 0; i < places; ++i)
      places_.push_back({mix(mix(ids[n]) + i), static_cast<std::uint32_t>(n)});
  // Of two nodes at one place the one listed first has it.
  std::ranges::sort(places_, [](const place& a, const place& b) {
    return a.at != b.at ? a.at < b.at : a.node < b.node;
  });
}

std::size_t hash_ring::node_of(std::uint64_t key) const noexcept {
  const auto found = std::ranges::lower_bound(places_, mix(key), {}, &place::at);
  return (found == places_.end() ? places_.front() : *found).node;
}

}  // namespace odeon
