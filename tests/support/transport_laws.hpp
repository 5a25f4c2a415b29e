#pragma once

// What every transport promises, as tests that are given one. `listen_on` is an address with port
// 0, or whatever stands for a place that is free. `transport_kit.hpp` holds a transport to all of
// them.

#include <odeon/runtime/runtime.hpp>
#include <odeon/runtime/transport.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace odeon::transport_test {

/// One operation's outcome, to be waited for.
template <class T>
class outcome {
 public:
  explicit outcome(runtime& rt) : shared_(std::make_shared<state>(rt)) {}
  /// The `done` of the operation.
  [[nodiscard]] auto done() const {
    return [s = shared_](result<T> r) {
      CHECK_FALSE(s->value.has_value());  // exactly once
      s->value.emplace(std::move(r));
      runtime& rt = s->rt;
      s->word.store(1);
      rt.wake(s->word);
    };
  }
  [[nodiscard]] bool is_there() const { return shared_->word.load() == 1; }
  /// Waits for it, at most half a minute.
  result<T> get() {
    const time_point limit = shared_->rt.now(clock_domain::housekeeping) + std::chrono::seconds(30);
    while (!is_there()) REQUIRE(shared_->rt.wait(shared_->word, 0, limit));
    return std::move(*shared_->value);
  }

 private:
  struct state {
    explicit state(runtime& r) : rt(r) {}
    runtime& rt;
    std::atomic<std::uint32_t> word{0};
    std::optional<result<T>> value;
  };
  std::shared_ptr<state> shared_;
};

/// What went wrong with an operation that must not have worked.
template <class T>
errc reason(const result<T>& r) {
  REQUIRE_FALSE(r.has_value());
  return r.error().code();
}

using connection_ptr = std::unique_ptr<connection>;

inline const_bytes bytes_of(std::string_view s) { return std::as_bytes(std::span(s)); }

/// One read of at most `room` bytes.
inline result<std::string> read_some(runtime& rt, connection& c, std::size_t room = 1024) {
  std::string out(room, '\0');
  outcome<std::size_t> o(rt);
  c.read(std::as_writable_bytes(std::span(out)), o.done());
  auto n = o.get();
  if (!n) return std::unexpected(n.error());
  out.resize(*n);
  return out;
}
inline result<std::string> read_all(runtime& rt, connection& c) {
  std::string all;
  for (;;) {
    auto part = read_some(rt, c);
    if (!part) return part;
    if (part->empty()) return all;
    all += *part;
  }
}
inline result<void> write_all(runtime& rt, connection& c, std::string_view s) {
  outcome<void> o(rt);
  c.write(bytes_of(s), o.done());
  return o.get();
}
inline result<void> end_writing(runtime& rt, connection& c) {
  outcome<void> o(rt);
  c.end_writing(o.done());
  return o.get();
}

struct ends {
  connection_ptr near, far;
};
/// Both ends of a new connection.
inline ends connect_both(runtime& rt, transport& t, listener& l) {
  outcome<connection_ptr> there(rt), here(rt);
  l.accept(there.done());
  t.connect(l.local_address(), {}, here.done());
  auto near = here.get(), far = there.get();
  REQUIRE(near.has_value());
  REQUIRE(far.has_value());
  return {std::move(*near), std::move(*far)};
}

/// Writes one piece after the other until the connection is given up.
struct endless_writer {
  runtime& rt;
  connection& c;
  std::string piece = std::string(64 * 1024, 'p');
  std::atomic<std::size_t> taken{0};
  std::atomic<std::uint32_t> over{0};

  void go() {
    c.write(bytes_of(piece), [this](result<void> r) {
      if (r) {
        taken += piece.size();
        return go();
      }
      runtime& of = rt;
      over.store(1);
      of.wake(over);
    });
  }
};

