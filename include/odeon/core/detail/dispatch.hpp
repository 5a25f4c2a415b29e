#pragma once

#include <odeon/core/detail/cell.hpp>
#include <odeon/core/detail/handler_forms.hpp>
#include <odeon/core/events.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <expected>
#include <tuple>
#include <type_traits>
#include <utility>

/// @file From an actor's class to its table of handlers, at compile time.

namespace odeon::detail {

/// A started coroutine handler, or a hook, or work beside the mailbox. See
/// src/core/internal/execution.hpp.
struct coroutine_finish {
  /// Takes the result from the promise and settles the ask (which may be null). May throw the
  /// coroutine's exception.
  void (*finish)(std::coroutine_handle<> root, ask_state_base* ask);
};
/// Drives `root` for the message in hand; its finish is called on the actor's turn.
/// `chain`: the ask that a `reply_to` of the coroutine is to settle, with a reference, or null.
void start_handler(turn& t, envelope& e, std::coroutine_handle<> root, task_promise_base& promise,
                   const coroutine_finish& how, ask_state_base* chain = nullptr);
bool start_hook(turn& t, hook which, std::coroutine_handle<> root, task_promise_base& promise,
                const coroutine_finish& how);

/// A copy of the payload for a coroutine that may outlive the envelope's place in the queue
/// (reentrant actors).
context& context_of(turn& t) noexcept;

template <class R, class T>
void settle(ask_state_base* ask, T&& value) {
  if (!ask) return;
  if constexpr (is_expected<std::remove_cvref_t<T>>) {
    if (!value)
      ask->fail(std::forward<T>(value).error());
    else if constexpr (std::is_void_v<R>)
      fulfil<void>(*ask);
    else
      fulfil<R>(*ask, *std::forward<T>(value));
  } else {
    fulfil<R>(*ask, std::forward<T>(value));
  }
  ask->drop_ref();
}

/// Takes the ask out of an envelope: who holds it settles it.
inline ask_state_base* take_ask(envelope& e) noexcept {
  ask_state_base* s = e.ask();
  if (!s) return nullptr;
  // From here on `from` names the asker: the ask may be gone when someone looks at it.
  e.from = s->asker;
  e.generation = s->asker_generation;
  e.flags &= static_cast<std::uint8_t>(~envelope::is_ask);
  return s;
}

/// The envelope's ask was settled and may be gone: the envelope names nobody any more.
inline void forget_ask(envelope& e) noexcept {
  if (e.flags & envelope::is_ask) e.from = nullptr;
  e.flags &= static_cast<std::uint8_t>(~envelope::is_ask);
}

/// A further reference to an ask, for a scope.
class held_ask {
 public:
  explicit held_ask(ask_state_base* s) noexcept : state_(s) {
    if (s) s->add_ref();
  }
  held_ask(const held_ask&) = delete;
  ~held_ask() {
    if (state_) state_->drop_ref();
  }
  [[nodiscard]] ask_state_base* release() noexcept { return std::exchange(state_, nullptr); }

