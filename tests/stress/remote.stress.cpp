// Associations over real sockets, from many threads at once: opened, used, dropped, closed.

#include "remote/internal/hub.hpp"
#include "stress/common.hpp"

#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>

using namespace odeon;
using namespace odeon::remote;
using namespace odeon::remote::detail;
using namespace odeon::stress;

namespace {

/// Counts what comes; controls are numbers that must come one after the other.
struct counting final : hub_listener {
  std::atomic<std::uint64_t> messages{0}, controls{0}, ups{0}, downs{0}, gone{0}, unsent{0};
  std::atomic<bool> in_order{true};
  std::mutex mutex;
  std::map<std::string, std::uint64_t> next;  // by peer
  std::map<std::string, std::uint64_t> last;  // by peer and sender

  void on_message(peer& from, const user_message& m) noexcept override {
    messages.fetch_add(1);
    if (m.key == 0) return;
    const std::scoped_lock hold(mutex);
    std::uint64_t& seen = last[from.node() + std::string(m.to.path)];
    if (m.key <= seen) in_order = false;
    seen = m.key;
  }
  void on_control(peer& from, std::span<const std::byte> record) noexcept override {
    std::uint64_t n = 0;
    std::memcpy(&n, record.data(), std::min(sizeof(n), record.size()));
    const std::scoped_lock hold(mutex);
    if (next[from.node()]++ != n) in_order = false;
    controls.fetch_add(1);
  }
  void on_up(peer&, const peer_info&) noexcept override { ups.fetch_add(1); }
  void on_down(peer&, const error&) noexcept override { downs.fetch_add(1); }
  void on_gone(peer&, std::uint64_t, const error&) noexcept override { gone.fetch_add(1); }
  void on_unsent(peer&, const user_message&, const error&) noexcept override {
    unsent.fetch_add(1);
  }
};

wire::bytes numbered(std::uint64_t n) {
  wire::bytes out(sizeof(n));
  std::memcpy(out.data(), &n, sizeof(n));
  return out;
}

struct side {
  explicit side(actor_system& system, endpoint_options o = {}) {
    o.listen = "tcp://127.0.0.1:0";
    my_hub = hub::make(system, o, told);
    REQUIRE(my_hub->start().has_value());
  }
  counting told;
  std::unique_ptr<hub> my_hub;
};

long descriptors() {
  long n = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
    ++n;
  return n;
}

}  // namespace

TEST_CASE("many threads send to one peer, and each thread's messages arrive in order") {
  actor_system system("stress");
  endpoint_options o;
  o.limits.streams = 3;
  side a(system, o), b(system, o);
  const auto to_b = a.my_hub->find(b.my_hub->node()).value();
  const auto to_a = b.my_hub->find(a.my_hub->node()).value();
  const int each = rounds(5000);
  std::atomic<std::uint64_t> taken{0};
  on_threads(6, [&](int index, dice& d) {
    const std::string path = "/user/t" + std::to_string(index);
    const auto& to = index % 2 == 0 ? to_b : to_a;
    const std::string text(1 + d.below(300), 'x');
    for (int i = 1; i <= each; ++i) {
      user_message m;
      m.to = {path, 1};
      m.key = static_cast<std::uint64_t>(i);
      m.message.manifest = "stress.message";
      m.message.payload = wire::as_bytes(text);
      if (to->send(m).has_value()) taken.fetch_add(1);
      if (d.below(500) == 0) pause(system, 1us);
    }
  });
  await(system, [&] { return a.told.messages.load() + b.told.messages.load() == taken.load(); });
  CHECK(taken.load() == 6 * static_cast<std::uint64_t>(each));
  CHECK(a.told.in_order.load());
  CHECK(b.told.in_order.load());
  CHECK(a.told.unsent.load() == 0);
}

TEST_CASE("associations that are dropped from both sides lose no control record") {
  actor_system system("stress");
  endpoint_options o;
  o.limits.backoff_least = 1ms;
  o.limits.backoff_most = 20ms;
  o.limits.heartbeat = 20ms;
  o.limits.silent_after = 10s;
  side a(system, o), b(system, o);
  const auto to_b = a.my_hub->find(b.my_hub->node()).value();
  const auto to_a = b.my_hub->find(a.my_hub->node()).value();
  const int each = rounds(1500);
  std::atomic<bool> over{false};
  on_threads(4, [&](int index, dice& d) {
    if (index < 2) {
      for (int i = 0; i < each; ++i) {
        (index == 0 ? to_b : to_a)->send_control(numbered(static_cast<std::uint64_t>(i)));
        if (d.below(20) == 0) pause(system, 1ms);
      }
      over = true;
      return;
    }
    while (!over.load()) {
      pause(system, std::chrono::milliseconds(1 + d.below(20)));
      if (index == 2)
        a.my_hub->drop(*to_b, false, "chance");
      else
        b.my_hub->drop(*to_a, false, "chance");
    }
  });
  // Whoever dropped it last needs a reason to connect again.
  await(system, [&] {
    (void)to_b->ready(1s).result();
    return a.told.controls.load() == static_cast<std::uint64_t>(each) &&
           b.told.controls.load() == static_cast<std::uint64_t>(each);
  });
  CHECK(a.told.in_order.load());
  CHECK(b.told.in_order.load());
  CHECK(a.told.gone.load() == 0);
  CHECK(b.told.gone.load() == 0);
}

TEST_CASE("thousands of associations are opened and closed with flat descriptors") {
  actor_system system("stress");
  side a(system);
  const std::string node = a.my_hub->node();
  std::atomic<std::uint64_t> sent{0};
  const auto round = [&](int times) {
    on_threads(2, [&](int, dice&) {
      for (int i = 0; i < times; ++i) {
        side b(system);
        const auto to_a = b.my_hub->find(node).value();
        to_a->send_control(numbered(0));
        user_message m;
        m.to = {"/user/a", 1};
        m.message.manifest = "stress.message";
        REQUIRE(to_a->send(m).has_value());
        sent.fetch_add(1);
        const auto up = to_a->ready(10s).result();
        CHECK(up.has_value());
      }
    });
    await(system, [&] { return a.told.gone.load() == sent.load(); });
  };
  round(rounds(20));
  const long before = descriptors();
  round(rounds(150));
  CHECK(a.told.messages.load() == sent.load());
  CHECK(a.told.controls.load() == sent.load());
  CHECK(descriptors() <= before + 8);
  const auto m = a.my_hub->metrics();
  CHECK(m.connections == 0);
  CHECK(m.peers.size() <= 256);
}
