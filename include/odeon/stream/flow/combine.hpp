#pragma once

#include <odeon/stream/pipe.hpp>

#include <array>
#include <cstddef>
#include <functional>
#include <optional>
#include <tuple>
#include <utility>

/// @file Several sources as one, within one island: `a | merge(b)`, `a | zip(b)`. The sources named
/// are started with the stream; a failure of one fails the whole, and the others are cancelled.

namespace odeon::stream {

namespace detail {

/// The flow that adds sources: `Stage<Ups…>`, constructed from the stages and then `Ps`.
template <template <class...> class Stage, class Params, class... Ss>
struct combining_flow {
  using stream_flow = void;
  Params params;
  std::tuple<Ss...> others;

  template <class Up, class... Mats>
  auto attach(materializer& m, built<Up, Mats...> b) && {
    return std::apply([&](auto&&... ss) { return with(std::move(b), std::move(ss).build(m)...); },
                      std::move(others));
  }

 private:
  template <class Up, class... Mats, class... Bs>
  auto with(built<Up, Mats...> b, Bs... bs) {
    using stage = Stage<Up, typename Bs::stage_type...>;
    return std::apply(
        [&](auto&&... ps) {
          return make_built(stage(std::move(ps)..., std::move(b.stage), std::move(bs.stage)...),
                            std::tuple_cat(std::move(b.mats), std::move(bs.mats)...));
        },
        std::move(params));
  }
};

template <class A, class B>
consteval void check_same_elements() {
  ODEON_CHECK((std::same_as<A, B>),
              (odeon::detail::concat("odeon: these sources do not fit: their elements are '") +
               odeon::detail::named<A> + "' and '" + odeon::detail::named<B> + "'"),
              "odeon: these sources do not fit: their elements are of different types");
}

/// Stages of one element type, each gone once it has ended.
template <class First, class... Ups>
class stages_of {
 public:
  using value_type = typename First::value_type;
  static_assert((check_same_elements<value_type, typename Ups::value_type>(), ..., true));
  static constexpr std::size_t count = 1 + sizeof...(Ups);

  explicit stages_of(First first, Ups... ups) : all_(std::move(first), std::move(ups)...) {}

  [[nodiscard]] bool is_there(std::size_t i) const noexcept { return there_[i]; }
  [[nodiscard]] bool is_empty() const noexcept {
    for (bool t : there_)
      if (t) return false;
    return true;
  }
  /// Asks stage `i`, which is there.
  polled<value_type> next(island& in, std::size_t i) {
    polled<value_type> out = pending;
    visit(i, [&](auto& up) {
      out = replaced(up->next(in));
      if (out.has_ended()) {
        up.reset();
        there_[i] = false;
      }
    });
    return out;
  }
  void drive(island& in) {
    std::apply([&](auto&... up) { ((up ? up->drive(in) : void()), ...); }, all_);
  }

 private:
  static polled<value_type> replaced(polled<value_type> p) { return p; }
  template <class F>
  void visit(std::size_t i, F f) {
    [&]<std::size_t... Is>(std::index_sequence<Is...>) {
      ((Is == i ? f(std::get<Is>(all_)) : void()), ...);
    }(std::make_index_sequence<count>());
  }
  std::tuple<std::optional<First>, std::optional<Ups>...> all_;
  std::array<bool, count> there_ = [] {
    std::array<bool, count> t;
    t.fill(true);
    return t;
  }();
};

template <class... Ups>
class merge_stage {
 public:
  using value_type = typename stages_of<Ups...>::value_type;
  explicit merge_stage(Ups... ups) : ups_(std::move(ups)...) {}
  polled<value_type> next(island& in) {
    for (std::size_t i = 0; i < sizeof...(Ups); ++i) {
      const std::size_t at = (first_ + i) % sizeof...(Ups);
      if (!ups_.is_there(at)) continue;
      std::optional<polled<value_type>> p(ups_.next(in, at));
      if (*p) {
        first_ = at + 1;
        return std::move(*p);
      }
    }
    if (ups_.is_empty()) return ended;
    return pending;
  }
  void drive(island& in) { ups_.drive(in); }

