#include "remote/internal/send_queue.hpp"
#include "remote/session_pair.test.hpp"

#include <doctest/doctest.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

// Each side of a connection is used by two threads at the same time, one a half, as the hub does:
// what the read half has for the write half goes over under a lock of the owner.

using namespace session_test;

namespace {

/// Bytes on their way, and nothing more than so many.
class pipe_of_bytes {
 public:
  void write(std::span<const std::byte> b) {
    std::unique_lock hold(lock_);
    changed_.wait(hold, [&] { return bytes_.size() < 1'000'000; });
    bytes_.insert(bytes_.end(), b.begin(), b.end());
    changed_.notify_all();
  }
  std::size_t read(std::span<std::byte> into) {
    std::unique_lock hold(lock_);
    changed_.wait(hold, [&] { return !bytes_.empty() || closed_; });
    const std::size_t n = std::min(bytes_.size(), into.size());
    std::copy_n(bytes_.begin(), n, into.begin());
    bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(n));
    changed_.notify_all();
    return n;
  }
  void close() {
    const std::lock_guard hold(lock_);
    closed_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex lock_;
  std::condition_variable changed_;
  bytes bytes_;
  bool closed_ = false;
};

struct node {
  explicit node(session_options o) : me(std::move(o)) {}
  side me;
  std::mutex lock;
  std::condition_variable changed;
  feedback waiting;           // under the lock
  std::size_t delivered = 0;  // under the lock: what the read half has counted …
  std::size_t recorded = 0;   // … of messages, and of control records
  bool ended = false;         // under the lock

  void read(pipe_of_bytes& in) {
    for (;;) {
      const auto room = me.s.room();
      const std::size_t n = in.read(room);
      feedback f;
      const bool ok = n != 0 && me.s.receive(n, me.now, me, f).has_value();
      const std::lock_guard hold(lock);
      for (std::size_t l = 0; l < lane_count; ++l) {
        waiting.credit[l] += f.credit[l];
        waiting.grant[l] += f.grant[l];
      }
      if (f.acknowledge) waiting.acknowledge = f.acknowledge;
      if (f.acknowledged) waiting.acknowledged = f.acknowledged;
      delivered = me.messages.size();
      recorded = me.records.size();
      ended = !ok;
      changed.notify_all();
      if (!ok) return;
    }
  }
  void write(pipe_of_bytes& out, std::size_t count, std::size_t expected) {
    std::size_t sent = 0;
    for (;;) {
      {
        std::unique_lock hold(lock);
        const bool idle = sent == count && !me.s.has_output() && waiting.empty();
        // Chunks that have no credit are no output, and yet not sent.
        const bool all_sent = me.outbox.records() == 0 && me.s.held_bytes() == 0;
        const auto over = [&] {
          return ended || (all_sent && delivered >= expected && recorded >= expected / 10);
        };
        if (idle && over()) return;
        if (idle) changed.wait(hold, [&] { return over() || !waiting.empty(); });
        REQUIRE(me.s.apply(waiting));
      }
      for (int i = 0; i < 50 && sent < count; ++i) {
        const owned m = tell("/user/" + std::to_string(sent % 30),
                             pattern(sent % 97 == 0 ? 50'000 : 64, static_cast<unsigned>(sent)));
        if (!me.s.add(m.view()).value()) break;
        if (sent++ % 10 == 0) REQUIRE(me.outbox.add(bytes_of(std::to_string(sent))));
      }
      const bytes all = me.take();
      if (!all.empty()) out.write(all);
      if (all.empty() && sent < count) {
        std::unique_lock hold(lock);
        changed.wait(hold, [&] { return ended || !waiting.empty(); });
        if (ended) return;
      }
    }
  }
};

}  // namespace

TEST_CASE("both halves of both sides at the same time lose, double and reorder nothing") {
  constexpr std::size_t count = 10'000;
  session_options oa = options_of(role::dialer, protection::secret);
  session_options ob = options_of(role::acceptor, protection::secret);
  oa.limits.credit_bytes = ob.limits.credit_bytes = 300'000;
  node a(oa), b(ob);
  while (a.me.s.state() != session_state::open || b.me.s.state() != session_state::open) {
    REQUIRE(b.me.feed(a.me.take()));
    REQUIRE(a.me.feed(b.me.take()));
  }
  pipe_of_bytes to_a, to_b;
  std::thread threads[] = {std::thread([&] { a.read(to_a); }), std::thread([&] { b.read(to_b); }),
                           std::thread([&] { a.write(to_b, count, count); }),
                           std::thread([&] { b.write(to_a, count, count); })};
  threads[2].join();
  threads[3].join();
  to_a.close();
  to_b.close();
  threads[0].join();
  threads[1].join();
  for (const node* n : {&a, &b}) {
    CHECK_FALSE(n->me.failed);
    REQUIRE(n->me.messages.size() == count);
    CHECK(n->me.records.size() == count / 10);
    std::size_t large = 0;
    for (const owned& m : n->me.messages) large += m.payload.size() > small_bytes_max ? 1 : 0;
    CHECK(large == (count + 96) / 97);
  }
}

namespace {

/// A queue whose messages go into the frames of a connection, as the stream of a peer has it; what
/// is written has arrived at once. Whoever becomes the writer writes.
struct stream_of_a_pair {
  pair ends{protection::secret};
  send_queue queue;
  std::size_t waited = 0;  // the writer's: how many did not go into the frames at once

  void write() {
    for (;;) {
      queue.begin();
      (void)ends.a.feed(ends.b.take());  // credit
      user_message m;
      for (; queue.front(m) && ends.a.s.add(m).value(); ++waited) queue.pop();
      output out;
      if (ends.a.s.has_output()) ends.a.s.gather(out);
      if (out.empty()) {
        if (queue.pause(&ends.a.s.frames())) return;
        continue;
      }
      queue.offer(ends.a.s.frames());
      ends.a.s.seal(out);
      for (const auto* b : {&out.first, &out.ordinary, &out.large}) (void)ends.b.feed(b->view());
    }
  }
};

}  // namespace

TEST_CASE("many threads encode into the frames of one connection, and each one's order is kept") {
  constexpr std::uint64_t senders = 4, each = 5'000;
  stream_of_a_pair s;
  s.ends.run();
  REQUIRE(s.queue.nudge());
  s.write();
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < senders; ++t)
    threads.emplace_back([&s, t] {
      const std::string path = "/user/" + std::to_string(t);
      for (std::uint64_t i = 1; i <= each; ++i) {
        owned m = tell(path, pattern(i % 500 == 0 ? 50'000 : i % 90));
        m.key = i;
        const pushed did = s.queue.push(m.view(), std::size_t{1} << 30U);
        if (did == pushed::become_writer) s.write();
        if (i % 100 != 0) continue;
        s.queue.revoke();  // as if the connection had ended, and come again
        if (s.queue.nudge()) s.write();
      }
    });
  for (std::thread& t : threads) t.join();
  CHECK_FALSE(s.ends.a.failed);
  CHECK_FALSE(s.ends.b.failed);
  REQUIRE(s.ends.b.messages.size() == senders * each);
  CHECK(s.queue.bytes() == 0);
  CHECK(s.waited < senders * each);
  std::map<std::string, std::uint64_t> last;
  std::size_t moved = 0;
  for (const owned& m : s.ends.b.messages) moved += ++last[m.to] == m.key ? 0 : 1;
  CHECK(moved == 0);
}
