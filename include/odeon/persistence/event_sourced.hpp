#pragma once

#include <odeon/persistence/detail/durable_base.hpp>
#include <odeon/persistence/install.hpp>
#include <odeon/wire/codec.hpp>
#include <odeon/wire/manifest.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

/// @file Event-sourced actors: the state is what the events made of it.
///
///     using account_events = odeon::events<deposited, withdrawn>;
///     class account
///         : public odeon::event_sourced<account_state, account_events, deposit, withdraw> {
///      public:
///       explicit account(std::string id)
///           : event_sourced(std::move(id), {.snapshot_every = 1000}) {}
///       effect on(deposit m) { return persist(deposited{m.amount}).then_reply(done{}); }
///       effect on(withdraw m) {
///         if (m.amount > state().balance) return reply(errc::refused);
///         return persist(withdrawn{m.amount});
///       }
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

struct event_sourced_options {
  std::uint64_t snapshot_every = 0;    ///< events between snapshots; 0: only on demand
  std::uint32_t keep_snapshots = 2;    ///< older ones are deleted; 0: all stay
  std::vector<std::string> tags = {};  ///< of every event, for `journal::by_tag`
};

namespace detail {

// The requirements as the compiler prints them.
template <class List>
inline constexpr bool is_events_list = false;
template <class... Es>
inline constexpr bool is_events_list<events<Es...>> = are_distinct<Es...>;
template <class State>
inline constexpr bool has_default = std::is_default_constructible_v<State>;
template <class Events, class Event>
inline constexpr bool lists = Events::template contains<Event>;
// A base that keeps more than its derived class applies for it, by `apply_in`.
template <class Actor, class State, class Event>
inline constexpr bool applies = requires(State& s, const Event& e) {
  Actor::apply(s, e);
} || requires(State& s, const Event& e) { Actor::template apply_in<Actor>(s, e); };
template <class Actor, class State, class Event>
void apply_event(State& s, const Event& e) {
  if constexpr (requires { Actor::template apply_in<Actor>(s, e); })
    Actor::template apply_in<Actor>(s, e);
  else
    Actor::apply(s, e);
}

template <class Actor, class Old>
inline constexpr bool adapts = requires(const Old& e) { Actor::adapt(e); };

/// What an event-sourced class owes each of its old events.
template <class A, class... Os>
consteval void check_old_events(events<Os...>) {
  (
      [] {
        ODEON_CHECK((adapts<A, Os>),
                    (concat("odeon: the event-sourced actor '") + named<A> +
                     "' has no adapter for its old event '" + named<Os> +
                     "': add a public static adapt(const event&) that gives one of its events, an "
                     "optional of one, or a vector of event_type"),
                    "odeon: an event-sourced actor has no adapter for one of its old events: add a "
                    "public static adapt(const event&)");
      }(),
      ...);
  (wire::require_decodable<Os>(), ...);
}

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

template <class List>
struct variant_of {
  using type = std::variant<std::monostate>;  // refused by the class itself, in words
};
template <class... Es>
struct variant_of<events<Es...>> {
  using type = std::variant<Es...>;
};

template <class A>
concept adapts_events = requires { typename A::old_events; };

}  // namespace detail

