#pragma once

#include <odeon/core/actor.hpp>
#include <odeon/core/actor_system.hpp>
#include <odeon/persistence/effect.hpp>
#include <odeon/persistence/journal.hpp>
#include <odeon/wire/codec.hpp>
#include <odeon/wire/manifest.hpp>

#include <any>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

/// @file Event-sourced actors: the state is what the events made of it.
///
///     class account : public odeon::event_sourced<account_state, odeon::events<deposited,
///     withdrawn>,
///                                                 deposit, withdraw, get_balance> {
///      public:
///       explicit account(std::string id) : event_sourced(std::move(id), {.snapshot_every = 1000})
///       {} effect on(deposit m)   { return persist(deposited{m.amount}).then_reply(done{}); }
///       effect on(withdraw m)  { return m.amount > state().balance ? reply(errc::refused)
///                                                                  : persist(withdrawn{m.amount});
///                                                                  }
///       long   on(get_balance) { return state().balance; }
///       static void apply(account_state& s, const deposited& e) { s.balance += e.amount; }
///       static void apply(account_state& s, const withdrawn& e) { s.balance -= e.amount; }
///     };
///
/// The actor starts by recovering: it takes over the writing of its id (an older incarnation
/// elsewhere is fenced), reads the newest good snapshot and the events after it, calls
/// `recovery_completed()` if there is one, and takes its first message. At most `recovery_permits`
/// actors of a system recover at once. A recovery that fails is a failure of `pre_start`: it stops
/// the actor with the reason unless its supervision says otherwise. While a commit is under way the
/// actor takes no message. `pre_start` belongs to the recovery; a class does not declare its own.

namespace odeon {

/// Actors of one system that recover at the same time; the others wait.
inline constexpr std::size_t recovery_permits = 50;

struct event_sourced_options {
  std::uint64_t snapshot_every = 0;    ///< events between snapshots; 0: only on demand
  std::uint32_t keep_snapshots = 2;    ///< older ones are deleted; 0: all stay
  std::vector<std::string> tags = {};  ///< of every event, for `journal::by_tag`
};

namespace persistence {

/// Gives a system the journal of its event-sourced actors. Once a system, before the first of them
/// is spawned. The system shares it and closes it after its last actor has ended.
void install(actor_system& system, std::shared_ptr<journal> store);

/// The installed one; null without.
[[nodiscard]] std::shared_ptr<journal> installed(const actor_system& system);

}  // namespace persistence

namespace detail {

/// The part of an event-sourced actor that does not depend on its types.
class event_sourced_core {
 public:
  event_sourced_core(context& ctx, std::string id, event_sourced_options options);

  /// Takes a permit, opens the writer, reads. The visitors run on a thread of the journal, while
  /// the actor is suspended.
  task<void> recover(std::move_only_function<result<void>(const stored_snapshot&)> on_snapshot,
                     journal::event_visitor on_event);
  /// Commits, and counts. Throws `actor_error`.
  task<void> commit(std::vector<event_record> events);
  /// Not waited for; a failure is logged.
  void save_snapshot(std::string_view manifest, int version, wire::bytes payload);
  [[nodiscard]] bool snapshot_is_due() const noexcept;

  std::string id;
  event_sourced_options options;
  std::uint64_t sequence = 0;  // of the last event
  std::uint64_t last_snapshot = 0;

 private:
  journal& store();
  context* ctx_;
  std::shared_ptr<struct persistence_extension> extension_;
  std::uint64_t epoch_ = 0;
};

[[noreturn]] void throw_wrong_reply(std::string_view given, std::string_view wanted);

// The requirements as the compiler prints them.
template <class List>
inline constexpr bool is_events_list = false;
template <class... Es>
inline constexpr bool is_events_list<events<Es...>> = are_distinct<Es...>;
template <class State>
inline constexpr bool has_default = std::is_default_constructible_v<State>;
template <class Events, class Event>
inline constexpr bool lists = Events::template contains<Event>;
template <class Actor, class State, class Event>
inline constexpr bool applies = requires(State& s, const Event& e) { Actor::apply(s, e); };

/// What an event-sourced class owes each of its events, and its state.
template <class A, class State, class... Es>
consteval void check_events(events<Es...>) {
  (
      [] {
        ODEON_CHECK((applies<A, State, Es>),
                    (concat("odeon: the event-sourced actor '") + named<A> +
                     "' does not apply its event '" + named<Es> +
                     "': add a public static void apply(state&, const event&)"),
                    "odeon: an event-sourced actor does not apply one of its events: add a public "
                    "static void apply(state&, const event&)");
      }(),
      ...);
  (wire::require_decodable<Es>(), ...);
  wire::require_decodable<State>();
}

}  // namespace detail

/// See the file's head. `State` is default-constructible and, for snapshots, encodable by `wire`;
/// so are the events.
template <class State, class Events, class... Ms>
class event_sourced : public actor<Ms...> {
  static_assert(detail::is_events_list<Events>,
                "odeon: the second argument of event_sourced is the list of its events, each once: "
                "event_sourced<state, odeon::events<deposited, withdrawn>, deposit, withdraw>");
  static_assert(detail::has_default<State>,
                "odeon: the state of an event-sourced actor begins as State{}: give it a default "
                "constructor");
  using event = typename Events::variant;

 public:
  using effect = persistent_effect<State, event>;
  using starts_with_recovery = void;

  explicit event_sourced(std::string persistence_id, event_sourced_options options = {})
      : core_(this->ctx(), std::move(persistence_id), std::move(options)) {}

