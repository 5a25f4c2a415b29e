#pragma once

#include "execution.hpp"
#include <odeon/base/detail/spin.hpp>
#include <odeon/core/context.hpp>
#include <odeon/core/detail/routing.hpp>
#include <odeon/core/signals.hpp>
#include <odeon/core/spawn_options.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace odeon::detail {

class side_mailbox;

inline constexpr std::size_t default_high_water = 10'000;

/// Where a stop or restart has got to; the next step comes when what it waits for is there.
enum class life_step : std::uint8_t {
  none,
  start_hook,        // pre_start is suspended
  restart_hook,      // pre_restart is suspended
  restart_children,  // waits for its children to end
  restart_backoff,
  restart_started,  // post_restart is suspended
  stop_handler,     // the message in hand is to end first
  stop_children,
  stop_hook,  // post_stop is suspended
};

/// A list of envelopes outside the queue; the link is the queue's own.
struct envelope_list {
  envelope* head = nullptr;
  envelope* tail = nullptr;
  std::atomic<std::size_t> size{0};  // an atomic for those who look on

  envelope_list() = default;
  envelope_list(envelope_list&& o) noexcept : head(o.head), tail(o.tail), size(o.size.load()) {
    o.head = o.tail = nullptr;
    o.size = 0;
  }
  envelope_list& operator=(envelope_list&& o) noexcept {
    head = std::exchange(o.head, nullptr);
    tail = std::exchange(o.tail, nullptr);
    size = o.size.exchange(0);
    return *this;
  }

  void push_back(envelope& e) noexcept {
    e.next.store(nullptr, std::memory_order_relaxed);
    if (tail)
      tail->next.store(&e, std::memory_order_relaxed);
    else
      head = &e;
    tail = &e;
    ++size;
  }
  envelope* pop_front() noexcept {
    envelope* e = head;
    if (!e) return nullptr;
    head = static_cast<envelope*>(e->next.load(std::memory_order_relaxed));
    if (!head) tail = nullptr;
    --size;
    return e;
  }
  /// All of `other` before what is here.
  void prepend(envelope_list& other) noexcept {
    if (!other.head) return;
    other.tail->next.store(head, std::memory_order_relaxed);
    head = other.head;
    if (!tail) tail = other.tail;
    size += other.size.exchange(0);
    other.head = other.tail = nullptr;
  }
};

/// `context::receive_timeout`.
struct idle_timer final : timer_node {
  explicit idle_timer(cell& c) noexcept : timer_node(&fired), self(c) {}
  static void fired(timer_node& node) noexcept;
  cell& self;
  duration limit{0};
  time_point last{};
  bool armed = false;
};

/// The wait before a restart. Freed on the actor's turn alone.
struct backoff_timer final : timer_node {
  explicit backoff_timer(cell& c) noexcept : timer_node(&fired), self(c) {}
  static void fired(timer_node& node) noexcept;
  cell& self;
};

/// What most actors do not need; made on first need. The actor's turn owns it, except where said.
struct cell_extension {
  // Identity: fixed at spawn.
  std::string name;
  std::string path;
  odeon::supervision supervision;
  std::vector<std::string> tags;
  std::size_t stash_capacity = 10'000;
  duration receive_timeout{0};
  std::size_t high_water = default_high_water;
  call_cycle cycle_policy = call_cycle::deny;

  // The tree: under the lock of this cell's children (system_core::tree_lock).
  cell* first_child = nullptr;
  cell* last_child = nullptr;
  std::size_t children = 0;
  bool awaits_children = false;

  // Watching and linking.
  std::vector<any_ref> watchers;
  std::vector<any_ref> watching;
  std::vector<any_ref> links;
  bool trap_exits = false;

  // The mailbox's further parts.
  envelope_list stash;
  envelope_list front;  // unstashed: taken before the mailbox
  std::unique_ptr<side_mailbox> mailbox;
  const mailbox_node* mark = nullptr;  // the newest node of some full turn …
  std::size_t behind = 0;              // … and how many were taken since
  std::atomic<std::size_t> pushed_while_closed{0};
  std::atomic<bool> over_high_water{false};

  // Routing.
  std::shared_ptr<stand_in> stands_in;  // fixed at spawn
  std::shared_ptr<pull_source> source;
  std::atomic<std::size_t> counted{0};  // of the waiting messages, with counting_flag
  bool dismissed = false;               // stops when it has nothing left to do

  // Behaviour and work.
  std::vector<behavior_entry> behaviors;
  std::vector<behavior_entry> retired;  // left, but a handler of theirs may still run
  execution* executions = nullptr;
  /// The ask that the actor, being suspended and not reentrant, waits for. Read by anyone.
  std::atomic<const void*> waiting_ask{nullptr};
  std::atomic<std::int64_t> waiting_since{0};
  std::atomic<const message_type*> waiting_message{nullptr};
  std::vector<timer_state*> timers;
  std::size_t timers_prune_at = 16;
  std::unique_ptr<idle_timer> idle;

  // Life.
  life_step step = life_step::none;
  exit_reason reason;
  std::optional<failure> why;
  std::vector<time_point> retries;  // oldest first; at most `max_retries`
  std::atomic<unsigned> restarts{0};
  double next_delay = 0;  // nanoseconds, for the backoff
  std::unique_ptr<backoff_timer> backoff;
};

}  // namespace odeon::detail