 private:
  ask_state_base* state_;
};

template <class R, class V>
inline constexpr coroutine_finish finish_with{[](std::coroutine_handle<> root,
                                                 ask_state_base* ask) {
  auto h = std::coroutine_handle<task_promise<V>>::from_address(root.address());
  struct guard {
    ask_state_base* ask;
    ~guard() {
      if (ask) ask->drop_ref();
    }
  };
  if constexpr (std::is_void_v<V>) {
    h.promise().take();  // throws the coroutine's exception; the ask is failed by who catches it
    if (ask) {
      guard g{ask};
      if constexpr (std::is_void_v<R>) fulfil<void>(*ask);
    }
  } else {
    V value = h.promise().take();
    settle<R>(ask, std::move(value));
  }
}};

// -- what a handler's return makes of the ask -----------------------------------------------------

template <class V>
inline constexpr bool is_effect = requires { typename V::persistent_effect_tag; };
template <class V>
inline constexpr bool is_effect_task = false;
template <class V>
inline constexpr bool is_effect_task<task<V>> = is_effect<V>;

/// What is left of a call once its arguments are known.
template <class A, class M, class Call>
void finish_call(turn& t, envelope& e, Call&& call) {
  using V = decltype(call());
  using R = reply_t<M>;
  if constexpr (is_effect_task<V>) {
    A& self = *static_cast<A*>(t.self->object());
    held_ask chain(e.ask());
    auto inner = call();
    auto work = self.perform_later(std::move(inner), reply_to<R>(take_ask(e)));
    auto h = work.release();
    start_handler(t, e, h, h.promise(), finish_with<void, void>, chain.release());
  } else if constexpr (is_task<V>) {
    auto work = call();
    auto h = work.release();
    start_handler(t, e, h, h.promise(), finish_with<R, typename V::value_type>);
  } else if constexpr (is_effect<V>) {
    // A durable actor's effect: its actor carries it out.
    auto effect = call();
    A& self = *static_cast<A*>(t.self->object());
    reply_to<R> to(take_ask(e));
    if (!effect.writes()) {
      self.conclude(effect, to);
    } else {
      auto work = self.perform(std::move(effect), std::move(to));
      auto h = work.release();
      start_handler(t, e, h, h.promise(), finish_with<void, void>);
    }
  } else if constexpr (std::is_void_v<V>) {
    call();
    if (ask_state_base* s = take_ask(e)) {
      if constexpr (std::is_void_v<R>) fulfil<void>(*s);
      s->drop_ref();
    }
  } else {
    decltype(auto) value = call();
    // Taken out only when it is settled: making the reply may throw, and then who catches that
    // fails it.
    settle<R>(e.ask(), std::forward<decltype(value)>(value));
    forget_ask(e);
  }
}

template <class A, class M, class Call>
void finish_later(turn& t, envelope& e, Call&& call) {
  using R = reply_t<M>;
  using V = decltype(call(reply_to<R>()));
  // The ask is the turn's call chain as well, whatever the handler does with its `reply_to`.
  held_ask chain(e.ask());
  if constexpr (is_task<V>) {
    auto work = call(reply_to<R>(take_ask(e)));
    auto h = work.release();
    start_handler(t, e, h, h.promise(), finish_with<void, typename V::value_type>, chain.release());
  } else {
    call(reply_to<R>(take_ask(e)));
  }
}

template <class A, class M, class Call>
void finish_stream(turn& t, envelope& e, Call&& call) {
  replies_to_access<M> access{&e};
  using V = decltype(call(access.make()));
  held_ask chain(e.ask());
  if constexpr (is_task<V>) {
    auto work = call(access.make());
    auto h = work.release();
    start_handler(t, e, h, h.promise(), finish_with<void, typename V::value_type>, chain.release());
  } else {
    call(access.make());
  }
}

template <class A, class M>
void invoke_handler(turn& t, void* object, envelope& e) {
  A& a = *static_cast<A*>(object);
  M& m = *static_cast<M*>(e.payload());
  if constexpr (!leaves_payload<A, M>) e.flags |= envelope::taken;
  if constexpr (handles_later_with_context<A, M>) {
    finish_later<A, M>(t, e,
                       [&](auto r) { return a.on(std::move(m), std::move(r), context_of(t)); });
  } else if constexpr (handles_later<A, M>) {
    finish_later<A, M>(t, e, [&](auto r) { return a.on(std::move(m), std::move(r)); });
  } else if constexpr (handles_stream_with_context<A, M>) {
    finish_stream<A, M>(t, e,
                        [&](auto r) { return a.on(std::move(m), std::move(r), context_of(t)); });
  } else if constexpr (handles_stream<A, M>) {
    finish_stream<A, M>(t, e, [&](auto r) { return a.on(std::move(m), std::move(r)); });
  } else if constexpr (handles_with_context<A, M>) {
    finish_call<A, M>(t, e, [&]() -> decltype(auto) { return a.on(std::move(m), context_of(t)); });
  } else {
    finish_call<A, M>(t, e, [&]() -> decltype(auto) { return a.on(std::move(m)); });
  }
}

/// Messages that a base class handles for the class derived from it, outside its protocol:
/// `base_protocol` lists them, `on_base(message)` is their handler.
template <class A, class M>
void invoke_base(turn& t, void* object, envelope& e) {
  A& a = *static_cast<A*>(object);
  M& m = *static_cast<M*>(e.payload());
  e.flags |= envelope::taken;
  finish_call<A, M>(t, e, [&]() -> decltype(auto) { return a.on_base(std::move(m)); });
}
template <class A>
consteval auto base_messages() {
  if constexpr (requires { typename A::base_protocol; })
    return typename A::base_protocol();
  else
    return message_list<>();
}

// -- the table ------------------------------------------------------------------------------------

template <class M>
constexpr void add_handler(handler_entry* places, std::uint32_t mask,
                           decltype(handler_entry::invoke) how) {
  std::uint32_t i = static_cast<std::uint32_t>(message_type_of<M>.hash) & mask;
  while (places[i].type) i = (i + 1) & mask;
  places[i] = {&message_type_of<M>, how};
}

template <class A, class Messages>
struct table_of;

template <class A, class... Ms>
struct table_of<A, message_list<Ms...>> {
  static constexpr std::size_t size =
      std::bit_ceil(2 * (sizeof...(Ms) + 4 + decltype(base_messages<A>())::size) + 1);
  static constexpr std::uint32_t mask = size - 1;
  static constexpr auto places = [] {
    check_protocol<A, Ms...>();
    std::array<handler_entry, size> out{};
    (
        [&] {
          if constexpr (handles<A, Ms>) add_handler<Ms>(out.data(), mask, &invoke_handler<A, Ms>);
        }(),
        ...);
    [&]<class... Ss>(message_list<Ss...>) {
      (
          [&] {
            if constexpr (message_list<Ms...>::template contains<Ss>) {
            } else if constexpr (handles<A, Ss>) {
              add_handler<Ss>(out.data(), mask, &invoke_handler<A, Ss>);
            } else {
              check_no_handler<A, Ss>();
            }
          }(),
          ...);
    }(message_list<terminated, exit_signal, receive_timeout, unhandled>());
    [&]<class... Bs>(message_list<Bs...>) {
      (add_handler<Bs>(out.data(), mask, &invoke_base<A, Bs>), ...);
    }(base_messages<A>());
    return out;
  }();
  static constexpr handler_table value{places.data(), mask};
};

// -- the class ------------------------------------------------------------------------------------

template <class A>
bool run_hook_of(turn& t, void* object, hook which, const failure* why) {
  A& a = *static_cast<A*>(object);
  auto finish = [&](auto call) -> bool {
    using V = decltype(call());
    if constexpr (is_task<V>) {
      auto work = call();
      auto h = work.release();
      return start_hook(t, which, h, h.promise(), finish_with<void, typename V::value_type>);
    } else {
      call();
      return true;
    }
  };
  switch (which) {
    case hook::pre_start: return finish([&] { return a.pre_start(); });
    case hook::post_stop: return finish([&] { return a.post_stop(); });
    case hook::pre_restart: return finish([&] { return a.pre_restart(*why); });
    case hook::post_restart: return finish([&] { return a.post_restart(*why); });
  }
  return true;
}

template <class A, class... Args>
struct class_of {
  using kept = std::tuple<std::decay_t<Args>...>;
  static constexpr std::size_t align_up(std::size_t n, std::size_t a) {
    return (n + a - 1) / a * a;
  }
  // An object without kept arguments has offset 0; one with them is at least a byte long.
  static constexpr std::size_t args_offset =
      sizeof...(Args) == 0 ? 0 : align_up(sizeof(A), alignof(kept));
  static constexpr std::size_t size = sizeof...(Args) == 0 ? sizeof(A) : args_offset + sizeof(kept);

