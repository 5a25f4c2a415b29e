// What nodes that were let in may make an endpoint do: nothing that costs more than its bounds.

#include "remote/intruder.test.hpp"
#include <odeon/core/log_sink.hpp>
#include <odeon/remote/endpoint.hpp>

using namespace hub_test;

namespace remote_endpoint_attacks_test {

struct hello {
  using reply = int;
};
class greeter : public actor<hello> {
 public:
  greeter() { ++alive; }
  ~greeter() { --alive; }
  int on(hello) { return 7; }

  static inline int alive = 0;
};

struct wait_for_ever {
  using reply = int;
};
class sleeper : public actor<wait_for_ever> {
 public:
  void on(wait_for_ever, reply_to<int> to) { kept_.push_back(std::move(to)); }
  ~sleeper() { kept = kept_.size(); }

  static inline std::size_t kept = 0;

 private:
  std::vector<reply_to<int>> kept_;
};

/// An ask of `Message`, which has no fields, with its names written out.
template <class Message>
void send_ask(intruder& x, std::string_view to, std::string_view from, std::uint64_t ask) {
  x.send(lane::ordinary, [&](wire::buffer& out) {
    append_word(out, std::uint8_t{2});
    for (const std::string_view name : {to, from}) {
      append_varint(out, 1);
      session_test::append_text(out, name);
      append_varint(out, 0);
    }
    append_varint(out, ask);
    append_varint(out, 1);
    session_test::append_text(out, wire::manifest<Message>);
    append_varint(out, 256 + 1);
    append_varint(out, 1);
    out.push_back(std::byte{0x90});  // an empty array
  });
}

/// An endpoint under attack, and another one that uses it.
struct besieged {
  explicit besieged(permissions allowed = {}, remote::limits l = {})
      : net_a(a, options(net, "a:1", l), std::move(allowed)),
        net_b(b, options(net, "b:1")) {
    net_a.expose<greeter>();
    a.spawn<greeter>({.name = "g"});
    watching.push_back(a.events().on<peer_rejected>(
        [this](const peer_rejected& e) { rejected.push_back(e.why); }));
    watching.push_back(
        a.events().on<peer_gone>([this](const peer_gone& e) { gone.push_back(e.node); }));
    is_well();
  }
  ~besieged() { rt.settle(); }
  static endpoint_options options(test_net& net, const std::string& at, remote::limits l = {}) {
    endpoint_options o;
    o.listen = "memory://" + at;
    o.transport = &net;
    o.limits = l;
    return o;
  }
  void is_well() {
    const auto far = net_b.lookup<greeter>("a:1", "g").within(20s).result();
    REQUIRE_MESSAGE(far.has_value(), far.error().to_string());
    CHECK(far->ask<hello>().get() == 7);
  }
  [[nodiscard]] std::uint64_t count(rejection why) const {
    return net_a.metrics().rejected[std::size_t(why)];
  }

  simulated_runtime rt{{.seed = 13}};
  test_net net{rt};
  actor_system a{"sys", {.workers = 1, .runtime = &rt}};
  actor_system b{"sys", {.workers = 1, .runtime = &rt}};
  endpoint net_a, net_b;
  std::vector<subscription> watching;
  std::vector<rejection> rejected;
  std::vector<std::string> gone;
};

}  // namespace remote_endpoint_attacks_test

using namespace remote_endpoint_attacks_test;

