#pragma once

#include "extension.hpp"
#include <odeon/core/actor_system.hpp>
#include <odeon/runtime/serial_executor.hpp>

#include <array>
#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace odeon::detail {

/// What cells point to. Never freed, so that a reference that outlives its system finds out.
struct system_anchor {
  std::atomic<system_core*> core{nullptr};  // for turns: null once no thread runs any more
  std::atomic<system_core*> open{nullptr};  // for callers elsewhere: null once the end has begun
  runtime* rt = nullptr;                    // of the live system
  duration ask_timeout{};
  std::shared_mutex gone;  // held shared by late callers, exclusively by the end
};

/// Counters of one kind; each is touched on rare paths only, but `spawned` and `stopped`, which are
/// padded.
struct system_counters {
  alignas(64) std::atomic<std::uint64_t> spawned{0};
  alignas(64) std::atomic<std::uint64_t> stopped{0};
  alignas(64) std::atomic<std::uint64_t> failures{0};
  std::atomic<std::uint64_t> restarts{0};
  std::atomic<std::uint64_t> dead_letters{0};
  std::atomic<std::uint64_t> late_replies{0};
  std::atomic<std::uint64_t> ask_timeouts{0};
  std::atomic<std::uint64_t> call_cycles{0};
  std::atomic<std::uint64_t> high_water{0};
  std::atomic<std::uint64_t> overflows{0};
};

/// Names to cells, in shards.
class registry {
 public:
  /// False: a live actor has that path.
  bool add(const std::string& path, cell& c);
  void remove(const std::string& path, const cell& c) noexcept;
  [[nodiscard]] any_ref find(std::string_view path) const;

 private:
  struct entry {
    cell* c;
    std::uint32_t generation;
  };
  struct text_hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const noexcept {
      return std::hash<std::string_view>()(s);
    }
  };
  struct shard {
    mutable std::mutex mutex;
    std::unordered_map<std::string, entry, text_hash, std::equal_to<>> names;
  };
  [[nodiscard]] shard& of(std::string_view path) const noexcept {
    return shards_[std::hash<std::string_view>()(path) % shards_.size()];
  }
  mutable std::array<shard, 16> shards_;
};

/// The last N of a kind.
template <class T>
class recent {
 public:
  static constexpr std::size_t capacity = 1024;
  void add(T item) {
    std::lock_guard guard(mutex_);
    if (items_.size() == capacity) items_.pop_front();
    items_.push_back(std::move(item));
  }
  [[nodiscard]] std::vector<T> all() const {
    std::lock_guard guard(mutex_);
    return {items_.begin(), items_.end()};
  }

 private:
  mutable std::mutex mutex_;
  std::deque<T> items_;
};

/// Looks, about every tenth of a second while something runs, for handlers that do not end. See
/// monitor.cpp.
class monitor final : timer_node {
 public:
  explicit monitor(system_core& core) noexcept : timer_node(&fired), core_(core) {}
  /// Called at the start of each turn.
  void wake() noexcept {
    if (!awake_.load(std::memory_order_relaxed)) [[unlikely]]
      start();
  }
  void stop() noexcept;
  /// Since when the handler that runs on `c` now has been seen running; nothing when it is new.
  [[nodiscard]] std::optional<duration> running_for(const cell& c) const;

 private:
  struct seen {
    std::uint64_t written = ~std::uint64_t{0};
    cell* running = nullptr;
    time_point since{};
    bool reported = false;
  };
  void start() noexcept;
  static void fired(timer_node& node) noexcept;
  void look();

  system_core& core_;
  std::atomic<bool> awake_{false};
  std::atomic<bool> stopped_{false};
  std::atomic<int> firing_{0};
  mutable std::mutex mutex_;
  std::map<const hop_ring*, seen> seen_;
};

class system_core {
 public:
  system_core(actor_system& face, std::string name, system_options options);
  ~system_core();

  // -- spawning and the tree ----------------------------------------------------------------------
  cell* spawn(const spawn_request& request, std::shared_ptr<stand_in> in_place = {});
  [[nodiscard]] executor& find_executor(const std::string& name);
  [[nodiscard]] spin_lock& tree_lock(const cell* parent) noexcept {
    return tree_locks_[(reinterpret_cast<std::uintptr_t>(parent) >> 7) % tree_locks_.size()];
  }
  void unlink_child(cell& child) noexcept;
  [[nodiscard]] std::vector<any_ref> children_of(cell& c);

  // -- telling ------------------------------------------------------------------------------------
  /// `text` is what the asker is told, in place of the code's general sentence.
  void lost(const cell& to, envelope& e, errc why, bool was_ask = false,
            std::string_view text = {}) noexcept;
  template <class E, class F>
  void event(F&& make) noexcept {
    if (!event_wanted(*hub, message_type_of<E>)) return;
    try {
      const E e = make();
      publish_event(*hub, message_type_of<E>, &e);
    } catch (...) {
      // A subscriber threw, or there is no memory: an event is no reason to fail.
    }
  }

  // -- the end ------------------------------------------------------------------------------------
  void terminate();
  void user_actors_ended();
  void escalated(const failure& why);
  [[nodiscard]] std::vector<held_up> who_holds_up();

  [[nodiscard]] hop_ring* ring_for_this_thread();
  [[nodiscard]] actor_snapshot describe(cell& c);

  actor_system& face;
  const std::string name;
  const system_options options;
  std::unique_ptr<runtime> own_runtime;
  runtime& rt;
  system_anchor& anchor;
  std::shared_ptr<event_hub> hub;
  event_stream stream;
  registry names;
  system_counters counters;
  recent<dead_letter> letters;
  recent<late_reply> late;
  monitor watcher;
  const time_point started;
  std::atomic<bool> terminating{false};
  cell* guardian = nullptr;

  std::mutex mutex;  // of what follows
  std::map<std::string, std::shared_ptr<executor>, std::less<>> executors;
  std::vector<std::unique_ptr<executor>> pinned;  // one each
  std::unique_ptr<executor> default_executor;
  std::map<const void*, std::shared_ptr<void>> extensions;
  struct shutdown_work {
    actor_system::phase when;
    std::string name;
    std::function<void()> work;
  };
  std::vector<shutdown_work> shutdown_works;
  std::vector<promise<shutdown_report>> waiters;
  std::optional<shutdown_report> report;
  shutdown_report building;
  time_point shutdown_began{};
  std::unique_ptr<serial_executor> closer;  // runs the phases
  std::atomic<std::uint32_t> ended{0};      // futex word

  std::atomic<hop_ring*> rings{nullptr};

 private:
  std::array<spin_lock, 64> tree_locks_;
};

/// For late callers: the live core, or null; keeps it alive while held.
class core_use {
 public:
  explicit core_use(system_anchor& a) noexcept {
    // On a turn of the same system nothing can end before the turn does.
    if (const turn* t = this_turn(); t && &t->self->system() == &a) {
      core_ = a.core.load(std::memory_order_relaxed);
      return;
    }
    lock_ = std::shared_lock(a.gone);
    core_ = a.open.load(std::memory_order_acquire);
  }
  [[nodiscard]] explicit operator bool() const noexcept { return core_ != nullptr; }
  system_core* operator->() const noexcept { return core_; }
  system_core& operator*() const noexcept { return *core_; }

 private:
  std::shared_lock<std::shared_mutex> lock_;
  system_core* core_ = nullptr;
};

}  // namespace odeon::detail
