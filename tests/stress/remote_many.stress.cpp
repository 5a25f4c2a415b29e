// Ten thousand associations over real sockets, opened, used, and ended in every way that there is;
// what stays of them is counted.

#include "remote/internal/cursor.hpp"
#include "remote/internal/frame.hpp"
#include "remote/internal/handshake.hpp"
#include "remote/internal/hub.hpp"
#include "remote/internal/session_halves.hpp"
#include "stress/common.hpp"
#include "stress/resources.hpp"
#include "support/raw_peer.hpp"
#include <odeon/net/tcp.hpp>

#include <algorithm>
#include <memory>
#include <string>

using namespace odeon;
using namespace odeon::remote;
using namespace odeon::remote::detail;
using namespace odeon::stress;

namespace {

constexpr std::size_t kept_bytes_max = std::size_t{3} << 20U;  ///< of nine thousand more

struct counting final : hub_listener {
  std::atomic<std::uint64_t> messages{0}, controls{0}, gone{0};
  void on_message(peer&, const user_message&) noexcept override { messages.fetch_add(1); }
  void on_control(peer&, std::span<const std::byte>) noexcept override { controls.fetch_add(1); }
  void on_up(peer&, const peer_info&) noexcept override {}
  void on_down(peer&, const error&) noexcept override {}
  void on_gone(peer&, std::uint64_t, const error&) noexcept override { gone.fetch_add(1); }
  void on_unsent(peer&, const user_message&, const error&) noexcept override {}
};

enum class end_of_it : unsigned { goodbye, abort, half_a_hello, after_hello, after_confirm, count };

/// Another node, down to its bytes.
class stranger {
 public:
  stranger(runtime& rt, transport& net, const std::string& to, std::uint64_t number)
      : peer_(rt, net, to),
        me_(options(rt, to, number)) {}

  void live_and_end(end_of_it how) {
    std::string hello = output();
    if (how == end_of_it::half_a_hello) {
      peer_.send(hello.substr(0, hello.size() / 2));
      return peer_.get().abort();
    }
    peer_.send(hello);
    if (how == end_of_it::after_hello) return peer_.get().abort();
    std::size_t at = 0;
    peer_.read_while_not([&](const std::string& all) {
      for (;;) {
        const auto taken = me_.receive(wire::as_bytes(all).subspan(at));
        REQUIRE(taken.has_value());
        if (*taken == 0) break;
        at += *taken;
        if (const std::string out = output(); !out.empty()) peer_.send(out);
      }
      return me_.at() == handshake::step::done || (how == end_of_it::after_confirm && at != 0);
    });
    if (how == end_of_it::after_confirm) return peer_.get().abort();
    REQUIRE(me_.at() == handshake::step::done);
    frame_writer frames(frame_check(protection::none, me_.keys().dialer));
    wire::buffer out;
    const std::size_t begun = frames.begin(out, lane::control);
    append_word(out, std::uint8_t{1});  // a record
    for (const unsigned n : {1U, 3U}) append_varint(out, n);
    out.append(std::string_view("abc"));
    if (how == end_of_it::goodbye) {
      append_word(out, std::uint8_t{7});
      append_word(out, goodbye_reason::stopping);
      append_varint(out, 0);
    }
    frames.close(out, begun);
    frames.seal(out);
    peer_.send(wire::as_text(out.view()));
    if (how == end_of_it::abort) {
      // Until the record was acknowledged; then without a word.
      frame_reader in(frame_check(protection::none, me_.keys().acceptor), limits{}.frame_bytes);
      std::uint64_t acknowledged = 0;
      peer_.read_while_not([&](const std::string& all) {
        for (;;) {
          const auto rest = wire::as_bytes(all).subspan(at);
          const auto size = in.measure(rest);
          REQUIRE(size.has_value());
          if (*size == 0 || *size > rest.size()) break;
          const auto frame = in.open(rest.first(*size));
          REQUIRE(frame.has_value());
          acknowledged = std::max(acknowledged, acknowledged_in(frame->items));
          at += *size;
        }
        return acknowledged == 1;
      });
      return peer_.get().abort();
    }
    (void)peer_.end_writing();
    (void)peer_.read_all();
  }

