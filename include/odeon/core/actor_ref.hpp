#pragma once

#include <odeon/core/detail/ask.hpp>
#include <odeon/core/detail/checks.hpp>
#include <odeon/core/message.hpp>

#include <compare>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

/// @file References to actors: how messages get to them.
///
/// A reference is one pointer wide, cheap to copy (one atomic increment), comparable, hashable, and
/// safe to use for ever: what is sent to an actor that has stopped becomes a dead letter.
/// `actor_ref<Ms...>` accepts exactly the messages in its list, checked at compile time, and
/// converts to references with fewer.

namespace odeon {

template <class R>
class reply_stream;

/// The untyped reference: for registries, supervision, watching and paths.
class any_ref {
 public:
  any_ref() noexcept = default;
  any_ref(const any_ref& o) noexcept : cell_(o.cell_) {
    if (cell_) cell_->add_ref();
  }
  any_ref(any_ref&& o) noexcept : cell_(std::exchange(o.cell_, nullptr)) {}
  any_ref& operator=(any_ref o) noexcept {
    std::swap(cell_, o.cell_);
    return *this;
  }
  ~any_ref() {
    if (cell_) cell_->drop_ref();
  }

  /// False for a reference to nothing.
  [[nodiscard]] explicit operator bool() const noexcept { return cell_ != nullptr; }

  /// "/user/bank/account-17"; "" for a reference to nothing. Walks up the tree.
  [[nodiscard]] std::string path() const { return cell_ ? cell_->path() : std::string(); }
  /// Whether it has stopped for good. True may come late: messages can be lost before it is seen.
  /// @threadsafe
  [[nodiscard]] bool is_terminated() const noexcept { return !cell_ || cell_->is_terminated(); }
  /// Of this incarnation: a later actor of the same name has another.
  [[nodiscard]] std::uint64_t uid() const noexcept { return cell_ ? cell_->uid() : 0; }

  /// The typed reference, when the actor accepts all messages of `A` (an actor class, or an
  /// `actor_ref`); else the empty one. Checked at run time, O(number of messages).
  template <class A>
  [[nodiscard]] auto as() const noexcept;

  /// Whether the actor has a handler for `M`.
  template <message M>
  [[nodiscard]] bool accepts() const noexcept {
    return cell_ && cell_->accepts(detail::message_type_of<M>);
  }

  friend bool operator==(const any_ref&, const any_ref&) noexcept = default;
  friend std::strong_ordering operator<=>(const any_ref& a, const any_ref& b) noexcept {
    return std::compare_three_way()(a.cell_, b.cell_);
  }

  /// For the runtime's own modules.
  [[nodiscard]] detail::cell* get() const noexcept { return cell_; }
  [[nodiscard]] static any_ref adopt(detail::cell* c) noexcept {
    any_ref r;
    r.cell_ = c;
    return r;
  }
  [[nodiscard]] static any_ref share(detail::cell* c) noexcept {
    if (c) c->add_ref();
    return adopt(c);
  }

 protected:
  detail::cell* cell_ = nullptr;
};

/// A reference to an actor that accepts the messages `Ms`. @threadsafe
template <class... Ms>
class actor_ref : public any_ref {
 public:
  using protocol = message_list<Ms...>;

  actor_ref() noexcept = default;
  /// From a reference that accepts more.
  template <class... Ns>
    requires(sizeof...(Ms) != sizeof...(Ns) || !std::same_as<actor_ref<Ms...>, actor_ref<Ns...>>) &&
            (message_list<Ns...>::template contains<Ms> && ...)
  actor_ref(const actor_ref<Ns...>& o) noexcept : any_ref(o) {}
  template <class... Ns>
    requires(sizeof...(Ms) != sizeof...(Ns) || !std::same_as<actor_ref<Ms...>, actor_ref<Ns...>>) &&
            (message_list<Ns...>::template contains<Ms> && ...)
  actor_ref(actor_ref<Ns...>&& o) noexcept : any_ref(std::move(o)) {}

  /// Unchecked: for those who know what the actor accepts.
  [[nodiscard]] static actor_ref assume(any_ref r) noexcept {
    actor_ref out;
    static_cast<any_ref&>(out) = std::move(r);
    return out;
  }

  // -- tell ---------------------------------------------------------------------------------------

