#pragma once

#include <odeon/address/messages.hpp>
#include <odeon/base/detail/spin.hpp>
#include <odeon/base/error.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

/// @file The asks of this node that wait for an answer of another one, by the number that travels.

namespace odeon::remote::detail {

class peer;

struct pending_ask {
  odeon::detail::ask_state_base* ask = nullptr;  ///< with a reference
  const odeon::detail::travelling* type = nullptr;
  const peer* at = nullptr;
};

/// A table in sixteen parts, each under a lock of its own; a slot is found by its number and by its
/// ask in O(1). Numbers are never given twice. @threadsafe
class ask_table {
 public:
  static constexpr std::size_t most = std::size_t{1} << 20U;  ///< under way at a time

  ask_table() = default;
  ask_table(const ask_table&) = delete;
  ask_table& operator=(const ask_table&) = delete;
  ~ask_table();

  /// Its number, never 0; takes a further reference to the ask. `limit_exceeded`: `most` wait.
  [[nodiscard]] result<std::uint64_t> add(const pending_ask& a);
  /// Takes it out, with its reference; false: it is not there, or is not asked of `at`.
  [[nodiscard]] bool take(std::uint64_t id, const peer* at, pending_ask& out);
  /// Its number; 0: it is not there.
  [[nodiscard]] std::uint64_t find(const odeon::detail::ask_state_base& ask) const;
  /// Takes out all that are asked of `at`; of anybody, when that is null.
  [[nodiscard]] std::vector<pending_ask> take_all(const peer* at);
  /// Whether one is asked of that peer. O(all).
  [[nodiscard]] bool any_of(const peer& at) const noexcept;
  [[nodiscard]] std::size_t size() const;

 private:
  static constexpr std::size_t part_count = 16;
  static constexpr std::uint32_t none = ~0U;

  struct slot {
    pending_ask held;
    std::uint32_t generation = 1;
    std::uint32_t next = none;  // in its chain, or among the free ones
  };
  struct part {
    mutable odeon::detail::spin_lock lock;
    std::vector<slot> slots;
    std::vector<std::uint32_t> chains;  // by ask; a power of two
    std::uint32_t free = none;
    std::size_t used = 0;
  };

  static std::size_t hash_of(const void* ask) noexcept;
  part& part_of(const void* ask) noexcept { return parts_[hash_of(ask) % part_count]; }
  static std::uint32_t& chain_of(part& p, const void* ask) noexcept;
  static void grow(part& p);
  static void release(part& p, std::uint32_t index) noexcept;

  std::array<part, part_count> parts_;
};

}  // namespace odeon::remote::detail
