#pragma once

#include <odeon/core/actor_system.hpp>
#include <odeon/core/behavior.hpp>
#include <odeon/pattern/detail/fsm_graph.hpp>
#include <odeon/pattern/fsm.hpp>
#include <odeon/persistence/event_sourced.hpp>

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

/// @file `persistent_fsm<State, Data, events<…>, Ms...>`: a state machine whose state, data and
/// state times survive.
///
///     class order
///         : public odeon::persistent_fsm<stage, basket, odeon::events<item_added>, add, pay> {
///      public:
///       explicit order(std::string id) : persistent_fsm(std::move(id), stage::shopping) {
///         when(stage::shopping)
///             .on([this](const basket&, add m) { return stay().with(persist(item_added{m.item}));
///             }) .on({stage::paid}, [this](const basket& b, pay) {
///               return go_to(stage::paid).with(reply(b.total()));
///             })
///             .after(30min, {stage::dropped}, [this](const basket&) {
///               return go_to(stage::dropped);
///             });
///       }
///       static void apply(basket& b, const item_added& e) { b.items.push_back(e.item); }
///     };
///
/// As `fsm` (pattern/fsm.hpp), with these differences. A handler takes the data by const reference
/// and changes nothing: it says what is next – `go_to`, `stay`, `finish` – `with` an effect of an
/// event-sourced actor, and the change of state is committed together with that effect's events,
/// messages and timers. A request is answered by the effect's reply. The time of a state is kept as
/// a wall-clock moment: after a restart it runs on, and is over at once if it has passed meanwhile.
/// Listeners of transitions are called after the commit, and not for what is recovered; there are
/// no hooks of entry and exit, which a crash could leave half done.

