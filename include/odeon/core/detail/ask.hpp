#pragma once

#include <odeon/core/detail/cell.hpp>
#include <odeon/task/future.hpp>

/// @file The state of an ask: a future that also knows whom it asked, who asked, and in which call
/// chain.

namespace odeon::detail {

/// The untyped part of an ask's state, as the runtime sees it.
class ask_state_base : public future_state_base {
 public:
  using future_state_base::is_pending;
  using future_state_base::was_dropped;

  std::atomic<cell*> target{nullptr};  // weak; changes when the message is forwarded
  std::atomic<std::uint32_t> target_generation{0};
  std::uint32_t asker_generation = 0;
  cell* asker = nullptr;  // weak; null: from outside
  const message_type* type = nullptr;
  system_anchor* system = nullptr;
  std::uint64_t trace = 0;
  std::atomic<std::int64_t> due{0};  // housekeeping clock; 0 until the timeout is watched
  bool reentry = false;  // the target was told to let this ask in beside a suspended handler
  std::atomic<bool> set_aside{false};  // its message is in the target's stash, or was there last
  bool quiet = false;  // one of several for one asker: a late reply is nothing to tell

  /// A further ask of the same reply type, for one of several receivers; null: there is none such.
  /// With two references, as a new one.
  [[nodiscard]] virtual ask_state_base* another() const { return nullptr; }
  /// Gives this one's value, which is there, to `to`, which nobody else gives one. False: nobody
  /// waits there any more. May throw what the value's move throws.
  virtual bool hand_on(ask_state_base& /*to*/) { return false; }
  /// As `begin`, for one of several receivers of a message that `first` asked, within its time.
  void begin_like(const ask_state_base& first, cell& to) noexcept;

  /// Notes target, asker and chain, and has the timeout watched (`timed`: the system's default
  /// one).
  void begin(cell& to, const message_type& type, bool timed = true) noexcept;
  /// It was forwarded.
  void retarget(cell& to) noexcept;
  /// Whether the message is still worth handling.
  [[nodiscard]] bool is_open() const noexcept { return is_pending() && !was_dropped(); }

  /// Arms the timeout, and looks for a cycle of asks that this one closes.
  void watch(runtime& rt);
  /// Fails this ask, or has it let in, when its target waits, directly or through others, for its
  /// asker.
  void look_for_cycle();

  void set_timeout(duration d) noexcept override;
  void timer_armed(time_point at) noexcept override;
  [[nodiscard]] runtime* home() const noexcept override;
  [[nodiscard]] const void* as_ask() const noexcept override { return this; }

 protected:
  static constexpr pool_kind pool = pool_kind::ask;

  ask_state_base() noexcept : future_state_base(2) { times_itself_ = true; }
  void late() noexcept override;
  void abandoned() noexcept override;
  [[nodiscard]] error timed_out() override;
};

/// The right to answer was let go unused: fails the ask with `no_reply`, or, when that happens
/// because the handler threw, with that exception's text. Takes the reference.
void abandon_reply(ask_state_base& ask) noexcept;

/// The pending asks of this thread are looked at: those that still are get their timeout armed and
/// are looked at for cycles.
void flush_asks() noexcept;

template <class R>
class typed_ask : public ask_state_base {
 public:
  [[nodiscard]] ask_state_base* another() const override { return new value_state<R, typed_ask>(); }
  bool hand_on(ask_state_base& to) override {
    if constexpr (std::is_void_v<R>)
      return fulfil<R>(to);
    else
      return fulfil<R>(to, std::move(*static_cast<R*>(storage())));
  }
};

template <class R>
using ask_state = value_state<R, typed_ask<R>>;

/// Sends `M(args…)` with `s`, which has two references: one goes with the message. When the message
/// cannot be made, both are dropped.
template <class M, class... As>
void send_ask(cell& to, ask_state_base& s, bool timed, As&&... as) {
  envelope* e;
  try {
    e = make_envelope<M>(false, std::forward<As>(as)...);
  } catch (...) {
    s.drop_ref();
    s.drop_ref();
    throw;
  }
  stamp(*e);
  s.trace = e->trace;
  s.begin(to, message_type_of<M>, timed);
  e->from = &s;
  e->flags |= envelope::is_ask;
  to.deliver(*e);
}

/// Sends `M(args…)` as an ask. The future's state is returned with the caller's reference.
template <class M, class R, class... As>
future_state_base* ask_of(cell& to, As&&... as) {
  auto* s = new ask_state<R>();
  send_ask<M>(to, *s, true, std::forward<As>(as)...);
  return s;
}

}  // namespace odeon::detail
