#pragma once

#include <odeon/address/resolver.hpp>
#include <odeon/core/actor_ref.hpp>
#include <odeon/task/future.hpp>
#include <odeon/wire/codec.hpp>
#include <odeon/wire/registry.hpp>
#include <odeon/wire/tagged.hpp>

#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

/// @file Messages that come from other languages and other nodes, and go to them: found by
/// manifest, read into envelopes, asked with, answered.
///
///     odeon::messages_of(system).add<deposit, balance>();
///
/// From then on whoever speaks for another language in this process (Python actors do), or for
/// another node, sends these to actors of the system, and takes them from it, without knowing the
/// types. Messages that have no type of C++ at all travel through `foreign_messages`.

namespace odeon {

class actor_system;

namespace detail {

/// Bytes with the name of what they are; "" where that is no record and has no name.
using reply_bytes = wire::tagged;
/// Told once, with the reply or why there is none; on the completing thread, where it is short.
using reply_taker = std::function<void(result<reply_bytes>)>;

/// An ask under way, with a reference; may be let go at any time.
class ask_in_flight {
 public:
  ask_in_flight() noexcept = default;
  explicit ask_in_flight(ask_state_base& a) noexcept : ask_(&a) { a.add_ref(); }
  ask_in_flight(ask_in_flight&& o) noexcept : ask_(std::exchange(o.ask_, nullptr)) {}
  ask_in_flight& operator=(ask_in_flight o) noexcept {
    std::swap(ask_, o.ask_);
    return *this;
  }
  ~ask_in_flight() {
    if (ask_) ask_->drop_ref();
  }
  [[nodiscard]] ask_state_base* get() const noexcept { return ask_; }

 private:
  ask_state_base* ask_ = nullptr;
};

/// What is known of a message that travels: a constant table for each type.
struct travelling {
  const message_type* type;   // null: of many types, as what is foreign
  std::string_view manifest;  // "": each message says its own
  int version = 1;            // which is written
  /// An envelope with the message; its origin is left to the caller. Errors as `decode_version`.
  result<envelope*> (*read)(const wire::tagged_view& from, bool extra, const wire::context& c);
  /// The message of an envelope of this type.
  result<wire::tagged> (*write)(const void* message, const wire::context& c);
  /// The same into `out`, in MessagePack, under `manifest` and `version`; null: only `write` can.
  result<void> (*write_to)(wire::buffer& out, const void* message, const wire::context& c);
  /// Sends `e`, which is of this type and stamped, as an ask; `limit` below zero: the system's
  /// default. Who `e` came from is the asker. Null: the message is no request.
  ask_in_flight (*ask)(cell& to, envelope& e, duration limit, reply_taker take);
  /// The same; the reply is written with `c`, which lives until `take` was told.
  ask_in_flight (*ask_with)(cell& to, envelope& e, duration limit, const wire::context* c,
                            reply_taker take);
  /// Settles an ask of this type with bytes that are its reply. An error: they are not, and the ask
  /// has failed with it. Null: the message is no request.
  result<bool> (*settle)(ask_state_base& ask, const wire::tagged_view& reply,
                         const wire::context& c);
  /// Registers what it is as "message" and its reply, where it has one, as "reply". Null: not
  /// known.
  void (*describe)(wire::registry& to);
};

/// Messages without a type of C++: whoever speaks for another language says how they travel.
/// Both give null for what they do not know, and what lives as long as the program for what they
/// do. @threadsafe
struct foreign_messages {
  const travelling* (*of_manifest)(std::string_view manifest);
  const travelling* (*of_type)(const message_type& type);
};

/// The context in which messages of a system travel: references as addresses of it. The system must
/// not end meanwhile.
class travel_context {
 public:
  explicit travel_context(system_anchor& system) noexcept;
  [[nodiscard]] const wire::context& get() const noexcept { return context_; }

