#pragma once

#include <odeon/address/codec.hpp>
#include <odeon/address/messages.hpp>
#include <odeon/core/actor_system.hpp>
#include <odeon/remote/metrics.hpp>
#include <odeon/remote/options.hpp>
#include <odeon/remote/permissions.hpp>
#include <odeon/task/future.hpp>
#include <odeon/wire/standard.hpp>

#include <array>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

/// @file An actor system's place among others: from here its actors are reached, and reach those of
/// other nodes.
///
///     odeon::remote::endpoint net{system, {.listen = "tcp://127.0.0.1:7400"}};
///     net.expose<greeter>();                                             // the serving side
///
///     auto far = co_await net.resolve<greeter>("odeon://app@127.0.0.1:7400/user/greeter");
///     far.tell<greet>("hi");
///     int n = co_await far.ask<get_count>();
///
/// A far reference is an `actor_ref` like any other: it is told, asked, watched, linked, stopped,
/// sent in messages, given to routers. What is different: a message is encoded when it is sent, and
/// may be lost with the connection; then it is a dead letter where that is known, and an ask fails
/// with `unreachable`. `docs/guide/remoting.md` has the whole of it.

namespace odeon::remote {

namespace detail {

class endpoint_state;

template <class T>
concept has_protocol =
    requires { typename T::ref::protocol; } || requires { typename T::protocol; };

template <class A>
using ref_to = typename odeon::detail::ref_of<A>::type;

/// Adds messages to a table, and lists what the table has of them.
template <class... Ms>
void add_messages(message_table& to, message_list<Ms...>*) {
  to.add<Ms...>();
}
template <class... Ms>
inline constexpr std::array<const odeon::detail::travelling*, sizeof...(Ms)> travelling_of = {
    &odeon::detail::travels<Ms>::table...};
template <class... Ms>
constexpr std::span<const odeon::detail::travelling* const> list_of(message_list<Ms...>*) {
  return travelling_of<Ms...>;
}

/// What an argument of a spawn is sent as.
template <class T>
using argument = std::conditional_t<std::is_convertible_v<T, std::string_view>, std::string,
                                    std::remove_cvref_t<T>>;

}  // namespace detail

/// One for each system, as a rule. It must not be destroyed by one of its system's actors. When the
/// system ends first, the endpoint closes with its last phase; when the endpoint goes first, far
/// references stay safe to use, and everything that is sent to them is `unreachable`. @threadsafe
class endpoint {
 public:
  /// Listens, where the options say so. Throws `actor_error`: `invalid_argument` for options that
  /// cannot be meant, else what `transport::listen` and the certificates say.
  explicit endpoint(actor_system& system, endpoint_options options, permissions allowed = {});
  /// With the options of the system's configuration (`remote.*`).
  explicit endpoint(actor_system& system);
  /// For this module's own tests.
  explicit endpoint(std::shared_ptr<detail::endpoint_state> state) noexcept;
  /// Says goodbye to all peers, which takes at most `limits::goodbye`.
  ~endpoint();
  endpoint(const endpoint&) = delete;
  endpoint& operator=(const endpoint&) = delete;

  /// How others reach this node: "10.0.0.5:7400".
  [[nodiscard]] std::string node() const;
  /// "odeon://app@10.0.0.5:7400/user/greeter#…": an actor as others name it. `invalid_argument` for
  /// one of another system.
  [[nodiscard]] result<address> address_of(const any_ref& ref) const;
  /// For `addressed_by`: references in messages that are encoded by hand.
  [[nodiscard]] const address_resolver& resolver() const noexcept;
  /// Those that a handshake has told of.
  [[nodiscard]] std::vector<peer_info> peers() const;
  /// Traffic, queues, connections and refusals, of this endpoint and by peer.
  [[nodiscard]] endpoint_metrics metrics() const;
  /// Ends the association with a node: until somebody needs it, or, with `quarantine`, with that
  /// incarnation for ever, whose actors count as unreachable. Errors: as an address of nobody.
  [[nodiscard]] result<void> drop(std::string_view node, bool quarantine = false);

  // -- what may be sent --------------------------------------------------------------------------

  /// Lets messages come in and go out: each `T` is an actor class or reference, for all of its
  /// messages, or a message. The reply of each must travel as well. Doing so again changes nothing.
  /// Throws `errc::name_taken` when another type has a message's manifest.
  template <class... Ts>
  void expose() {
    (expose_one<Ts>(), ...);
  }

  // -- finding -----------------------------------------------------------------------------------

