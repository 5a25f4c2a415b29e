#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>

/// @file The pooled allocator of envelopes, cells, coroutine frames and ask slots.
///
/// Protocol. Each thread keeps one free list a size class; an allocation pops it, a release pushes
/// it: no atomic read-modify-write. A list that has grown to two batches spills one batch to the
/// class's depot, an empty one takes a batch from there, so that memory flows back from consumers
/// to producers 64 blocks at a time under one short lock. A thread that ends returns its lists to
/// the depots.
///
/// Memory is *type stable*: a block handed out by one pool is never given to another pool or to the
/// system. Readers that hold a stale pointer (a weak reference, a diagnostics walk) may therefore
/// load the atomics at the block's front and then find out, by a generation, that it is not theirs
/// any more. For that the first word of a free block is the list's link, an atomic, and the words
/// behind it are left as the owner left them.
///
/// The general pool (`frame_pool`) promises no such reading, only speed.

namespace odeon::detail {

struct pool_node {
  std::atomic<pool_node*> next;
};

/// What a thread keeps for one size class.
struct pool_list {
  pool_node* head = nullptr;
  std::uint32_t count = 0;
};

enum class pool_kind : std::uint8_t { envelope, cell, ask, frame, count };

inline constexpr std::uint32_t pool_batch = 64;
inline constexpr std::size_t pool_granule = 64;
inline constexpr std::size_t pool_classes = 16;  // 64, 128, … 1024 bytes
inline constexpr std::size_t pool_block_max = pool_granule * pool_classes;

struct pool_thread {
  pool_list lists[static_cast<std::size_t>(pool_kind::count)][pool_classes];
};

extern constinit thread_local pool_thread this_pool;

/// Has the calling thread's lists go back to the depots when it ends.
void pool_note_thread() noexcept;
void pool_refill(pool_kind kind, std::size_t cls);
void pool_spill(pool_kind kind, std::size_t cls) noexcept;

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ODEON_POOL_POISON 1
#endif
#endif
#ifdef ODEON_POOL_POISON
void pool_poison(void* p, std::size_t bytes) noexcept;
void pool_unpoison(void* p, std::size_t bytes) noexcept;
#else
inline void pool_poison(void*, std::size_t) noexcept {}
inline void pool_unpoison(void*, std::size_t) noexcept {}
#endif

/// The size class of a block of `bytes` (1 to `pool_block_max`).
constexpr std::size_t pool_class(std::size_t bytes) noexcept { return (bytes - 1) / pool_granule; }

/// A block of class `cls`, aligned to 64 bytes. Throws `std::bad_alloc`. About 2 ns.
inline void* pool_get(pool_kind kind, std::size_t cls) {
  auto& list = this_pool.lists[static_cast<std::size_t>(kind)][cls];
  if (!list.head) [[unlikely]]
    pool_refill(kind, cls);
  pool_node* n = list.head;
  list.head = n->next.load(std::memory_order_relaxed);
  --list.count;
  pool_unpoison(n, (cls + 1) * pool_granule);
  return n;
}

/// Gives a block back, on any thread. The first word is overwritten.
inline void pool_put(pool_kind kind, std::size_t cls, void* p) noexcept {
  auto& list = this_pool.lists[static_cast<std::size_t>(kind)][cls];
  auto* n = static_cast<pool_node*>(p);
  if (!list.head) [[unlikely]]
    pool_note_thread();  // it may be a thread that only frees
  n->next.store(list.head, std::memory_order_relaxed);
  list.head = n;
  // What lies behind the atomics that stale readers may load (two lines at most) must not be
  // touched any more.
  if ((cls + 1) * pool_granule > 2 * pool_granule)
    pool_poison(static_cast<char*>(p) + 2 * pool_granule, (cls - 1) * pool_granule);
  if (++list.count >= 2 * pool_batch) [[unlikely]]
    pool_spill(kind, cls);
}

/// Memory for coroutine frames and the like: pooled up to `pool_block_max`, else from the heap.
inline void* frame_alloc(std::size_t bytes) {
  return bytes <= pool_block_max ? pool_get(pool_kind::frame, pool_class(bytes))
                                 : ::operator new(bytes);
}
inline void frame_free(void* p, std::size_t bytes) noexcept {
  if (bytes <= pool_block_max)
    pool_put(pool_kind::frame, pool_class(bytes), p);
  else
    ::operator delete(p, bytes);
}

}  // namespace odeon::detail