 private:
  stages_of<Ups...> ups_;
  std::size_t first_ = 0;  // the next in turn
};

template <class... Ups>
class prioritized_stage {
  using weights = std::array<std::size_t, sizeof...(Ups)>;

 public:
  using value_type = typename stages_of<Ups...>::value_type;
  explicit prioritized_stage(weights w, Ups... ups)
      : ups_(std::move(ups)...),
        weights_(w),
        left_(w) {}
  polled<value_type> next(island& in) {
    // Those with credit first; when none of them has an element, all.
    for (int round = 0; round < 2; ++round) {
      for (std::size_t i = 0; i < sizeof...(Ups); ++i) {
        if (!ups_.is_there(i) || (round == 0) != (left_[i] > 0)) continue;
        auto p = ups_.next(in, i);
        if (!p) continue;
        if (left_[i] > 0) --left_[i];
        refill();
        return p;
      }
    }
    if (ups_.is_empty()) return ended;
    return pending;
  }
  void drive(island& in) { ups_.drive(in); }

 private:
  void refill() noexcept {
    for (std::size_t i = 0; i < left_.size(); ++i)
      if (ups_.is_there(i) && left_[i] > 0) return;
    left_ = weights_;
  }
  stages_of<Ups...> ups_;
  weights weights_, left_;
};

template <class... Ups>
class concat_stage {
 public:
  using value_type = typename stages_of<Ups...>::value_type;
  explicit concat_stage(Ups... ups) : ups_(std::move(ups)...) {}
  polled<value_type> next(island& in) {
    for (; at_ < sizeof...(Ups); ++at_) {
      auto p = ups_.next(in, at_);
      if (!p.has_ended()) return p;
    }
    return ended;
  }
  void drive(island& in) { ups_.drive(in); }

 private:
  stages_of<Ups...> ups_;
  std::size_t at_ = 0;
};

template <class... Ups>
class interleave_stage {
 public:
  using value_type = typename stages_of<Ups...>::value_type;
  explicit interleave_stage(std::size_t n, Ups... ups)
      : ups_(std::move(ups)...),
        each_(n == 0 ? 1 : n),
        left_(each_) {}
  polled<value_type> next(island& in) {
    while (!ups_.is_empty()) {
      if (!ups_.is_there(at_)) {
        turn();
        continue;
      }
      auto p = ups_.next(in, at_);
      if (p.has_ended()) continue;
      if (p && --left_ == 0) turn();
      return p;
    }
    return ended;
  }
  void drive(island& in) { ups_.drive(in); }

 private:
  void turn() noexcept {
    at_ = (at_ + 1) % sizeof...(Ups);
    left_ = each_;
  }
  stages_of<Ups...> ups_;
  std::size_t each_, left_, at_ = 0;
};

/// The head of a stage, held until it is used.
template <class Up>
struct held {
  using value_type = typename Up::value_type;
  std::optional<Up> up;
  std::optional<value_type> head;
  explicit held(Up u) : up(std::move(u)) {}

  /// True: there is a head, or there will be none.
  bool settle(island& in) {
    if (head || !up) return true;
    auto p = up->next(in);
    if (p)
      head.emplace(std::move(*p));
    else if (p.has_ended())
      up.reset();
    else
      return false;
    return true;
  }
  [[nodiscard]] bool is_over() const noexcept { return !head && !up; }
  value_type take() {
    value_type out = std::move(*head);
    head.reset();
    return out;
  }
  void drive(island& in) {
    if (up) up->drive(in);
  }
};

template <class Less>
struct sorted_with {
  template <class A, class B>
  class stage {
   public:
    using value_type = typename A::value_type;
    static_assert((check_same_elements<value_type, typename B::value_type>(), true));
    stage(Less less, A a, B b) : less_(std::move(less)), a_(std::move(a)), b_(std::move(b)) {}
    polled<value_type> next(island& in) {
      const bool a = a_.settle(in), b = b_.settle(in);  // both are asked
      if (!a || !b) return pending;
      if (a_.is_over() && b_.is_over()) return ended;
      if (a_.is_over()) return b_.take();
      if (b_.is_over()) return a_.take();
      return std::invoke(less_, std::as_const(*b_.head), std::as_const(*a_.head)) ? b_.take()
                                                                                  : a_.take();
    }
    void drive(island& in) {
      a_.drive(in);
      b_.drive(in);
    }

