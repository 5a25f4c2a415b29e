#pragma once

#include <odeon/core/actor_system.hpp>
#include <odeon/pattern/detail/fsm_graph.hpp>
#include <odeon/wire/describe.hpp>

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

/// @file `fsm<State, Data, Ms...>`: an actor that is a state machine.
///
///     enum class gate { locked, open };
///     struct takings { int coins = 0; };
///
///     class turnstile : public odeon::fsm<gate, takings, coin, push> {
///      public:
///       turnstile() : fsm(gate::locked) {
///         when(gate::locked)
///             .on({gate::open}, [this](takings& t, coin) { ++t.coins; return go_to(gate::open);
///             });
///         when(gate::open)
///             .on({gate::locked}, [this](takings&, push) { return go_to(gate::locked); })
///             .after(10s, {gate::locked}, [this](takings&) { return go_to(gate::locked); });
///         whenever().on([this](takings& t, coin) { ++t.coins; return stay(); });
///       }
///     };
///     auto gate = system.spawn<turnstile>();
///     std::string picture = gate.ask<odeon::fsm_dot>().get();       // for Graphviz
///
/// A message goes to its handler in the present state, else to the one of `whenever()`, else to
/// `on_unhandled`. A handler is a plain lambda that takes the data by reference and then the
/// message by value, and for a request a `reply_to<R>` after it; it says what is next: `go_to`,
/// `stay`, `finish`. An exception is a failure of the actor; a restart begins at the start state.

namespace odeon {

/// The machine as a Graphviz digraph: declared ways are drawn through, those that were only seen to
/// be taken dashed.
struct fsm_dot {
  using reply = std::string;
};

/// Published at each change of state (also from a state to itself by `go_to`).
struct fsm_transition {
  any_ref ref;
  std::string path;
  std::string_view from, to;  ///< the enumerators' names
  std::string_view message;   ///< the message's type; "timeout" for a state's time
};

template <class State, class Data, class... Ms>
class fsm : public actor<Ms..., fsm_dot, detail::fsm_timeout> {
  static_assert(std::is_enum_v<State>, "odeon: the states of an fsm are an enum");

 public:
  using ref = actor_ref<Ms..., fsm_dot>;

  /// What a handler decides.
  class [[nodiscard]] next {
   public:
    /// The time of the state that is gone to – for `stay`, of the present one, from now –, in place
    /// of the one its `after` names.
    next&& within(duration d) && {
      time_ = d;
      return std::move(*this);
    }

   private:
    friend class fsm;
    enum class kind : std::uint8_t { stay, go, finish };
    next(kind k, State to) noexcept : kind_(k), to_(to) {}
    kind kind_;
    State to_;
    std::optional<duration> time_;
  };
  using targets = std::vector<State>;

  // -- for the runtime ----------------------------------------------------------------------------

  /// Enters the start state. A class with a `pre_start` of its own calls this in it.
  void pre_start() { enter(); }

  template <class M>
    requires(message_list<Ms...>::template contains<M> && !request<M>)
  void on(M m) {
    if (auto* r = rule_for<M>())
      apply(r->f(data_, std::move(m)), r->to, type_name<M>);
    else
      unhandled_message(type_name<M>, false);
  }
  template <request M>
    requires(message_list<Ms...>::template contains<M>)
  void on(M m, reply_to<reply_t<M>> to) {
    if (auto* r = rule_for<M>()) {
      apply(r->f(data_, std::move(m), std::move(to)), r->to, type_name<M>);
    } else {
      to.fail(graph_.unhandled(this->ctx().path(), name_of(state_), type_name<M>));
      unhandled_message(type_name<M>, true);
    }
  }
  std::string on(fsm_dot) { return dot(); }
  void on(detail::fsm_timeout t) {
    if (t.n != entered_) return;  // of a state that was left
    for (auto& r : timeouts_)
      if (r.at == state_) {
        apply(r.f(data_), r.to, "timeout");
        return;
      }
  }

 protected:
  explicit fsm(State start, Data data = Data()) : state_(start), data_(std::move(data)) {
    graph_.start = name_of(start);
  }

  /// The rules of one state, or of all.
  class rules {
   public:
    /// A handler. Where it may go is not declared: `dot` shows the ways that were taken. A second
    /// one for the same state and message throws `errc::invalid_argument`.
    template <class F>
    rules& on(F f) {
      return on(targets{}, std::move(f), false);
    }
    /// A handler that stays, or goes to one of these: another way is a failure.
    template <class F>
    rules& on(targets to, F f) {
      return on(std::move(to), std::move(f), true);
    }
    /// When the state was not left for `d`: `f(Data&)` decides. Not for `whenever()`. `stay` in a
    /// handler lets the time run on.
    template <class F>
    rules& after(duration d, targets to, F f) {
      owner_->add_timeout(at_, d, std::move(to), std::move(f));
      return *this;
    }
    /// `f(Data&)` is called on the way in, or out.
    rules& on_enter(std::function<void(Data&)> f) {
      owner_->hooks_.push_back({at_, true, std::move(f)});
      return *this;
    }
    rules& on_exit(std::function<void(Data&)> f) {
      owner_->hooks_.push_back({at_, false, std::move(f)});
      return *this;
    }

   private:
    friend class fsm;
    rules(fsm* owner, std::optional<State> at) noexcept : owner_(owner), at_(at) {}
    template <class F>
    rules& on(targets to, F f, bool declared) {
      static_assert(detail::names_its_message<F>,
                    "odeon: a handler of an fsm is a lambda that takes the data and then names its "
                    "message, without auto: [this](my_data& d, my_message m) { return stay(); }");
      owner_->template add_rule<detail::handled_message<F>>(at_, std::move(to), std::move(f),
                                                            declared);
      return *this;
    }
    fsm* owner_;
    std::optional<State> at_;
  };

