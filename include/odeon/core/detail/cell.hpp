#pragma once

#include <odeon/core/detail/envelope.hpp>
#include <odeon/core/detail/turn.hpp>
#include <odeon/runtime/detail/worker.hpp>
#include <odeon/runtime/runtime.hpp>
#include <odeon/task/driver.hpp>

#include <atomic>
#include <cstdint>
#include <exception>
#include <string>

/// @file The cell: an actor's mailbox, life and place in the tree. Users hold it through
/// `actor_ref`.
///
/// The protocol of the head word, the lanes and the end of a cell stands in src/core/cell.cpp.

namespace odeon::detail {

struct handler_entry {
  const message_type* type = nullptr;
  /// Calls the handler; settles the envelope's ask, or leaves it to a suspended coroutine or a
  /// `reply_to`. May throw.
  void (*invoke)(turn& t, void* object, envelope& e) = nullptr;
};

/// Open addressing, a power of two of places, made at compile time.
struct handler_table {
  const handler_entry* places;
  std::uint32_t mask;
  /// What takes every message that has no place of its own; null: nothing does. For classes whose
  /// messages are not known at compile time.
  const handler_entry* rest = nullptr;

  [[nodiscard]] const handler_entry* find(const message_type* type) const noexcept {
    for (std::uint32_t i = static_cast<std::uint32_t>(type->hash) & mask;; i = (i + 1) & mask) {
      const handler_entry& e = places[i];
      if (e.type == type) return &e;
      if (!e.type) return rest;
    }
  }
};

enum class hook : std::uint8_t { pre_start, post_stop, pre_restart, post_restart };

/// What is known of an actor's class together with the types of its constructor's arguments.
struct actor_class {
  std::string_view name;
  std::uint32_t size;         // of the object and the kept arguments behind it
  std::uint32_t args_offset;  // 0: none
  handler_table handlers;
  void (*construct)(void* object, void* args);  // may throw
  void (*destroy)(void* object) noexcept;
  void (*destroy_args)(void* args) noexcept;  // null: nothing to do
  void (*copy_args)(void* to, void* from);    // null: there are none, or they cannot be copied
  /// Runs a hook; true: it is done, false: it is a coroutine that goes on. Null: the actor has none
  /// that does anything.
  bool (*run_hook)(turn& t, void* object, hook which, const failure* why);
  context& (*context_in)(void* object) noexcept;
  std::uint8_t hooks;  // bit per hook that does something
  bool reentrant;
  [[nodiscard]] bool has(hook h) const noexcept { return hooks & (1U << static_cast<unsigned>(h)); }
};

class cell final : public runnable {
 public:
  // -- the senders' side --------------------------------------------------------------------------

  /// Puts an envelope into the mailbox and schedules the actor when it was idle. Takes the
  /// envelope.
  void deliver(envelope& e) noexcept {
    if (flags_.load(std::memory_order_relaxed) & slow_mask) [[unlikely]] {
      deliver_slow(e);
      return;
    }
    push(e);
  }
  /// A message for the actor's turn that overtakes the mailbox and is never dropped. Takes the
  /// node.
  void post_control(driver_node& node) noexcept;

  void add_ref() noexcept { refs().fetch_add(1, std::memory_order_relaxed); }
  void drop_ref() noexcept {
    // Release: what this holder did happens before the end; acquire: the end sees what all holders
    // did.
    if (refs().fetch_sub(1, std::memory_order_acq_rel) == 1) [[unlikely]]
      unreferenced();
  }
  /// From a stale pointer: a reference, when the cell is still of that generation. Cells are type
  /// stable.
  [[nodiscard]] static bool try_ref(cell* c, std::uint32_t generation) noexcept;

  [[nodiscard]] std::uint32_t generation() const noexcept {
    return std::atomic_ref(generation_).load(std::memory_order_relaxed);
  }
  /// Unique among live actors; practically unique over time.
  [[nodiscard]] std::uint64_t uid() const noexcept {
    return (std::uint64_t{generation()} << 41) ^ (reinterpret_cast<std::uintptr_t>(this) >> 6);
  }
  [[nodiscard]] bool is_terminated() const noexcept {
    return flags_.load(std::memory_order_acquire) & terminated_flag;
  }
  [[nodiscard]] std::string path() const;
  [[nodiscard]] const actor_class& get_class() const noexcept { return *class_; }
  [[nodiscard]] system_anchor& system() const noexcept { return *system_; }
  [[nodiscard]] bool accepts(const message_type& type) const noexcept;

  // -- the actor's side: only on its turn ---------------------------------------------------------

  [[nodiscard]] cell_extension& extension();  // made on first need
  [[nodiscard]] cell_extension* extension_if() const noexcept {
    return extension_.load(std::memory_order_acquire);
  }
  [[nodiscard]] cell* parent() const noexcept { return parent_; }
  [[nodiscard]] void* object() const noexcept { return object_; }
  [[nodiscard]] executor& where() const noexcept { return *executor_; }

