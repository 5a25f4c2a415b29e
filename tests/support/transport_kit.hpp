#pragma once

// The conformance kit of transports: what each must keep, run for every one of them.

#include "transport_laws.hpp"

#include <array>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>

namespace odeon::transport_test {

/// A transport that is held to the laws.
struct subject {
  runtime& rt;
  std::function<std::unique_ptr<transport>()> make;
  std::function<std::string()> place;  ///< where to listen: a free one each time
  long ahead_max;       ///< bytes that a way holds at most, what one write takes included
  bool writes_at_once;  ///< `try_write` does something
  bool resets = true;   ///< a peer that is let go of is told from one that has ended in good order
  std::size_t much = 20'000'000;  ///< bytes; more than any way holds
  int crowd = 200;                ///< connections that come and go in one test
};

inline std::string noise(std::size_t size, std::uint64_t seed) {
  std::string out(size, '\0');
  for (char& c : out) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    c = static_cast<char>(seed >> 56);
  }
  return out;
}

/// Everything both ways at the same time, in pieces of all sizes.
inline void much_travels_both_ways_at_once(const subject& s) {
  auto t = s.make();
  auto l = t->listen(s.place());
  auto e = connect_both(s.rt, *t, **l);
  const std::array<std::string, 2> sent{noise(s.much / 6, 1), noise(s.much / 10, 2)};
  const std::array<connection*, 2> side{e.near.get(), e.far.get()};
  std::array<std::string, 2> got;
  std::array<std::vector<const_bytes>, 2> pieces;
  std::deque<outcome<void>> wrote;
  for (std::size_t i : {0u, 1u}) {
    got[i].resize(sent[1 - i].size());
    std::size_t at = 0;
    for (std::size_t n = 1; at < sent[i].size(); n = n * 3 + 1) {
      const std::size_t take = std::min(n, sent[i].size() - at);
      pieces[i].push_back(bytes_of(std::string_view(sent[i]).substr(at, take)));
      at += take;
    }
    side[i]->write(pieces[i], wrote.emplace_back(s.rt).done());
  }
  std::array<std::size_t, 2> have{};
  while (have[0] < got[0].size() || have[1] < got[1].size())
    for (std::size_t i : {0u, 1u}) {
      if (have[i] == got[i].size()) continue;
      outcome<std::size_t> o(s.rt);
      const auto room = std::as_writable_bytes(std::span(got[i])).subspan(have[i]);
      side[i]->read(room.first(std::min<std::size_t>(room.size(), 40'000)), o.done());
      const auto n = o.get();
      REQUIRE(n.has_value());
      REQUIRE(*n > 0);
      have[i] += *n;
    }
  for (auto& w : wrote) CHECK(w.get().has_value());
  CHECK(got[0] == sent[1]);
  CHECK(got[1] == sent[0]);
}

/// What `try_write` took and what `write` took afterwards arrive in this order, none of it twice.
inline void a_try_takes_a_beginning(const subject& s) {
  auto t = s.make();
  auto l = t->listen(s.place());
  auto [near, far] = connect_both(s.rt, *t, **l);
  const std::string all = noise(s.much, 3);
  const std::array<const_bytes, 3> pieces{bytes_of(std::string_view(all).substr(0, 10)),
                                          {},
                                          bytes_of(std::string_view(all).substr(10))};
  std::size_t taken = near->try_write(pieces);
  CHECK((taken > 0) == s.writes_at_once);
  CHECK(taken < all.size());
  for (int i = 0; i < 5; ++i) {  // once nothing is taken, nobody reads: it stays so
    const const_bytes rest = bytes_of(std::string_view(all).substr(taken));
    taken += near->try_write({&rest, 1});
  }
  outcome<void> rest(s.rt);
  near->write(bytes_of(std::string_view(all).substr(taken)), rest.done());
  const const_bytes beside = bytes_of("beside");
  CHECK(near->try_write({&beside, 1}) == 0);
  std::string got;
  while (got.size() < all.size()) {
    auto some = read_some(s.rt, *far, 256 * 1024);
    REQUIRE(some.has_value());
    got += *some;
  }
  CHECK(rest.get().has_value());
  CHECK(got == all);
  CHECK(end_writing(s.rt, *near).has_value());
  CHECK(near->try_write({&beside, 1}) == 0);
  CHECK(read_all(s.rt, *far) == "");
  far->abort();
  CHECK(far->try_write({&beside, 1}) == 0);
}

/// A peer that is there and says nothing holds up nobody else, and is given up at once.
inline void a_silent_peer_holds_up_nobody(const subject& s) {
  auto t = s.make();
  auto l = t->listen(s.place());
  std::vector<ends> silent;
  for (int i = 0; i < 5; ++i) silent.push_back(connect_both(s.rt, *t, **l));
  std::array<std::byte, 8> room;
  outcome<std::size_t> waits(s.rt);
  silent[0].far->read(room, waits.done());
  auto [near, far] = connect_both(s.rt, *t, **l);
  CHECK(write_all(s.rt, *near, "ping").has_value());
  CHECK(read_some(s.rt, *far) == "ping");
  CHECK_FALSE(waits.is_there());
  silent[0].far->abort();
  CHECK(waits.get().error() == errc::cancelled);
}

/// A peer that breaks off while much is on its way: the write ends with an error, and so does all
/// that follows; the read that comes after it sees no good end.
inline void a_peer_that_breaks_off_fails_the_write(const subject& s) {
  auto t = s.make();
  auto l = t->listen(s.place());
  auto [near, far] = connect_both(s.rt, *t, **l);
  const std::string much(s.much, 'm');
  outcome<void> writing(s.rt);
  near->write(bytes_of(much), writing.done());
  CHECK(read_some(s.rt, *far).has_value());
  far->abort();
  CHECK(reason(writing.get()) == errc::io_failed);
  CHECK(reason(read_some(s.rt, *near)) == errc::io_failed);
  CHECK(reason(write_all(s.rt, *near, "more")) == errc::io_failed);
}

inline std::size_t descriptors_open() {
  std::size_t n = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
    ++n;
  return n;
}

/// Connections come and go, in every way of going, and leave no descriptor behind.
inline void a_crowd_leaves_nothing_behind(const subject& s) {
  auto t = s.make();
  auto l = t->listen(s.place());
  {
    auto first = connect_both(s.rt, *t, **l);
  }
  const std::size_t before = descriptors_open();
  for (int i = 0; i < s.crowd; ++i) {
    auto [near, far] = connect_both(s.rt, *t, **l);
    REQUIRE(write_all(s.rt, *near, "hello").has_value());
    REQUIRE(read_some(s.rt, *far) == "hello");
    switch (i % 4) {
      case 0: near->abort(); break;
      case 1: far.reset(); break;
      case 2:
        REQUIRE(end_writing(s.rt, *far).has_value());
        REQUIRE(read_all(s.rt, *near) == "");
        break;
      default: break;
    }
  }
  // The last ones go on the transport's threads: one that comes after them has seen them go.
  for (int tries = 0; descriptors_open() > before + 4 && tries < 1000; ++tries)
    auto after = connect_both(s.rt, *t, **l);
  CHECK(descriptors_open() <= before + 4);
}

/// Many at once, and each gets its own bytes.
inline void many_at_once_are_kept_apart(const subject& s) {
  auto t = s.make();
  auto l = t->listen(s.place());
  std::vector<ends> all;
  for (int i = 0; i < 50; ++i) all.push_back(connect_both(s.rt, *t, **l));
  for (std::size_t i = 0; i < all.size(); ++i)
    REQUIRE(write_all(s.rt, *all[i].near, std::to_string(i)).has_value());
  for (std::size_t i = all.size(); i-- > 0;)
    CHECK(read_some(s.rt, *all[i].far) == std::to_string(i));
}

/// Whether this thread is inside of a call to a transport.
inline thread_local bool is_calling = false;

/// No `done` is called inside of a call, of whatever operation: who calls may hold locks.
inline void nobody_is_told_inside_of_a_call(const subject& s) {
  struct reader {
    connection* from = nullptr;
    connection* back = nullptr;  ///< what is read is sent here; null: nowhere
    std::array<std::byte, 256> room{};
    std::atomic<int> told_inside{0};
    std::move_only_function<void(result<std::size_t>)> ended;

    void go_on() {
      from->read(room, [this](result<std::size_t> n) {
        if (is_calling) told_inside.fetch_add(1);
        if (!n || *n == 0) return ended(std::move(n));
        if (!back) return go_on();
        back->write(const_bytes(room).first(*n), [this](const result<void>& r) {
          if (is_calling) told_inside.fetch_add(1);
          if (r) go_on();
        });
      });
    }
  };
  auto t = s.make();
  auto l = t->listen(s.place());
  auto e = connect_both(s.rt, *t, **l);
  outcome<std::size_t> near_end(s.rt), far_end(s.rt);
  reader echo, taker;
  echo.from = echo.back = e.far.get();
  echo.ended = far_end.done();
  taker.from = e.near.get();
  taker.ended = near_end.done();
  echo.go_on();
  taker.go_on();
  for (int i = 0; i < 2000; ++i) {
    outcome<void> wrote(s.rt);
    const std::string byte = "x";
    is_calling = true;
    e.near->write(bytes_of(byte), wrote.done());
    is_calling = false;
    REQUIRE(wrote.get().has_value());
  }
  REQUIRE(end_writing(s.rt, *e.near).has_value());
  REQUIRE(far_end.get() == 0u);
  REQUIRE(end_writing(s.rt, *e.far).has_value());
  REQUIRE(near_end.get() == 0u);
  CHECK(echo.told_inside == 0);
  CHECK(taker.told_inside == 0);
}

/// Every law of transports.
inline void keeps_the_laws(const subject& s) {
  {
    auto t = s.make();
    bytes_travel_in_order(s.rt, *t, s.place());
    closing_in_order_loses_nothing(s.rt, *t, s.place());
    if (s.resets) letting_go_is_no_good_end(s.rt, *t, s.place());
    an_operation_outlives_its_connection(s.rt, *t, s.place());
    misuse_is_told(s.rt, *t, s.place());
    refusals_have_reasons(s.rt, *t, s.place());
    a_side_that_does_not_read_stops_the_other(s.rt, *t, s.place(), s.ahead_max);
  }
  its_end_tells_all_who_wait(s.rt, s.make, s.place());
  much_travels_both_ways_at_once(s);
  a_try_takes_a_beginning(s);
  a_silent_peer_holds_up_nobody(s);
  a_peer_that_breaks_off_fails_the_write(s);
  many_at_once_are_kept_apart(s);
  nobody_is_told_inside_of_a_call(s);
  a_crowd_leaves_nothing_behind(s);
}

}  // namespace odeon::transport_test