/// See the file's head. `State` is default-constructible and, for snapshots, encodable by `wire`;
/// so are the events.
///
/// Two static hooks, both optional: `tags_of(const event&)`, a list of strings, tags an event
/// beside `event_sourced_options::tags`; `adapt(const old&)`, for each type of
/// `using old_events = odeon::events<old, …>`, gives what takes the place of a stored event that
/// the class no longer knows: one of its events, an optional of one, or `std::vector<event_type>`.
template <class State, class Events, class... Ms>
class event_sourced
    : public detail::durable_base<State, typename detail::variant_of<Events>::type, Ms...> {
  static_assert(detail::is_events_list<Events>,
                "odeon: the second argument of event_sourced is the list of its events, each once: "
                "event_sourced<state, odeon::events<deposited, withdrawn>, deposit, withdraw>");
  static_assert(detail::has_default<State>,
                "odeon: the state of an event-sourced actor begins as State{}: give it a default "
                "constructor");
  using base = detail::durable_base<State, typename detail::variant_of<Events>::type, Ms...>;

 public:
  using event_type = typename detail::variant_of<Events>::type;
  using effect = typename base::effect;

  explicit event_sourced(std::string persistence_id, event_sourced_options options = {})
      : base(std::move(persistence_id)),
        options_(std::move(options)) {}

  template <class Self>
  task<void> pre_start(this Self& self) {
    event_sourced& me = self;
    // Shared with the journal's thread, which goes on with a recovery that was given up here.
    auto fresh = std::make_shared<State>(std::move(me.state_));
    const recovery_report report = co_await me.core_.recover(
        {.persistence_id = me.core_.id},
        [fresh](const stored_snapshot& s) -> result<void> {
          auto state = wire::decode_version<State>(static_cast<int>(s.version), s.payload);
          if (!state) return std::unexpected<error>(state.error());
          *fresh = std::move(*state);
          return {};
        },
        [fresh](const event_view& e) { return read_event<Self>(*fresh, e); });
    me.last_snapshot_ = report.snapshot_sequence;
    me.state_ = std::move(*fresh);
    if constexpr (requires { self.recovery_completed(); }) self.recovery_completed();
    me.core_.ready();
  }

  /// For `spawn`.
  template <class A>
  static consteval void check_class() {
    detail::check_events<A, State>(Events());
    if constexpr (detail::adapts_events<A>) detail::check_old_events<A>(typename A::old_events());
  }

  // For the runtime: see durable_base.
  template <class Self>
  void fill_write(this Self& self, const effect& e, detail::durable_write& write) {
    event_sourced& me = self;
    write.events.reserve(e.events_.size());
    for (const event_type& v : e.events_)
      std::visit([&](const auto& one) { write.events.push_back(me.record_of<Self>(one)); }, v);
  }
  template <class Self>
  void after_commit(this Self& self, const effect& e) {
    event_sourced& me = self;
    for (const event_type& v : e.events_)
      std::visit([&](const auto& one) { detail::apply_event<Self>(me.state_, one); }, v);
  }
  void after_effect(const effect& e) {
    if (e.snapshot_ || (options_.snapshot_every > 0 &&
                        this->core_.sequence - last_snapshot_ >= options_.snapshot_every))
      save_state_snapshot();
  }

 protected:
  [[nodiscard]] const State& state() const noexcept { return this->state_; }
  /// Of the last event; 0 before the first.
  [[nodiscard]] std::uint64_t sequence() const noexcept { return this->core_.sequence; }

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
  [[nodiscard]] effect persist_all(std::vector<event_type> es) {
    effect out;
    out.events_ = std::move(es);
    return out;
  }
  [[nodiscard]] effect snapshot() { return effect().then_snapshot(); }

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
  template <class Self, class E>
  event_record record_of(const E& e) {
    event_record out{std::string(wire::manifest<E>), static_cast<std::uint32_t>(wire::version<E>),
                     wire::encode(e), options_.tags};
    if constexpr (requires { Self::tags_of(e); })
      for (auto&& tag : Self::tags_of(e)) out.tags.emplace_back(std::forward<decltype(tag)>(tag));
    return out;
  }
  template <class Self>
  static result<void> read_event(State& s, const event_view& e) {
    result<void> out;
    if (read_listed<Self>(s, e, out, Events())) return out;
    if constexpr (detail::adapts_events<Self>)
      if (read_listed<Self>(s, e, out, typename Self::old_events())) return out;
    return fail(errc::unknown_manifest, "no event of this actor has the manifest " +
                                            std::string(e.manifest) + " (sequence " +
                                            std::to_string(e.sequence) + ")");
  }
  /// False: none of these has the event's manifest.
  template <class Self, class... Es>
  static bool read_listed(State& s, const event_view& e, result<void>& out, events<Es...>) {
    return ((e.manifest == wire::manifest<Es> ? (out = read_one<Self, Es>(s, e), true) : false) ||
            ...);
  }
  template <class Self, class E>
  static result<void> read_one(State& s, const event_view& e) {
    auto value = wire::decode_version<E>(static_cast<int>(e.version), e.payload);
    if (!value)
      return fail(value.error().code(),
                  "event " + std::to_string(e.sequence) + ": " + std::string(value.error().text()));
    if constexpr (Events::template contains<E>)
      detail::apply_event<Self>(s, *value);
    else
      apply_adapted<Self>(s, Self::adapt(std::as_const(*value)));
    return {};
  }
  template <class Self, class Adapted>
  static void apply_adapted(State& s, const Adapted& now) {
    if constexpr (Events::template contains<Adapted>) {
      detail::apply_event<Self>(s, now);
    } else if constexpr (std::same_as<Adapted, event_type>) {
      std::visit([&](const auto& one) { detail::apply_event<Self>(s, one); }, now);
    } else if constexpr (requires { now.has_value(); }) {
      if (now.has_value()) apply_adapted<Self>(s, *now);
    } else {
      for (const auto& one : now) apply_adapted<Self>(s, one);
    }
  }
  void save_state_snapshot() {
    last_snapshot_ = this->core_.sequence;
    this->core_.save_snapshot(wire::manifest<State>, wire::version<State>,
                              wire::encode(this->state_), options_.keep_snapshots);
  }

  event_sourced_options options_;
  std::uint64_t last_snapshot_ = 0;
};

}  // namespace odeon
