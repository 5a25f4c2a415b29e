#pragma once

#include <odeon/base/detail/pool.hpp>
#include <odeon/core/detail/copying.hpp>
#include <odeon/core/fwd.hpp>
#include <odeon/core/message.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>

/// @file The envelope: one allocation a message. A header of 48 bytes, the payload behind it, and
/// at the end of the block, only when the message has them, the rare things (deadline, key,
/// priority).

namespace odeon::detail {

/// A link of a mailbox's queue.
struct mailbox_node {
  std::atomic<mailbox_node*> next{nullptr};
};

/// The rare things.
struct envelope_extra {
  time_point deadline{};  // zero: none
  std::uint64_t key = 0;
  int priority = 0;
  void* timer = nullptr;  // the timer that sent it, with a reference
};

/// What is known of a message type. Two messages are of one type when the addresses are equal.
struct message_type {
  std::string_view name;
  std::uint64_t hash;
  void (*destroy)(void*) noexcept;         // null: nothing to do
  void (*relocate)(void* to, void* from);  // move-construct, then destroy
  std::uint32_t size;
  std::uint16_t align;
  bool in_line;  // the payload stands in the block; else a pointer to it does
  bool signal;   // from the runtime; an actor without a handler for it ignores it
  void (*copy)(void* to, const void* from);   // null: it cannot be copied
  std::uint64_t (*key)(const void* message);  // its own routing key; null: it has none
};

struct alignas(8) envelope : mailbox_node {
  static constexpr std::uint8_t is_ask = 1;  // `from` is an ask_state_base, with a reference
  static constexpr std::uint8_t has_extra = 2;
  static constexpr std::uint8_t taken = 4;  // the handler took the payload by value: it is hollow
  static constexpr std::uint8_t is_timer = 8;  // extra()->timer is set
  static constexpr std::uint8_t kept = 16;     // a suspended handler still uses the payload
  static constexpr std::uint8_t orphan =
      32;  // not in the queue any more: who is done with it frees the block
  static constexpr std::uint8_t hollow = 64;    // the payload was moved elsewhere and destroyed
  static constexpr std::uint8_t counted = 128;  // is one of the cell's counted, waiting messages

  const message_type* type;
  void* from;                // the sender's cell (weak: with its generation) or the ask
  std::uint32_t generation;  // of the sender's cell
  std::uint8_t cls;          // of the block
  std::uint8_t flags;
  std::uint16_t reserved;
  std::uint64_t trace;  // the first message of the chain
  std::uint64_t cause;  // the hop that sent this one; 0: from outside

  [[nodiscard]] void* payload() noexcept {
    void* p = this + 1;
    return type->in_line ? p : *static_cast<void**>(p);
  }
  [[nodiscard]] envelope_extra* extra() noexcept {
    if (!(flags & has_extra)) return nullptr;
    char* end = reinterpret_cast<char*>(this) + (std::size_t{cls} + 1) * pool_granule;
    return std::launder(reinterpret_cast<envelope_extra*>(end - sizeof(envelope_extra)));
  }
  [[nodiscard]] ask_state_base* ask() const noexcept {
    return flags & is_ask ? static_cast<ask_state_base*>(from) : nullptr;
  }
};
static_assert(sizeof(envelope) == 48);

template <class M>
inline constexpr bool fits_in_line =
    sizeof(M) + sizeof(envelope) + sizeof(envelope_extra) <= pool_block_max && alignof(M) <= 16;

template <class M>
inline constexpr bool is_signal_type = requires { typename M::is_signal; };

template <class M>
inline constexpr message_type message_type_of{
    .name = type_name<M>,
    .hash = fnv1a(type_name<M>),
    .destroy = std::is_trivially_destructible_v<M>
                   ? nullptr
                   : +[](void* p) noexcept { std::destroy_at(static_cast<M*>(p)); },
    .relocate =
        [](void* to, void* from) {
          auto* m = static_cast<M*>(from);
          std::construct_at(static_cast<M*>(to), std::move(*m));
          std::destroy_at(m);
        },
    .size = sizeof(M),
    .align = alignof(M),
    .in_line = fits_in_line<M>,
    .signal = is_signal_type<M>,
    .copy = copy_function<M>(),
    .key = key_function<M>(),
};

/// A block for a payload that stands elsewhere, with its memory; the payload is not constructed
/// yet.
envelope* new_large_envelope(const message_type& type, bool extra);
/// Destroys an out-of-line payload and frees its memory, not the block.
void destroy_large_payload(envelope& e) noexcept;
/// Frees the block of an envelope whose payload was destroyed.
inline void free_block(envelope& e) noexcept { pool_put(pool_kind::envelope, e.cls, &e); }

inline void destroy_payload(envelope& e) noexcept {
  if (e.type->in_line) [[likely]] {
    if (e.type->destroy) e.type->destroy(&e + 1);
  } else {
    destroy_large_payload(e);
  }
}

/// `M(args…)` in its envelope; the header's origin (`from`, `trace`, `cause`) is left to the
/// caller.
template <class M, class... As>
envelope* make_envelope(bool extra, As&&... as) {
  envelope* e;
  if constexpr (fits_in_line<M>) {
    const std::size_t bytes = sizeof(envelope) + sizeof(M);
    const auto cls =
        static_cast<std::uint8_t>(pool_class(extra ? bytes + sizeof(envelope_extra) + 8 : bytes));
    e = static_cast<envelope*>(pool_get(pool_kind::envelope, cls));
    e->next.store(nullptr, std::memory_order_relaxed);
    e->type = &message_type_of<M>;
    e->cls = cls;
    e->flags = 0;
    if (extra) {
      e->flags = envelope::has_extra;
      std::construct_at(e->extra());
    }
  } else {
    e = new_large_envelope(message_type_of<M>, extra);
  }
  if constexpr (std::is_nothrow_constructible_v<M, As...>) {
    ::new (e->payload()) M(std::forward<As>(as)...);
  } else {
    try {
      ::new (e->payload()) M(std::forward<As>(as)...);
    } catch (...) {
      if constexpr (!fits_in_line<M>) ::operator delete(e->payload(), std::align_val_t(alignof(M)));
      free_block(*e);
      throw;
    }
  }
  return e;
}

}  // namespace odeon::detail