  static_assert(alignof(A) <= pool_granule,
                "odeon: an actor is aligned to 64 bytes at most: hold the part that needs more by "
                "std::unique_ptr");

  static void construct(void* object, [[maybe_unused]] void* args) {
    if constexpr (sizeof...(Args) == 0) {
      ::new (object) A();
    } else {
      std::apply([object](const auto&... as) { ::new (object) A(as...); },
                 *static_cast<const kept*>(args));
    }
  }

  static constexpr auto copies_args() -> void (*)(void* to, void* from) {
    if constexpr (sizeof...(Args) > 0 && (can_copy<std::decay_t<Args>>() && ...))
      return [](void* to, void* from) { ::new (to) kept(*static_cast<const kept*>(from)); };
    else
      return nullptr;
  }

  static constexpr std::uint8_t hooks() {
    std::uint8_t out = 0;
    auto add = [&out](hook h) {
      out = static_cast<std::uint8_t>(out | 1U << static_cast<unsigned>(h));
    };
    if (A::template overrides<A>(hook::pre_start)) add(hook::pre_start);
    if (A::template overrides<A>(hook::post_stop)) add(hook::post_stop);
    if (A::template overrides<A>(hook::pre_restart)) add(hook::pre_restart);
    if (A::template overrides<A>(hook::post_restart)) add(hook::post_restart);
    return out;
  }

  static constexpr actor_class value{
      .name = type_name<A>,
      .size = size,
      .args_offset = args_offset,
      .handlers = table_of<A, typename A::protocol>::value,
      .construct = &construct,
      .destroy = [](void* object) noexcept { static_cast<A*>(object)->~A(); },
      .destroy_args = std::is_trivially_destructible_v<kept>
                          ? nullptr
                          : +[](void* args) noexcept { std::destroy_at(static_cast<kept*>(args)); },
      .copy_args = copies_args(),
      .run_hook = &run_hook_of<A>,
      .context_in = [](void* object) noexcept -> context& {
        return A::context_in(*static_cast<A*>(object));
      },
      .hooks = hooks(),
      .reentrant =
          [] {
            if constexpr (requires { A::reentrant; })
              return static_cast<bool>(A::reentrant);
            else
              return false;
          }(),
  };
};

}  // namespace odeon::detail