   private:
    Less less_;
    held<A> a_;
    held<B> b_;
  };
  template <class... Ups>
  using of = stage<Ups...>;
};

template <class F>
struct zipped_with {
  template <class A, class B>
  class stage {
    using a_type = typename A::value_type;
    using b_type = typename B::value_type;
    static_assert(std::invocable<F&, a_type, b_type>,
                  "odeon: these sources do not fit: the function of zip_with does not take their "
                  "elements");

   public:
    using value_type = or_nothing_t<call_result_t<F, a_type, b_type>>;
    stage(F f, A a, B b) : f_(std::move(f)), a_(std::move(a)), b_(std::move(b)) {}
    polled<value_type> next(island& in) {
      const bool a = a_.settle(in), b = b_.settle(in);
      if ((a && a_.is_over()) || (b && b_.is_over())) return ended;
      if (!a || !b) return pending;
      return call_user(in, *this, [&] {
        a_type first = a_.take();
        b_type second = b_.take();
        return polled<value_type>(std::in_place,
                                  std::invoke(f_, std::move(first), std::move(second)));
      });
    }
    void drive(island& in) {
      a_.drive(in);
      b_.drive(in);
    }

   private:
    F f_;
    held<A> a_;
    held<B> b_;
  };
  template <class... Ups>
  using of = stage<Ups...>;
};

template <template <class...> class Stage, class... Ps>
struct combine_with {
  template <class... Ss>
  static auto flow(std::tuple<Ps...> params, Ss... others) {
    static_assert((is_source<Ss> && ...), "odeon: this flow combines with sources");
    return combining_flow<Stage, std::tuple<Ps...>, Ss...>{std::move(params),
                                                           {std::move(others)...}};
  }
};

}  // namespace detail

/// The elements of all as they come; each source's in its order. In turn, when several have one.
/// Completes when all have.
template <class... Ss>
[[nodiscard]] auto merge(Ss... others) {
  return detail::combine_with<detail::merge_stage>::flow({}, std::move(others)...);
}
/// As `merge`; when several have elements, each gets its weight's share: `weight` for the source
/// before, `weights` for the others. Weights are at least 1; the source before is asked first.
template <class S>
[[nodiscard]] auto merge_prioritized(std::size_t weight, S other, std::size_t other_weight) {
  const std::array<std::size_t, 2> w{weight == 0 ? 1 : weight,
                                     other_weight == 0 ? 1 : other_weight};
  return detail::combine_with<detail::prioritized_stage, std::array<std::size_t, 2>>::flow(
      {w}, std::move(other));
}
/// Two sorted sources as one sorted one; of equal elements the source before's comes first. Waits
/// until both have an element or have ended.
template <class S, class Less = std::less<>>
[[nodiscard]] auto merge_sorted(S other, Less less = {}) {
  return detail::combine_with<detail::sorted_with<Less>::template of, Less>::flow({std::move(less)},
                                                                                  std::move(other));
}
/// The others' elements after the end of the source before, one source after the other. They are
/// not asked before it is their turn.
template <class... Ss>
[[nodiscard]] auto concat(Ss... others) {
  return detail::combine_with<detail::concat_stage>::flow({}, std::move(others)...);
}
/// `n` elements of each in turn, waiting for them; the rest of the others when one has ended.
template <class S>
[[nodiscard]] auto interleave(S other, std::size_t n = 1) {
  return detail::combine_with<detail::interleave_stage, std::size_t>::flow({n}, std::move(other));
}
/// `f(a, b)` of each two elements that stand at the same place. Completes with the shorter one; of
/// the longer at most one element more was asked for.
template <class S, class F>
[[nodiscard]] auto zip_with(S other, F f) {
  return detail::combine_with<detail::zipped_with<F>::template of, F>::flow({std::move(f)},
                                                                            std::move(other));
}

namespace detail {
struct make_pair {
  template <class A, class B>
  std::pair<A, B> operator()(A a, B b) const {
    return {std::move(a), std::move(b)};
  }
};
}  // namespace detail

/// The same, as a `std::pair`.
template <class S>
[[nodiscard]] auto zip(S other) {
  return zip_with(std::move(other), detail::make_pair());
}

}  // namespace odeon::stream
