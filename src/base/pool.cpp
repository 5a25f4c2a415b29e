#include <odeon/base/detail/pool.hpp>
#include <odeon/base/detail/spin.hpp>

#include <sched.h>

#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#ifdef ODEON_POOL_POISON
#include <sanitizer/asan_interface.h>
#endif

namespace odeon::detail {

constinit thread_local pool_thread this_pool{};

void yield_thread() noexcept { sched_yield(); }

#ifdef ODEON_POOL_POISON
void pool_poison(void* p, std::size_t bytes) noexcept { __asan_poison_memory_region(p, bytes); }
void pool_unpoison(void* p, std::size_t bytes) noexcept { __asan_unpoison_memory_region(p, bytes); }
#endif

namespace {

constexpr std::size_t kinds = static_cast<std::size_t>(pool_kind::count);
constexpr std::size_t chunk_bytes = std::size_t{256} << 10;

/// Batches that no thread holds. A batch is a chain; the batches of a depot hang together by the
/// second word of their first blocks, which is free there (blocks are of 64 bytes at least).
struct alignas(128) depot {
  spin_lock lock;
  struct batch {
    std::atomic<pool_node*> next;
    batch* below;
    std::uint32_t count;
  };
  batch* top = nullptr;

  void push(pool_node* first, std::uint32_t count) noexcept {
    auto* b = reinterpret_cast<batch*>(first);
    std::lock_guard guard(lock);
    b->below = top;
    b->count = count;
    top = b;
  }
  bool pop(pool_list& into) noexcept {
    std::lock_guard guard(lock);
    if (!top) return false;
    batch* b = top;
    top = b->below;
    into.head = reinterpret_cast<pool_node*>(b);
    into.count = b->count;
    return true;
  }
};

constinit depot depots[kinds][pool_classes];

/// Where fresh blocks come from. Chunks are never returned; the list keeps them reachable for leak
/// checkers.
struct slab_source {
  std::mutex mutex;
  std::vector<void*> chunks;
  char* at[kinds] = {};
  char* end[kinds] = {};

  char* cut(std::size_t kind, std::size_t bytes) {
    std::lock_guard guard(mutex);
    if (static_cast<std::size_t>(end[kind] - at[kind]) < bytes) {
      std::size_t size = bytes > chunk_bytes ? bytes : chunk_bytes;
      chunks.reserve(chunks.size() + 1);
      void* p = std::aligned_alloc(4096, (size + 4095) / 4096 * 4096);
      if (!p) throw std::bad_alloc();
      chunks.push_back(p);
      at[kind] = static_cast<char*>(p);
      end[kind] = at[kind] + size;
    }
    return std::exchange(at[kind], at[kind] + bytes);
  }
};

slab_source& slabs() {
  static auto* instance = new slab_source;  // outlives every thread's lists
  return *instance;
}

/// Returns a thread's lists when it ends.
struct thread_end {
  ~thread_end() {
    for (std::size_t k = 0; k < kinds; ++k) {
      for (std::size_t c = 0; c < pool_classes; ++c) {
        auto& list = this_pool.lists[k][c];
        if (list.head) depots[k][c].push(list.head, list.count);
        list = {};
      }
    }
  }
};

}  // namespace

void pool_note_thread() noexcept {
  static thread_local thread_end at_end;
  (void)at_end;
}

void pool_refill(pool_kind kind, std::size_t cls) {
  pool_note_thread();
  auto k = static_cast<std::size_t>(kind);
  auto& list = this_pool.lists[k][cls];
  if (depots[k][cls].pop(list)) return;
  const std::size_t size = (cls + 1) * pool_granule;
  char* p = slabs().cut(k, size * pool_batch);
  std::memset(p, 0,
              size * pool_batch);  // a stale reader of a block's atomics finds zeros, never chance
  pool_node* head = nullptr;
  for (std::size_t i = pool_batch; i-- > 0;) {
    auto* n = new (p + i * size) pool_node;
    n->next.store(head, std::memory_order_relaxed);
    head = n;
  }
  list = {head, pool_batch};
}

void pool_spill(pool_kind kind, std::size_t cls) noexcept {
  auto k = static_cast<std::size_t>(kind);
  auto& list = this_pool.lists[k][cls];
  pool_node* first = list.head;
  pool_node* last = first;
  for (std::uint32_t i = 1; i < pool_batch; ++i) last = last->next.load(std::memory_order_relaxed);
  list.head = last->next.load(std::memory_order_relaxed);
  list.count -= pool_batch;
  last->next.store(nullptr, std::memory_order_relaxed);
  depots[k][cls].push(first, pool_batch);
}

}  // namespace odeon::detail
