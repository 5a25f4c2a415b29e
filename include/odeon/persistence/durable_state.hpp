#pragma once

#include <odeon/persistence/detail/durable_base.hpp>
#include <odeon/persistence/install.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

/// @file Durable-state actors: the state is a value that is stored as a whole.
///
///     struct cart_state { std::vector<std::string> items; };
///     class cart : public odeon::durable_state<cart_state, add_item, pay> {
///      public:
///       explicit cart(std::string id) : durable_state(std::move(id)) {}
///       void   on(add_item m) { state().items.push_back(m.name); }     // stored within 2 s
///       effect on(pay)        { return checkpoint().then_reply(done{}); }  // stored before the
///       reply
///     };
///
/// The actor starts by taking over the writing of its id and reading the newest state. From then on
/// the state is stored, as the next revision, when it differs from what is stored: `write_behind`
/// after a handler has had its hands on it, when the actor stops, and with each effect that writes
/// (`checkpoint`, `send`). An actor that fails is not stored: a restart begins with what is. So
/// what was acknowledged by an effect that writes is never lost; of what plain handlers changed, at
/// most the last `write_behind` is, when the process ends without stopping its actors.
///
/// `recovery_completed()`, if there is one, is called before the first message, `deactivated()` at
/// the end, before the last write. `pre_start` and `post_stop` are taken.

namespace odeon {

struct durable_state_options {
  /// After a change, until it is written. Zero: only by checkpoints and at the end.
  duration write_behind = std::chrono::seconds(2);
  std::uint32_t keep_revisions = 1;  ///< older ones are deleted; 0: all stay
  std::uint64_t revision = 0;        ///< begin with this one, as the newest; 0: with the newest
  /// Stops the actor when it took no message for so long: its state is written, and its memory is
  /// free. What comes in that instant is a dead letter, or, from an outbox or timer, comes again.
  /// Zero: never. Sets the actor's receive timeout: a class with a handler of its own for that
  /// stops itself.
  duration deactivate_after = duration::zero();
};

namespace detail {

/// Time to look at the state.
struct state_look {};

/// An effect of a durable-state actor holds no events.
struct no_event {};

template <class State>
inline constexpr bool begins_empty = std::is_default_constructible_v<State>;

}  // namespace detail

/// See the file's head. `State` is default-constructible and decodable by `wire`; its manifest and
/// version are stored, so that `upcast` reads older ones.
template <class State, class... Ms>
class durable_state : public detail::durable_base<State, detail::no_event, Ms...> {
  static_assert(detail::begins_empty<State>,
                "odeon: the state of a durable-state actor begins as State{}: give it a default "
                "constructor");
  using base = detail::durable_base<State, detail::no_event, Ms...>;

 public:
  using effect = typename base::effect;
  using stops_with_write = void;
  using base_protocol = message_list<detail::durable_delivery, detail::state_look, receive_timeout>;

  explicit durable_state(std::string persistence_id, durable_state_options options = {})
      : base(std::move(persistence_id)),
        options_(options) {}

  template <class Self>
  task<void> pre_start(this Self& self) {
    durable_state& me = self;
    auto stored = std::make_shared<wire::bytes>();
    auto fresh = std::make_shared<State>();
    const recovery_report report = co_await me.core_.recover(
        {.persistence_id = me.core_.id},
        [stored, fresh](const stored_snapshot& s) { return read(s, *fresh, *stored); },
        [](const event_view&) -> result<void> {
          return fail(errc::wrong_type, "an event-sourced actor has this id");
        });
    if (!report.damaged_snapshots.empty())
      throw actor_error(report.damaged_snapshots.front());  // an older state is no state
    me.state_ = std::move(*fresh);
    me.stored_ = std::move(*stored);
    if (me.options_.revision != 0 && me.options_.revision != me.core_.sequence)
      co_await me.restore(me.options_.revision);
    if constexpr (requires { self.recovery_completed(); }) self.recovery_completed();
    me.core_.ready();
    if (me.options_.deactivate_after > duration::zero())
      self.ctx().receive_timeout(me.options_.deactivate_after);
  }
  template <class Self>
  task<void> post_stop(this Self& self) {
    durable_state& me = self;
    if constexpr (requires { self.deactivated(); }) self.deactivated();
    const exit_kind how = self.ctx().stopping_as();
    if (how == exit_kind::failed || how == exit_kind::killed || me.fenced_) co_return;
    co_await me.write_changes();
  }
  /// A failed actor is not stored.
  template <class Self>
  void pre_restart(this Self&, const failure&) {}

  /// For `spawn`.
  template <class A>
  static consteval void check_class() {
    wire::require_decodable<State>();
  }

