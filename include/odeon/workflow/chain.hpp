#pragma once

#include <odeon/workflow/step.hpp>

#include <concepts>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

/// @file Workflows spelled as they run: `a >> b >> c`.
///
///     workflow w = normalize >> when(long_enough, shorten) >> fan_out(score, count) >> report;
///
/// - `a >> b`: what `a` gives goes to `b`; the types are compared by the compiler.
/// - `when(c, b)`: `b` if `c` holds for the value; else the value goes past it. `b` gives what it
///   takes.
/// - `route(when(c1, a), when(c2, b), otherwise(d))`: the first whose condition holds, and it
///   alone.
/// - `fan_out(a, when(c, b), d)`: all of them, in this order of starting; what is behind it gets
///   their outputs joined, as a tuple or as its several parameters. One with a condition gives an
///   optional.
/// - `delayed(1s, a)`: `a`, a second later.
///
/// Each part is itself a chain and can be put into another one. What cannot be said this way
/// (cycles, several ends, priorities) is built edge by edge: `workflow::edge`.

namespace odeon::workflows {

namespace detail {

template <class Gives, class Takes>
inline constexpr bool fits = std::same_as<Gives, Takes>;

template <class P>
concept is_part = requires(const P& p) {
  typename P::input;
  typename P::output;
};

[[nodiscard]] graph chain_of(step_ptr s);
[[nodiscard]] graph chained(graph a, const graph& b);
[[nodiscard]] graph with_delay(graph g, duration d, const input_shape& in);

/// One way out of a fork: a chain, and when it is gone. No condition: always.
struct way {
  condition_def when;
  graph body;
};
/// `in` and `out`: relays at the entry and the exit.
[[nodiscard]] graph when_graph(way w, const input_shape& in);
[[nodiscard]] graph route_graph(std::vector<way> ways, const input_shape& in,
                                const input_shape& out);
[[nodiscard]] graph fan_out_graph(std::vector<way> ways, const input_shape& in, step_ptr gather);
[[nodiscard]] std::string names_of(const std::vector<way>& ways);

template <class In, class C>
condition_def make_condition(C c) {
  static_assert(std::is_invocable_r_v<bool, const C&, const In&>,
                "odeon: a condition takes the value that goes along its edge, and gives a bool");
  return {&type_of<In>, [c = std::move(c)](const void* v) -> bool {
            return static_cast<bool>(c(*static_cast<const In*>(v)));
          }};
}

}  // namespace detail

/// Steps in a row, with what goes on inside: takes an `In`, gives an `Out`.
template <class In, class Out>
class chain {
 public:
  using input = In;
  using output = Out;

  chain(const step_of<In, Out>& s)  // NOLINT(google-explicit-constructor): a step is a chain
      : graph_(detail::chain_of(s.def())) {}
  explicit chain(detail::graph g) noexcept : graph_(std::move(g)) {}

  /// For the module.
  [[nodiscard]] const detail::graph& get() const& noexcept { return graph_; }
  [[nodiscard]] detail::graph get() && noexcept { return std::move(graph_); }

