#pragma once

#include <odeon/core/actor_system.hpp>
#include <odeon/core/supervision.hpp>
#include <odeon/pattern/schedule.hpp>
#include <odeon/persistence/effect.hpp>
#include <odeon/persistence/journal.hpp>
#include <odeon/projection/offset_store.hpp>
#include <odeon/wire/codec.hpp>
#include <odeon/wire/manifest.hpp>

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

/// @file Projections: what is made of the events of a tag, one after the other, for ever.
///
///     struct balances {
///       using events = odeon::events<deposited, withdrawn>;
///       void on(const deposited& e, const projection::event_info& i,
///               projection::sqlite_transaction& tx) {
///         tx.execute("UPDATE account SET balance = balance + ? WHERE id = ?",
///                    {e.amount, i.persistence_id});
///       }
///       void on(const withdrawn& e, …) …
///     };
///     auto p = projection::start<balances>(system, {.name = "balances", .tag = "account"}, store);
///
/// A handler is any class with an `events` list and an `on` for each of them. It is made from the
/// arguments of `start` (kept, and copied for each life of the projection), and has one of two
/// forms.
///
/// **Exactly once**: `void` or `result<void> on(const E&, const event_info&, Transaction&)`, with a
/// `transactional_store` whose `transaction` it is. Up to `settings::batch` events share a
/// transaction with their offset; the handler runs on a thread of the store, where it may block.
/// What it keeps outside of the transaction – its members, calls elsewhere – is not undone with it.
///
/// **At least once**: `void`, `result<void>` or `task<void> on(const E&, const event_info&)`, with
/// any store. It runs on turns of the projection's actor, which must not block but may await; the
/// offset is stored after every `settings::batch` events, so those since then come again after a
/// crash.
///
/// The actor is named `projection-<name>`. What can pass – a store that is down – restarts it, with
/// backoff; what cannot – a damaged event, an unknown one, a poison one, each as its policy says –
/// stops it with the reason, which is logged and published as `halted`, and nothing behind that
/// event is read.

namespace odeon::projection {

/// Where an event comes from.
struct event_info {
  std::string_view persistence_id;
  std::uint64_t sequence = 0;
  std::uint64_t position = 0;  ///< in the journal: the projection's offset when it is handled
  wall_time written;
  std::string_view manifest;
  std::uint32_t version = 1;
  std::span<const std::string> tags;
};

/// What becomes of an event that cannot be handled.
enum class policy : std::uint8_t {
  fail,  ///< the projection stops with the reason
  skip,  ///< it is counted, published as `skipped`, logged, and passed over
};

/// An aggregate; `name` and `tag` are needed.
struct settings {
  std::string name;  ///< of the offset, and of the actor: letters, digits and `-_.:@+`
  std::string tag;   ///< of the events
  std::shared_ptr<journal> from = nullptr;  ///< null: the system's (`persistence::install`)
  std::size_t batch = 200;                  ///< events between two stores of the offset
  duration poll = std::chrono::seconds(1);  ///< at the end: see `announcing_journal`

  policy unknown = policy::fail;  ///< an event whose manifest is none of the handler's
  /// An event that the handler refuses (by an exception or an error), or that cannot be decoded:
  /// what becomes of it when it was tried `attempts` times by itself.
  policy poison = policy::fail;
  unsigned attempts = 3;
  schedule pauses = schedule::exponential(std::chrono::milliseconds(100), std::chrono::seconds(5));

