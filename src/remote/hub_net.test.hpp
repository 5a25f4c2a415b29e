#pragma once

// Hubs on the simulated runtime, and a network between them whose connections the test breaks,
// holds up or refuses.

#include "remote/internal/hub.hpp"
#include <odeon/core/actor_system.hpp>
#include <odeon/remote/events.hpp>
#include <odeon/runtime/memory_transport.hpp>
#include <odeon/runtime/serial_executor.hpp>
#include <odeon/runtime/simulated.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace hub_test {

using namespace odeon;
using namespace odeon::remote;
using namespace odeon::remote::detail;
using namespace std::chrono_literals;

/// What the wires of a `test_net` share.
struct net_state {
  explicit net_state(runtime& rt) : serial(rt.make_serial("test-net")) {}
  /// What arrived while everything was held, of one connection or of all (null); or an error.
  void give_out(const connection* of, bool broken) {
    for (auto& [who, done, n] : std::exchange(waiting, {})) {
      if (of != nullptr && who != of) {
        waiting.emplace_back(who, std::move(done), n);
        continue;
      }
      serial->post([d = std::move(done), n, broken]() mutable {
        if (broken)
          d(fail(errc::io_failed, "broken by the test"));
        else
          d(n);
      });
    }
  }
  struct arrived {
    const connection* who;
    connection::read_done done;
    result<std::size_t> n;
  };
  std::unique_ptr<serial_executor> serial;
  std::set<connection*> all;  // the inner ends
  std::set<std::string> refused;
  bool held = false;  // nothing that arrives is given out
  std::vector<arrived> waiting;
  std::size_t made = 0;
};

class test_connection final : public connection {
 public:
  test_connection(std::unique_ptr<connection> c, std::shared_ptr<net_state> s)
      : inner_(std::move(c)),
        state_(std::move(s)) {
    state_->all.insert(inner_.get());
  }
  ~test_connection() override {
    state_->all.erase(inner_.get());
    state_->give_out(inner_.get(), true);
  }
  void read(std::span<std::byte> into, read_done done) override {
    inner_->read(
        into, [s = state_, c = inner_.get(), d = std::move(done)](result<std::size_t> n) mutable {
          if (!s->held || !n) return d(std::move(n));
          s->waiting.emplace_back(c, std::move(d), n);
        });
  }
  using connection::write;
  void write(std::span<const const_bytes> pieces, write_done done) override {
    inner_->write(pieces, std::move(done));
  }
  void end_writing(write_done done) override { inner_->end_writing(std::move(done)); }
  void abort() noexcept override {
    inner_->abort();
    state_->give_out(inner_.get(), true);
  }
  [[nodiscard]] const std::string& local_address() const noexcept override {
    return inner_->local_address();
  }
  [[nodiscard]] const std::string& peer_address() const noexcept override {
    return inner_->peer_address();
  }

 private:
  std::unique_ptr<connection> inner_;
  std::shared_ptr<net_state> state_;
};

class test_listener final : public listener {
 public:
  test_listener(std::unique_ptr<listener> l, std::shared_ptr<net_state> s)
      : inner_(std::move(l)),
        state_(std::move(s)) {}
  void accept(accept_done done) override {
    inner_->accept(
        [s = state_, d = std::move(done)](result<std::unique_ptr<connection>> c) mutable {
          if (c) *c = std::make_unique<test_connection>(std::move(*c), s);
          d(std::move(c));
        });
  }
  void close() noexcept override { inner_->close(); }
  [[nodiscard]] const std::string& local_address() const noexcept override {
    return inner_->local_address();
  }

 private:
  std::unique_ptr<listener> inner_;
  std::shared_ptr<net_state> state_;
};