  /// Sends: `tell<greet>("x")` builds `greet("x")` in its envelope, `tell(greet{"x"})` moves it
  /// there. Never waits (but see `overflow::block`), never fails: what cannot be delivered is a
  /// dead letter with a reason. One allocation.
  template <class M = detail::deduced, class... As>
  void tell(As&&... as) const {
    using message_type = detail::sent_type<M, As...>;
    detail::check_tell<message_type, protocol, As...>();
    detail::tell_to<message_type>(checked(), std::forward<As>(as)...);
  }
  /// The same with a time to live, a key or a priority: `tell(msg, {.ttl = 50ms})`.
  template <class M>
  void tell(M&& msg, const tell_options& options) const {
    using message_type = std::remove_cvref_t<M>;
    detail::check_tell<message_type, protocol, M>();
    detail::cell& to = checked();
    detail::envelope* e = detail::make_envelope<message_type>(true, std::forward<M>(msg));
    detail::stamp(*e);
    detail::set_options(*e, to, options);
    to.deliver(*e);
  }
  /// As `tell`, and says why not, as far as that can be known now: `actor_stopped`, `mailbox_full`.
  /// A message that is refused here is a dead letter all the same.
  template <class M = detail::deduced, class... As>
  result<void> try_tell(As&&... as) const {
    using message_type = detail::sent_type<M, As...>;
    detail::check_tell<message_type, protocol, As...>();
    detail::envelope* e = detail::make_envelope<message_type>(false, std::forward<As>(as)...);
    detail::stamp(*e);
    return detail::try_deliver(checked(), *e);
  }
  /// `co_await ref.tell_wait<M>(…)`: a full mailbox with `overflow::block` is waited for, without
  /// holding up a thread.
  template <class M = detail::deduced, class... As>
  future<void> tell_wait(As&&... as) const {
    using message_type = detail::sent_type<M, As...>;
    detail::check_tell<message_type, protocol, As...>();
    detail::envelope* e = detail::make_envelope<message_type>(false, std::forward<As>(as)...);
    detail::stamp(*e);
    return detail::deliver_wait(checked(), *e);
  }

  // -- ask ----------------------------------------------------------------------------------------

  /// Sends a request and gives the future of its reply; `ask_timeout` after the system's default (5
  /// s) unless `within` says otherwise. Inside a handler the time that the asker's own asker leaves
  /// is a bound as well.
  template <class M = detail::deduced, class... As>
  auto ask(As&&... as) const {
    using message_type = detail::sent_type<M, As...>;
    detail::check_ask<message_type, protocol, As...>();
    using reply = reply_t<message_type>;
    return future<reply>(detail::ask_of<message_type, reply>(checked(), std::forward<As>(as)...));
  }
  /// The same, awaited as a `result`: an expected failure is a value.
  template <class M = detail::deduced, class... As>
  auto try_ask(As&&... as) const {
    return ask<M>(std::forward<As>(as)...).as_result();
  }
  /// Many replies to one ask, for a message with a `replies` type. See `reply_stream`
  /// (core/request_stream.hpp).
  template <class M = detail::deduced, class... As>
  auto request_stream(As&&... as) const {
    using message_type = detail::sent_type<M, As...>;
    detail::check_stream<message_type, protocol, As...>();
    return reply_stream<typename message_type::replies>::template open<message_type>(
        checked(), std::forward<As>(as)...);
  }

 private:
  [[nodiscard]] detail::cell& checked() const {
    if (!cell_) [[unlikely]]
      detail::throw_empty_ref();
    return *cell_;
  }
};

namespace detail {

template <class A>
struct ref_of {
  using type = typename A::ref;
};
template <class... Ms>
struct ref_of<actor_ref<Ms...>> {
  using type = actor_ref<Ms...>;
};

template <class... Ms>
bool accepts_all(const any_ref& r, actor_ref<Ms...>*) noexcept {
  return (r.accepts<Ms>() && ...);
}

}  // namespace detail

template <class A>
auto any_ref::as() const noexcept {
  using ref = typename detail::ref_of<A>::type;
  return detail::accepts_all(*this, static_cast<ref*>(nullptr)) ? ref::assume(*this) : ref();
}

}  // namespace odeon

template <>
struct std::hash<odeon::any_ref> {
  std::size_t operator()(const odeon::any_ref& r) const noexcept {
    return std::hash<const void*>()(r.get());
  }
};
template <class... Ms>
struct std::hash<odeon::actor_ref<Ms...>> : std::hash<odeon::any_ref> {};
