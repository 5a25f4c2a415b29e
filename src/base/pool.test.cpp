// The pooled allocator: blocks are whole, disjoint, come back, and stay of their kind.

#include <odeon/base/detail/pool.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <set>
#include <thread>
#include <vector>

using namespace odeon::detail;

namespace {

std::size_t bytes_of(std::size_t cls) { return (cls + 1) * pool_granule; }

}  // namespace

TEST_CASE("a size belongs to the smallest class that holds it") {
  CHECK(pool_class(1) == 0);
  CHECK(pool_class(64) == 0);
  CHECK(pool_class(65) == 1);
  CHECK(pool_class(pool_block_max) == pool_classes - 1);
  for (std::size_t n = 1; n <= pool_block_max; ++n) {
    CHECK(bytes_of(pool_class(n)) >= n);
    CHECK(bytes_of(pool_class(n)) < n + pool_granule);
  }
}

TEST_CASE("blocks are aligned to cache lines, writable to their end, and do not overlap") {
  for (std::size_t cls : {std::size_t{0}, std::size_t{1}, std::size_t{4}, pool_classes - 1}) {
    std::vector<unsigned char*> blocks;
    for (int i = 0; i < 500; ++i) {
      auto* p = static_cast<unsigned char*>(pool_get(pool_kind::frame, cls));
      CHECK(reinterpret_cast<std::uintptr_t>(p) % 64 == 0);
      std::memset(p, i % 251, bytes_of(cls));
      blocks.push_back(p);
    }
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      CHECK(blocks[i][0] == i % 251);
      CHECK(blocks[i][bytes_of(cls) - 1] == i % 251);
    }
    for (auto* p : blocks) pool_put(pool_kind::frame, cls, p);
  }
}

TEST_CASE("a block that was given back is used again") {
  std::set<void*> first;
  std::vector<void*> held;
  for (int i = 0; i < 1000; ++i) held.push_back(pool_get(pool_kind::ask, 2));
  first.insert(held.begin(), held.end());
  for (void* p : held) pool_put(pool_kind::ask, 2, p);
  held.clear();
  int again = 0;
  for (int i = 0; i < 1000; ++i) {
    held.push_back(pool_get(pool_kind::ask, 2));
    again += first.contains(held.back());
  }
  CHECK(again >= 1000 - static_cast<int>(pool_batch));
  for (void* p : held) pool_put(pool_kind::ask, 2, p);
}

TEST_CASE("a block never moves to another kind") {
  std::set<void*> envelopes;
  std::vector<void*> held;
  for (int i = 0; i < 300; ++i) held.push_back(pool_get(pool_kind::envelope, 0));
  envelopes.insert(held.begin(), held.end());
  for (void* p : held) pool_put(pool_kind::envelope, 0, p);
  held.clear();
  for (int i = 0; i < 1000; ++i) {
    held.push_back(pool_get(pool_kind::cell, 0));
    CHECK(!envelopes.contains(held.back()));
  }
  for (void* p : held) pool_put(pool_kind::cell, 0, p);
}

TEST_CASE("fresh memory is zero, and a free block keeps all but its first word") {
  // A class that nothing else uses.
  constexpr std::size_t cls = 1;
  std::vector<void*> held;
  for (int i = 0; i < 64; ++i) {
    auto* p = static_cast<std::atomic<std::uint64_t>*>(pool_get(pool_kind::ask, cls));
    for (std::size_t w = 1; w < bytes_of(cls) / 8; ++w) CHECK(p[w].load() == 0);
    p[3].store(77);
    held.push_back(p);
  }
  for (void* p : held) pool_put(pool_kind::ask, cls, p);
  for (void* p : held) CHECK(static_cast<std::atomic<std::uint64_t>*>(p)[3].load() == 77);
}

TEST_CASE("memory flows back from a thread that frees to one that allocates") {
  std::set<void*> made;
  for (int round = 0; round < 50; ++round) {
    std::vector<void*> held;
    for (int i = 0; i < 1000; ++i) held.push_back(pool_get(pool_kind::envelope, 3));
    made.insert(held.begin(), held.end());
    std::thread([&] {
      for (void* p : held) pool_put(pool_kind::envelope, 3, p);
    }).join();
  }
  // Without the way back it would be 50,000.
  CHECK(made.size() <= 1000 + 4 * pool_batch);
}

TEST_CASE("a thread that ends gives its blocks back") {
  std::set<void*> made;
  for (int round = 0; round < 50; ++round) {
    std::thread([&] {
      std::vector<void*> held;
      for (int i = 0; i < 200; ++i) held.push_back(pool_get(pool_kind::cell, 5));
      made.insert(held.begin(), held.end());
      for (void* p : held) pool_put(pool_kind::cell, 5, p);
    }).join();
  }
  CHECK(made.size() <= 200 + 2 * pool_batch);
}

TEST_CASE("threads that allocate and free each other's blocks never share one") {
  constexpr int threads = 4;
  constexpr int each = 20'000;
  std::atomic<unsigned char*> boxes[16] = {};
  std::atomic<int> bad{0};
  auto work = [&](unsigned seed) {
    std::vector<unsigned char*> mine;
    for (int i = 0; i < each; ++i) {
      seed = seed * 1664525 + 1013904223;
      auto* p = static_cast<unsigned char*>(pool_get(pool_kind::frame, 1));
      std::memset(p, static_cast<int>(seed >> 24), bytes_of(1));
      // A block travels to whoever looks into the same box next.
      unsigned char* other = boxes[(seed >> 8) % 16].exchange(p);
      if (!other) continue;
      if (std::ranges::count(other, other + bytes_of(1), other[0]) !=
          static_cast<std::ptrdiff_t>(bytes_of(1)))
        bad.fetch_add(1);
      pool_put(pool_kind::frame, 1, other);
    }
  };
  std::vector<std::thread> pool;
  for (unsigned t = 0; t < threads; ++t) pool.emplace_back(work, t + 1);
  for (auto& t : pool) t.join();
  for (auto& b : boxes)
    if (auto* p = b.load()) pool_put(pool_kind::frame, 1, p);
  CHECK(bad.load() == 0);
}

TEST_CASE("frames beyond the largest class come from the heap") {
  void* p = frame_alloc(pool_block_max + 1);
  std::memset(p, 1, pool_block_max + 1);
  frame_free(p, pool_block_max + 1);
  void* q = frame_alloc(10);
  CHECK(reinterpret_cast<std::uintptr_t>(q) % 64 == 0);
  frame_free(q, 10);
}
