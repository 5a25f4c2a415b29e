// Sockets from many threads: writes tried on the calling thread beside those that wait on the loop,
// connections given up by one thread while another writes, transports that end under all of it.

#include "common.hpp"
#include "support/tls_fixture.hpp"
#include <odeon/net/tcp.hpp>
#include <odeon/net/unix.hpp>

#include <array>
#include <cstring>
#include <memory>

using namespace odeon;
using namespace odeon::stress;
using odeon::tls_test::folder;
using odeon::tls_test::pki;
using odeon::transport_test::connect_both;
using odeon::transport_test::connection_ptr;
using odeon::transport_test::outcome;

namespace {

using net_ptr = std::unique_ptr<transport>;

/// A message: its number, and as many bytes of it as the number says.
constexpr std::size_t size_of_message(std::uint32_t n) { return 4 + n % 3000; }

/// Reads messages and sees that each follows the one before.
struct checker {
  explicit checker(connection& of) : c(of) {}
  connection& c;
  std::vector<std::byte> have;
  std::array<std::byte, 20'000> room;
  std::uint32_t next = 0;
  std::atomic<std::uint32_t> over{0};
  std::atomic<bool> wrong{false};

  void go(runtime& rt) {
    c.read(room, [this, &rt](result<std::size_t> n) {
      if (!n || *n == 0) {
        over.store(1);
        rt.wake(over);
        return;
      }
      have.insert(have.end(), room.begin(), room.begin() + static_cast<std::ptrdiff_t>(*n));
      std::size_t at = 0;
      while (have.size() - at >= size_of_message(next)) {
        std::uint32_t got = 0;
        std::memcpy(&got, have.data() + at, 4);
        if (got != next) wrong = true;
        at += size_of_message(next);
        ++next;
      }
      have.erase(have.begin(), have.begin() + static_cast<std::ptrdiff_t>(at));
      go(rt);
    });
  }
};

/// Writes message `n` by whatever way takes it. False: the connection is over.
bool write_one(runtime& rt, connection& c, std::uint32_t n) {
  std::vector<std::byte> m(size_of_message(n), std::byte(n));
  std::memcpy(m.data(), &n, 4);
  const std::array<const_bytes, 2> pieces{const_bytes(m).first(4), const_bytes(m).subspan(4)};
  const std::size_t taken = n % 3 == 0 ? 0 : c.try_write(pieces);
  if (taken == m.size()) return true;
  outcome<void> o(rt);
  c.write(const_bytes(m).subspan(taken), o.done());
  return o.get().has_value();
}

/// Whoever has the turn of a connection writes its next message: all threads write to all.
void all_write_to_all(runtime& rt, transport& t, const std::string& place) {
  constexpr std::size_t n = 4;
  const std::uint32_t messages = static_cast<std::uint32_t>(rounds(300));
  auto l = t.listen(place);
  REQUIRE(l.has_value());
  struct line {
    odeon::transport_test::ends e;
    std::unique_ptr<checker> check;
    std::atomic_flag taken;
    std::uint32_t next = 0;  // by whoever has taken it
  };
  std::array<line, n> lines;
  for (line& x : lines) {
    x.e = connect_both(rt, t, **l);
    x.check = std::make_unique<checker>(*x.e.far);
    x.check->go(rt);
  }
  std::atomic<std::size_t> left{n};
  on_threads(4, [&](int, dice& d) {
    while (left > 0) {
      line& x = lines[d.below(n)];
      if (x.taken.test_and_set()) continue;
      if (x.next < messages) {
        CHECK(write_one(rt, *x.e.near, x.next));
        if (++x.next == messages) --left;
      }
      x.taken.clear();
    }
  });
  for (line& x : lines) {
    CHECK(odeon::transport_test::end_writing(rt, *x.e.near).has_value());
    while (x.check->over == 0) REQUIRE(rt.wait(x.check->over, 0, time_point::max()));
    CHECK_FALSE(x.check->wrong);
    CHECK(x.check->next == messages);
  }
}

/// One thread writes, another gives up at any moment, in any way.
void given_up_at_any_moment(runtime& rt, transport& t, const std::string& place) {
  auto l = t.listen(place);
  REQUIRE(l.has_value());
  for (int round = 0; round < rounds(30); ++round) {
    auto e = connect_both(rt, t, **l);
    auto check = std::make_unique<checker>(*e.far);
    check->go(rt);
    on_threads(2, [&](int who, dice& d) {
      if (who == 0) {
        for (std::uint32_t i = 0; i < 200; ++i)
          if (!write_one(rt, *e.near, i)) break;
        e.near->abort();
      } else {
        for (unsigned spin = d.below(2000) * static_cast<unsigned>(round % 7); spin > 0; --spin)
          (void)e.near->local_address();
        if (round % 2 == 0)
          e.near->abort();
        else
          e.far->abort();
      }
    });
    while (check->over == 0) REQUIRE(rt.wait(check->over, 0, time_point::max()));
    CHECK_FALSE(check->wrong);
  }
}

/// The transport ends while threads write: each operation is told, and nothing is touched
/// afterwards.
template <class Make>
void ends_under_writers(runtime& rt, Make make, const std::function<std::string()>& place) {
  for (int round = 0; round < rounds(10); ++round) {
    net_ptr t = make();
    auto l = t->listen(place());
    REQUIRE(l.has_value());
    std::array<odeon::transport_test::ends, 2> all{connect_both(rt, *t, **l),
                                                   connect_both(rt, *t, **l)};
    std::array<std::unique_ptr<checker>, 2> checks;
    for (std::size_t i : {0u, 1u}) {
      checks[i] = std::make_unique<checker>(*all[i].far);
      checks[i]->go(rt);
    }
    on_threads(3, [&](int who, dice& d) {
      if (who == 2) {
        for (unsigned spin = d.below(50'000); spin > 0; --spin) (void)(*l)->local_address();
        t.reset();
        return;
      }
      for (std::uint32_t i = 0; i < 1'000'000; ++i)
        if (!write_one(rt, *all[static_cast<std::size_t>(who)].near, i)) break;
    });
    for (auto& c : checks) CHECK(c->over == 1);
  }
}

template <class Make>
void all_of_it(runtime& rt, Make make, const std::function<std::string()>& place) {
  {
    net_ptr t = make();
    all_write_to_all(rt, *t, place());
    given_up_at_any_moment(rt, *t, place());
  }
  ends_under_writers(rt, make, place);
}

}  // namespace

TEST_CASE("stress: TCP connections are written to, given up and ended by many threads") {
  auto rt = make_threaded_runtime();
  all_of_it(
      *rt, [&]() -> net_ptr { return make_tcp_transport(*rt, {.threads = 2}); },
      [] { return "127.0.0.1:0"; });
}

TEST_CASE("stress: Unix connections are written to, given up and ended by many threads") {
  auto rt = make_threaded_runtime();
  const folder f;
  int n = 0;
  all_of_it(
      *rt, [&]() -> net_ptr { return make_unix_transport(*rt, {.threads = 2}); },
      [&] { return f / std::to_string(++n); });
}

TEST_CASE("stress: TLS connections are written to, given up and ended by many threads") {
  auto rt = make_threaded_runtime();
  const pki p(*rt);
  auto o = p.node("a");
  o.threads = 2;
  all_of_it(
      *rt, [&]() -> net_ptr { return make_tls_transport(*rt, o); }, [] { return "127.0.0.1:0"; });
}