inline void bytes_travel_in_order(runtime& rt, transport& t, std::string_view listen_on) {
  auto l = t.listen(listen_on);
  REQUIRE(l.has_value());
  if (const auto at = parse_address((*l)->local_address())) CHECK(at->port != 0);
  auto [near, far] = connect_both(rt, t, **l);
  CHECK(near->peer_address() == (*l)->local_address());
  CHECK(far->peer_address() == near->local_address());
  std::string wanted;
  for (int i = 0; i < 1000; ++i) wanted += std::to_string(i) + " ";
  const std::vector<const_bytes> pieces{bytes_of("so: "), {}, bytes_of(wanted)};
  outcome<void> wrote(rt), back(rt), over(rt);
  near->write(pieces, wrote.done());
  const auto begin = read_some(rt, *far);
  REQUIRE(begin.has_value());
  std::string got = *begin;
  while (got.size() < wanted.size() + 4) got += *read_some(rt, *far);
  CHECK(got == "so: " + wanted);
  CHECK(wrote.get().has_value());
  CHECK(end_writing(rt, *near).has_value());
  CHECK(read_all(rt, *far) == "");
  // Half of it is over; the other half is not.
  far->write(bytes_of("and back"), [&](result<void> r) {
    back.done()(r);
    far->end_writing(over.done());
  });
  CHECK(read_all(rt, *near) == "and back");
  CHECK(back.get().has_value());
  CHECK(over.get().has_value());
  CHECK(read_all(rt, *near) == "");  // the end stays
}

