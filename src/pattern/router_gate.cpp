// The gate of a router: readers of its table, and when an old table may go.
//
// A sender reads the table between two additions to a word of its thread's slot. A change (of the
// router's own actor) publishes a new table and *retires* what it took away; that is destroyed, and
// routees that left are told to finish, only when no sender can be using the old table any more.
// So every message that was routed by the old table is in its routee's mailbox before the routee is
// told, and nothing is lost.
//
//   table       one atomic pointer, of the router     the router's changes
//   words[s]    readers inside on side s               readers add and subtract
//   side_       the side that readers enter on         `advance`, under the lock
//   awaited_    somebody waits for readers to leave    `retire` sets, `advance` clears
//
// When is the old table free? A reader counts itself, then reads the table (both seq_cst); a change
// writes the table, then looks at the counts (both seq_cst). If a look finds a word without
// readers, each reader that counts itself on that word later reads the new table. So once every
// word was seen empty at some moment after the change, nobody holds the old table. The words need
// not be empty at the same moment.
//
// Would each word ever be seen empty? Readers that overlap could keep it above zero for ever,
// therefore the sides: first the side that nobody enters on (but those who read `side_` before it
// changed) is awaited, then the sides are swapped, then the side that was left is awaited.
//
// Nobody polls. A reader whose leaving empties a word looks at `awaited_` after that (both
// seq_cst), and `retire` sets it before it looks at the words: so either the look sees the empty
// word, or the reader sees that it is awaited and looks itself. Looks are made under the lock, one
// at a time; the lock is held for a few loads, and never while anybody else's code runs.

#include "internal/router_gate.hpp"

namespace odeon::detail {

std::size_t router_gate::my_slot() noexcept {
  static std::atomic<std::size_t> threads{0};
  // Relaxed: a number to spread threads by.
  thread_local const std::size_t mine = threads.fetch_add(1, std::memory_order_relaxed) % slots;
  return mine;
}

router_gate::pass::pass(router_gate& g) noexcept
    : gate_(g),
      // Relaxed: a stale side costs the change some patience, and nothing else.
      word_(g.slots_[my_slot()].words[g.side_.load(std::memory_order_relaxed)]) {
  word_.fetch_add(entry | 1);
}

router_gate::pass::~pass() {
  const std::uint64_t before = word_.fetch_sub(1);
  if ((before & inside) == 1 && gate_.awaited_.load()) [[unlikely]]
    gate_.advance();
}

void router_gate::retire(std::unique_ptr<departure> d) noexcept {
  {
    spin_guard guard(lock_);
    next_.push_back(std::move(d));
    awaited_.store(true);
  }
  advance();
}

void router_gate::advance() noexcept {
  std::vector<std::unique_ptr<departure>> done;
  {
    spin_guard guard(lock_);
    const auto emptied = [this](std::uint32_t side) {
      for (std::size_t i = 0; i < slots; ++i)
        if ((left_ >> i & 1U) && !(slots_[i].words[side].load() & inside)) left_ &= ~(1U << i);
      return left_ == 0;
    };
    for (;;) {
      const std::uint32_t side = side_.load();
      if (stage_ == stage::none) {
        if (next_.empty()) {
          awaited_.store(false);
          break;
        }
        current_ = std::exchange(next_, {});
        stage_ = stage::other_side;
        left_ = (1U << slots) - 1;
      } else if (!emptied(side ^ 1U)) {
        break;
      } else if (stage_ == stage::other_side) {
        side_.store(side ^ 1U);
        stage_ = stage::this_side;
        left_ = (1U << slots) - 1;
      } else {
        stage_ = stage::none;
        for (auto& d : current_) done.push_back(std::move(d));
        current_.clear();
      }
    }
  }
  for (auto& d : done) d->gone();
}

std::uint64_t router_gate::entries() const noexcept {
  std::uint64_t n = 0;
  for (const slot& s : slots_)
    for (const auto& w : s.words) n += w.load(std::memory_order_relaxed) / entry;
  return n;
}

}  // namespace odeon::detail