 private:
  detail::graph graph_;
};
template <class In, class Out>
chain(step_of<In, Out>) -> chain<In, Out>;

/// A chain that is gone under a condition, as `when` and `otherwise` make it. Alone in a chain its
/// value goes past it when the condition does not hold.
template <class In, class Out>
class conditional {
 public:
  using input = In;
  using output = Out;
  detail::way way;
};

namespace detail {

template <class P>
using chain_type = chain<typename P::input, typename P::output>;

template <class In, class Out>
chain<In, Out> as_chain(const chain<In, Out>& c) {
  return c;
}
template <class In, class Out>
chain<In, Out> as_chain(const step_of<In, Out>& s) {
  return chain<In, Out>(s);
}
template <class In, class Out>
chain<In, Out> as_chain(const conditional<In, Out>& c) {
  return chain<In, Out>(when_graph(c.way, shape<In>::value));
}

template <class P>
inline constexpr bool is_conditional = false;
template <class In, class Out>
inline constexpr bool is_conditional<conditional<In, Out>> = true;

/// What a stage of a chain owes.
template <class P>
consteval void check_stage() {
  using in = typename P::input;
  using out = typename P::output;
  ODEON_CHECK((!is_conditional<P> || fits<out, in>),
              (odeon::detail::concat("odeon: when(…) as a stage gives what it takes, because a "
                                     "value may go past it; this one takes '") +
               odeon::detail::named<in> + "' and gives '" + odeon::detail::named<out> +
               "': use route(when(…), otherwise(…))"),
              "odeon: when(…) as a stage gives what it takes, because a value may go past it: use "
              "route(when(…), otherwise(…))");
}

template <class P>
way way_of(const P& p) {
  if constexpr (is_conditional<P>)
    return p.way;
  else
    return {{}, as_chain(p).get()};
}

// What a way of a fan-out gives to the join.
template <class P>
struct branch_output {
  using type = typename P::output;
};
template <class In, class Out>
struct branch_output<conditional<In, Out>> {
  using type = std::optional<Out>;
};

}  // namespace detail

template <detail::is_part A, detail::is_part B>
[[nodiscard]] auto operator>>(const A& a, const B& b) {
  detail::check_stage<A>();
  detail::check_stage<B>();
  using gives = typename A::output;
  using takes = typename B::input;
  ODEON_CHECK((detail::fits<gives, takes>),
              (odeon::detail::concat("odeon: these stages do not fit: the one before >> gives '") +
               odeon::detail::named<gives> + "', and the one behind it takes '" +
               odeon::detail::named<takes> + "'"),
              "odeon: these stages do not fit: the one behind >> takes another type than the one "
              "before it gives");
  return chain<typename A::input, typename B::output>(
      detail::chained(detail::as_chain(a).get(), detail::as_chain(b).get()));
}

/// `part` if `condition(value)` holds.
template <class C, detail::is_part P>
[[nodiscard]] auto when(C condition, const P& part) {
  detail::check_stage<P>();
  using in = typename P::input;
  return conditional<in, typename P::output>{
      {detail::make_condition<in>(std::move(condition)), detail::as_chain(part).get()}};
}

/// The last way of a `route`.
template <detail::is_part P>
[[nodiscard]] auto otherwise(const P& part) {
  detail::check_stage<P>();
  return detail::as_chain(part);
}

/// The first way whose condition holds. The last one has no condition.
template <class P, class... Ps>
[[nodiscard]] auto route(const P& first, const Ps&... more) {
  using in = typename P::input;
  using out = typename P::output;
  static_assert((std::same_as<in, typename Ps::input> && ...) &&
                    (std::same_as<out, typename Ps::output> && ...),
                "odeon: all ways of a route take the same type, and give the same type");
  constexpr bool conditional[] = {detail::is_conditional<P>, detail::is_conditional<Ps>...};
  static_assert(
      [&] {
        for (std::size_t i = 0; i < sizeof...(Ps); ++i)
          if (!conditional[i]) return false;
        return !conditional[sizeof...(Ps)];
      }(),
      "odeon: a route is route(when(…), …, otherwise(step)): each way but the last has a "
      "condition");
  return chain<in, out>(detail::route_graph({detail::way_of(first), detail::way_of(more)...},
                                            detail::shape<in>::value, detail::shape<out>::value));
}

/// All ways whose conditions hold, beside each other; then their outputs together.
template <class P, class... Ps>
[[nodiscard]] auto fan_out(const P& first, const Ps&... more) {
  using in = typename P::input;
  static_assert(sizeof...(Ps) > 0, "odeon: a fan_out has two ways or more");
  static_assert((std::same_as<in, typename Ps::input> && ...),
                "odeon: all ways of a fan_out take the same type");
  using out = std::tuple<typename detail::branch_output<P>::type,
                         typename detail::branch_output<Ps>::type...>;
  std::vector<detail::way> ways = {detail::way_of(first), detail::way_of(more)...};
  auto gather = std::make_shared<detail::step_def>();
  gather->name = "join(" + detail::names_of(ways) + ")";
  gather->hidden = true;
  gather->in = &detail::shape<out>::value;
  gather->out = &detail::type_of<out>;
  gather->call = [](const detail::value_ptr& v, const step_context&) -> result<detail::value_ptr> {
    return v;
  };
  return chain<in, out>(
      detail::fan_out_graph(std::move(ways), detail::shape<in>::value, std::move(gather)));
}

/// `part`, that long after its input is there. In a durable run the time goes on while the program
/// is down.
template <detail::is_part P>
[[nodiscard]] auto delayed(duration d, const P& part) {
  detail::check_stage<P>();
  using in = typename P::input;
  return chain<in, typename P::output>(
      detail::with_delay(detail::as_chain(part).get(), d, detail::shape<in>::value));
}

}  // namespace odeon::workflows
