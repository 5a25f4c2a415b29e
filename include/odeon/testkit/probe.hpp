#pragma once

#include <odeon/testkit/detail/probe_actor.hpp>
#include <odeon/testkit/kit.hpp>

#include <concepts>
#include <vector>

/// @file `probe<Ms...>`: an actor in a test's hand.
///
///     auto p = k.probe<pong, get_price>();
///     player.tell<serve>(p.ref());
///     p.expect<pong>();                              // the next message is a pong
///     auto r = p.expect_request<get_price>();        // the next one asks: answer it
///     r.reply(12.5);
///     p.watch(player);
///     p.expect_terminated(player);
///
/// Expectations look at messages in the order they came. One that does not hold throws
/// `assertion_error`, whose text says what was expected and what came. Each waits, by running the
/// simulated system or in real time, at most for `limit`, which is the kit's patience unless told.

namespace odeon::testkit {

/// A request that a probe received, and the right to answer it. Dropped unanswered, it fails the
/// ask with `errc::no_reply`.
template <class M>
struct captured_request {
  M message;
  reply_to<reply_t<M>> reply;
  any_ref sender;
};
/// The same for a request of many replies.
template <class M>
struct captured_stream {
  M message;
  replies_to<typename M::replies> replies;
  any_ref sender;
};

template <class... Ms>
class probe {
  using at_type = std::source_location;
  static constexpr duration patience{-1};

 public:
  using ref_type = actor_ref<Ms...>;

  /// As `kit::probe`. Its actor lives until `stop`, or the end of the system.
  explicit probe(kit& k, std::string name = {})
      : kit_(&k),
        inbox_(std::make_shared<detail::inbox>(k.get_runtime())),
        ref_(k.system().spawn<detail::probe_actor<Ms...>>({.name = std::move(name)}, inbox_)) {}

  /// What the test gives to the actors under test.
  [[nodiscard]] ref_type ref() const noexcept { return ref_; }

  // -- what came ------------------------------------------------------------------------------

  /// The next message, which is an `M`. Also for `terminated` and `exit_signal`. A request that
  /// was asked and is taken by this is refused with `errc::no_reply`: see `expect_request`.
  template <class M>
  M expect(duration limit = patience, at_type at = at_type::current()) {
    check<M>();
    return std::move(message<M>(next(&odeon::detail::message_type_of<M>, limit, at)));
  }
  /// The next message, which equals `wanted`.
  template <std::equality_comparable M>
    requires message<M>
  M expect(const M& wanted, duration limit = patience, at_type at = at_type::current()) {
    M got = expect<M>(limit, at);
    if (!(got == wanted))
      kit_->fail("expected another " + std::string(type_name<M>) + " than the one that came", at);
    return got;
  }
  /// The next `n` messages, all of them `M`, within `limit` altogether.
  template <class M>
  std::vector<M> expect_n(std::size_t n, duration limit = patience,
                          at_type at = at_type::current()) {
    return kit_->within(
        kit_->limit_or_patience(limit),
        [&] {
          std::vector<M> out;
          while (out.size() < n) out.push_back(expect<M>(limit, at));
          return out;
        },
        at);
  }
  /// The next messages, which equal these, in this order.
  template <class... Ws>
  void expect_all_in_order(const Ws&... wanted) {
    (static_cast<void>(expect(wanted)), ...);
  }
  /// The first message that is an `M` and for which `accept` says yes; those before are dropped.
  template <class M>
  M fish(const std::function<bool(const M&)>& accept, duration limit = patience,
         at_type at = at_type::current()) {
    check<M>();
    const time_point deadline = kit_->deadline(limit);
    for (std::size_t dropped = 0;; ++dropped) {
      auto item = wait_for_one(deadline);
      if (!item)
        kit_->fail("fished for " + std::string(type_name<M>) + " within " +
                       to_string(kit_->limit_or_patience(limit)) + ", and " +
                       std::to_string(dropped) + " other messages came",
                   at);
      if (item->type != &odeon::detail::message_type_of<M>) continue;
      if (!accept || accept(*static_cast<const M*>(item->message.get()))) {
        last_ = std::move(*item);
        return std::move(message<M>(last_));
      }
    }
  }
  /// Nothing has come that was not taken, and nothing comes for `d`.
  void expect_no_mail(duration d = std::chrono::milliseconds(100),
                      at_type at = at_type::current()) {
    if (auto item = wait_for_one(kit_->deadline(d)))
      kit_->fail("expected no mail for " + to_string(d) + ", but " + told(*item) + " came", at);
  }
  /// The next message, which is a request that was asked.
  template <request M>
  captured_request<M> expect_request(duration limit = patience, at_type at = at_type::current()) {
    check<M>();
    auto& item = next(&odeon::detail::message_type_of<M>, limit, at);
    return {std::move(message<M>(item)),
            std::move(*static_cast<reply_to<reply_t<M>>*>(item.reply.get())), item.sender};
  }
  template <stream_request M>
  captured_stream<M> expect_stream(duration limit = patience, at_type at = at_type::current()) {
    check<M>();
    auto& item = next(&odeon::detail::message_type_of<M>, limit, at);
    return {std::move(message<M>(item)),
            std::move(*static_cast<replies_to<typename M::replies>*>(item.reply.get())),
            item.sender};
  }
  /// The next message, which says that `ref` has ended.
  exit_reason expect_terminated(const any_ref& ref, duration limit = patience,
                                at_type at = at_type::current()) {
    auto t = expect<terminated>(limit, at);
    if (t.ref != ref)
      kit_->fail("expected the end of " + ref.path() + ", but that of " + t.ref.path() + " came",
                 at);
    return std::move(t.reason);
  }

