#pragma once

#include <odeon/stream/flow/stateful.hpp>
#include <odeon/task/future.hpp>

/// @file Sinks that take elements as fast as they come. Each has the future of its result.

namespace odeon::stream {

namespace detail {

/// An island that ends in a consumer: `bool take(T&&)` (true: it has enough) and `finish()`, its
/// result.
template <class Up, class C>
class consumer_body final : public island_body {
 public:
  using result_type = typename C::result_type;
  consumer_body(Up up, C consumer, promise<result_type> result)
      : up_(std::move(up)),
        consumer_(std::move(consumer)),
        promise_(std::move(result)) {}

  bool step(island& in) override {
    for (;;) {
      auto p = up_.next(in);
      if (p) {
        if (!consumer_.take(std::move(*p))) continue;
      } else if (!p.has_ended()) {
        return false;
      }
      if constexpr (std::is_void_v<result_type>) {
        consumer_.finish();
        promise_.set();
      } else {
        promise_.set(consumer_.finish());
      }
      return true;
    }
  }
  void drive(island& in) override { up_.drive(in); }
  void fail(const std::exception_ptr& why) noexcept override {
    if (promise_) promise_.fail(error_of(why));
  }

 private:
  Up up_;
  C consumer_;
  promise<result_type> promise_;
};

/// The sink of a consumer template `C<T, Ps...>`, constructed from `Ps`.
template <template <class...> class C, class... Ps>
struct consumer_sink {
  using stream_sink = void;
  std::tuple<Ps...> params;

  template <class Up, class... Mats>
  auto attach(materializer& m, built<Up, Mats...> b) && {
    using consumer = C<typename Up::value_type, Ps...>;
    auto [p, f] = promise<typename consumer::result_type>::make(m.get_runtime());
    m.add(std::make_unique<consumer_body<Up, consumer>>(
        std::move(b.stage), std::make_from_tuple<consumer>(std::move(params)), std::move(p)));
    return std::tuple_cat(std::move(b.mats), std::make_tuple(std::move(f)));
  }
};
template <template <class...> class C, class... Ps>
consumer_sink<C, Ps...> sink_with(Ps... ps) {
  return {std::tuple<Ps...>(std::move(ps)...)};
}

template <class T, class A, class F>
struct fold_consumer {
  static_assert((check_accumulator<F, A, T>(), true));
  using result_type = A;
  A state;
  F f;
  fold_consumer(A init, F fn) : state(std::move(init)), f(std::move(fn)) {}
  bool take(T&& v) {
    state = std::invoke(f, std::move(state), std::move(v));
    return false;
  }
  A finish() { return std::move(state); }
};

template <class T, class F>
struct reduce_consumer {
  static_assert((check_accumulator<F, T, T>(), true));
  using result_type = T;
  F f;
  std::optional<T> state;
  explicit reduce_consumer(F fn) : f(std::move(fn)) {}
  bool take(T&& v) {
    if (state)
      state = std::invoke(f, std::move(*state), std::move(v));
    else
      state.emplace(std::move(v));
    return false;
  }
  T finish() {
    if (!state) throw_empty_stream("sink::reduce");
    return std::move(*state);
  }
};

[[noreturn]] void throw_collect_limit(std::size_t limit);

template <class T, class Limit>
struct collect_consumer {
  using result_type = std::vector<T>;
  std::size_t limit;
  std::vector<T> all;
  explicit collect_consumer(Limit n) : limit(n) {}
  bool take(T&& v) {
    if (all.size() == limit) throw_collect_limit(limit);
    all.push_back(std::move(v));
    return false;
  }
  std::vector<T> finish() { return std::move(all); }
};

template <class T, class F>
struct foreach_consumer {
  static_assert((check_function<F, T>(), true));
  using result_type = void;
  F f;
  explicit foreach_consumer(F fn) : f(std::move(fn)) {}
  bool take(T&& v) {
    std::invoke(f, std::move(v));
    return false;
  }
  void finish() {}
};

template <class T>
struct ignore_consumer {
  using result_type = void;
  bool take(T&&) noexcept { return false; }
  void finish() noexcept {}
};

template <class T>
struct head_consumer {
  using result_type = T;
  std::optional<T> value;
  bool take(T&& v) {
    value.emplace(std::move(v));
    return true;
  }
  T finish() {
    if (!value) throw_empty_stream("sink::head");
    return std::move(*value);
  }
};
template <class T>
struct head_option_consumer : head_consumer<T> {
  using result_type = std::optional<T>;
  std::optional<T> finish() { return std::move(this->value); }
};
template <class T>
struct last_consumer {
  using result_type = T;
  std::optional<T> value;
  bool take(T&& v) {
    value = std::move(v);
    return false;
  }
  T finish() {
    if (!value) throw_empty_stream("sink::last");
    return std::move(*value);
  }
};
template <class T>
struct last_option_consumer : last_consumer<T> {
  using result_type = std::optional<T>;
  std::optional<T> finish() { return std::move(this->value); }
};
template <class T>
struct count_consumer {
  using result_type = std::size_t;
  std::size_t n = 0;
  bool take(T&&) noexcept {
    ++n;
    return false;
  }
  std::size_t finish() noexcept { return n; }
};

/// Destroys what is before it, unasked.
template <class Up>
class cancelling_body final : public island_body {
 public:
  cancelling_body(Up up, promise<void> p) : up_(std::move(up)), promise_(std::move(p)) {}
  bool step(island&) override {
    promise_.set();
    return true;
  }
  void drive(island&) override {}
  void fail(const std::exception_ptr& why) noexcept override {
    if (promise_) promise_.fail(error_of(why));
  }

