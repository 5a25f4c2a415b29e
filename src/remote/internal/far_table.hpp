#pragma once

#include "far_actor.hpp"

#include <array>
#include <cstddef>
#include <functional>
#include <mutex>
#include <string_view>
#include <unordered_map>

/// @file The far cells of an endpoint by address: equal addresses give equal references.

namespace odeon::remote::detail {

/// Holds nothing: an entry goes with the last reference to its cell. @threadsafe
class far_table {
 public:
  far_table() = default;
  far_table(const far_table&) = delete;
  far_table& operator=(const far_table&) = delete;

  /// The cell of that address; the empty reference when there is none.
  [[nodiscard]] any_ref find(std::string_view node, std::string_view path, std::uint64_t uid);
  /// The same, or a new one: what `make` returns, whose cell has `local` set by this.
  [[nodiscard]] any_ref find_or_add(const address& where,
                                    const std::function<std::shared_ptr<far_actor>()>& make,
                                    odeon::detail::system_anchor& system);
  /// By the destructor of `gone`.
  void forget(const far_actor& gone) noexcept;
  [[nodiscard]] std::size_t size() const;

  static std::size_t hash_of(std::string_view node, std::string_view path,
                             std::uint64_t uid) noexcept;

 private:
  static constexpr std::size_t part_count = 16;
  struct part {
    mutable std::mutex mutex;
    std::unordered_multimap<std::size_t, far_actor*> all;
  };
  [[nodiscard]] static any_ref find_in(part& p, std::size_t hash, std::string_view node,
                                       std::string_view path, std::uint64_t uid);

  std::array<part, part_count> parts_;
};

}  // namespace odeon::remote::detail