inline void closing_in_order_loses_nothing(runtime& rt, transport& t, std::string_view listen_on) {
  auto l = t.listen(listen_on);
  auto [near, far] = connect_both(rt, t, **l);
  // The near side is let go with something unread: what it wrote arrives all the same.
  CHECK(write_all(rt, *far, "nobody reads this").has_value());
  CHECK(write_all(rt, *near, std::string(20'000, 'x')).has_value());
  CHECK(end_writing(rt, *near).has_value());
  near.reset();
  CHECK(read_all(rt, *far) == std::string(20'000, 'x'));
}

inline void letting_go_is_no_good_end(runtime& rt, transport& t, std::string_view listen_on) {
  auto l = t.listen(listen_on);
  {
    auto [near, far] = connect_both(rt, t, **l);
    CHECK(write_all(rt, *near, "the beginning of").has_value());
    near.reset();
    const auto got = read_all(rt, *far);
    REQUIRE_FALSE(got.has_value());
    CHECK(got.error() == errc::io_failed);
    CHECK(reason(write_all(rt, *far, "late")) == errc::io_failed);
  }
  auto [near, far] = connect_both(rt, t, **l);
  std::string room(10, '\0');
  outcome<std::size_t> reading(rt);
  near->read(std::as_writable_bytes(std::span(room)), reading.done());
  near->abort();
  CHECK(reason(reading.get()) == errc::cancelled);
  CHECK(reason(read_some(rt, *near)) == errc::cancelled);
  CHECK(reason(read_some(rt, *far)) == errc::io_failed);
  CHECK(reason(read_some(rt, *far)) == errc::io_failed);  // whoever asks again hears it again
}

inline void an_operation_outlives_its_connection(runtime& rt, transport& t,
                                                 std::string_view listen_on) {
  auto l = t.listen(listen_on);
  auto [near, far] = connect_both(rt, t, **l);
  std::string room(10, '\0');
  outcome<std::size_t> reading(rt);
  near->read(std::as_writable_bytes(std::span(room)), reading.done());
  near.reset();
  CHECK(reason(reading.get()) == errc::cancelled);
}

inline void a_side_that_does_not_read_stops_the_other(runtime& rt, transport& t,
                                                      std::string_view listen_on, long most) {
  auto l = t.listen(listen_on);
  auto [near, far] = connect_both(rt, t, **l);
  endless_writer writer{rt, *near};
  writer.go();
  // Bytes go through as fast as they are read, and no faster: what was taken is at most what was
  // read and what the way holds.
  long read = 0, ahead = 0;
  for (int i = 0; i < 2000; ++i) {
    auto some = read_some(rt, *far, 16 * 1024);
    REQUIRE(some.has_value());
    read += long(some->size());
    ahead = std::max(ahead, long(writer.taken) - read);
  }
  CHECK(ahead <= most);
  CHECK(read > most);
  near->abort();
  while (writer.over == 0) (void)rt.wait(writer.over, 0, time_point::max());
}

inline void refusals_have_reasons(runtime& rt, transport& t, std::string_view listen_on) {
  auto l = t.listen(listen_on);
  const std::string address = (*l)->local_address();
  const auto again = t.listen(address);
  REQUIRE_FALSE(again.has_value());
  CHECK(again.error() == errc::address_in_use);
  CHECK(again.error().text().contains(address));
  CHECK(reason(t.listen("nonsense")) == errc::invalid_argument);

  outcome<connection_ptr> accepting(rt), second(rt), refused(rt), nonsense(rt);
  (*l)->accept(accepting.done());
  (*l)->accept(second.done());
  CHECK(reason(second.get()) == errc::invalid_argument);
  (*l)->close();
  CHECK(reason(accepting.get()) == errc::cancelled);
  t.connect(address, {}, refused.done());
  const auto no = refused.get();
  REQUIRE_FALSE(no.has_value());
  CHECK(no.error() == errc::connection_refused);
  CHECK(no.error().text().contains(address));
  t.connect("127.0.0.1", {}, nonsense.done());
  CHECK(reason(nonsense.get()) == errc::invalid_argument);
  CHECK(t.listen(address).has_value());  // the place is free again
}

inline void misuse_is_told(runtime& rt, transport& t, std::string_view listen_on) {
  auto l = t.listen(listen_on);
  auto [near, far] = connect_both(rt, t, **l);
  std::string room(10, '\0');
  outcome<std::size_t> one(rt), two(rt), none(rt);
  far->read({}, none.done());
  CHECK(reason(none.get()) == errc::invalid_argument);
  near->read(std::as_writable_bytes(std::span(room)), one.done());
  near->read(std::as_writable_bytes(std::span(room)), two.done());
  CHECK(reason(two.get()) == errc::invalid_argument);
  CHECK(end_writing(rt, *near).has_value());
  CHECK(reason(write_all(rt, *near, "late")) == errc::invalid_argument);
  CHECK(reason(end_writing(rt, *near)) == errc::invalid_argument);
  CHECK(write_all(rt, *far, "for the first").has_value());
  CHECK(one.get() == 10);

  // More than any way holds, so it is still there when the next one comes.
  const std::string piece(64 * 1024, 'p');
  std::vector<const_bytes> pieces(write_pieces_max, bytes_of(piece));
  outcome<void> long_one(rt), beside(rt), too_many(rt);
  far->write(pieces, long_one.done());
  far->write(bytes_of("x"), beside.done());
  CHECK(reason(beside.get()) == errc::invalid_argument);
  far->abort();
  CHECK(reason(long_one.get()) == errc::cancelled);
  auto fresh = connect_both(rt, t, **l);
  pieces.emplace_back();
  fresh.near->write(pieces, too_many.done());
  CHECK(reason(too_many.get()) == errc::invalid_argument);
}

/// `make` gives a transport; this one is ended while everything waits.
template <class Make>
void its_end_tells_all_who_wait(runtime& rt, Make make, std::string_view listen_on) {
  std::unique_ptr<transport> t = make();
  auto l = t->listen(listen_on);
  auto [near, far] = connect_both(rt, *t, **l);
  std::string room(10, '\0');
  outcome<std::size_t> reading(rt), later(rt);
  outcome<connection_ptr> accepting(rt), dead(rt);
  near->read(std::as_writable_bytes(std::span(room)), reading.done());
  (*l)->accept(accepting.done());
  t.reset();
  CHECK(reading.is_there());
  CHECK(accepting.is_there());
  CHECK(reason(reading.get()) == errc::cancelled);
  CHECK(reason(accepting.get()) == errc::cancelled);
  far->read(std::as_writable_bytes(std::span(room)), later.done());
  CHECK(later.is_there());
  CHECK(reason(later.get()) == errc::cancelled);
  (*l)->accept(dead.done());
  CHECK(reason(dead.get()) == errc::cancelled);
  far->abort();
}

}  // namespace odeon::transport_test
