#include "internal/send_queue.hpp"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <new>
#include <utility>

namespace odeon::remote::detail {

namespace {

constexpr std::size_t block_bytes = std::size_t{32} << 10U;
constexpr std::size_t hand_over_bytes = std::size_t{8} << 10U;  // some forty short messages

/// A message in a block: this, and the bytes of its five parts behind it, padded to eight.
struct flat {
  std::uint64_t to_uid, from_uid, ask, trace, key;
  std::int64_t limit;
  std::size_t payload;
  std::uint32_t to, from, manifest;
  std::int32_t priority, version;
  user_kind kind;
  wire::format form;
};

std::size_t flat_size(const user_message& m) noexcept {
  const std::size_t all = sizeof(flat) + m.to.path.size() + m.from.path.size() +
                          m.message.manifest.size() + m.message.payload.size();
  return (all + 7) & ~std::size_t{7};
}

std::byte* put(std::byte* at, const void* from, std::size_t bytes) noexcept {
  if (bytes != 0) std::memcpy(at, from, bytes);
  return at + bytes;
}

void write_flat(std::byte* at, const user_message& m) noexcept {
  const flat head{.to_uid = m.to.uid,
                  .from_uid = m.from.uid,
                  .ask = m.ask,
                  .trace = m.trace,
                  .key = m.key,
                  .limit = m.limit.count(),
                  .payload = m.message.payload.size(),
                  .to = static_cast<std::uint32_t>(m.to.path.size()),
                  .from = static_cast<std::uint32_t>(m.from.path.size()),
                  .manifest = static_cast<std::uint32_t>(m.message.manifest.size()),
                  .priority = m.priority,
                  .version = m.message.version,
                  .kind = m.kind,
                  .form = m.message.form};
  at = put(at, &head, sizeof(head));
  at = put(at, m.to.path.data(), m.to.path.size());
  at = put(at, m.from.path.data(), m.from.path.size());
  at = put(at, m.message.manifest.data(), m.message.manifest.size());
  put(at, m.message.payload.data(), m.message.payload.size());
}

void read_flat(const std::byte* at, user_message& m) noexcept {
  flat head;
  std::memcpy(&head, at, sizeof(head));
  const char* text = reinterpret_cast<const char*>(at + sizeof(head));
  m.kind = head.kind;
  m.to = {{text, head.to}, head.to_uid};
  text += head.to;
  m.from = {{text, head.from}, head.from_uid};
  text += head.from;
  m.ask = head.ask;
  m.limit = duration(head.limit);
  m.trace = head.trace;
  m.key = head.key;
  m.priority = head.priority;
  m.message.manifest = {text, head.manifest};
  m.message.version = head.version;
  m.message.form = head.form;
  m.message.payload = {reinterpret_cast<const std::byte*>(text + head.manifest), head.payload};
}

}  // namespace

held_message::held_message(const user_message& m)
    : flat_(std::make_unique_for_overwrite<std::byte[]>(flat_size(m))),
      size_(flat_size(m)) {
  write_flat(flat_.get(), m);
}
user_message held_message::view() const noexcept {
  user_message m;
  read_flat(flat_.get(), m);
  return m;
}

std::byte* send_queue::room_for(std::size_t bytes) {
  if (filling_.empty() || filling_.back().capacity - filling_.back().used < bytes) {
    block b;
    if (bytes <= block_bytes && spare_.data) {
      b = std::exchange(spare_, {});
    } else {
      b.capacity = std::max(bytes, block_bytes);
      b.data = std::make_unique_for_overwrite<std::byte[]>(b.capacity);
    }
    filling_.push_back(std::move(b));
  }
  block& last = filling_.back();
  std::byte* at = last.data.get() + last.used;
  last.used += bytes;
  return at;
}

pushed send_queue::push(const user_message& m, std::size_t bound) noexcept {
  const std::size_t size = flat_size(m);
  const odeon::detail::spin_guard hold(lock_);
  if (closed_) return pushed::closed;
  const std::size_t before = bytes();  // the writer may make room meanwhile
  if (before != 0 && before + size > bound) return pushed::full;
  if (filler_ != nullptr && filler_->fill(m)) {
    filled_.bytes += size;
    ++filled_.messages;
  } else {
    filler_ = nullptr;
    try {
      write_flat(room_for(size), m);
    } catch (const std::bad_alloc&) {
      return pushed::full;
    }
  }
  came_.add({size, 1});
  wanted_ = true;
  return std::exchange(busy_, true) ? pushed::queued : pushed::become_writer;
}

bool send_queue::nudge() noexcept {
  const odeon::detail::spin_guard hold(lock_);
  wanted_ = true;
  return !std::exchange(busy_, true);
}

void send_queue::revoke() noexcept {
  const odeon::detail::spin_guard hold(lock_);
  revoked_ = true;
  filler_ = nullptr;
}
void send_queue::close() noexcept {
  const odeon::detail::spin_guard hold(lock_);
  closed_ = revoked_ = true;
  filler_ = nullptr;
}
void send_queue::open() noexcept {
  const odeon::detail::spin_guard hold(lock_);
  closed_ = false;
}

void send_queue::trim() noexcept {
  block let_go;
  const odeon::detail::spin_guard hold(lock_);
  if (!busy_) std::swap(let_go, spare_);
}

void send_queue::begin() noexcept {
  const odeon::detail::spin_guard hold(lock_);
  wanted_ = revoked_ = false;
  filler_ = nullptr;
  went_.add(std::exchange(filled_, {}));
}

// Under the lock, by the writer.
void send_queue::set_filler(frame_filler& frames) noexcept {
  if (!revoked_ && filling_.empty() && at_block_ == taken_.size()) filler_ = &frames;
}
// Likewise. A writer that took what waits and then offered again would find more of it each time,
// since senders are as fast as it is.
void send_queue::hand_over(frame_filler& frames) noexcept {
  if (at_block_ != taken_.size() || filling_.size() != 1) return;
  if (filling_.front().used > hand_over_bytes) return;
  taken_.clear();
  at_block_ = at_ = 0;
  taken_.swap(filling_);
  block& b = taken_.front();
  user_message m;
  while (at_ < b.used) {
    read_flat(b.data.get() + at_, m);
    if (!frames.fill(m)) return;
    const std::size_t size = flat_size(m);
    at_ += size;
    filled_.bytes += size;
    ++filled_.messages;
  }
  b.used = at_ = 0;
  if (b.capacity == block_bytes && !spare_.data) std::swap(spare_, b);
  taken_.clear();
}
offered send_queue::offer(frame_filler& frames) noexcept {
  const odeon::detail::spin_guard hold(lock_);
  if (revoked_) return offered::revoked;
  hand_over(frames);
  set_filler(frames);
  return filler_ != nullptr ? offered::taken : offered::behind;
}
void send_queue::withdraw() noexcept {
  const odeon::detail::spin_guard hold(lock_);
  filler_ = nullptr;
}

bool send_queue::front(user_message& m) noexcept {
  if (at_block_ == taken_.size()) {
    taken_.clear();
    at_block_ = at_ = 0;
    {
      const odeon::detail::spin_guard hold(lock_);
      taken_.swap(filling_);
    }
    if (taken_.empty()) return false;
  }
  const std::byte* at = taken_[at_block_].data.get() + at_;
  read_flat(at, m);
  front_size_ = flat_size(m);
  return true;
}

void send_queue::pop() noexcept {
  at_ += front_size_;
  went_.add({front_size_, 1});
  block& b = taken_[at_block_];
  if (at_ < b.used) return;
  block done = std::move(b);
  at_ = 0;
  ++at_block_;
  if (done.capacity != block_bytes) return;
  done.used = 0;
  const odeon::detail::spin_guard hold(lock_);
  if (!spare_.data) std::swap(spare_, done);
}

void send_queue::put_back(const std::vector<held_message>& all) {
  block b;
  for (const held_message& m : all) b.capacity += m.size();
  b.data = std::make_unique_for_overwrite<std::byte[]>(b.capacity);
  for (const held_message& m : all) {
    put(b.data.get() + b.used, m.flat().data(), m.size());
    b.used += m.size();
  }
  if (at_block_ < taken_.size() && at_ != 0) {  // what was popped of the first block makes room
    block& first = taken_[at_block_];
    std::memmove(first.data.get(), first.data.get() + at_, first.used - at_);
    first.used -= at_;
    at_ = 0;
  }
  const std::size_t bytes = b.used;
  taken_.insert(taken_.begin() + static_cast<std::ptrdiff_t>(at_block_), std::move(b));
  const odeon::detail::spin_guard hold(lock_);
  filler_ = nullptr;  // what comes later must not overtake
  came_.add({bytes, all.size()});
}

bool send_queue::pause(frame_filler* frames) noexcept {
  const odeon::detail::spin_guard hold(lock_);
  if (wanted_) return false;
  busy_ = false;
  if (frames != nullptr) set_filler(*frames);
  return true;
}

}  // namespace odeon::remote::detail
