// What the protocol between nodes costs by itself, without sockets: a message into a frame, a frame
// into messages, under each protection. One thread; the counters say how long one message takes.

#include "remote/internal/session.hpp"

#include <benchmark/benchmark.h>

#include <array>
#include <cstring>
#include <string>
#include <vector>

namespace {

using namespace odeon::remote::detail;
using odeon::wire::bytes;

constexpr std::string_view secret = "a secret of the benchmark";
constexpr std::size_t batch = 200;  // messages between two writes: about 20 KiB

struct counting final : session_handler {
  std::uint64_t messages = 0;
  void on_message(const user_message& m) noexcept override {
    benchmark::DoNotOptimize(m.message.payload.data());
    ++messages;
  }
  void on_control(std::span<const std::byte>) noexcept override {}
  void on_goodbye(goodbye_reason, std::string_view) noexcept override {}
};

session_options options(role side, protection how) {
  session_options o;
  o.side = side;
  o.protect = how;
  o.secret = secret;
  if (how == protection::tls) o.identities = {"bench"};
  o.system = "bench";
  o.incarnation = side == role::dialer ? 1 : 2;
  o.fresh.fill(std::byte{static_cast<unsigned char>(o.incarnation)});
  return o;
}

struct connected {
  explicit connected(protection how)
      : a(options(role::dialer, how)),
        b(options(role::acceptor, how)) {
    for (int i = 0; i < 3; ++i) {
      move(a, b);
      if (b.state() == session_state::deciding) b.accept();
      move(b, a);
    }
  }
  void move(session& from, session& to) {
    if (!from.has_output()) return;
    out.clear();
    from.take(out);
    std::array<odeon::const_bytes, 3> pieces;
    const std::size_t used = out.pieces(pieces);
    for (std::size_t i = 0; i < used; ++i) feed(to, pieces[i]);
    out.clear();
  }
  void feed(session& to, odeon::const_bytes in) {
    feedback f;
    while (!in.empty()) {
      const auto room = to.room();
      const std::size_t n = std::min(room.size(), in.size());
      std::memcpy(room.data(), in.data(), n);
      in = in.subspan(n);
      if (!to.receive(n, odeon::time_point(), handler, f) || !to.apply(f)) std::abort();
    }
  }
  session a, b;
  output out;
  counting handler;
};

struct actors {
  std::vector<std::string> to, from;
  bytes payload;
  explicit actors(std::size_t count, std::size_t size) : payload(size, std::byte{7}) {
    for (std::size_t i = 0; i < count; ++i) {
      to.push_back("/user/service/worker-" + std::to_string(i));
      from.push_back("/user/client/session-" + std::to_string(i));
    }
  }
  [[nodiscard]] user_message message(std::size_t i) const {
    user_message m;
    m.to = {to[i % to.size()], 0x1234567890};
    m.from = {from[i % from.size()], 0x9876543210};
    m.message = {"bench.message", 1, odeon::wire::format::compact, payload};
    return m;
  }
};

/// Encoding alone: messages to frames with their checks.
void encode(benchmark::State& state, protection how) {
  connected c(how);
  const actors who(static_cast<std::size_t>(state.range(1)),
                   static_cast<std::size_t>(state.range(0)));
  std::size_t n = 0;
  for (auto _ : state) {
    for (std::size_t i = 0; i < batch; ++i)
      if (!c.a.add(who.message(n++)).value_or(false)) std::abort();
    state.PauseTiming();  // the other side takes them, so that there is credit
    c.move(c.a, c.b);
    c.move(c.b, c.a);
    state.ResumeTiming();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(n));
}

/// Decoding alone: frames to messages.
void decode(benchmark::State& state, protection how) {
  connected c(how);
  const actors who(static_cast<std::size_t>(state.range(1)),
                   static_cast<std::size_t>(state.range(0)));
  std::size_t n = 0;
  for (auto _ : state) {
    state.PauseTiming();
    for (std::size_t i = 0; i < batch; ++i)
      if (!c.a.add(who.message(n++)).value_or(false)) std::abort();
    c.a.take(c.out);
    state.ResumeTiming();
    std::array<odeon::const_bytes, 3> pieces;
    const std::size_t used = c.out.pieces(pieces);
    for (std::size_t i = 0; i < used; ++i) c.feed(c.b, pieces[i]);
    state.PauseTiming();
    c.out.clear();
    c.move(c.b, c.a);
    state.ResumeTiming();
  }
  if (c.handler.messages != n) std::abort();
  state.SetItemsProcessed(static_cast<std::int64_t>(n));
}

/// The whole way: both sides' work for each message, checks and credit included.
void through(benchmark::State& state, protection how) {
  connected c(how);
  const actors who(static_cast<std::size_t>(state.range(1)),
                   static_cast<std::size_t>(state.range(0)));
  std::size_t n = 0;
  for (auto _ : state) {
    for (std::size_t i = 0; i < batch; ++i)
      if (!c.a.add(who.message(n++)).value_or(false)) std::abort();
    c.move(c.a, c.b);
    c.move(c.b, c.a);
  }
  if (c.handler.messages != n) std::abort();
  state.SetItemsProcessed(static_cast<std::int64_t>(n));
  state.SetBytesProcessed(static_cast<std::int64_t>(n) * state.range(0));
}

/// One message a frame: what an ask at a time costs.
void alone(benchmark::State& state, protection how) {
  connected c(how);
  const actors who(1, 64);
  std::size_t n = 0;
  for (auto _ : state) {
    if (!c.a.add(who.message(n++)).value_or(false)) std::abort();
    c.move(c.a, c.b);
    c.move(c.b, c.a);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(n));
}

void connect(benchmark::State& state, protection how) {
  for (auto _ : state) benchmark::DoNotOptimize(connected(how).a.state());
  state.SetItemsProcessed(state.iterations());
}

}  // namespace

BENCHMARK_CAPTURE(encode, plain, protection::none)->Args({64, 1})->Args({64, 200});
BENCHMARK_CAPTURE(decode, plain, protection::none)->Args({64, 1})->Args({64, 200});
BENCHMARK_CAPTURE(through, plain, protection::none)
    ->Args({64, 1})
    ->Args({64, 200})
    ->Args({4096, 1});
BENCHMARK_CAPTURE(through, secret, protection::secret)
    ->Args({64, 1})
    ->Args({64, 200})
    ->Args({4096, 1});
BENCHMARK_CAPTURE(alone, plain, protection::none);
BENCHMARK_CAPTURE(alone, secret, protection::secret);
BENCHMARK_CAPTURE(connect, plain, protection::none);
BENCHMARK_CAPTURE(connect, secret, protection::secret);

BENCHMARK_MAIN();