 private:
  Up up_;
  promise<void> promise_;
};

struct cancelled_sink {
  using stream_sink = void;
  template <class Up, class... Mats>
  auto attach(materializer& m, built<Up, Mats...> b) && {
    auto [p, f] = promise<void>::make(m.get_runtime());
    m.add(std::make_unique<cancelling_body<Up>>(std::move(b.stage), std::move(p)));
    return std::tuple_cat(std::move(b.mats), std::make_tuple(std::move(f)));
  }
};

}  // namespace detail

inline constexpr std::size_t collect_max = 100'000'000;  ///< elements that `sink::collect` takes

namespace sink {

/// f(…f(f(init, e₁), e₂)…). `future<A>`
template <class A, class F>
[[nodiscard]] auto fold(A init, F f) {
  return detail::sink_with<detail::fold_consumer>(std::move(init), std::move(f));
}
/// As `fold`, beginning with the first element; an empty stream fails it with `errc::not_found`.
/// `future<T>`
template <class F>
[[nodiscard]] auto reduce(F f) {
  return detail::sink_with<detail::reduce_consumer>(std::move(f));
}
/// All elements, at most `limit`: more fail it with `errc::limit_exceeded`. `future<vector<T>>`
[[nodiscard]] inline auto collect(std::size_t limit = collect_max) {
  return detail::sink_with<detail::collect_consumer>(limit);
}
/// Calls `f` with each element. `future<void>`
template <class F>
[[nodiscard]] auto foreach (F f) {
  return detail::sink_with<detail::foreach_consumer>(std::move(f));
}
/// Takes all, keeps none. `future<void>`
[[nodiscard]] inline auto ignore() { return detail::sink_with<detail::ignore_consumer>(); }
/// How many there were. `future<std::size_t>`
[[nodiscard]] inline auto count() { return detail::sink_with<detail::count_consumer>(); }
/// The first; then it cancels. An empty stream fails it with `errc::not_found`. `future<T>`
[[nodiscard]] inline auto head() { return detail::sink_with<detail::head_consumer>(); }
/// The first, or nothing. `future<std::optional<T>>`
[[nodiscard]] inline auto head_option() {
  return detail::sink_with<detail::head_option_consumer>();
}
/// The last; an empty stream fails it with `errc::not_found`. `future<T>`
[[nodiscard]] inline auto last() { return detail::sink_with<detail::last_consumer>(); }
/// The last, or nothing. `future<std::optional<T>>`
[[nodiscard]] inline auto last_option() {
  return detail::sink_with<detail::last_option_consumer>();
}
/// Cancels at once. `future<void>`
[[nodiscard]] inline auto cancelled() { return detail::cancelled_sink{}; }

}  // namespace sink

}  // namespace odeon::stream