 private:
  local_resolver resolver_;
  wire::context context_;
};

/// Notes the ask in the envelope and delivers it. Never waits for room in a mailbox.
void send_as_ask(cell& to, envelope& e, ask_state_base& s, duration limit) noexcept;
/// What `take` is told in place of a reply that cannot be written.
[[nodiscard]] error reply_refused(const error& why);

template <class R>
inline constexpr bool is_named_reply = wire::schema_of<R>.kind == wire::kind::record;

template <class R>
result<reply_bytes> reply_to_bytes(const R& value, const wire::context& c) {
  if constexpr (is_named_reply<R>) {
    return wire::try_encode_tagged(value, wire::format::msgpack, c);
  } else {
    auto made = wire::try_encode(value, wire::format::msgpack, c);
    if (!made) return std::unexpected(std::move(made).error());
    return reply_bytes{{}, 1, wire::format::msgpack, *std::move(made)};
  }
}

template <class M>
struct travels {
  static result<envelope*> read(const wire::tagged_view& from, bool extra, const wire::context& c) {
    auto made = wire::decode_version<M>(from.version, from.payload, from.form, {}, c);
    if (!made) return std::unexpected(std::move(made).error());
    return make_envelope<M>(extra, *std::move(made));
  }
  static result<wire::tagged> write(const void* message, const wire::context& c) {
    return wire::try_encode_tagged(*static_cast<const M*>(message), wire::format::msgpack, c);
  }
  static result<void> write_to(wire::buffer& out, const void* message, const wire::context& c) {
    return wire::try_encode_to(out, *static_cast<const M*>(message), wire::format::msgpack, c);
  }
  static ask_in_flight ask(cell& to, envelope& e, duration limit, reply_taker take) {
    return ask_with(to, e, limit, nullptr, std::move(take));
  }
  static ask_in_flight ask_with(cell& to, envelope& e, duration limit, const wire::context* with,
                                reply_taker take) {
    using R = reply_t<M>;
    auto* s = new ask_state<R>();
    ask_in_flight held(*s);
    system_anchor& system = to.system();
    send_as_ask(to, e, *s, limit);
    future<R>(s).then([take = std::move(take), &system, with](result<R> r) {
      if (!r) return take(std::unexpected(std::move(r).error()));
      if constexpr (std::is_void_v<R>) {
        take(reply_bytes{{}, 1, wire::format::msgpack, {std::byte{0xc0}}});  // MessagePack's nil
      } else {
        auto made =
            with ? reply_to_bytes(*r, *with) : reply_to_bytes(*r, travel_context(system).get());
        if (!made) made = std::unexpected(reply_refused(made.error()));
        take(std::move(made));
      }
    });
    return held;
  }
  static result<bool> settle(ask_state_base& ask, const wire::tagged_view& reply,
                             const wire::context& c) {
    using R = reply_t<M>;
    if constexpr (std::is_void_v<R>) {
      return fulfil<R>(ask);
    } else {
      auto made = is_named_reply<R> && reply.manifest == wire::manifest<R>
                      ? wire::decode_version<R>(reply.version, reply.payload, reply.form, {}, c)
                      : wire::decode<R>(reply.payload, reply.form, {}, c);
      if (!made) {
        ask.fail(made.error());
        return std::unexpected(std::move(made).error());
      }
      return fulfil<R>(ask, *std::move(made));
    }
  }
  static void describe(wire::registry& to) {
    (void)to.try_add<M>("message");
    if constexpr (request<M>) {
      if constexpr (!std::is_void_v<reply_t<M>>) (void)to.try_add<reply_t<M>>("reply");
    }
  }
  static consteval travelling make() {
    travelling t{.type = &message_type_of<M>,
                 .manifest = wire::manifest<M>,
                 .version = wire::version<M>,
                 .read = &read,
                 .write = &write,
                 .write_to = &write_to,
                 .ask = nullptr,
                 .ask_with = nullptr,
                 .settle = nullptr,
                 .describe = &describe};
    if constexpr (request<M>) {
      t.ask = &ask;
      t.ask_with = &ask_with;
      t.settle = &settle;
    }
    return t;
  }
  static constexpr travelling table = make();
};

}  // namespace detail

/// The messages of one system that travel to other languages and nodes. One for each system.
/// @threadsafe
class message_table {
 public:
  message_table();
  ~message_table();
  message_table(const message_table&) = delete;
  message_table& operator=(const message_table&) = delete;

  /// Adds each type under its manifest; its reply, where it has one, must be decodable as well.
  /// Again: nothing changes. Throws `errc::name_taken` when another type has the manifest.
  template <class... Ms>
  void add() {
    (add_one<Ms>(), ...);
  }

  /// From now on what was not added is looked for there.
  void set_foreign(const detail::foreign_messages& others);

  /// For who speaks for another language or node. Null: it was not added, and is not foreign. The
  /// table lives as long as the program.
  [[nodiscard]] const detail::travelling* find(std::string_view manifest) const;
  [[nodiscard]] const detail::travelling* find(const detail::message_type& type) const;

 private:
  template <class M>
  void add_one() {
    static_assert(message<M>,
                  "odeon: a message is a movable class type without const or reference");
    wire::require_decodable<M>();
    if constexpr (request<M> && !std::is_void_v<reply_t<M>>) wire::require_decodable<reply_t<M>>();
    add_entry(detail::travels<M>::table);
  }
  void add_entry(const detail::travelling& entry);

  struct tables;
  std::unique_ptr<tables> tables_;
};

/// That system's, made on first need; it lives until after the last actor has ended. @threadsafe
[[nodiscard]] message_table& messages_of(actor_system& system);

}  // namespace odeon
