#pragma once

#include <odeon/core/actor_system.hpp>
#include <odeon/task/future.hpp>
#include <odeon/workflow/detail/callable.hpp>
#include <odeon/workflow/detail/definition.hpp>

#include <concepts>
#include <tuple>
#include <type_traits>
#include <utility>

/// @file From a user's callable or actor to a `step_def`.

namespace odeon::workflows::detail {

// -- calling --------------------------------------------------------------------------------------

template <class F, class... Vs>
decltype(auto) call_with(const F& f, const step_context& ctx, const Vs&... vs) {
  if constexpr (shape_of_callable<F>::with_context)
    return f(vs..., ctx);
  else
    return f(vs...);
}

/// `f` with the input that stands at `in`.
template <class F>
decltype(auto) call_at(const F& f, const void* in, const step_context& ctx) {
  using inputs = typename shape_of_callable<F>::inputs;
  if constexpr (std::tuple_size_v<inputs> == 0)
    return call_with(f, ctx);
  else if constexpr (std::tuple_size_v<inputs> == 1)
    return call_with(f, ctx, *static_cast<const std::tuple_element_t<0, inputs>*>(in));
  else
    return std::apply([&](const auto&... vs) -> decltype(auto) { return call_with(f, ctx, vs...); },
                      *static_cast<const inputs*>(in));
}

template <class T>
value_ptr share(T&& v) {
  return std::make_shared<const std::remove_cvref_t<T>>(std::forward<T>(v));
}

template <class R>
result<value_ptr> shared_result(result<R> r) {
  if (!r) return std::unexpected(std::move(r).error());
  if constexpr (std::is_void_v<R>)
    return share(nothing());
  else
    return share(std::move(*r));
}

template <class F>
result<value_ptr> call_function(const F& f, const value_ptr& in, const step_context& ctx) {
  using returned = typename shape_of_callable<F>::returned;
  if constexpr (std::is_void_v<returned>) {
    call_at(f, in.get(), ctx);
    return share(nothing());
  } else if constexpr (gives_result<returned>) {
    return shared_result(call_at(f, in.get(), ctx));
  } else {
    return share(call_at(f, in.get(), ctx));
  }
}

template <class F>
task<result<value_ptr>> call_task(std::shared_ptr<const F> f, value_ptr in, step_context ctx) {
  using inner = typename shape_of_callable<F>::returned::value_type;
  if constexpr (std::is_void_v<inner>) {
    co_await call_at(*f, in.get(), ctx);
    co_return share(nothing());
  } else if constexpr (gives_result<inner>) {
    co_return shared_result(co_await call_at(*f, in.get(), ctx));
  } else {
    co_return share(co_await call_at(*f, in.get(), ctx));
  }
}

template <class F>
void set_body(step_def& def, F&& f) {
  using fn = std::decay_t<F>;
  using t = traits<F>;
  check_values<typename t::in, typename t::out>();
  def.in = &shape<typename t::in>::value;
  def.out = &type_of<typename t::out>;
  if constexpr (gives_task<typename t::shape::returned>) {
    def.kind = step_kind::task;
    def.make_task = [kept = std::make_shared<const fn>(std::forward<F>(f))](value_ptr in,
                                                                            step_context ctx) {
      return call_task<fn>(kept, std::move(in), std::move(ctx));
    };
  } else {
    def.kind = step_kind::function;
    def.call = [kept = fn(std::forward<F>(f))](const value_ptr& in, const step_context& ctx) {
      return call_function(kept, in, ctx);
    };
  }
}

/// Asks any actor that accepts `M`; on the run's turn.
template <class M>
void ask_step(const any_ref& to, const value_ptr& in, duration limit, done_fn done) {
  using reply = reply_t<M>;
  auto f = actor_ref<M>::assume(to).ask(*static_cast<const M*>(in.get()));
  if (limit > duration::zero()) f = std::move(f).within(limit);
  std::move(f).then(
      [d = std::move(done)](result<reply> r) mutable { d(shared_result(std::move(r))); });
}

template <class M>
void set_request(step_def& def) {
  static_assert(request<M>,
                "odeon: a step that is an actor is asked: its message names a reply type");
  using reply = typename given<reply_t<M>>::type;
  check_values<M, reply>();
  def.in = &shape<M>::value;
  def.out = &type_of<reply>;
  def.ask = &ask_step<M>;
}

/// The one request of a protocol.
template <class... Ms>
struct only_request {
  template <class M>
  using keep = std::conditional_t<request<M>, std::tuple<M>, std::tuple<>>;
  using all = decltype(std::tuple_cat(std::declval<keep<Ms>>()...));
  static_assert(std::tuple_size_v<all> == 1,
                "odeon: the actor does not have exactly one request: say which one the step asks, "
                "as in step<get_price>(\"price\", ref)");
  using type = std::tuple_element_t<0, all>;
};

/// A compensation takes (output), (input, output), and perhaps the context; it gives nothing, a
/// `result<void>` or a task of either.
template <class F, class In, class Out>
task<result<value_ptr>> call_undo(std::shared_ptr<const F> f, value_ptr in, value_ptr out,
                                  step_context ctx) {
  using shape = shape_of_callable<F>;
  using inputs = typename shape::inputs;
  using returned = typename shape::returned;
  const auto& gave = *static_cast<const Out*>(out.get());
  const auto call = [&]() -> decltype(auto) {
    if constexpr (std::tuple_size_v<inputs> == 0)
      return call_with(*f, ctx);
    else if constexpr (std::tuple_size_v<inputs> == 1)
      return call_with(*f, ctx, gave);
    else
      return call_with(*f, ctx, *static_cast<const In*>(in.get()), gave);
  };
  if constexpr (gives_task<returned>) {
    using inner = typename returned::value_type;
    if constexpr (std::is_void_v<inner>) {
      co_await call();
      co_return share(nothing());
    } else {
      co_return shared_result(co_await call());
    }
  } else if constexpr (std::is_void_v<returned>) {
    call();
    co_return share(nothing());
  } else {
    co_return shared_result(call());
  }
}

template <class F, class In, class Out>
inline constexpr bool undoes = [] {
  if constexpr (has_one_signature<F>) {
    using shape = shape_of_callable<std::decay_t<F>>;
    using inputs = typename shape::inputs;
    return (std::same_as<inputs, std::tuple<>> || std::same_as<inputs, std::tuple<Out>> ||
            std::same_as<inputs, std::tuple<In, Out>>) &&
           std::same_as<typename given<typename shape::returned>::type, nothing>;
  } else {
    return false;
  }
}();

}  // namespace odeon::workflows::detail