TEST_CASE("a control record that is none, or has a name without end, ends the connection") {
  const auto ends = [](const wire::bytes& bytes) {
    besieged s;
    intruder x(s.rt, s.net, "a:1", "x:1");
    REQUIRE(x.is_in());
    x.record(bytes);
    s.rt.settle();
    CHECK(x.is_closed());
    CHECK(s.count(rejection::violation) == 1);
    CHECK(s.rejected == std::vector{rejection::violation});
    s.is_well();
  };
  ends(wire::bytes(40, std::byte{0xc1}));
  ends({});
  const records::name good{"/user/g", 0};
  ends(records::to_bytes(records::watch{good, {std::string(2'049, 'x'), 1}}));
  ends(records::to_bytes(records::resolve{1, "", {"/user/" + std::string(100'000, 'x'), 0}, {}}));
  ends(records::to_bytes(records::spawn{1, std::string(3'000, 't'), "", {}, {}}));
}

TEST_CASE("spawns that are asked for all at once stay within the bound") {
  besieged s({.spawn = true, .spawned = 10});
  s.net_a.register_actor<greeter>("greeter");
  intruder x(s.rt, s.net, "a:1", "x:1");
  const int before = greeter::alive;
  x.send(lane::control, [](wire::buffer& out) {  // in one frame
    for (std::uint64_t i = 1; i <= 300; ++i) {
      const wire::bytes bytes = records::to_bytes(records::spawn{i, "greeter", "", {}, {}});
      append_word(out, std::uint8_t{1});
      append_varint(out, i);
      append_varint(out, bytes.size());
      out.append(bytes);
    }
  });
  s.rt.settle();
  CHECK(greeter::alive <= before + 10);
  s.is_well();
}

TEST_CASE("questions whose answers are never acknowledged cost their bound, and the association") {
  remote::limits l;
  l.control_records = 500;
  besieged s({}, l);
  intruder x(s.rt, s.net, "a:1", "x:1");
  REQUIRE(x.is_in());
  for (std::uint64_t i = 1; i <= 2'000 && !x.is_closed(); ++i)
    x.record(records::any(records::resolve{i, "", {"/user/g", 0}, {}}));
  s.rt.advance(2s);
  CHECK(x.is_closed());
  CHECK(s.gone == std::vector<std::string>{"x:1"});
  CHECK(s.net_a.metrics().quarantined == 1);
  s.is_well();
  // That incarnation is not let in again.
  intruder again(s.rt, s.net, "a:1", "x:1");
  CHECK_FALSE(again.is_in());
  CHECK(s.count(rejection::quarantined) == 1);
}

TEST_CASE("a watch flood meets its bound, and ends with its peer") {
  besieged s({.watches_per_peer = 100});
  intruder x(s.rt, s.net, "a:1", "x:1");
  for (std::uint64_t i = 1; i <= 1'000; ++i)
    x.record(records::any(records::watch{{"/user/g", 0}, {"/user/w" + std::to_string(i), i}}));
  CHECK_FALSE(x.is_closed());  // each was answered
  s.is_well();
  s.rt.advance(10s);  // it says nothing more
  CHECK(x.is_closed());
  s.is_well();
}

TEST_CASE("senders and names that a peer makes up are dialled by nobody, and answered in order") {
  remote::limits l;
  l.peers = 100;
  besieged s({}, l);
  const std::uint64_t attempts = s.net_a.metrics().attempts;
  intruder x(s.rt, s.net, "a:1", "x:1");
  const auto send = [&](std::string_view to, std::string_view from, std::uint64_t ask) {
    send_ask<hello>(x, to, from, ask);
  };
  for (std::uint64_t i = 1; i <= 1'000; ++i)
    send("/user/g", "odeon://sys@h" + std::to_string(i) + ".example:7400/user/a", i);
  send("/user/\xff\xfe", "", 2'000);
  send("/user/g", "\xff", 2'001);
  send("odeon://sys@h.example:1/user/g", "", 2'002);
  send("/system/log", "", 2'003);
  s.rt.settle();
  CHECK_FALSE(x.is_closed());
  CHECK(s.net_a.metrics().attempts == attempts);
  CHECK(s.net_a.metrics().peers.size() <= 100);
  s.rt.advance(1s);
  CHECK(s.net_a.metrics().attempts == attempts);
  s.is_well();
}

TEST_CASE("what is asked for without permission is logged once, and writes no lines of its own") {
  std::vector<std::string> lines;
  set_log_sink([&](log_level, std::string_view, std::string_view text) {
    if (text.contains("asked to stop")) lines.emplace_back(text);
  });
  {
    besieged s({.stop = false});
    intruder x(s.rt, s.net, "a:1", "x:1");
    REQUIRE(x.is_in());
    for (int i = 0; i < 500; ++i)
      x.record(records::any(
          records::stop{{"/user/g\n2026-01-01T00:00:00 error all is lost\x1b[2J", 0}, i % 2 == 0}));
    CHECK_FALSE(x.is_closed());
    s.is_well();  // the actor lives
  }
  set_log_sink({});
  REQUIRE(lines.size() == 1);
  CHECK(lines.front().contains("x:1"));
  CHECK_FALSE(lines.front().contains('\n'));
  CHECK_FALSE(lines.front().contains('\x1b'));
}

TEST_CASE("asks that are never answered meet their bound, and two of one number are one") {
  {
    besieged s({.asks_per_peer = 100});
    s.net_a.expose<sleeper>();
    s.a.spawn<sleeper>({.name = "s"});
    intruder x(s.rt, s.net, "a:1", "x:1");
    REQUIRE(x.is_in());
    for (int i = 0; i < 50; ++i) send_ask<wait_for_ever>(x, "/user/s", "/user/x", 7);
    for (std::uint64_t i = 1'000; i < 1'500; ++i)
      send_ask<wait_for_ever>(x, "/user/s", "/user/x", i);
    s.rt.settle();
    CHECK_FALSE(x.is_closed());
    s.is_well();
  }
  CHECK(sleeper::kept == 100);
}

TEST_CASE(
    "answers and failures of asks that nobody made, and control answers too, change nothing") {
  besieged s;
  intruder x(s.rt, s.net, "a:1", "x:1");
  REQUIRE(x.is_in());
  for (const std::uint8_t kind : {std::uint8_t{3}, std::uint8_t{4}, std::uint8_t{5}})
    for (std::uint64_t part = 0; part < 64; ++part)
      x.send(lane::ordinary, [&](wire::buffer& out) {
        append_word(out, kind);  // a reply, a failure, a cancel
        for (int name = 0; name < 2; ++name) append_varint(out, 0);
        append_varint(out, (std::uint64_t{1} << 32U) + part);
        append_varint(out, 0);
        append_varint(out, 0);
      });
  for (std::uint64_t id = 0; id < 100; ++id) {
    x.record(records::any(records::answer{id, 0, "", {"/user/none", 1}, {}}));
    x.record(records::any(records::ask_failed{(std::uint64_t{1} << 32U) + id, -1, "forged"}));
    x.record(records::any(records::ended{{"/user/n", 1}, {"/user/g", 0}, 255, "forged", true}));
    x.record(records::any(records::unwatch{{"/user/g", 0}, {"/user/n", id}}));
    x.record(records::any(records::unlink{{"/user/g", 0}, {"/user/n", id}}));
  }
  s.rt.settle();
  CHECK_FALSE(x.is_closed());
  s.is_well();
}

TEST_CASE("a question about thousands of contracts gets one answer of bounded size") {
  besieged s;
  intruder x(s.rt, s.net, "a:1", "x:1");
  REQUIRE(x.is_in());
  const auto ask_about = [&](std::size_t messages) {
    const std::size_t before = x.bytes_read();
    const records::claim other{std::string(wire::manifest<hello>), 0xbad};
    x.record(records::any(
        records::resolve{1, "", {"/user/g", 0}, std::vector<records::claim>(messages, other)}));
    s.rt.settle();
    CHECK_FALSE(x.is_closed());
    return x.bytes_read() - before;
  };
  const std::size_t one = ask_about(1);
  CHECK(one > 100);                       // the contract
  CHECK(ask_about(4'096) < one + 1'000);  // that there are too many
  CHECK(ask_about(5'000) < one + 1'000);
  CHECK(s.gone.empty());
  s.is_well();
}
