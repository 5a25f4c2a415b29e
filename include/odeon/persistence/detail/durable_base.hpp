#pragma once

#include <odeon/core/actor.hpp>
#include <odeon/persistence/detail/durable_core.hpp>

#include <any>
#include <concepts>
#include <string>
#include <type_traits>
#include <utility>

/// @file The base of event-sourced and durable-state actors: carries effects out, takes deliveries.
///
/// The class derived from it supplies `fill_write(effect, write)` – what of an effect, or of the
/// state after a handler without one, is stored –, `after_commit(effect)`, which makes the state
/// that of the commit, and `after_effect(effect)`.

namespace odeon::detail {

template <class State, class Event, class... Ms>
class durable_base : public actor<Ms...> {
 public:
  using effect = persistent_effect<State, Event>;
  using starts_with_recovery = void;
  using base_protocol = message_list<durable_delivery>;

  /// For the runtime: carries an effect out that writes.
  template <class Self, class R>
  task<void> perform(this Self& self, effect e, reply_to<R> to) {
    co_await self.carry_out_effect(e, to, nullptr);
  }
  /// For the runtime: the effect of a handler that is a coroutine.
  template <class Self, class R>
  task<void> perform_later(this Self& self, task<effect> handler, reply_to<R> to) {
    result<effect> e = std::unexpected<error>(errc::internal);
    try {
      e = co_await std::move(handler);
    } catch (const actor_error& failed) {
      to.fail(failed.reason());
      throw;
    } catch (const std::exception& failed) {
      to.fail(error(errc::handler_failed, failed.what()));
      throw;
    }
    if (e->writes())
      co_await self.carry_out_effect(*e, to, nullptr);
    else
      self.conclude(*e, to);
  }
  /// For the runtime: what follows the commit, or all of an effect that writes nothing.
  template <class Self, class R>
  void conclude(this Self& self, effect& e, reply_to<R>& to) {
    const State& state = durable_parts(self).state_;
    for (auto& f : e.callbacks_) f(state);
    if (e.refusal_) {
      to.fail(std::move(*e.refusal_));
    } else if (e.reply_) {
      std::any value = e.reply_(state);
      if constexpr (std::is_void_v<R>) {
        to();
      } else {
        R* typed = std::any_cast<R>(&value);
        if (!typed) throw_wrong_reply(value.type().name(), type_name<R>);
        to(std::move(*typed));
      }
    } else if constexpr (std::is_void_v<R>) {
      to();
    }
    self.after_effect(e);
    if (e.stop_) self.ctx().stop();
  }
  /// For the runtime: takes a message of an outbox or a timer.
  template <class Self>
  task<result<persistence::delivered>> on_base(this Self& self, durable_delivery m) {
    const auto fresh = co_await durable_parts(self).core_.is_new(m.what);
    if (!fresh) co_return std::unexpected<error>(fresh.error());
    if (!*fresh) co_return persistence::delivered::duplicate;
    if (m.what.skip) {
      effect nothing;
      reply_to<void> nobody;
      if (co_await self.carry_out_effect(nothing, nobody, &m.what))
        co_return persistence::delivered::settled;
      co_return fenced_meanwhile();
    }
    using handler = task<result<persistence::delivered>> (*)(Self&, persistence::delivery&);
    handler how = nullptr;
    (
        [&] {
          if constexpr (wire::decodable<Ms> && !stream_request<Ms>)
            if (m.what.manifest == wire::manifest<Ms>) how = &durable_base::take_delivery<Ms, Self>;
        }(),
        ...);
    if (how == nullptr) co_return std::unexpected<error>(no_message_of(m.what.manifest));
    co_return co_await how(self, m.what);
  }
  /// Commits, applies, concludes. False: another writer has taken over, and this actor stops.
  template <class Self, class R>
  task<bool> carry_out_effect(this Self& self, effect& e, reply_to<R>& to,
                              const persistence::delivery* settling) {
    durable_write write;
    write.outgoing = std::move(e.outgoing_);
    write.timers = std::move(e.timers_);
    write.cancelled = std::move(e.cancelled_);
    self.fill_write(e, write);
    try {
      co_await durable_parts(self).core_.commit(std::move(write), settling);
    } catch (const actor_error& failed) {
      to.fail(failed.reason());
      if (failed.which() != errc::fenced) throw;
      // Another incarnation writes this id now: to come back here would fence that one in turn.
      self.log().warn("stops, because another writer has taken over: {}", failed.what());
      self.ctx().stop();
      co_return false;
    }
    self.after_commit(e);
    self.conclude(e, to);
    co_return true;
  }