  // For the runtime: see durable_base.
  using base::on_base;
  template <class Self>
  task<void> on_base(this Self& self, detail::state_look) {
    durable_state& me = self;
    me.armed_ = false;
    try {
      co_await me.write_changes();
    } catch (const actor_error& failed) {
      if (failed.which() != errc::fenced) {
        me.arm();  // an actor that is resumed tries again
        throw;
      }
      self.log().warn("stops, because another writer has taken over: {}", failed.what());
      me.fenced_ = true;
      self.ctx().stop();
    }
  }
  template <class Self>
  void on_base(this Self& self, receive_timeout) {
    self.ctx().stop();
  }
  template <class Self>
  void fill_write(this Self& self, const effect&, detail::durable_write& write) {
    durable_state& me = self;
    me.writing_.clear();
    wire::bytes now = wire::encode(me.state_);
    // A checkpoint of what is stored already still says that this writer is the one.
    if (now == me.stored_ && me.core_.sequence != 0) return;
    write.state = me.record(now);
    me.writing_ = std::move(now);
  }
  template <class Self>
  void after_commit(this Self& self, const effect&) {
    durable_state& me = self;
    if (!me.writing_.empty()) me.stored_ = std::exchange(me.writing_, {});
  }
  void after_effect(const effect&) noexcept {}

 protected:
  /// The state, to be read and changed. Each call may be a change: `write_behind` later the state
  /// is compared with what is stored.
  [[nodiscard]] State& state() {
    arm();
    return this->state_;
  }
  [[nodiscard]] const State& state() const noexcept { return this->state_; }
  /// Of the state as it is stored: 1 for the first; 0: nothing is stored yet.
  [[nodiscard]] std::uint64_t revision() const noexcept { return this->core_.sequence; }

  /// Stores the state now; what follows in the effect happens when that is durable.
  [[nodiscard]] effect checkpoint() {
    effect out;
    out.save_ = true;
    return out;
  }
  /// The revisions that can be restored, the newest first, at most `max`.
  [[nodiscard]] task<std::vector<snapshot_info>> history(std::size_t max = 100) {
    co_return co_await detail::journal_call<std::vector<snapshot_info>>(
        this->core_.rt(), [&](auto done) {
          this->core_.store().snapshots_of({.persistence_id = this->core_.id}, max,
                                           std::move(done));
        });
  }
  /// Makes an older revision the state again, stored as the newest. Throws `actor_error`:
  /// `not_found` when it is not kept.
  [[nodiscard]] task<void> restore(std::uint64_t revision) {
    auto found = co_await detail::journal_call<loaded_snapshot>(this->core_.rt(), [&](auto done) {
      this->core_.store().load_snapshot(
          {.persistence_id = this->core_.id, .min_sequence = revision, .max_sequence = revision},
          std::move(done));
    });
    if (!found.damaged.empty()) throw actor_error(found.damaged.front());
    if (!found.snapshot)
      throw actor_error(errc::not_found,
                        "\"" + this->core_.id + "\" keeps no revision " + std::to_string(revision));
    wire::bytes ignored;
    State old{};
    if (auto ok = read(*found.snapshot, old, ignored); !ok) throw actor_error(ok.error());
    this->state_ = std::move(old);
    co_await write_changes();
  }

 private:
  static result<void> read(const stored_snapshot& s, State& out, wire::bytes& stored) {
    if (s.manifest != wire::manifest<State>)
      return fail(errc::wrong_type, "the state is stored as " + s.manifest +
                                        ", and this actor's is " +
                                        std::string(wire::manifest<State>));
    auto state = wire::decode_version<State>(static_cast<int>(s.version), s.payload);
    if (!state) return std::unexpected<error>(state.error());
    out = std::move(*state);
    stored = s.payload;
    return {};
  }
  [[nodiscard]] state_record record(const wire::bytes& payload) const {
    return {std::string(wire::manifest<State>), static_cast<std::uint32_t>(wire::version<State>),
            payload, options_.keep_revisions};
  }
  task<void> write_changes() {
    wire::bytes now = wire::encode(this->state_);
    if (now == stored_ || (this->core_.sequence == 0 && now == wire::encode(State{}))) co_return;
    detail::durable_write write;
    write.state = record(now);
    co_await this->core_.commit(std::move(write), nullptr);
    stored_ = std::move(now);
  }
  void arm() {
    if (armed_ || options_.write_behind <= duration::zero()) return;
    armed_ = true;
    this->ctx().send_after(options_.write_behind, detail::state_look{});
  }

  durable_state_options options_;
  wire::bytes stored_;   // the payload of the newest revision
  wire::bytes writing_;  // of the commit under way
  bool armed_ = false;   // a look is on its way
  bool fenced_ = false;
};

}  // namespace odeon