  /// A reference to an actor of another node (or of this one) that takes all messages of `A`, which
  /// are exposed by this. Fails with `no_such_actor`, `stale` (the address is of an earlier actor),
  /// `wrong_type` (it has no handler for one of them), `unknown_manifest` (the other side has not
  /// exposed it), `contract_changed` (both sides know a message and would not understand each
  /// other), or why there is no connection; the text has the node's address. `within` bounds it;
  /// without that the system's time for asks does.
  template <class A>
  [[nodiscard]] future<detail::ref_to<A>> resolve(std::string_view address) {
    return found<detail::ref_to<A>>(
        [&](auto wants, auto done) { resolve_any(address, wants, std::move(done)); });
  }
  /// The same by the node and the actor's name or path there: `lookup<bank>("10.0.0.7:7400",
  /// "bank")`.
  template <class A>
  [[nodiscard]] future<detail::ref_to<A>> lookup(std::string_view node,
                                                 std::string_view name_or_path) {
    return found<detail::ref_to<A>>(
        [&](auto wants, auto done) { lookup_any(node, name_or_path, wants, std::move(done)); });
  }

  // -- making ------------------------------------------------------------------------------------

  /// Lets other nodes make actors of class `A` by that name, when `permissions::spawn` says that
  /// they may: with `spawn_options::name`, and arguments of the types `Args`, which must travel.
  /// Exposes its messages. Throws `errc::name_taken`.
  template <class A, class... Args>
  void register_actor(std::string type) {
    (wire::require_decodable<Args>(), ...);
    expose<A>();
    register_maker(std::move(type),
                   [](actor_system& system, spawn_options options, std::span<const std::byte> bytes,
                      const wire::context& c) -> result<any_ref> {
                     auto args =
                         wire::decode<std::tuple<Args...>>(bytes, wire::format::msgpack, {}, c);
                     if (!args) return std::unexpected(std::move(args).error());
                     return std::apply(
                         [&](Args&... each) -> any_ref {
                           return system.spawn<A>(std::move(options), std::move(each)...);
                         },
                         *args);
                   });
  }
  /// Makes an actor of a class that `node` has registered as `type` with arguments of just these
  /// types (text is sent as a std::string). Fails as `resolve`, and with `refused` (that node does
  /// not permit it), `not_found` (no such type), `name_taken`, `limit_exceeded`, `spawn_failed`,
  /// and as `wire::decode` for other arguments.
  template <class A, class... Args>
  [[nodiscard]] future<detail::ref_to<A>> spawn_at(std::string_view node, std::string_view type,
                                                   const spawn_options& options, Args&&... args) {
    const std::tuple<detail::argument<Args>...> all(std::forward<Args>(args)...);
    return found<detail::ref_to<A>>([&](auto wants, auto done) {
      auto bytes = wire::try_encode(all, wire::format::msgpack, addressed_by(resolver()));
      if (!bytes) return done(std::unexpected(std::move(bytes).error()));
      spawn_any(node, type, options.name, *std::move(bytes), wants, std::move(done));
    });
  }

 private:
  using wanted = std::span<const odeon::detail::travelling* const>;
  using found_taker = std::move_only_function<void(result<any_ref>)>;
  using maker = std::function<result<any_ref>(actor_system&, spawn_options,
                                              std::span<const std::byte>, const wire::context&)>;

  template <class T>
  void expose_one() {
    if constexpr (detail::has_protocol<T>)
      detail::add_messages(messages(), static_cast<typename detail::ref_to<T>::protocol*>(nullptr));
    else
      messages().add<T>();
  }

  template <class Ref, class Begin>
  future<Ref> found(Begin begin) {
    auto* protocol = static_cast<typename Ref::protocol*>(nullptr);
    detail::add_messages(messages(), protocol);
    auto made = promise<Ref>::make(get_runtime());
    begin(detail::list_of(protocol),
          found_taker([p = std::move(made.first)](result<any_ref> r) mutable {
            if (r)
              p.set(Ref::assume(*std::move(r)));
            else
              p.fail(std::move(r).error());
          }));
    return std::move(made.second).within(default_limit());
  }

  [[nodiscard]] message_table& messages() const noexcept;
  [[nodiscard]] runtime& get_runtime() const noexcept;
  [[nodiscard]] duration default_limit() const noexcept;
  void resolve_any(std::string_view address, wanted wants, found_taker done);
  void lookup_any(std::string_view node, std::string_view path, wanted wants, found_taker done);
  void spawn_any(std::string_view node, std::string_view type, std::string_view name,
                 wire::bytes arguments, wanted wants, found_taker done);
  void register_maker(std::string type, maker make);

  std::shared_ptr<detail::endpoint_state> state_;
};

}  // namespace odeon::remote