  // The parts of flags_.
  static constexpr std::uint32_t terminated_flag = 1;  // no more messages: they become dead letters
  static constexpr std::uint32_t side_mailbox_flag =
      2;  // bounded or priority: messages go elsewhere
  static constexpr std::uint32_t remote_flag =
      4;  // a stand-in: messages are routed elsewhere, see detail/routing.hpp
  static constexpr std::uint32_t counting_flag = 8;  // what waits in the mailbox is counted
  static constexpr std::uint32_t far_flag =
      16;  // with remote_flag: no actor, but the local end of one elsewhere
  static constexpr std::uint32_t slow_mask =
      terminated_flag | side_mailbox_flag | remote_flag | counting_flag;
  // Of the actor's side; a message is only taken while none of these is set.
  static constexpr std::uint32_t starting = 1U << 8;  // `pre_start` has yet to end
  static constexpr std::uint32_t waiting =
      1U << 9;  // a handler is suspended and the actor is not reentrant
  static constexpr std::uint32_t failed = 1U << 10;  // waits for the supervisor's word
  static constexpr std::uint32_t restarting = 1U << 11;
  static constexpr std::uint32_t stopping = 1U << 12;
  static constexpr std::uint32_t closed_mask = starting | waiting | failed | restarting | stopping;

 private:
  friend struct cell_access;
  friend struct turn;

  static constexpr std::uintptr_t idle = 1, control = 2, suspended = 4, tag_mask = 7;
  static mailbox_node* node_of(std::uintptr_t word) noexcept {
    return reinterpret_cast<mailbox_node*>(word & ~tag_mask);
  }

  cell(run_fn run, const actor_class& cls, executor& where, system_anchor& system,
       cell* parent) noexcept;
  ~cell() = default;

  // Not initialised by the constructor: stale readers may look at them at any time.
  [[nodiscard]] std::atomic_ref<std::uint32_t> refs() const noexcept {
    return std::atomic_ref(refs_);
  }

  void push(envelope& e) noexcept {
    // Acquire: with the idle bit the previous turn's writes are ours to pass on. Release: the
    // envelope is published.
    const std::uintptr_t before =
        head_.exchange(reinterpret_cast<std::uintptr_t>(static_cast<mailbox_node*>(&e)),
                       std::memory_order_acq_rel);
    node_of(before)->next.store(&e, std::memory_order_release);
    if (before & idle)
      submit_near(*executor_, *this);
    else if (before & tag_mask) [[unlikely]]
      push_over(before);
    else
      note_send();
  }
  void push_over(std::uintptr_t before) noexcept;
  void deliver_slow(envelope& e) noexcept;
  void raise_control() noexcept;
  void unreferenced() noexcept;

  // One line for senders …
  std::atomic<std::uintptr_t> head_;  // the newest node, with the tag bits
  const actor_class* class_;
  executor* executor_;
  mutable std::uint32_t refs_;
  mutable std::uint32_t generation_;
  std::atomic<std::uint32_t> flags_;
  std::uint8_t cls_;  // of the block
  bool separate_;     // the object stands in memory of its own
  bool has_object_ = false;
  std::uint8_t reserved_ = 0;
  system_anchor* system_;
  // … and one for whoever runs the actor.
  std::atomic<mailbox_node*>
      tail_;  // the node taken last, or the stub; an atomic for those who look on
  mailbox_node stub_;
  std::atomic<driver_node*> control_;  // a stack: newest first
  void* object_;                       // its place, whether constructed or not
  std::atomic<cell_extension*> extension_;
  cell* parent_;        // with a reference, unless it is the root
  cell* next_sibling_;  // of the parent's list, under its lock
  cell* prev_sibling_;
};
static_assert(sizeof(cell) == 128);

/// Fills in where an envelope comes from: the actor whose turn this is, and its causal chain.
inline void stamp(envelope& e) noexcept {
  if (turn* t = this_turn()) [[likely]] {
    e.from = t->self;
    e.generation = t->self->generation();
    e.trace = t->trace;
    e.cause = t->hop;
  } else {
    e.from = nullptr;
    e.trace = next_id();
    e.cause = 0;
  }
}

template <class M, class... As>
void tell_to(cell& to, As&&... as) {
  envelope* e = make_envelope<M>(false, std::forward<As>(as)...);
  stamp(*e);
  to.deliver(*e);
}

/// With ttl, key or priority.
void set_options(envelope& e, cell& to, const tell_options& options) noexcept;

/// Fails the turn's actor with the exception in flight; for code that runs outside the loop's own
/// handler.
[[noreturn]] void throw_empty_ref();

}  // namespace odeon::detail