 protected:
  explicit durable_base(std::string id) : core_(this->ctx(), std::move(id)) {}

  [[nodiscard]] static durable_base& durable_parts(durable_base& self) noexcept { return self; }
  [[nodiscard]] const std::string& persistence_id() const noexcept { return core_.id; }

  /// Replies, and changes nothing.
  template <class R>
    requires(!std::same_as<R, errc> && !std::same_as<R, error>)
  [[nodiscard]] effect reply(R value) {
    return effect().then_reply(std::move(value));
  }
  /// Fails the ask, and not the actor.
  [[nodiscard]] effect reply(error why) {
    effect out;
    out.refusal_ = std::move(why);
    return out;
  }
  /// Commits a message to a durable receiver. See `persistent_effect::then_send`.
  template <class To, message M>
  [[nodiscard]] effect send(const To& to, const M& msg) {
    return effect().then_send(to, msg);
  }
  /// Commits a timer of this actor. See `persistent_effect::then_schedule`.
  [[nodiscard]] effect schedule(durable_timer t) { return effect().then_schedule(std::move(t)); }
  [[nodiscard]] effect cancel(std::string timer_id) {
    return effect().then_cancel(std::move(timer_id));
  }
  [[nodiscard]] effect none() { return {}; }
  [[nodiscard]] effect stop() { return effect().then_stop(); }
  [[nodiscard]] effect unhandled() { return reply(errc::unhandled); }

 private:
  static std::unexpected<error> fenced_meanwhile() {
    return fail(errc::fenced, "another writer has taken over");
  }
  /// Hands a decoded message to its handler, and settles the delivery with what that asked for.
  template <class M, class Self>
  static task<result<persistence::delivered>> take_delivery(Self& self, persistence::delivery& d) {
    auto value = wire::decode_version<M>(static_cast<int>(d.version), d.payload);
    if (!value) co_return std::unexpected<error>(std::move(value).error());
    using R = reply_t<M>;
    reply_to<R> nobody;
    auto call = [&]() -> decltype(auto) {
      if constexpr (handles_later_with_context<Self, M>)
        return self.on(std::move(*value), reply_to<R>(), self.ctx());
      else if constexpr (handles_later<Self, M>)
        return self.on(std::move(*value), reply_to<R>());
      else if constexpr (handles_with_context<Self, M>)
        return self.on(std::move(*value), self.ctx());
      else
        return self.on(std::move(*value));
    };
    using V = decltype(call());
    effect e;
    if constexpr (is_effect_task<std::remove_cvref_t<V>>) {
      e = co_await call();
    } else if constexpr (is_task<V>) {
      co_await call();
    } else if constexpr (is_effect<std::remove_cvref_t<V>>) {
      e = call();
    } else {
      static_cast<void>(call());
    }
    // Whatever the handler's answer is, nobody waits for it.
    e.reply_ = nullptr;
    if (co_await self.carry_out_effect(e, nobody, &d)) co_return persistence::delivered::settled;
    co_return fenced_meanwhile();
  }

 protected:
  // An actor's class may have members of these names as well: reached through `durable_parts`.
  State state_{};
  durable_core core_;
};

}  // namespace odeon::detail
