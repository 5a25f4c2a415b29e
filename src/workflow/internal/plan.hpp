#pragma once

#include <odeon/workflow/detail/definition.hpp>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

/// @file A workflow that was checked, with what its runs look up.

namespace odeon::workflows::detail {

inline constexpr std::size_t max_graph_steps = 1'000;
inline constexpr std::size_t max_graph_edges = 10'000;
inline constexpr unsigned max_attempts = 1'000;

/// How a step's inputs are made of what its edges bring.
enum class intake : std::uint8_t { one, list, slots };

struct plan {
  struct place {
    intake takes = intake::one;
    std::vector<std::uint32_t> in;   // edges, in the order in which they were added
    std::vector<std::uint32_t> out;  // edges, in the order of firing
    std::vector<bool> reaches;       // which steps, by one edge or more
  };
  /// What stands in a durable run's record of a step, to be compared.
  struct pin {
    std::string name;
    std::string text;
  };

  graph g;
  std::uint32_t start = 0;
  std::uint32_t end = 0;
  std::vector<place> places;
  std::vector<std::string> edge_keys;  // "score -> praise", "#2" behind a repeated one
  std::vector<pin> pins;

  [[nodiscard]] const step_def& step(std::uint32_t n) const { return *g.steps[n]; }
  [[nodiscard]] bool is_relay(std::uint32_t n) const {
    return g.steps[n]->kind == step_kind::relay;
  }
  [[nodiscard]] const std::string& name_of(std::uint32_t n) const { return g.steps[n]->name; }
  /// `edge_def::nowhere` when there is none.
  [[nodiscard]] std::uint32_t step_named(std::string_view name) const;
  [[nodiscard]] std::uint32_t edge_named(std::string_view key) const;
};

/// Everything that is wrong with a graph.
[[nodiscard]] std::vector<std::string> problems_of(const graph& g);
/// The plan of a graph without problems.
[[nodiscard]] std::shared_ptr<const plan> make_plan(graph g);
/// "'a' -> 'b'".
[[nodiscard]] std::string told(const graph& g, const edge_def& e);
/// Why a run recorded with other pins may not go on; empty: they are the same.
[[nodiscard]] std::string difference(const std::vector<plan::pin>& recorded,
                                     const std::vector<plan::pin>& now);

}  // namespace odeon::workflows::detail