  unsigned max_restarts = 20;  ///< within ten minutes; after them it stops
  backoff_options backoff = {.initial = std::chrono::milliseconds(200),
                             .max = std::chrono::seconds(30)};
  duration report_every =
      std::chrono::seconds(10);  ///< `progress` on the event stream; zero: never
};

/// How far it is. Published on the event stream, and answered to `get_progress`.
struct progress {
  std::string name;
  std::uint64_t offset = 0;   ///< as it is stored
  std::uint64_t handled = 0;  ///< events, since the actor's last start, like all counts
  std::uint64_t skipped = 0;
  std::uint64_t retries = 0;  ///< attempts after a first one
  bool paused = false;
  bool caught_up = false;  ///< the last look found nothing further
  duration lag{0};  ///< the age of the last handled event, while not caught up; zero when it is
};
/// An event was passed over. Published.
struct skipped {
  std::string name;
  std::uint64_t position = 0;
  std::string persistence_id;
  std::uint64_t sequence = 0;
  error why;
};
/// A projection has stopped for good. Published.
struct halted {
  std::string name;
  std::uint64_t offset = 0;
  error why;
};

/// Stops reading after the batch in hand, until `resume`. Answered when it has.
struct pause {
  using reply = void;
};
struct resume {
  using reply = void;
};
/// Goes on behind the position `to`, which may lie back (0: all anew) or ahead. Answered when that
/// is stored. A handler may have `void rewound(std::uint64_t to)`, or, with a transaction, `void
/// rewound(std::uint64_t to, Transaction&)`, called with that: to empty its tables, say.
struct rewind {
  using reply = void;
  std::uint64_t to = 0;
};
struct get_progress {
  using reply = progress;
};

using ref = actor_ref<pause, resume, rewind, get_progress>;

namespace detail {

/// A handler's class, erased: constant tables.
struct event_type {
  std::string_view manifest;
  result<std::shared_ptr<const void>> (*decode)(const stored_event& from);
  /// The one that the store's kind calls for; the other is null.
  task<void> (*handle)(void* handler, const void* event, const event_info& info);
  void (*apply)(void* handler, const void* event, const event_info& info, store_transaction& tx);
};
struct handler_class {
  std::span<const event_type> events;
  bool in_transaction;
  void (*rewound)(void* handler, std::uint64_t to, store_transaction* tx);  // null: has none
};
struct start_request {
  settings with;
  std::shared_ptr<offset_store> store;
  transactional_store* transactional;  // the same one; null for handlers without a transaction
  const handler_class* handler;
  std::function<std::shared_ptr<void>()> make;
};
/// Throws `actor_error`: name_taken, invalid_argument, system_stopped.
ref start_projection(actor_system& system, start_request request);

inline void pass_on(result<void> r) {
  if (!r) throw actor_error(std::move(r.error()));
}

template <class H, class E>
concept handles_plain = requires(H& h, const E& e, const event_info& i) { h.on(e, i); };
template <class H, class E, class Tx>
concept handles_in_transaction =
    requires(H& h, const E& e, const event_info& i, Tx& tx) { h.on(e, i, tx); };

template <class Store>
struct transaction_of {
  using type = void;
};
template <class Store>
  requires requires { typename Store::transaction; }
struct transaction_of<Store> {
  using type = typename Store::transaction;
};

template <class E>
result<std::shared_ptr<const void>> decode_event(const stored_event& from) {
  auto value = wire::decode_version<E>(static_cast<int>(from.event.version), from.event.payload);
  if (!value) return std::unexpected<error>(std::move(value.error()));
  return std::make_shared<const E>(std::move(*value));
}
template <class H, class E>
task<void> handle_event(void* handler, const void* event, const event_info& info) {
  auto call = [&]() -> decltype(auto) {
    return static_cast<H*>(handler)->on(*static_cast<const E*>(event), info);
  };
  using R = decltype(call());
  if constexpr (std::is_void_v<R>) {
    call();
  } else if constexpr (requires { pass_on(call()); }) {
    pass_on(call());
  } else {
    co_await call();
  }
  co_return;
}
template <class H, class E, class Tx>
void apply_event(void* handler, const void* event, const event_info& info, store_transaction& tx) {
  auto call = [&]() -> decltype(auto) {
    return static_cast<H*>(handler)->on(*static_cast<const E*>(event), info, static_cast<Tx&>(tx));
  };
  if constexpr (std::is_void_v<decltype(call())>)
    call();
  else
    pass_on(call());
}

template <class H, class Tx, class Events>
struct class_of;
template <class H, class Tx, class... Es>
struct class_of<H, Tx, odeon::events<Es...>> {
  static constexpr bool in_transaction =
      !std::is_void_v<Tx> && (handles_in_transaction<H, Es, Tx> && ...);
  static_assert(in_transaction || (handles_plain<H, Es> && ...),
                "odeon: a projection's handler has, for each of its events, an on(const E&, const "
                "event_info&), or, with a transactional store, all of them an on(const E&, const "
                "event_info&, transaction&)");

  template <class E>
  static constexpr event_type entry() {
    wire::require_decodable<E>();
    event_type out{wire::manifest<E>, &decode_event<E>, nullptr, nullptr};
    if constexpr (in_transaction)
      out.apply = &apply_event<H, E, Tx>;
    else
      out.handle = &handle_event<H, E>;
    return out;
  }
  static void rewound([[maybe_unused]] void* handler, [[maybe_unused]] std::uint64_t to,
                      [[maybe_unused]] store_transaction* tx) {
    if constexpr (in_transaction && requires(H& h, Tx& t) { h.rewound(to, t); })
      static_cast<H*>(handler)->rewound(to, static_cast<Tx&>(*tx));
    else if constexpr (requires(H& h) { h.rewound(to); })
      static_cast<H*>(handler)->rewound(to);
  }
  static constexpr bool looks_at_rewinds = [] {
    if constexpr (in_transaction)
      return requires(H& h, Tx& t) { h.rewound(std::uint64_t(), t); } ||
             requires(H& h) { h.rewound(std::uint64_t()); };
    else
      return requires(H& h) { h.rewound(std::uint64_t()); };
  }();

  static constexpr event_type table[] = {entry<Es>()...};
  static constexpr handler_class value{table, in_transaction,
                                       looks_at_rewinds ? &rewound : nullptr};
};

}  // namespace detail

/// Starts a projection: see the file's head. Of two of one name in a system the second one throws
/// `errc::name_taken`; in a store, the slower one stops with `errc::version_conflict`. Throws
/// `errc::invalid_argument` for settings outside their range, and without a journal.
template <class Handler, class Store, class... Args>
  requires std::derived_from<Store, offset_store>
ref start(actor_system& system, settings with, std::shared_ptr<Store> store, Args&&... args) {
  using Tx = typename detail::transaction_of<Store>::type;
  using cls = detail::class_of<Handler, Tx, typename Handler::events>;
  detail::start_request request{std::move(with), store, nullptr, &cls::value, {}};
  if constexpr (cls::in_transaction) request.transactional = store.get();
  request.make = [kept = std::tuple<std::decay_t<Args>...>(std::forward<Args>(args)...)] {
    return std::apply(
        [](const auto&... as) -> std::shared_ptr<void> { return std::make_shared<Handler>(as...); },
        kept);
  };
  return detail::start_projection(system, std::move(request));
}

}  // namespace odeon::projection
