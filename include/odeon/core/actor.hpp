#pragma once

#include <odeon/core/context.hpp>
#include <odeon/core/request_stream.hpp>

#include <concepts>
#include <type_traits>

/// @file `actor<Ms...>`: the base of class actors.
///
///     struct greet     { std::string name; };
///     struct get_count { using reply = int; };
///
///     class greeter : public odeon::actor<greet, get_count> {
///      public:
///       void on(greet msg)  { log().info("hello, {}", msg.name); ++count_; }
///       int  on(get_count)  { return count_; }
///      private:
///       int count_ = 0;
///     };
///
/// Handler forms, for a message M with reply type R (void where M is no request):
///   R on(M) · R on(const M&) · R on(M&&)      the returned value is the reply
///   … with a last parameter `context&`         the actor's context, as ctx() gives it
///   task<R> on(M)                              a coroutine; the actor takes no further message
///   until it ends, unless
///                                              it declares `static constexpr bool reentrant =
///                                              true`. Take M by value or const reference: both
///                                              live until the end
///   void on(M, reply_to<R>)                    answer later, from anywhere
///   std::expected<R, error> on(M)              an unexpected value fails the ask, and not the
///   actor
///
/// Hooks, each may return `task<void>`: pre_start (before the first message), post_stop (after the
/// last), pre_restart(failure) (on the failed instance; by default it calls post_stop) and
/// post_restart(failure) (on the new one; by default it calls pre_start). An exception in pre_start
/// or post_restart is a failure like a handler's; one in post_stop or pre_restart is published as
/// `hook_failed`, and the stop or restart goes on.

namespace odeon {

namespace detail {

/// The cell whose object is being constructed on this thread.
extern constinit thread_local cell* constructing;
cell& constructing_cell();

/// The part of an actor that does not depend on its protocol.
class actor_base {
 public:
  void pre_start() {}
  void post_stop() {}

  /// For the runtime.
  [[nodiscard]] static context& context_in(actor_base& a) noexcept { return a.context_; }

 protected:
  actor_base() : context_(constructing_cell()) {}
  actor_base(const actor_base&) = delete;
  actor_base& operator=(const actor_base&) = delete;
  ~actor_base() = default;

  [[nodiscard]] context& ctx() noexcept { return context_; }
  [[nodiscard]] logger log() const { return context_.log(); }

 private:
  context context_;
};

template <class A>
concept stops_itself = !std::same_as<decltype(&A::post_stop), void (actor_base::*)()>;
template <class A>
concept starts_itself = !std::same_as<decltype(&A::pre_start), void (actor_base::*)()>;

}  // namespace detail

template <class... Ms>
class actor : public detail::actor_base {
 public:
  using protocol = message_list<Ms...>;
  using ref = actor_ref<Ms...>;

  // The defaults of the restart hooks call the derived class's own hooks.
  template <class Self>
  auto pre_restart(this Self& self, const failure&) {
    return self.post_stop();
  }
  template <class Self>
  auto post_restart(this Self& self, const failure&) {
    return self.pre_start();
  }

  /// For the runtime: `starts_with_recovery` and `stops_with_write` mark bases whose pre_start and
  /// post_stop are templates.
  template <class A>
  static constexpr bool starts =
      detail::starts_itself<A> || requires { typename A::starts_with_recovery; };
  template <class A>
  static constexpr bool stops =
      detail::stops_itself<A> || requires { typename A::stops_with_write; };
  /// For the runtime: whether `A` has that hook, or a default that would do something.
  template <class A>
  static constexpr bool overrides(detail::hook h) {
    constexpr bool own_pre_restart = requires { static_cast<void>(&A::pre_restart); };
    constexpr bool own_post_restart = requires { static_cast<void>(&A::post_restart); };
    switch (h) {
      case detail::hook::pre_start: return starts<A>;
      case detail::hook::post_stop: return stops<A>;
      case detail::hook::pre_restart: return own_pre_restart || detail::stops_itself<A>;
      case detail::hook::post_restart: return own_post_restart || starts<A>;
    }
    return false;
  }

 protected:
  actor() = default;
  ~actor() = default;

  [[nodiscard]] ref self() noexcept { return ref::assume(this->ctx().self()); }

  /// As `ctx().become(b)`. A behaviour that handles a message outside this actor's list, which
  /// nobody could send, does not compile.
  template <class S, class... Hs>
  void become(behavior_of<S, Hs...> b) {
    detail::check_become<protocol>(typename behavior_of<S, Hs...>::messages());
    this->ctx().become(std::move(b));
  }
};

}  // namespace odeon