  // -- in the constructor of a machine ------------------------------------------------------------

  [[nodiscard]] rules when(State s) { return rules(this, s); }
  /// In every state that has no handler of its own for the message.
  [[nodiscard]] rules whenever() { return rules(this, std::nullopt); }
  /// `f(from, to, const Data&)` is called at each change, after the old state's exit and before the
  /// new one's entry.
  void on_transition(std::function<void(State, State, const Data&)> f) {
    listeners_.push_back(std::move(f));
  }
  /// `f(state, message type)` is called for a message without a handler, in place of the dead
  /// letter `unhandled`. An ask has failed with that by then.
  void on_unhandled(std::function<void(State, std::string_view)> f) { unhandled_ = std::move(f); }

  // -- in handlers --------------------------------------------------------------------------------

  [[nodiscard]] next go_to(State s) const noexcept { return next(next::kind::go, s); }
  [[nodiscard]] next stay() const noexcept { return next(next::kind::stay, state_); }
  /// Stops the actor.
  [[nodiscard]] next finish() const noexcept { return next(next::kind::finish, state_); }

  [[nodiscard]] State state() const noexcept { return state_; }
  [[nodiscard]] const Data& data() const noexcept { return data_; }
  [[nodiscard]] ref self() noexcept { return ref::assume(this->ctx().self()); }
  /// As the message `fsm_dot`.
  [[nodiscard]] std::string dot() const { return graph_.dot(); }

 private:
  struct allowed {
    targets to;
    bool declared;
  };
  template <class M, bool IsRequest = request<M>>
  struct calls {
    using type = std::move_only_function<next(Data&, M&&)>;
  };
  template <class M>
  struct calls<M, true> {
    using type = std::move_only_function<next(Data&, M&&, reply_to<reply_t<M>>&&)>;
  };
  template <class M>
  struct rule {
    std::optional<State> at;
    allowed to;
    typename calls<M>::type f;
  };
  struct timeout_rule {
    State at;
    duration time;
    allowed to;
    std::move_only_function<next(Data&)> f;
  };
  struct hook {
    std::optional<State> at;
    bool entry;
    std::function<void(Data&)> f;
  };

  static std::string_view name_of(State s) noexcept {
    const auto& all = static_cast<const wire::enum_schema&>(wire::schema_of<State>).values;
    for (const auto& v : all)
      if (v.value == static_cast<std::int64_t>(s)) return v.name;
    return "?";
  }
  template <class M>
  auto& rules_of() noexcept {
    return std::get<std::vector<rule<M>>>(rules_);
  }
  template <class M>
  rule<M>* rule_for() noexcept {
    rule<M>* general = nullptr;
    for (auto& r : rules_of<M>()) {
      if (r.at == state_) return &r;
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
                  "odeon: this fsm has a handler for a message that it does not list");
    for (const auto& r : rules_of<M>())
      if (r.at == at) graph_.twice(at ? name_of(*at) : "whenever", type_name<M>);
    rule<M> made{at, {std::move(to), declared}, std::move(f)};
    draw(at, made.to, graph_.short_name(type_name<M>));
    rules_of<M>().push_back(std::move(made));
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

  void apply(next n, const allowed& to, std::string_view message) {
    if (n.kind_ == next::kind::finish) {
      this->ctx().stop();
    } else if (n.kind_ == next::kind::stay) {
      if (n.time_) arm(*n.time_);
    } else {
      if (to.declared && std::ranges::find(to.to, n.to_) == to.to.end())
        graph_.undeclared(name_of(state_), name_of(n.to_), message);
      change(n, message);
    }
  }
  void change(const next& n, std::string_view message) {
    run_hooks(false);
    const State from = std::exchange(state_, n.to_);
    graph_.add(name_of(from), name_of(state_), graph_.short_name(message), false);
    for (const auto& f : listeners_) f(from, state_, data_);
    auto& events = this->ctx().system().events();
    if (events.template wanted<fsm_transition>())
      events.publish(fsm_transition{this->ctx().self(), this->ctx().path(), name_of(from),
                                    name_of(state_), message});
    enter(n.time_);
  }
  void enter(std::optional<duration> time = std::nullopt) {
    ++entered_;
    timer_.cancel();
    run_hooks(true);
    for (const auto& r : timeouts_)
      if (r.at == state_) {
        arm(time.value_or(r.time));
        return;
      }
    if (time) graph_.timeless(name_of(state_));
  }
  void arm(duration d) {
    if (std::ranges::none_of(timeouts_, [&](const auto& r) { return r.at == state_; }))
      graph_.timeless(name_of(state_));
    timer_.cancel();
    timer_ = this->ctx().send_after(d, detail::fsm_timeout{++entered_});
  }
  void run_hooks(bool entry) {
    for (const auto& h : hooks_)
      if (h.entry == entry && (!h.at || h.at == state_)) h.f(data_);
  }
  void unhandled_message(std::string_view message, bool was_ask) {
    if (unhandled_)
      unhandled_(state_, message);
    else
      detail::fsm_graph::tell_unhandled(this->ctx(), message, was_ask);
  }

  State state_;
  Data data_;
  std::tuple<std::vector<rule<Ms>>...> rules_;
  std::vector<timeout_rule> timeouts_;
  std::vector<hook> hooks_;
  std::vector<std::function<void(State, State, const Data&)>> listeners_;
  std::function<void(State, std::string_view)> unhandled_;
  std::uint64_t entered_ = 0;
  timer timer_;
  detail::fsm_graph graph_;
};

}  // namespace odeon
