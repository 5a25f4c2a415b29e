#pragma once

#include <odeon/task/combine.hpp>
#include <odeon/task/task_scope.hpp>

#include <concepts>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

/// @file Tasks that speak: `task<T, M>` emits messages of type `M` while it runs, `effect<M>` is
/// run for them alone.
///
///     effect<int> count(int n) {
///       for (int i = 0; i < n; ++i) co_await send(i);
///     }
///     run(count(3), [](int i) { print(i); });   // 0, 1, 2
///
/// A message goes at once, as a call, to whoever takes those of the task: the task that awaits or
/// joins it, and from there on, or the callback of `run` or `consume`. So the messages of tasks of
/// one executor are seen in the order in which they are sent, and sending costs a few nanoseconds.

namespace odeon {

/// `co_await send(message)`: emits it. Never suspends; throws what the taker throws.
template <class X>
[[nodiscard]] detail::outgoing<std::decay_t<X>> send(X&& message) {
  return {std::forward<X>(message)};
}

/// A message with the name of where it comes from. Tagging what is tagged nests.
template <class M>
struct tagged {
  std::string tag;
  M message;
  friend bool operator==(const tagged&, const tagged&) = default;
};

namespace detail {

/// The slot of the present task, for functions that emit in its name.
template <class M>
struct own_slot {
  using driven_tag = void;
  message_slot<M>* slot = nullptr;
  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> h) noexcept {
    static_assert(std::same_as<typename P::message_type, M>);
    slot = h.promise().out;
    return false;
  }
  message_slot<M>* await_resume() const noexcept { return slot; }
};

template <class M>
void emit_to(message_slot<M>* slot, M&& message) {
  if (slot) slot->emit(std::move(message));
}

template <class T, class M, class F>
struct consumer {
  using driven_tag = void;
  task<T, M> work;
  F on_message;
  message_slot<M> slot = {};
  bool await_ready() const noexcept { return false; }
  template <class P>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<P> parent) {
    auto h = work.handle();
    if (!h || h.promise().driver()) [[unlikely]]
      throw_awaited_twice();
    slot = {[](void* f, M&& m) { (*static_cast<F*>(f))(std::move(m)); }, &on_message};
    h.promise().out = &slot;
    h.promise().set_driver(parent.promise().driver());
    h.promise().set_continuation(parent);
    return h;
  }
  T await_resume() { return work.handle().promise().take(); }
};

}  // namespace detail

/// `co_await consume(work, on_message)`: runs `work` in the present task and gives each of its
/// messages to `on_message(m)`, so that none of them leaves; an actor's handler does so. Its value
/// or error is that of `work`.
template <class T, class M, class F>
[[nodiscard]] auto consume(task<T, M> work, F on_message) {
  static_assert(!std::is_void_v<M>, "odeon: this task sends no messages: co_await it");
  static_assert(std::invocable<F&, M>,
                "odeon: consume takes a function of the task's messages: "
                "consume(work, [](M m) { … })");
  return detail::consumer<T, M, F>{std::move(work), std::move(on_message)};
}

/// The effect that sends nothing.
template <class M>
[[nodiscard]] effect<M> none() {
  co_return;
}

/// The result of `work` as one message.
template <class T>
  requires(!std::is_void_v<T>)
[[nodiscard]] effect<T> to_effect(task<T> work) {
  detail::emit_to(co_await detail::own_slot<T>(), co_await std::move(work));
}

/// Several effects as one: they run beside each other, and their messages come as they are sent.
/// The first failure aborts the others and is rethrown.
template <class M>
[[nodiscard]] effect<M> batch(std::vector<effect<M>> effects) {
  return all(std::move(effects));
}
template <class M, class... Rest>
  requires(std::same_as<Rest, effect<M>> && ...)
[[nodiscard]] effect<M> batch(effect<M> first, Rest... rest) {
  std::vector<effect<M>> effects;
  effects.reserve(1 + sizeof...(rest));
  effects.push_back(std::move(first));
  (effects.push_back(std::move(rest)), ...);
  return all(std::move(effects));
}

/// The results of several tasks as messages, as they come.
template <class T>
  requires(!std::is_void_v<T>)
[[nodiscard]] effect<T> effects(std::vector<task<T>> tasks) {
  std::vector<effect<T>> each;
  each.reserve(tasks.size());
  for (auto& t : tasks) each.push_back(to_effect(std::move(t)));
  return all(std::move(each));
}
template <class T, class... Rest>
  requires(!std::is_void_v<T> && (std::same_as<Rest, task<T>> && ...))
[[nodiscard]] effect<T> effects(task<T> first, Rest... rest) {
  return batch(to_effect(std::move(first)), to_effect(std::move(rest))...);
}

/// The same task with its messages under a name.
template <class T, class M>
  requires(!std::is_void_v<M>)
[[nodiscard]] task<T, tagged<M>> tag(task<T, M> work, std::string name) {
  auto* out = co_await detail::own_slot<tagged<M>>();
  co_return co_await consume(
      std::move(work), [out, &name](M m) { detail::emit_to(out, tagged<M>{name, std::move(m)}); });
}

/// One of what `listen` listens to.
template <class M>
struct source_of {
  std::string name;
  effect<M> work;
};

/// Several effects as one whose messages say where they come from; the sources are moved from.
template <class M>
[[nodiscard]] effect<tagged<M>> listen_to(std::span<source_of<M>> sources) {
  std::vector<effect<tagged<M>>> each;
  each.reserve(sources.size());
  for (auto& s : sources) each.push_back(tag(std::move(s.work), std::move(s.name)));
  return all(std::move(each));
}

/// The same, spelled in place:
/// `listen<event>({{"read", reads()}, {"write", writes()}})`.
template <class M, std::size_t N>
[[nodiscard]] effect<tagged<M>> listen(source_of<M> (&&sources)[N]) {
  return listen_to(std::span<source_of<M>>(sources));
}
/// A feedback loop: runs `init`, and for each message `m` of it, and of what follows from it,
/// `next(m)`, an effect of the same type, beside the others. Ends when nothing runs any more. A
/// failure aborts the others and is rethrown. What `next` does not bound is unbounded.
template <class M, class F>
[[nodiscard]] task<void> loop(effect<M> init, F next) {
  static_assert(
      std::invocable<F&, M> && std::same_as<std::invoke_result_t<F&, M>, effect<M>>,
      "odeon: loop takes a function of a message that gives the effect<M> which follows from it");
  task_scope running;
  // Holds no task itself: a message starts one, and is forgotten.
  struct feedback {
    task_scope* in;
    F* next;
    static task<void> follow(effect<M> e, feedback f) { co_await consume(std::move(e), f); }
    void operator()(M m) const { (void)in->fork(follow((*next)(std::move(m)), *this)); }
  };
  (void)running.fork(feedback::follow(std::move(init), feedback{&running, &next}));
  co_await running.join();
}

}  // namespace odeon
