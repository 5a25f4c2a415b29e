#include "persistence/internal/memory_state.hpp"
#include "persistence/internal/queued_journal.hpp"
#include <odeon/persistence/memory_journal.hpp>

#include <algorithm>
#include <utility>

namespace odeon {

namespace {

void flip(std::vector<std::byte>& payload, std::uint32_t& crc) {
  if (payload.empty()) {
    crc ^= 1;
  } else {
    payload.back() ^= std::byte{1};
  }
}

}  // namespace

memory_store::memory_store() : state_(std::make_shared<detail::memory_state>()) {}
memory_store::~memory_store() = default;

void memory_store::fail_next_commits(std::uint32_t count, error why) {
  const std::lock_guard lock(state_->mutex);
  state_->commits_to_fail = count;
  state_->failure = std::move(why);
}

void memory_store::hold_commits() {
  const std::lock_guard lock(state_->mutex);
  state_->holding = true;
}

void memory_store::release_commits() {
  // Under the lock: the journal that `resume` belongs to cannot end before the lock is free.
  const std::lock_guard lock(state_->mutex);
  state_->holding = false;
  if (state_->resume) std::exchange(state_->resume, nullptr)();
}

bool memory_store::damage_event(std::string_view persistence_id, std::uint64_t sequence) {
  const std::lock_guard lock(state_->mutex);
  const auto actor = state_->actors.find(persistence_id);
  if (actor == state_->actors.end() || sequence == 0 || sequence > actor->second.highest())
    return false;
  auto& place = actor->second.events[sequence - 1];
  detail::memory_event copy = *place;
  flip(copy.event.event.payload, copy.crc);
  auto damaged = std::make_shared<const detail::memory_event>(std::move(copy));
  for (auto& [tag, list] : state_->tagged) std::ranges::replace(list, place, damaged);
  place = std::move(damaged);
  return true;
}

bool memory_store::damage_snapshot(std::string_view persistence_id, std::uint64_t sequence) {
  const std::lock_guard lock(state_->mutex);
  const auto actor = state_->actors.find(persistence_id);
  if (actor == state_->actors.end()) return false;
  const auto found = actor->second.snapshots.find(sequence);
  if (found == actor->second.snapshots.end()) return false;
  detail::memory_snapshot copy = *found->second;
  flip(copy.snapshot.payload, copy.crc);
  found->second = std::make_shared<const detail::memory_snapshot>(std::move(copy));
  return true;
}

std::unique_ptr<journal> make_memory_journal(runtime& rt, std::shared_ptr<memory_store> store,
                                             journal_options options) {
  auto state = store ? store->state_ : std::make_shared<detail::memory_state>();
  auto writer = std::make_unique<detail::memory_writer>(state);
  std::vector<std::unique_ptr<detail::read_backend>> readers;
  readers.push_back(std::make_unique<detail::memory_reader>(state, options.max_page_bytes));
  return std::make_unique<detail::queued_journal>(rt, options, std::move(writer),
                                                  std::move(readers));
}

}  // namespace odeon
