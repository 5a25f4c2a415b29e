#pragma once

#include <odeon/base/detail/spin.hpp>
#include <odeon/stream/island.hpp>

#include <atomic>
#include <cstddef>
#include <memory>
#include <vector>

/// @file When a cycle of a graph is over: nothing comes in any more, and nothing goes round.
///
/// Protocol. `tokens_` counts the inlets from outside that have not ended, and the elements that
/// are inside. A merge raises it by one for each element from outside before it passes the element
/// on, and lowers it when an inlet from outside ends; so once it is zero nothing raises it again. A
/// node with several outlets counts each element that it holds as one on every way it may take, and
/// takes back what it did not take after it was given: the count is never too low. Whoever lowers
/// it to zero wakes the merges, which then end, and with them all of the cycle. A merge leaves its
/// waker before it looks at the count, so it is not forgotten.

namespace odeon::stream::detail {

class cycle {
 public:
  explicit cycle(std::size_t inlets) noexcept : tokens_(inlets) {}

  void raise(std::size_t n = 1) noexcept { tokens_.fetch_add(n); }
  void lower(std::size_t n = 1) noexcept {
    if (n == 0 || tokens_.fetch_sub(n) != n) return;
    std::vector<waker_ptr> all;
    {
      odeon::detail::spin_guard guard(lock_);
      all.swap(merges_);
    }
    for (auto& w : all) w->wake();
  }
  /// Else the island is woken when it is.
  [[nodiscard]] bool is_over(island& in) {
    if (tokens_.load() == 0) return true;
    {
      odeon::detail::spin_guard guard(lock_);
      bool known = false;
      for (const auto& w : merges_) known = known || w == in.get_waker();
      if (!known) merges_.push_back(in.get_waker());
    }
    return tokens_.load() == 0;
  }

 private:
  std::atomic<std::size_t> tokens_;
  odeon::detail::spin_lock lock_;
  std::vector<waker_ptr> merges_;
};
using cycle_ptr = std::shared_ptr<cycle>;

}  // namespace odeon::stream::detail
