#pragma once

// What the tests of queries and projections share: a simulated system on a journal that outlives
// it, and events in it.

#include <odeon/core/actor_system.hpp>
#include <odeon/persistence/install.hpp>
#include <odeon/persistence/memory_journal.hpp>
#include <odeon/projection/announcing_journal.hpp>
#include <odeon/projection/sqlite_offsets.hpp>
#include <odeon/runtime/simulated.hpp>
#include <odeon/wire/codec.hpp>

#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace odeon::projection_test {

using namespace std::chrono_literals;

struct added {
  static constexpr auto manifest = "test.added";
  long amount = 0;
};
struct taken {
  static constexpr auto manifest = "test.taken";
  long amount = 0;
};
struct renamed {
  static constexpr auto manifest = "test.renamed";
  std::string name;
};

struct world {
  std::shared_ptr<memory_store> disk = std::make_shared<memory_store>();
  simulated_runtime rt;
  std::shared_ptr<journal> store;
  std::unique_ptr<actor_system> system;
  bool announces = true;

  explicit world(bool announcing = true) : announces(announcing) { restart(); }
  ~world() { end(); }
  void end() {
    system.reset();
    store.reset();
  }
  void restart() {
    end();
    auto opened = make_memory_journal(rt, disk);
    if (announces)
      store = projection::announce(std::move(opened));
    else
      store = std::move(opened);
    system = std::make_unique<actor_system>("projections", system_options{.runtime = &rt});
    persistence::install(*system, store);
  }

  /// Appends events to an id, with the tag "money".
  template <class... Es>
  void write(const std::string& id, const Es&... es) {
    auto epoch =
        wait_for<std::uint64_t>(rt, [&](auto done) { store->open_writer(id, std::move(done)); });
    auto last = wait_for<std::uint64_t>(
        rt, [&](auto done) { store->highest_sequence(id, std::move(done)); });
    REQUIRE(epoch);
    REQUIRE(last);
    append_request r;
    r.persistence_id = id;
    r.epoch = *epoch;
    r.expected_sequence = *last;
    (r.events.push_back({std::string(wire::manifest<Es>), 1, wire::encode(es), {"money"}}), ...);
    auto ack =
        wait_for<append_ack>(rt, [&](auto done) { store->append(std::move(r), std::move(done)); });
    REQUIRE(ack);
  }
  void write_many(const std::string& id, int n) {
    for (int i = 1; i <= n; ++i) write(id, added{i});
  }
};

struct scratch_file {
  scratch_file() {
    std::string name = (std::filesystem::temp_directory_path() / "odeon-test-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    folder = name;
  }
  ~scratch_file() { std::filesystem::remove_all(folder); }
  std::string path(const char* name) const { return (folder / name).string(); }
  std::filesystem::path folder;
};

/// A store with a table beside the offsets.
struct with_books : world {
  scratch_file folder;

  std::shared_ptr<projection::sqlite_offsets> books() {
    auto s = projection::sqlite_offsets::open(
        rt, {.path = folder.path("books.db"),
             .setup = "CREATE TABLE IF NOT EXISTS booked(id TEXT, sequence INTEGER, amount INTEGER,"
                      " PRIMARY KEY(id, sequence))"});
    REQUIRE_MESSAGE(s, (s ? "" : s.error().to_string()));
    return *s;
  }
  /// The amounts booked, in order.
  std::vector<long> booked(projection::sqlite_offsets& s) {
    std::vector<long> out;
    auto ok = wait_for<void>(rt, [&](auto done) {
      s.with(
          [&](projection::store_transaction& tx) -> result<void> {
            for (const auto& row : static_cast<projection::sqlite_transaction&>(tx).query(
                     "SELECT amount FROM booked ORDER BY rowid"))
              out.push_back(std::get<std::int64_t>(row[0]));
            return {};
          },
          std::move(done));
    });
    REQUIRE(ok);
    return out;
  }
  std::uint64_t offset(projection::offset_store& s, const std::string& name = "p") {
    auto o = wait_for<std::uint64_t>(rt, [&](auto done) { s.load(name, std::move(done)); });
    REQUIRE(o);
    return *o;
  }
};

}  // namespace odeon::projection_test
