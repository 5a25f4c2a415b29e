#pragma once

#include <odeon/runtime/runtime.hpp>
#include <odeon/task/detail/fork_base.hpp>
#include <odeon/task/fork.hpp>

#include <atomic>
#include <cstdint>

namespace odeon::detail {

/// Tasks that take turns on one executor, first come, first served.
///
/// Who owns what. Everything but `inbox_` and `refs_` belongs to the group's turn: one thread at a
/// time, which the home sees to. The home is a thread that sleeps (`run`), or a coroutine that some
/// other driver drives (`companion_group`).
///
/// What waits for a turn is a node: that of a future which has come, of a `resume`, or the fork's
/// own. Nodes from the turn itself go to the queue at once; those of other threads to the inbox, a
/// stack that is taken whole.
///
///   inbox_     means                              becomes
///   0          nothing; the home is awake         a node, by who posts; `asleep` by the home
///   a node     the newest of some                 a newer node; 0, when the home takes them all
///   asleep     nothing, and the home sleeps       a node; who makes that change wakes the home
///   closed     the home has ended                 nothing else: who posts lets the node arrive
///
/// Posting is a compare-and-swap (release: the node's fields); taking is an exchange (acquire). So
/// the home is woken exactly once for each time that it fell asleep, and no node is left behind:
/// falling asleep is a compare-and-swap from 0.
///
/// A fork that has finished, or was destroyed, may have nodes on the way: each holds a reference to
/// it, and is counted in `late_` so that the home waits for it. When the home ends first (an actor
/// that stops), it destroys the frames of all forks and closes the inbox; nodes that come later
/// arrive on the poster's thread, where they only let go of what they hold.
///
/// End of a fork: (1) its coroutine is done, (2) the outcome is moved out and the frame destroyed,
/// (3) it leaves the group's list, (4) its joiners are told, (5) the group's reference goes.
class task_group {
 public:
  void add_ref() noexcept { refs_.fetch_add(1, std::memory_order_relaxed); }
  void drop_ref() noexcept {
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) free_self();
  }

  /// For a node of one of its forks. @threadsafe
  void post(driver_node& n) noexcept;

  // -- on the group's turn ------------------------------------------------------------------------

  void enqueue(driver_node& n) noexcept;
  void add(fork_base& f) noexcept;
  void remove(fork_base& f) noexcept;
  void expect_late() noexcept { ++late_; }
  void arrived_late() noexcept { --late_; }
  /// Takes the turns of what waits, `budget` of them at most. False: nothing waits any more.
  bool take_turns(unsigned budget) noexcept;
  [[nodiscard]] bool is_empty() const noexcept { return !forks_ && late_ == 0; }
  [[nodiscard]] bool has_work() noexcept { return head_ || take_inbox(); }
  [[nodiscard]] bool is_closed() const noexcept { return closed_; }

  [[nodiscard]] virtual runtime& get_runtime() const noexcept = 0;
  [[nodiscard]] virtual bool stop_requested() const noexcept = 0;
  [[nodiscard]] virtual std::stop_token stop_token() = 0;
  /// Any thread: the last handle of a failed fork may go anywhere.
  virtual void unhandled(const unhandled_task_error& e) noexcept = 0;
  /// The driver whose first fork made the group has ended.
  virtual void owner_gone() noexcept {}

  /// Whose turn it is on this thread.
  static constinit thread_local task_group* running;

 protected:
  task_group() noexcept = default;
  virtual ~task_group() = default;
  virtual void wake() noexcept = 0;
  virtual void free_self() noexcept = 0;

  /// False: something has come.
  bool fall_asleep() noexcept;
  /// Whether the home slept; it is to be woken then.
  bool rouse() noexcept;
  /// Destroys what is left. Returns whether a wake-up of a home that had fallen asleep is on its
  /// way.
  bool close() noexcept;

 private:
  bool take_inbox() noexcept;

  static constexpr std::uintptr_t asleep = 1, closed = 2;
  static driver_node* node(std::uintptr_t w) noexcept {
    return reinterpret_cast<driver_node*>(w > closed ? w : 0);
  }

  driver_node* head_ = nullptr;
  driver_node* tail_ = nullptr;
  fork_base* forks_ = nullptr;
  std::size_t late_ = 0;
  bool closed_ = false;
  std::atomic<std::uint32_t> refs_{1};
  std::atomic<std::uintptr_t> inbox_{0};
};

}  // namespace odeon::detail