  /// Who sent the message taken last; empty from outside.
  [[nodiscard]] any_ref sender() const noexcept { return last_.sender; }
  /// How many have come and were not taken.
  [[nodiscard]] std::size_t pending() const { return inbox_->size(); }
  void clear() { inbox_->clear(); }

  // -- what it does ---------------------------------------------------------------------------

  /// Calls `f(context&)` on the probe's turn, and waits for it: for what a probe has no own name
  /// for. Its exception is thrown here.
  void run(std::function<void(context&)> f) {
    if (auto e = full().template ask<detail::perform>(std::move(f)).get())
      std::rethrow_exception(e);
  }
  /// Tells `to`, with the probe as the sender.
  template <class M, class... Ns>
  void tell(const actor_ref<Ns...>& to, M&& message) {
    run([&](context&) { to.tell(std::forward<M>(message)); });
  }
  void watch(const any_ref& ref) {
    run([&](context& c) { c.watch(ref); });
  }
  void unwatch(const any_ref& ref) {
    run([&](context& c) { c.unwatch(ref); });
  }
  /// Links it with `ref`; the end of `ref` then comes as an `exit_signal`.
  void link(const any_ref& ref) {
    run([&](context& c) {
      c.trap_exits(true);
      c.link(ref);
    });
  }
  void stop() { kit_->system().stop(ref_); }

 private:
  template <class M>
  static consteval void check() {
    static_assert(message_list<Ms..., terminated, exit_signal>::template contains<M>,
                  "odeon: this probe does not receive that message: name it in kit::probe<…>");
  }
  template <class M>
  static M& message(detail::received& item) noexcept {
    return *static_cast<M*>(item.message.get());
  }
  static std::string told(const detail::received& item) {
    std::string out(item.type->name);
    if (item.type == &odeon::detail::message_type_of<terminated>) {
      const auto& t = *static_cast<const terminated*>(item.message.get());
      out += " of " + t.ref.path() + " (" + to_string(t.reason) + ")";
    }
    if (item.sender) out += " from " + item.sender.path();
    return out;
  }
  std::optional<detail::received> wait_for_one(time_point deadline) {
    for (;;) {
      const std::uint32_t seen = inbox_->arrivals().load();
      if (auto item = inbox_->take()) return item;
      if (!kit_->wait(inbox_->arrivals(), seen, deadline)) return std::nullopt;
    }
  }
  detail::received& next(const odeon::detail::message_type* wanted, duration limit, at_type at) {
    auto item = wait_for_one(kit_->deadline(limit));
    if (!item)
      kit_->fail("expected " + std::string(wanted->name) + " within " +
                     to_string(kit_->limit_or_patience(limit)) + ", but nothing came",
                 at);
    last_ = std::move(*item);
    if (last_.type != wanted)
      kit_->fail("expected " + std::string(wanted->name) + ", but " + told(last_) + " came; " +
                     std::to_string(pending()) + " more wait",
                 at);
    return last_;
  }
  [[nodiscard]] actor_ref<detail::perform> full() const noexcept {
    return actor_ref<detail::perform>::assume(ref_);
  }

  kit* kit_;
  std::shared_ptr<detail::inbox> inbox_;
  ref_type ref_;
  detail::received last_;
};

template <class... Ms>
probe<Ms...> kit::probe(std::string name) {
  return testkit::probe<Ms...>(*this, std::move(name));
}

}  // namespace odeon::testkit