  template <class Self>
  task<void> pre_start(this Self& self) {
    // Shared with the journal's thread, which goes on with a recovery that was given up here.
    auto fresh = std::make_shared<State>();
    co_await self.core_.recover(
        [fresh](const stored_snapshot& s) -> result<void> {
          auto state = wire::decode_version<State>(static_cast<int>(s.version), s.payload);
          if (!state) return std::unexpected<error>(state.error());
          *fresh = std::move(*state);
          return {};
        },
        [fresh](const event_view& e) {
          return read_event<Self>(*fresh, e, static_cast<event*>(nullptr));
        });
    self.state_ = std::move(*fresh);
    if constexpr (requires { self.recovery_completed(); }) self.recovery_completed();
  }

  /// For `spawn`.
  template <class A>
  static consteval void check_class() {
    detail::check_events<A, State>(Events());
  }
  /// For the runtime: carries an effect out.
  template <class Self, class R>
  task<void> perform(this Self& self, effect e, reply_to<R> to) {
    if (!e.events_.empty()) {
      std::vector<event_record> records;
      records.reserve(e.events_.size());
      for (const event& v : e.events_) {
        std::visit(
            [&](const auto& one) {
              using E = std::remove_cvref_t<decltype(one)>;
              records.push_back({std::string(wire::manifest<E>),
                                 static_cast<std::uint32_t>(wire::version<E>), wire::encode(one),
                                 self.core_.options.tags});
            },
            v);
      }
      try {
        co_await self.core_.commit(std::move(records));
      } catch (const actor_error& failed) {
        to.fail(failed.reason());
        if (failed.which() != errc::fenced) throw;
        // Another incarnation writes this id now: to come back here would fence that one in turn.
        self.log().warn("stops, because another writer has taken over: {}", failed.what());
        self.ctx().stop();
        co_return;
      }
      for (const event& v : e.events_)
        std::visit([&](const auto& one) { Self::apply(self.state_, one); }, v);
    }
    self.conclude(e, to);
  }
  /// For the runtime: an effect without events.
  template <class R>
  void conclude(effect& e, reply_to<R>& to) {
    for (auto& f : e.callbacks_) f(std::as_const(state_));
    if (e.refusal_) {
      to.fail(std::move(*e.refusal_));
    } else if (e.reply_) {
      std::any value = e.reply_(std::as_const(state_));
      if constexpr (std::is_void_v<R>) {
        to();
      } else {
        R* typed = std::any_cast<R>(&value);
        if (!typed) detail::throw_wrong_reply(value.type().name(), type_name<R>);
        to(std::move(*typed));
      }
    } else if constexpr (std::is_void_v<R>) {
      to();
    }
    if (e.snapshot_ || core_.snapshot_is_due()) save_snapshot();
    if (e.stop_) this->ctx().stop();
  }

 protected:
  [[nodiscard]] const State& state() const noexcept { return state_; }
  [[nodiscard]] const std::string& persistence_id() const noexcept { return core_.id; }
  /// Of the last event; 0 before the first.
  [[nodiscard]] std::uint64_t sequence() const noexcept { return core_.sequence; }

  /// Commits one event.
  template <class E>
  [[nodiscard]] effect persist(E e) {
    check_event<E>();
    effect out;
    out.events_.emplace_back(std::move(e));
    return out;
  }
  /// Commits several, all or none.
  template <class... Es>
  [[nodiscard]] effect persist_all(Es... es) {
    (check_event<Es>(), ...);
    effect out;
    out.events_.reserve(sizeof...(Es));
    (out.events_.emplace_back(std::move(es)), ...);
    return out;
  }
  [[nodiscard]] effect persist_all(std::vector<event> es) {
    effect out;
    out.events_ = std::move(es);
    return out;
  }
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
  [[nodiscard]] effect none() { return {}; }
  [[nodiscard]] effect stop() { return effect().then_stop(); }
  [[nodiscard]] effect snapshot() { return effect().then_snapshot(); }
  [[nodiscard]] effect unhandled() { return reply(errc::unhandled); }

 private:
  template <class E>
  static consteval void check_event() {
    ODEON_CHECK((detail::lists<Events, E>),
                (detail::concat("odeon: '") + detail::named<E> +
                 "' is none of this actor's events: add it to odeon::events<…>, and an apply for "
                 "it"),
                "odeon: this is none of the actor's events: add it to odeon::events<…>, and an "
                "apply for it");
  }
  template <class Self, class... Es>
  static result<void> read_event(State& s, const event_view& e, std::variant<Es...>*) {
    result<void> out = fail(errc::unknown_manifest, "no event of this actor has the manifest " +
                                                        std::string(e.manifest) + " (sequence " +
                                                        std::to_string(e.sequence) + ")");
    (void)((e.manifest == wire::manifest<Es> ? (out = read_one<Self, Es>(s, e), true) : false) ||
           ...);
    return out;
  }
  template <class Self, class E>
  static result<void> read_one(State& s, const event_view& e) {
    auto value = wire::decode_version<E>(static_cast<int>(e.version), e.payload);
    if (!value)
      return fail(value.error().code(),
                  "event " + std::to_string(e.sequence) + ": " + std::string(value.error().text()));
    Self::apply(s, *value);
    return {};
  }
  void save_snapshot() {
    core_.save_snapshot(wire::manifest<State>, wire::version<State>, wire::encode(state_));
  }

  State state_{};
  detail::event_sourced_core core_;
};

}  // namespace odeon
