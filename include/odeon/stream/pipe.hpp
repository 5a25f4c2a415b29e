#pragma once

#include <odeon/stream/island.hpp>

#include <concepts>
#include <tuple>
#include <type_traits>
#include <utility>

/// @file How streams are put together and run.
///
///     int total = (source::from(std::vector{1, 2, 3, 4}) | map(times2) | filter(over2) |
///                  to(sink::fold(0, std::plus{})))
///                     .run(system)
///                     .get();
///
/// Sources, flows and sinks are descriptions: values that do nothing until they are run, and that
/// are copied and kept as values are. `source | flow` is a source, `flow | flow` a flow,
/// `source | to(sink)` is what can be run, and `flow | to(sink)` a sink.
///
/// `run` gives the materialised values: those of all parts that have one, in order. None: void.
/// One: that. Several: a `std::tuple`. Sinks have a future of their result; dropping it lets the
/// stream go on. A stream that fails fails its future: with the error of an `actor_error`, or with
/// `errc::handler_failed` and the text of another exception.

namespace odeon::stream {

/// A stage, and the materialised values so far.
template <class Stage, class... Mats>
struct built {
  using stage_type = Stage;
  using value_type = typename Stage::value_type;
  Stage stage;
  std::tuple<Mats...> mats;
};

template <class S>
concept is_source = requires { typename std::remove_cvref_t<S>::stream_source; };
template <class F>
concept is_flow = requires { typename std::remove_cvref_t<F>::stream_flow; };
template <class K>
concept is_sink = requires { typename std::remove_cvref_t<K>::stream_sink; };

/// The type of a source's elements.
template <is_source S>
using element_t = typename std::remove_cvref_t<S>::built_type::value_type;
/// The type of its stage, once it is built.
template <is_source S>
using stage_t = typename std::remove_cvref_t<S>::built_type::stage_type;

namespace detail {

// As the compiler prints them.
template <class Stream>
inline constexpr bool has_a_sink = false;
template <class Stream>
inline constexpr bool has_a_source = false;
template <class Stage>
inline constexpr bool stands_in_to = false;
template <class Stage>
inline constexpr bool stands_first = false;

/// For the compiler's message alone.
template <class Source>
void run_without_sink() {
  static_assert(has_a_sink<Source>,
                "odeon: this source has no sink, so it cannot run: source | to(sink::ignore())");
}
template <class Flow>
void run_without_source() {
  static_assert(has_a_source<Flow>,
                "odeon: this flow has no source and no sink, so it cannot run: source | flow | "
                "to(sink::ignore())");
}

template <class Stage, class... Mats>
built<Stage, Mats...> make_built(Stage stage, std::tuple<Mats...> mats) {
  return {std::move(stage), std::move(mats)};
}

/// What a stage with one stage before it has in common.
template <class Up>
class linear {
 public:
  void drive(island& in) { up_.drive(in); }

 protected:
  explicit linear(Up up) : up_(std::move(up)) {}
  Up up_;
};
/// What a stage without one has.
struct leaf {
  void drive(island&) noexcept {}
};

/// The flow of a stage template `Stage<Up, Ps...>`, constructed from the stage before it and `Ps`.
template <template <class...> class Stage, class... Ps>
struct typed_flow {
  using stream_flow = void;
  std::tuple<Ps...> params;

  template <class Up, class... Mats>
  auto attach(materializer&, built<Up, Mats...> b) && {
    return std::apply(
        [&](auto&&... ps) {
          return make_built(Stage<Up, Ps...>(std::move(b.stage), std::move(ps)...),
                            std::move(b.mats));
        },
        std::move(params));
  }
  template <class... As>
  void run(As&&...) const {
    run_without_source<typed_flow>();
  }
};
template <template <class...> class Stage, class... Ps>
typed_flow<Stage, Ps...> flow_with(Ps... ps) {
  return {std::tuple<Ps...>(std::move(ps)...)};
}

/// The flow of a stage template `Stage<Up>`, constructed from the stage before it and `Ps`.
template <template <class> class Stage, class... Ps>
struct plain_flow {
  using stream_flow = void;
  std::tuple<Ps...> params;

