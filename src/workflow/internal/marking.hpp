#pragma once

#include <workflow/internal/plan.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

/// @file Where a run stands: the values on its edges, and what may start next. Knows neither time
/// nor actors, so that a record replays into it.

namespace odeon::workflows::detail {

inline constexpr std::size_t max_waiting_values = 100'000;  ///< of one run

/// A value on its way along an edge, or waiting at its end.
struct token {
  std::uint64_t id = 0;
  std::uint32_t edge = edge_def::nowhere;  // nowhere: the run's input
  std::uint32_t to = 0;
  std::int64_t due = 0;  // by the run's clock, in ns
  value_ptr value = {};
};

/// What happens when a step has given its output, conditions asked and relays passed.
struct firing {
  struct target {
    std::uint32_t edge;
    std::uint32_t to;
    duration delay;
  };
  std::vector<target> targets;
  bool answers = false;           // no edge of the end fired
  std::vector<std::string> ends;  // where branches ended without being an answer
};
/// Fails with the edge whose condition threw.
[[nodiscard]] result<firing> fire(const plan& p, std::uint32_t step, const value_ptr& output);

/// One visit of a step that may start.
struct visit {
  std::uint32_t step = 0;
  std::vector<std::uint64_t> consumed;  // token ids; the first names the visit
  value_ptr input;
};

class marking {
 public:
  explicit marking(const plan& p) : plan_(&p), running_(p.places.size()), done_(p.places.size()) {}

  void put(token t);
  /// The next visit that may start at `now`; it counts as running until `finished`. An error: a
  /// bound is reached, or a join lacks an input.
  [[nodiscard]] result<std::optional<visit>> next(std::int64_t now);
  /// A replayed record: takes these tokens as `next` did. Empty: they are not there.
  [[nodiscard]] std::optional<visit> take(std::uint32_t step,
                                          const std::vector<std::uint64_t>& consumed);
  void finished(std::uint32_t step) noexcept {
    --running_[step];
    ++done_[step];
  }
  void given_up(std::uint32_t step) noexcept { --running_[step]; }
  void clear() noexcept { tokens_.clear(); }

  [[nodiscard]] bool empty() const noexcept { return tokens_.empty(); }
  /// When the first of the delayed values arrives.
  [[nodiscard]] std::optional<std::int64_t> next_due(std::int64_t now) const;
  [[nodiscard]] std::uint64_t new_id() noexcept { return next_id_++; }

 private:
  [[nodiscard]] bool may_join(std::uint32_t step, std::int64_t now) const;
  [[nodiscard]] result<visit> begin(std::uint32_t step, std::size_t first);
  [[nodiscard]] visit collect(std::uint32_t step, const std::vector<std::uint64_t>& ids);

  const plan* plan_;
  std::vector<token> tokens_;  // by id
  std::vector<std::uint32_t> running_, done_;
  std::size_t started_ = 0;
  std::uint64_t next_id_ = 1;
};

}  // namespace odeon::workflows::detail
