// A relay and its nodes on real threads: connections that are opened, used and let go by several
// threads at a time, while the relay is destroyed and made again.

#include "support/transport_laws.hpp"
#include <odeon/remote/relay.hpp>
#include <odeon/remote/relay_transport.hpp>
#include <odeon/runtime/memory_transport.hpp>

#include <doctest/doctest.h>

#include <thread>

using namespace odeon;
using namespace odeon::remote;
using namespace odeon::transport_test;
using namespace std::chrono_literals;

namespace {

const std::string secret = "a secret of the stress tests";

/// Answers each connection with what it reads, until the listener is closed.
struct echo {
  struct session {
    std::unique_ptr<connection> c;
    std::array<std::byte, 4096> room;
    std::size_t n = 0;
  };
  explicit echo(listener& l) : from(l) { next(); }
  void next() {
    from.accept([this](result<std::unique_ptr<connection>> c) {
      if (!c) {
        over.store(1);
        return;
      }
      auto s = std::make_shared<session>();
      s->c = std::move(*c);
      go(s);
      next();
    });
  }
  static void go(const std::shared_ptr<session>& s) {
    s->c->read(s->room, [s](result<std::size_t> n) {
      if (!n || *n == 0) return;
      s->n = *n;
      s->c->write(const_bytes(s->room).first(s->n), [s](const result<void>& r) {
        if (r) go(s);
      });
    });
  }
  listener& from;
  std::atomic<std::uint32_t> over{0};
};

}  // namespace

TEST_CASE("threads talk through a relay that is destroyed and made again beneath them") {
  const auto rt = make_threaded_runtime();
  const auto way = make_memory_transport(*rt);
  relay_server_options options{.listen = "relay:7500", .secret = secret};
  auto server = relay_server::start(*rt, *way, options).value();
  const auto node = [&](const char* name) {
    return make_relay_transport(
        *rt, {.relay = "relay:7500", .name = name, .secret = secret, .through = way.get()});
  };
  auto target = node("target"), source = node("source");
  auto l = target->listen("target:1").value();
  const echo server_side(*l);
  std::atomic<int> good{0}, bad{0};
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      const std::string said = "thread " + std::to_string(t);
      while (!stop) {
        outcome<connection_ptr> dialled(*rt);
        source->connect("target:1", {.timeout = 10s}, dialled.done());
        auto c = dialled.get();
        // After a restart the caller may be there again before the called.
        if (!c && c.error() == errc::unknown_host) continue;
        bool all = c.has_value();
        for (int i = 0; all && i < 20; ++i) {
          all = write_all(*rt, **c, said).has_value();
          const auto back = all ? read_some(*rt, **c) : fail(errc::io_failed, "");
          all = back.has_value() && *back == said;
        }
        if (all && t % 2 == 0) all = end_writing(*rt, **c).has_value();
        (all ? good : bad).fetch_add(1);
        (void)source->routes();
        (void)source->status();
      }
    });
  for (int round = 0; round < 8; ++round) {
    const int before = good;
    while (good < before + 20) {
      (void)server->metrics();
      (void)server->peers();
      std::atomic<std::uint32_t> nobody{0};
      (void)rt->wait(nobody, 0, rt->now(clock_domain::housekeeping) + 5ms);
    }
    server.reset();
    server = relay_server::start(*rt, *way, options).value();
  }
  stop = true;
  for (auto& t : threads) t.join();
  CHECK(good >= 160);
  CHECK(bad <= 8 * 4);
  l->close();
  source.reset();
  target.reset();
  CHECK(server_side.over == 1);
}
