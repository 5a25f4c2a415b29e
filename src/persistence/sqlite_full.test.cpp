#include "persistence/sqlite_support.test.hpp"

#include <sys/resource.h>

#include <atomic>
#include <csignal>

using namespace odeon;
using odeon::testing::event_of;

namespace {

/// Lets no file of this process grow beyond a size, as a full disk would not.
class file_size_limit {
 public:
  explicit file_size_limit(std::uint64_t bytes) {
    before_signal_ = std::signal(SIGXFSZ, SIG_IGN);  // the write then fails with EFBIG
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &before_) == 0);
    rlimit now = before_;
    now.rlim_cur = bytes;
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &now) == 0);
  }
  ~file_size_limit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, before_signal_);
  }
  file_size_limit(const file_size_limit&) = delete;
  file_size_limit& operator=(const file_size_limit&) = delete;

 private:
  rlimit before_{};
  void (*before_signal_)(int) = nullptr;
};

/// Appends one by one until the store is full; how many were acknowledged.
std::uint64_t fill(odeon::testing::waiting_journal& j, std::uint64_t epoch, std::uint64_t from) {
  for (std::uint64_t k = from;; ++k) {
    const auto ack =
        j.append("a", epoch, k, {event_of(std::string(3'000, 'x') + std::to_string(k + 1))});
    if (ack) continue;
    CHECK_MESSAGE(ack.error().code() == errc::store_full, ack.error().to_string());
    return k;
  }
}

void check_events(odeon::testing::waiting_journal& j, std::uint64_t count) {
  const auto all = j.events("a");
  REQUIRE(all);
  REQUIRE(all->size() == count);
  for (std::size_t k = 0; k < all->size(); ++k)
    CHECK(odeon::testing::text_of((*all)[k].event.payload).substr(3'000) == std::to_string(k + 1));
}

}  // namespace

TEST_CASE("a full disk refuses appends, loses nothing, and service resumes with space") {
  sqlite_world w;
  std::uint64_t written = 0;
  {
    auto j = w.open();
    auto epoch = j.open_writer("a").value();
    {
      const file_size_limit limit(1'000'000);
      written = fill(j, epoch, 0);
      CHECK(written > 20);
      CHECK(written < 2'000);
      check_events(j, written);  // reading goes on
      CHECK(fill(j, epoch, written) == written);
      CHECK(!j.append("a", epoch, written + 1, {event_of("x")}));
    }
    REQUIRE(j.append("a", epoch, written,
                     {event_of(std::string(3'000, 'x') + std::to_string(written + 1))}));
    ++written;
    check_events(j, written);
    epoch = j.open_writer("a").value();
    const file_size_limit again(3'000'000);
    written = fill(j, epoch, written);
    // Closed while the disk is full.
  }
  CHECK(w.verify().good());
  auto j = w.open();
  check_events(j, written);
}

TEST_CASE("a journal opened on a full disk is read") {
  sqlite_world w;
  {
    auto j = w.open();
    const auto epoch = j.open_writer("a").value();
    for (std::uint64_t k = 0; k < 100; ++k)
      REQUIRE(j.append("a", epoch, k, {event_of(std::string(3'000, 'x') + std::to_string(k + 1))}));
  }
  const file_size_limit limit(50'000);
  auto j = w.open();
  check_events(j, 100);
  const auto opened = j.open_writer("a");
  REQUIRE_MESSAGE(opened.has_value(), opened.error().to_string());
  const auto epoch = *opened;
  const auto written = fill(j, epoch, 100);
  CHECK(written < 200);
  check_events(j, written);
}

TEST_CASE("a full disk refuses states and marks, keeps the newest, and goes on with space") {
  sqlite_world w;
  const auto text = [](std::uint64_t k) { return std::string(3'000, 's') + std::to_string(k); };
  std::uint64_t written = 0;
  {
    auto j = w.open();
    const auto epoch = j.open_writer("a").value();
    const auto store = [&](std::uint64_t k) {
      append_request r{.persistence_id = "a", .epoch = epoch, .expected_sequence = k};
      r.state = state_record{
          .manifest = "state", .payload = odeon::testing::bytes_of(text(k + 1)), .keep = 0};
      r.marks = {{"sender", k + 1}};
      return j.append(std::move(r));
    };
    const auto check_newest = [&] {
      const auto newest = j.snapshot({.persistence_id = "a"}).value().snapshot.value();
      CHECK(newest.sequence == written);
      CHECK(odeon::testing::text_of(newest.payload) == text(written));
      CHECK(j.mark("a", "sender") == written);
      CHECK(j.highest("a") == written);
    };
    {
      const file_size_limit limit(1'000'000);
      auto refused = store(written);
      while (refused) refused = store(++written);
      CHECK_MESSAGE(refused.error().code() == errc::store_full, refused.error().to_string());
      CHECK(written > 20);
      check_newest();
      CHECK(store(written).error().code() == errc::store_full);
      check_newest();
    }
    REQUIRE(store(written));
    ++written;
    check_newest();
  }
  CHECK(w.verify().good());
  auto j = w.open();
  for (std::uint64_t k = 1; k <= written; ++k)
    CHECK(odeon::testing::text_of(j.snapshot({.persistence_id = "a", .max_sequence = k})
                                      .value()
                                      .snapshot.value()
                                      .payload) == text(k));
}

TEST_CASE("the bound on the file's size acts like a full disk") {
  sqlite_world w;
  w.options.max_file_bytes = 400'000;
  auto j = w.open();
  const auto epoch = j.open_writer("a").value();
  const auto written = fill(j, epoch, 0);
  CHECK(written > 20);
  check_events(j, written);
  j->close();
  CHECK(std::filesystem::file_size(w.options.path) <= 410'000);
  w.options.max_file_bytes = 0;
  auto larger = w.open();
  const auto newer = larger.open_writer("a").value();
  CHECK(larger.append("a", newer, written, {event_of("there is room again")}));
}

TEST_CASE("an append too large for the disk does not take the others of its batch with it") {
  sqlite_world w;
  w.options.group_wait = std::chrono::milliseconds(200);
  auto j = w.open();
  const auto a = j.open_writer("a").value();
  const auto b = j.open_writer("b").value();
  const file_size_limit limit(2'000'000);
  std::atomic<std::uint32_t> left{3};
  std::vector<result<append_ack>> acks(3);
  const auto send = [&](std::size_t k, append_request r) {
    j->append(std::move(r), [&, k](result<append_ack> ack) {
      acks[k] = std::move(ack);
      if (left.fetch_sub(1) == 1) w.rt->wake(left);
    });
  };
  send(0, {.persistence_id = "b", .epoch = b, .events = {event_of("small")}});
  send(1, {.persistence_id = "a", .epoch = a, .events = {event_of(std::string(5'000'000, 'x'))}});
  send(2, {.persistence_id = "b", .epoch = b, .expected_sequence = 1, .events = {event_of("too")}});
  for (auto now = left.load(); now != 0; now = left.load())
    w.rt->wait(left, now, time_point::max());
  CHECK(acks[0].has_value());
  REQUIRE(!acks[1]);
  CHECK(acks[1].error().code() == errc::store_full);
  CHECK(acks[2].has_value());
  CHECK(j.highest("a") == 0u);
  CHECK(j.highest("b") == 2u);
}
