#pragma once

#include <odeon/workflow/detail/bodies.hpp>

#include <string>

/// @file Steps: what a workflow is made of.
///
///     const auto normalize = step("normalize", [](std::string s) { return trimmed(s); });
///     const auto charge = step("charge", charge_card, {.retry = {.attempts = 3}, .timeout = 5s})
///                             .compensated_by([](const payment& p) { return refund(p); });
///     const auto price = step("price", catalogue);              // an actor_ref: it is asked
///     const auto count = spawned<counter, add>("count");        // an actor of each run
///
/// A function step is called on the run's own turn, so it must be short; steps of one run are
/// called one at a time, those of different runs at the same time. A step that returns a `task`
/// runs in an actor of its own, beside the others; when it times out its frame is destroyed. A step
/// fails by throwing, or by returning an `odeon::result` without a value. What it throws is an
/// `actor_error`, whose error is kept, or anything else, which becomes `errc::handler_failed` with
/// its text.
///
/// Inputs and outputs are copyable values; branches share them and nobody changes them. `void` is
/// `nothing`. Several parameters are one input, a `std::tuple`: see the joins in
/// `workflow/workflow.hpp`.

namespace odeon::workflows {

/// A description; a cheap copy. The same step may be part of many workflows, once in each.
template <class In, class Out>
class step_of {
 public:
  using input = In;
  using output = Out;

  explicit step_of(detail::step_ptr def) noexcept : def_(std::move(def)) {}

  [[nodiscard]] const std::string& name() const noexcept { return def_->name; }

  /// The same step with a compensation: what takes its effect back when a later step of the run
  /// fails for good. `f(output)`, `f(input, output)` or `f()`, with a last `step_context` if it
  /// wants one; returns void, `result<void>`, or a task of those. It has the step's retries and
  /// timeout.
  template <class F>
  [[nodiscard]] step_of compensated_by(F f) const {
    static_assert(detail::undoes<F, In, Out>,
                  "odeon: a compensation takes the step's output, or its input and its output, and "
                  "returns void, result<void> or a task of those");
    auto def = std::make_shared<detail::step_def>(*def_);
    def->undo = [kept = std::make_shared<const F>(std::move(f))](
                    detail::value_ptr in, detail::value_ptr out, step_context ctx) {
      return detail::call_undo<F, In, Out>(kept, std::move(in), std::move(out), std::move(ctx));
    };
    return step_of(std::move(def));
  }

  /// For the module.
  [[nodiscard]] const detail::step_ptr& def() const noexcept { return def_; }

 private:
  detail::step_ptr def_;
};

/// A step that calls `f`: see the file's head.
template <class F>
[[nodiscard]] auto step(std::string name, F&& f, step_options options = {}) {
  detail::check_callable<F>();
  if constexpr (detail::has_one_signature<F>) {
    using t = detail::traits<F>;
    auto def = std::make_shared<detail::step_def>();
    def->name = std::move(name);
    def->options = options;
    detail::set_body(*def, std::forward<F>(f));
    return step_of<typename t::in, typename t::out>(std::move(def));
  }
}

/// A step that asks an actor with its input, an `M`; the reply is its output. The actor outlives
/// the run or fails its asks; it must live in the system of the run.
template <class M, class... Ms>
[[nodiscard]] auto step(std::string name, actor_ref<Ms...> to, step_options options = {}) {
  static_assert(message_list<Ms...>::template contains<M>,
                "odeon: this actor_ref does not accept the step's message");
  auto def = std::make_shared<detail::step_def>();
  def->name = std::move(name);
  def->options = options;
  def->kind = detail::step_kind::actor;
  detail::set_request<M>(*def);
  def->target = std::move(to);
  return step_of<M, typename detail::given<reply_t<M>>::type>(std::move(def));
}
/// The same for a reference with exactly one request.
template <class... Ms>
[[nodiscard]] auto step(std::string name, actor_ref<Ms...> to, step_options options = {}) {
  return step<typename detail::only_request<Ms...>::type, Ms...>(std::move(name), std::move(to),
                                                                 options);
}

namespace detail {
template <class A>
struct request_of;
template <class... Ms>
struct request_of<message_list<Ms...>> : only_request<Ms...> {};
template <class A, class M>
struct chosen {
  using type = M;
};
template <class A>
struct chosen<A, void> : request_of<typename A::protocol> {};
}  // namespace detail

/// A step that asks an actor of class `A`, which each run spawns for itself before its first visit
/// and stops at its end. `M` is the request; it may be left out when `A` has one. `args` go to its
/// constructor, and are copied for each run.
template <class A, class M = void, class... Args>
[[nodiscard]] auto spawned(std::string name, step_options options, Args... args) {
  using request = typename detail::chosen<A, M>::type;
  auto def = std::make_shared<detail::step_def>();
  def->name = std::move(name);
  def->options = options;
  def->kind = detail::step_kind::spawned;
  detail::set_request<request>(*def);
  def->spawn = [... kept = std::move(args)](context& parent) -> any_ref {
    return parent.spawn<A>(kept...);
  };
  return step_of<request, typename detail::given<reply_t<request>>::type>(std::move(def));
}
template <class A, class M = void>
[[nodiscard]] auto spawned(std::string name) {
  return spawned<A, M>(std::move(name), step_options());
}

}  // namespace odeon::workflows
