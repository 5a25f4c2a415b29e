#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace odeon {

/// A consistent hash ring (Karger et al., 1997): each node stands at many places of a circle, and a
/// key belongs to the first node at or after its own place. When one of n nodes is added or taken
/// away, about 1/n of the keys change their node, and no others. The hash is fixed: the same nodes
/// and keys meet on every machine and in every version. A value; immutable once made.
class hash_ring {
 public:
  /// Places of each node; the parts of two nodes differ by some 10 per cent.
  static constexpr std::size_t default_places = 128;

  hash_ring() = default;
  /// Of nodes with these ids, which tell them apart (equal ids are one node's places twice).
  /// O(n · places · log).
  explicit hash_ring(std::span<const std::uint64_t> ids, std::size_t places = default_places);

  /// The index, in the list it was made of, of the node that `key` belongs to. Not on an empty
  /// ring. O(log).
  [[nodiscard]] std::size_t node_of(std::uint64_t key) const noexcept;
  [[nodiscard]] bool is_empty() const noexcept { return places_.empty(); }

  /// The finaliser of SplitMix64 (Steele, Lea, Flood, 2014): a bijection without visible pattern.
  [[nodiscard]] static constexpr std::uint64_t mix(std::uint64_t x) noexcept {
    x += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
  }

 private:
  struct place {
    std::uint64_t at;
    std::uint32_t node;
  };
  std::vector<place> places_;  // by `at`
};

}  // namespace odeon