/// The network.
class test_net final : public transport {
 public:
  explicit test_net(runtime& rt, memory_transport_options o = {})
      : state(std::make_shared<net_state>(rt)),
        inner_(make_memory_transport(rt, o)) {}
  ~test_net() override {
    inner_.reset();
    state->serial.reset();
  }
  result<std::unique_ptr<listener>> listen(std::string_view address, listen_options o) override {
    auto l = inner_->listen(address, o);
    if (!l) return l;
    return std::make_unique<test_listener>(std::move(*l), state);
  }
  void connect(std::string_view address, connect_options o, connect_done done) override {
    if (state->refused.contains(std::string(address))) address = "nobody:9";
    inner_->connect(
        address, o,
        [s = state, d = std::move(done)](result<std::unique_ptr<connection>> c) mutable {
          if (c) {
            *c = std::make_unique<test_connection>(std::move(*c), s);
            ++s->made;
          }
          d(std::move(c));
        });
  }
  void break_all() {
    for (connection* c : std::vector(state->all.begin(), state->all.end())) {
      c->abort();
      state->give_out(c, true);
    }
  }
  void hold() { state->held = true; }
  void let_go() {
    state->held = false;
    state->give_out(nullptr, false);
  }
  const std::shared_ptr<net_state> state;

 private:
  std::unique_ptr<transport> inner_;
};

/// What a hub's listener was told.
struct recorder final : hub_listener {
  struct got {
    std::string from, to, text;
    bool operator==(const got&) const = default;
  };
  std::vector<std::string> messages;  // the payloads
  std::vector<std::string> controls;
  std::vector<std::string> life;  // "up b:1", "down b:1", "gone b:1"
  std::vector<std::pair<std::string, errc>> unsent;
  std::map<std::string, std::vector<std::string>> by_sender;
  std::function<void(peer&, const user_message&)> then;
  std::function<void(peer&)> when_up;
  std::function<bool()> awaited;

  void on_message(peer& from, const user_message& m) noexcept override {
    messages.emplace_back(wire::as_text(m.message.payload));
    by_sender[from.node() + std::string(m.to.path)].push_back(messages.back());
    if (then) then(from, m);
  }
  void on_control(peer&, std::span<const std::byte> record) noexcept override {
    controls.emplace_back(wire::as_text(record));
  }
  void on_up(peer& with, const peer_info& who) noexcept override {
    life.push_back("up " + with.node());
    CHECK(who.node == with.node());
    if (when_up) when_up(with);
  }
  void on_down(peer& with, const error&) noexcept override {
    life.push_back("down " + with.node());
  }
  void on_gone(peer& with, std::uint64_t, const error&) noexcept override {
    life.push_back("gone " + with.node());
  }
  void on_unsent(peer&, const user_message& m, const error& why) noexcept override {
    unsent.emplace_back(wire::as_text(m.message.payload), why.code());
  }
  [[nodiscard]] bool awaits(const peer&) const noexcept override { return awaited && awaited(); }
  [[nodiscard]] long count(std::string_view what) const { return std::ranges::count(life, what); }
};

inline user_message tell(std::string_view text, std::string_view to = "/user/a") {
  user_message m;
  m.to = {to, 7};
  m.message.manifest = "test.text";
  m.message.payload = wire::as_bytes(text);
  return m;
}
inline wire::bytes record(std::string_view text) {
  const auto b = wire::as_bytes(text);
  return {b.begin(), b.end()};
}

/// A node: a system, what its hub is told, and the hub.
struct node {
  node(simulated_runtime& rt, test_net& net, std::string listen, endpoint_options o = {})
      : system("sys", {.workers = 1, .runtime = &rt}),
        name(listen) {
    o.listen = listen.empty() ? "" : "memory://" + listen;
    o.transport = &net;
    REQUIRE(o.check().has_value());
    my_hub = hub::make(system, o, told);
    REQUIRE(my_hub->start().has_value());
  }
  [[nodiscard]] std::shared_ptr<peer> find(std::string_view other) const {
    auto p = my_hub->find(other);
    REQUIRE(p.has_value());
    return *p;
  }
  template <class E>
  [[nodiscard]] std::shared_ptr<std::vector<E>> watch() {
    auto all = std::make_shared<std::vector<E>>();
    watching.push_back(system.events().on<E>([all](const E& e) { all->push_back(e); }));
    return all;
  }
  actor_system system;
  std::string name;
  recorder told;
  std::vector<subscription> watching;
  std::unique_ptr<hub> my_hub;
};

}  // namespace hub_test