 private:
  /// What a node says of itself to one that only talks: which record it has, and credit.
  static std::uint64_t acknowledged_in(const_bytes items) {
    cursor in(items);
    std::uint64_t last = 0;
    while (!in.done()) switch (static_cast<control_item>(in.word<std::uint8_t>())) {
        case control_item::acknowledge: last = in.varint(); break;
        case control_item::ping:
        case control_item::pong: (void)in.word<std::uint64_t>(); break;
        case control_item::credit:
          (void)in.word<std::uint8_t>();
          (void)in.varint();
          break;
        default: FAIL("an item that nobody has asked for");
      }
    REQUIRE_FALSE(in.bad());
    return last;
  }
  static session_options options(runtime& rt, const std::string& to, std::uint64_t number) {
    session_options o;
    o.side = role::dialer;
    o.system = "stress";
    o.node = "n" + std::to_string(number) + ":0";
    o.incarnation = number;
    o.version = "1";
    o.to = to;
    rt.random(o.fresh);
    return o;
  }
  std::string output() {
    std::string out(wire::as_text(me_.out().view()));
    me_.out().clear();
    return out;
  }

  test::raw_peer peer_;
  handshake me_;
};

}  // namespace

TEST_CASE("ten thousand associations are opened and ended with flat memory and descriptors") {
  actor_system system("stress");
  runtime& rt = system.get_runtime();
  endpoint_options o;
  o.listen = "tcp://127.0.0.1:0";
  o.limits.give_up_after = 1s;
  o.limits.peers = 500;
  o.limits.quarantined = 500;
  o.limits.handshake = 60s;
  counting told;
  auto my_hub = hub::make(system, o, told);
  REQUIRE(my_hub->start().has_value());
  const std::string node = my_hub->node();
  const auto net = make_tcp_transport(rt);
  const auto unused = net->listen("127.0.0.1:0");  // its threads hold their own descriptors by now
  REQUIRE(unused.has_value());
  std::atomic<std::uint64_t> next{1}, in{0};
  constexpr int threads = 4;
  const long idle = descriptors_open();
  const auto associations = [&](int many) {
    on_threads(threads, [&](int, dice& d) {
      for (int i = 0; i < many / threads; ++i) {
        const unsigned roll = d.below(20);
        const auto how = roll < 5 ? static_cast<end_of_it>(roll) : end_of_it::goodbye;
        if (how == end_of_it::goodbye || how == end_of_it::abort) in.fetch_add(1);
        stranger s(rt, *net, node, next.fetch_add(1));
        s.live_and_end(how);
      }
    });
    // Those that vanished are given up, and so are those whose handshake was whole unseen.
    std::string waits_for;
    INFO(waits_for);
    await(system, [&] {
      const endpoint_metrics m = my_hub->metrics();
      waits_for = std::to_string(told.gone.load()) + " gone of " + std::to_string(in.load()) +
                  ", connections " + std::to_string(m.connections) + ", handshakes " +
                  std::to_string(m.handshakes) + ", descriptors " +
                  std::to_string(descriptors_open()) + " of " + std::to_string(idle);
      bool settled = true;
      for (const peer_metrics& p : m.peers) {
        if (p.state == peer_state::idle || p.state == peer_state::quarantined) continue;
        settled = false;
        waits_for += "; " + p.node + " is " + std::to_string(int(p.state)) + ": " + p.last_error;
      }
      return settled && told.gone.load() >= in.load() && m.connections == 0 && m.handshakes == 0 &&
             descriptors_open() <= idle;  // a transport closes them on its own threads
    });
  };
  associations(rounds(1'000));
  const std::size_t before = bytes_in_use();
  associations(rounds(9'000));
  const std::size_t after = bytes_in_use();
  const std::uint64_t all = next.load() - 1;
  MESSAGE(all << " associations; bytes in use: " << before << ", then " << after);
  CHECK(after < before + kept_bytes_max);
  CHECK(told.controls.load() == in.load());
  CHECK(told.messages.load() == 0);
  const endpoint_metrics m = my_hub->metrics();
  CHECK(m.peers.size() <= o.limits.peers);
  CHECK(m.quarantined <= o.limits.quarantined);
  CHECK(m.accepted >= in.load());
}