  template <class Up, class... Mats>
  auto attach(materializer&, built<Up, Mats...> b) && {
    return std::apply(
        [&](auto&&... ps) {
          return make_built(Stage<Up>(std::move(b.stage), std::move(ps)...), std::move(b.mats));
        },
        std::move(params));
  }
  template <class... As>
  void run(As&&...) const {
    run_without_source<plain_flow>();
  }
};
template <template <class> class Stage, class... Ps>
plain_flow<Stage, Ps...> plain_flow_with(Ps... ps) {
  return {std::tuple<Ps...>(std::move(ps)...)};
}

/// The source of a stage that can be moved there as it is.
template <class Stage>
struct stage_source {
  using stream_source = void;
  using built_type = built<Stage>;
  Stage stage;
  built_type build(materializer&) && { return {std::move(stage), {}}; }
  template <class... As>
  void run(As&&...) const {
    run_without_sink<stage_source>();
  }
};
template <class Stage>
stage_source(Stage) -> stage_source<Stage>;

template <class S, class F>
struct piped_source {
  using stream_source = void;
  using built_type = decltype(std::declval<F&&>().attach(std::declval<materializer&>(),
                                                         std::declval<typename S::built_type>()));
  S source;
  F flow;
  built_type build(materializer& m) && {
    return std::move(flow).attach(m, std::move(source).build(m));
  }
  template <class... As>
  void run(As&&...) const {
    run_without_sink<piped_source>();
  }
};

template <class F, class G>
struct joined_flow {
  using stream_flow = void;
  F first;
  G second;
  template <class Up, class... Mats>
  auto attach(materializer& m, built<Up, Mats...> b) && {
    return std::move(second).attach(m, std::move(first).attach(m, std::move(b)));
  }
  template <class... As>
  void run(As&&...) const {
    run_without_source<joined_flow>();
  }
};

template <class K>
struct to_sink {
  using stream_to = void;
  K sink;
};

template <class F, class K>
struct piped_sink {
  using stream_sink = void;
  F flow;
  K sink;
  template <class Up, class... Mats>
  auto attach(materializer& m, built<Up, Mats...> b) && {
    return std::move(sink).attach(m, std::move(flow).attach(m, std::move(b)));
  }
};

template <class... Mats>
auto unwrap(std::tuple<Mats...> mats) {
  if constexpr (sizeof...(Mats) == 0)
    return;
  else if constexpr (sizeof...(Mats) == 1)
    return std::get<0>(std::move(mats));
  else
    return mats;
}

/// The result of calling `F` with `As`; `void` when it cannot be called, so that the sentence of a
/// check comes first.
template <class F, class... As>
struct call_result {
  using type = void;
};
template <class F, class... As>
  requires std::invocable<F&, As...>
struct call_result<F, As...> {
  using type = std::remove_cvref_t<std::invoke_result_t<F&, As...>>;
};
template <class F, class... As>
using call_result_t = typename call_result<F, As...>::type;

template <class T>
struct or_nothing {
  using type = T;
};
template <>
struct or_nothing<void> {
  using type = int;
};
/// As an element type: something that is no `void`.
template <class T>
using or_nothing_t = typename or_nothing<T>::type;

/// Builds a source inside a running island; islands that it needs of its own are started. Its
/// materialised values are dropped.
template <class S>
stage_t<S> build_inner(island& in, S source) {
  materializer m(in.actor(), {});
  auto b = std::move(source).build(m);
  m.start();
  return std::move(b.stage);
}

}  // namespace detail

/// What can be run: a source and its sink.
template <class S, class K>
struct runnable_stream {
  S source;
  K sink;

  /// Starts it: one actor for each island. Gives the materialised values at once. Throws
  /// `actor_error` when the actors cannot be spawned. @threadsafe
  auto run(this auto self, actor_system& system, run_options options = {}) {
    materializer m(system, std::move(options));
    return std::move(self).start(m);
  }
  /// The same with the actor as its parent: the stream ends with it, and fails then. On the actor's
  /// turn.
  auto run(this auto self, context& parent, run_options options = {}) {
    materializer m(parent, std::move(options));
    return std::move(self).start(m);
  }

  auto start(materializer& m) && {
    auto mats = std::move(sink).attach(m, std::move(source).build(m));
    m.start();
    return detail::unwrap(std::move(mats));
  }
};

/// Connects to a sink: `source | to(sink::ignore())`.
template <class K>
[[nodiscard]] auto to(K sink) {
  static_assert(is_sink<K>, "odeon: to(…) takes a sink, such as sink::collect()");
  return detail::to_sink<K>{std::move(sink)};
}
/// `source | via(flow)` is `source | flow`.
template <is_flow F>
[[nodiscard]] F via(F flow) {
  return flow;
}

template <class S, class F>
  requires is_source<S> && is_flow<F>
[[nodiscard]] auto operator|(S&& s, F&& f) {
  using out = detail::piped_source<std::remove_cvref_t<S>, std::remove_cvref_t<F>>;
  using checked [[maybe_unused]] = typename out::built_type::value_type;  // the stages' checks
  return out{std::forward<S>(s), std::forward<F>(f)};
}
template <class F, class G>
  requires is_flow<F> && is_flow<G>
[[nodiscard]] auto operator|(F&& f, G&& g) {
  return detail::joined_flow<std::remove_cvref_t<F>, std::remove_cvref_t<G>>{std::forward<F>(f),
                                                                             std::forward<G>(g)};
}
template <class S, class K>
  requires is_source<S>
[[nodiscard]] auto operator|(S&& s, detail::to_sink<K> k) {
  return runnable_stream<std::remove_cvref_t<S>, K>{std::forward<S>(s), std::move(k.sink)};
}
template <class F, class K>
  requires is_flow<F>
[[nodiscard]] auto operator|(F&& f, detail::to_sink<K> k) {
  return detail::piped_sink<std::remove_cvref_t<F>, K>{std::forward<F>(f), std::move(k.sink)};
}
/// For the compiler's message alone.
template <class S, class K>
  requires(is_source<S> || is_flow<S>) && is_sink<K>
auto operator|(S&&, K&&) {
  static_assert(detail::stands_in_to<K>,
                "odeon: a sink stands in to(…): source | to(sink::collect())");
  return detail::to_sink<std::remove_cvref_t<K>>{};
}
template <class S, class T>
  requires(is_source<S> || is_flow<S>) && is_source<T>
S operator|(S&& s, T&&) {
  static_assert(detail::stands_first<T>,
                "odeon: a source stands first: two sources become one with merge, concat or zip");
  return std::forward<S>(s);
}

namespace detail {
using stream::operator|;  // found by the stages' own namespace, without `using namespace`
}

}  // namespace odeon::stream
