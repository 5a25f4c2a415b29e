// The end of a membership: what is over when its destructor returns.

#include <odeon/core/actor.hpp>
#include <odeon/federation/federation.hpp>
#include <odeon/runtime/memory_transport.hpp>
#include <odeon/runtime/serial_executor.hpp>
#include <odeon/runtime/simulated.hpp>

#include <doctest/doctest.h>

#include <functional>
#include <optional>

using namespace odeon;
using namespace odeon::federation;
using namespace std::chrono_literals;

namespace federation_close_test {

/// The simulated runtime, with a look at each wake.
class watched_runtime final : public runtime {
 public:
  explicit watched_runtime(runtime& to) : to_(to) {}
  std::function<void()> on_wake;
  time_point now(clock_domain d) const noexcept override { return to_.now(d); }
  wall_time wall_now() const noexcept override { return to_.wall_now(); }
  void random(std::span<std::byte> out) noexcept override { to_.random(out); }
  timer_queue& timers(clock_domain d) noexcept override { return to_.timers(d); }
  std::unique_ptr<executor> make_executor(executor_options o) override {
    return to_.make_executor(std::move(o));
  }
  std::unique_ptr<serial_executor> make_serial(std::string name) override {
    return to_.make_serial(std::move(name));
  }
  bool wait(const std::atomic<std::uint32_t>& word, std::uint32_t value, time_point end) override {
    return to_.wait(word, value, end);
  }
  void wake(const std::atomic<std::uint32_t>& word) noexcept override {
    if (on_wake) on_wake();
    to_.wake(word);
  }
  bool is_simulated() const noexcept override { return to_.is_simulated(); }

 private:
  runtime& to_;
};

struct place {
  explicit place(runtime& rt, unsigned workers = 0)
      : way(make_memory_transport(rt)),
        system("a", {.workers = workers, .runtime = &rt}),
        net(system, {.listen = "memory://a:1",
                     .security = remote::plain{.insecure = true},
                     .transport = way.get()}) {
    members.emplace(system, net);
  }
  std::unique_ptr<transport> way;
  actor_system system;
  remote::endpoint net;
  std::optional<membership> members;
};

struct again {
  using reply = int;
  int times = 0;
};
class changer : public actor<again> {
 public:
  explicit changer(place& p) : p_(p) {}
  int on(again m) {
    for (int i = 0; i < m.times; ++i) {
      p_.members.reset();
      p_.members.emplace(p_.system, p_.net);
    }
    return m.times;
  }

 private:
  place& p_;
};

}  // namespace federation_close_test

using namespace federation_close_test;

TEST_CASE("who waits for the end of a membership is woken when its name is free") {
  simulated_runtime simulated{{.seed = 5}};
  watched_runtime rt(simulated);
  place p(rt);
  simulated.settle();
  bool is_free = false;
  rt.on_wake = [&] { is_free = !p.system.lookup("federation"); };
  p.members.reset();
  rt.on_wake = {};
  CHECK(is_free);
  CHECK_FALSE(p.system.lookup("federation"));
}

TEST_CASE("a membership is made again at once where one has ended") {
  const auto rt = make_threaded_runtime();
  place p(*rt);
  for (int i = 0; i < 100; ++i) {
    p.members.reset();
    p.members.emplace(p.system, p.net);
  }
  CHECK(p.members->members().size() == 1);
}

TEST_CASE("the system's only worker ends a membership and makes another") {
  const auto rt = make_threaded_runtime();
  place p(*rt, 1);
  const auto ref = p.system.spawn<changer>(std::ref(p));
  CHECK(ref.ask<again>(10).within(60s).get() == 10);
}

TEST_CASE("a membership ends in the system's shutdown, before its actors and after") {
  for (const auto when : {actor_system::phase::before_actors, actor_system::phase::after_actors}) {
    const auto rt = make_threaded_runtime();
    place p(*rt);
    p.system.on_shutdown(when, "leaving", [&] { p.members.reset(); });
    CHECK(p.system.terminate_and_wait(60s).complete);
    CHECK_FALSE(p.members.has_value());
  }
}