namespace odeon {

/// What a `persistent_fsm` keeps.
template <class State, class Data>
struct fsm_value {
  State at{};
  std::optional<wall_time> until;  ///< when the time of the state is over
  Data data{};
  bool begun = false;  ///< the start state's time has been set
};

/// The event of a change of state, or of a state's time.
template <class State>
struct fsm_moved {
  static constexpr auto manifest = "odeon.fsm.moved";
  State to{};
  std::optional<wall_time> until;
};

template <class State, class Data, class Events, class... Ms>
class persistent_fsm;

template <class State, class Data, class... Es, class... Ms>
class persistent_fsm<State, Data, events<Es...>, Ms...>
    : public event_sourced<fsm_value<State, Data>, events<fsm_moved<State>, Es...>, Ms..., fsm_dot,
                           detail::fsm_timeout> {
  static_assert(std::is_enum_v<State>, "odeon: the states of a persistent_fsm are an enum");
  using moved = fsm_moved<State>;
  using base = event_sourced<fsm_value<State, Data>, events<moved, Es...>, Ms..., fsm_dot,
                             detail::fsm_timeout>;

 public:
  using ref = actor_ref<Ms..., fsm_dot>;
  using effect = typename base::effect;
  using targets = std::vector<State>;

  /// What a handler decides.
  class [[nodiscard]] next {
   public:
    /// What is committed together with the change, and what follows it.
    next&& with(effect e) && {
      effect_ = std::move(e);
      return std::move(*this);
    }
    /// The time of the state that is gone to – for `stay`, of the present one, from now –, in place
    /// of the one its `after` names.
    next&& within(duration d) && {
      time_ = d;
      return std::move(*this);
    }

   private:
    friend class persistent_fsm;
    enum class kind : std::uint8_t { stay, go, finish };
    next(kind k, State to) noexcept : kind_(k), to_(to) {}
    kind kind_;
    State to_;
    effect effect_;
    std::optional<duration> time_;
  };

  // -- for the runtime ----------------------------------------------------------------------------

  template <class M>
    requires(message_list<Ms...>::template contains<M>)
  effect on(M m) {
    if (auto* r = rule_for<M>()) return carry_out(r->f(data(), std::move(m)), r->to, type_name<M>);
    error why = graph_.unhandled(this->ctx().path(), name_of(state()), type_name<M>);
    if (unhandled_)
      unhandled_(state(), type_name<M>);
    else
      detail::fsm_graph::tell_unhandled(this->ctx(), type_name<M>, request<M>);
    return this->reply(std::move(why));
  }
  std::string on(fsm_dot) { return dot(); }
  effect on(detail::fsm_timeout t) {
    if (t.n != entered_) return this->none();  // of a state that was left
    for (auto& r : timeouts_)
      if (r.at == state()) return carry_out(r.f(data()), r.to, "timeout");
    return this->none();
  }
  /// A class with a `recovery_completed` of its own calls this in it.
  void recovery_completed() {
    const fsm_value<State, Data>& v = base::state();
    // The start state's time begins with the first commit, or now; an old one's runs on.
    if (v.until)
      arm(*v.until - this->core_.rt().wall_now());
    else if (!v.begun)
      if (const duration* d = time_of(v.at)) arm(*d);
  }
  template <class Self, class E>
  static void apply_in(fsm_value<State, Data>& v, const E& e) {
    v.begun = true;
    if constexpr (std::same_as<E, moved>) {
      v.at = e.to;
      v.until = e.until;
    } else {
      Self::apply(v.data, e);
    }
  }

 protected:
  persistent_fsm(std::string persistence_id, State start, event_sourced_options options = {})
      : base(std::move(persistence_id), std::move(options)) {
    this->state_.at = start;
    graph_.start = name_of(start);
  }

  /// The rules of one state, or of all.
  class rules {
   public:
    /// `f(const Data&, M)` decides. Where it may go is not declared: `dot` shows the ways taken. A
    /// second one for the same state and message throws `errc::invalid_argument`.
    template <class F>
    rules& on(F f) {
      return on(targets{}, std::move(f), false);
    }
    /// A handler that stays, or goes to one of these: another way is a failure.
    template <class F>
    rules& on(targets to, F f) {
      return on(std::move(to), std::move(f), true);
    }
    /// When the state was not left for `d`: `f(const Data&)` decides. Not for `whenever()`.
    template <class F>
    rules& after(duration d, targets to, F f) {
      owner_->add_timeout(at_, d, std::move(to), std::move(f));
      return *this;
    }

   private:
    friend class persistent_fsm;
    rules(persistent_fsm* owner, std::optional<State> at) noexcept : owner_(owner), at_(at) {}
    template <class F>
    rules& on(targets to, F f, bool declared) {
      static_assert(detail::names_its_message<F>,
                    "odeon: a handler of a persistent_fsm is a lambda that takes the data and then "
                    "names its message, without auto: [this](const my_data& d, my_message m) { "
                    "return stay(); }");
      owner_->template add_rule<detail::handled_message<F>>(at_, std::move(to), std::move(f),
                                                            declared);
      return *this;
    }
    persistent_fsm* owner_;
    std::optional<State> at_;
  };

  // -- in the constructor of a machine ------------------------------------------------------------

  [[nodiscard]] rules when(State s) { return rules(this, s); }
  /// In every state that has no handler of its own for the message.
  [[nodiscard]] rules whenever() { return rules(this, std::nullopt); }
  /// `f(from, to, const Data&)` is called after each committed change.
  void on_transition(std::function<void(State, State, const Data&)> f) {
    listeners_.push_back(std::move(f));
  }
  /// `f(state, message type)` is called for a message without a handler, in place of the dead
  /// letter `unhandled`. An ask fails with that in any case.
  void on_unhandled(std::function<void(State, std::string_view)> f) { unhandled_ = std::move(f); }

  // -- in handlers --------------------------------------------------------------------------------

  [[nodiscard]] next go_to(State s) const { return next(next::kind::go, s); }
  [[nodiscard]] next stay() const { return next(next::kind::stay, state()); }
  /// Stops the actor, after the effect.
  [[nodiscard]] next finish() const { return next(next::kind::finish, state()); }

  [[nodiscard]] State state() const noexcept { return base::state().at; }
  [[nodiscard]] const Data& data() const noexcept { return base::state().data; }
  [[nodiscard]] ref self() noexcept { return ref::assume(this->ctx().self()); }
  /// As the message `fsm_dot`.
  [[nodiscard]] std::string dot() const { return graph_.dot(); }

 private:
  struct allowed {
    targets to;
    bool declared;
  };
  template <class M>
  struct rule {
    std::optional<State> at;
    allowed to;
    std::move_only_function<next(const Data&, M&&)> f;
  };
  struct timeout_rule {
    State at;
    duration time;
    allowed to;
    std::move_only_function<next(const Data&)> f;
  };

  static std::string_view name_of(State s) noexcept {
    const auto& all = static_cast<const wire::enum_schema&>(wire::schema_of<State>).values;
    for (const auto& v : all)
      if (v.value == static_cast<std::int64_t>(s)) return v.name;
    return "?";
  }
  template <class M>
  rule<M>* rule_for() noexcept {
    rule<M>* general = nullptr;
    for (auto& r : std::get<std::vector<rule<M>>>(rules_)) {
      if (r.at == state()) return &r;
      if (!r.at) general = &r;
    }
    return general;
  }
  void draw(std::optional<State> at, const allowed& to, const std::string& label) {
    for (State s : to.to) graph_.add(at ? name_of(*at) : "", name_of(s), label, true);
    if (at) graph_.add_state(name_of(*at));
  }
  template <class M, class F>
  void add_rule(std::optional<State> at, targets to, F f, bool declared) {
    static_assert(message_list<Ms...>::template contains<M>,
                  "odeon: this machine has a handler for a message that it does not list");
    auto& all = std::get<std::vector<rule<M>>>(rules_);
    for (const auto& r : all)
      if (r.at == at) graph_.twice(at ? name_of(*at) : "whenever", type_name<M>);
    rule<M> made{at, {std::move(to), declared}, std::move(f)};
    draw(at, made.to, graph_.short_name(type_name<M>));
    all.push_back(std::move(made));
  }
  template <class F>
  void add_timeout(std::optional<State> at, duration d, targets to, F f) {
    if (!at) graph_.timeless();
    for (const auto& r : timeouts_)
      if (r.at == *at) graph_.twice(name_of(*at), "timeout");
    timeout_rule made{*at, d, {std::move(to), true}, std::move(f)};
    draw(at, made.to, "after " + to_string(d));
    timeouts_.push_back(std::move(made));
  }

  [[nodiscard]] const duration* time_of(State s) const noexcept {
    for (const auto& r : timeouts_)
      if (r.at == s) return &r.time;
    return nullptr;
  }
  effect carry_out(next n, const allowed& to, std::string_view message) {
    if (n.kind_ == next::kind::finish) return std::move(n.effect_).then_stop();
    if (n.kind_ == next::kind::stay && !n.time_) return std::move(n.effect_);
    const bool goes = n.kind_ == next::kind::go;
    if (goes && to.declared && std::ranges::find(to.to, n.to_) == to.to.end())
      graph_.undeclared(name_of(state()), name_of(n.to_), message);
    const duration* usual = time_of(n.to_);
    if (n.time_ && usual == nullptr) graph_.timeless(name_of(n.to_));
    std::optional<duration> time = n.time_;
    if (!time && usual != nullptr) time = *usual;
    std::optional<wall_time> until;
    if (time) until = this->core_.rt().wall_now() + *time;
    n.effect_.events_.emplace_back(moved{n.to_, until});
    return std::move(n.effect_).then(
        [this, goes, time, from = state(), message](const fsm_value<State, Data>& v) {
          ++entered_;
          timer_.cancel();
          if (time) arm(*time);
          if (goes) tell(from, v, message);
        });
  }
  void tell(State from, const fsm_value<State, Data>& v, std::string_view message) {
    graph_.add(name_of(from), name_of(v.at), graph_.short_name(message), false);
    for (const auto& f : listeners_) f(from, v.at, v.data);
    auto& published = this->ctx().system().events();
    if (published.template wanted<fsm_transition>())
      published.publish(fsm_transition{this->ctx().self(), this->ctx().path(), name_of(from),
                                       name_of(v.at), message});
  }
  void arm(duration d) {
    timer_ = this->ctx().send_after(std::max(d, duration::zero()), detail::fsm_timeout{++entered_});
  }

  std::tuple<std::vector<rule<Ms>>...> rules_;
  std::vector<timeout_rule> timeouts_;
  std::vector<std::function<void(State, State, const Data&)>> listeners_;
  std::function<void(State, std::string_view)> unhandled_;
  std::uint64_t entered_ = 0;
  timer timer_;
  detail::fsm_graph graph_;
};

}  // namespace odeon
