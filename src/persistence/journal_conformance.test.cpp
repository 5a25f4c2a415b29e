#include "persistence/scratch.hpp"
#include <odeon/persistence/memory_journal.hpp>
#include <odeon/persistence/sqlite_journal.hpp>
#include <odeon/persistence/testing/journal_conformance.hpp>
#include <odeon/runtime/simulated.hpp>

#include <doctest/doctest.h>

#include <functional>

namespace {

using odeon::testing::journal_check;
using odeon::testing::journal_checks;
using odeon::testing::journal_fixture;

class memory_fixture final : public journal_fixture {
 public:
  explicit memory_fixture(std::unique_ptr<odeon::runtime> rt = odeon::make_threaded_runtime())
      : runtime_(std::move(rt)) {}
  odeon::runtime& rt() override { return *runtime_; }
  odeon::result<std::unique_ptr<odeon::journal>> open(odeon::journal_options bounds) override {
    return odeon::make_memory_journal(*runtime_, store_, bounds);
  }

 private:
  std::unique_ptr<odeon::runtime> runtime_;
  std::shared_ptr<odeon::memory_store> store_ = std::make_shared<odeon::memory_store>();
};

class sqlite_fixture final : public journal_fixture {
 public:
  explicit sqlite_fixture(odeon::sqlite_journal_options options,
                          std::unique_ptr<odeon::runtime> rt = odeon::make_threaded_runtime())
      : runtime_(std::move(rt)),
        options_(std::move(options)) {
    options_.path = folder_.file("journal.db");
  }
  odeon::runtime& rt() override { return *runtime_; }
  odeon::result<std::unique_ptr<odeon::journal>> open(odeon::journal_options bounds) override {
    static_cast<odeon::journal_options&>(options_) = bounds;
    options_.group_wait = group_wait_;
    return odeon::open_sqlite_journal(*runtime_, options_);
  }
  void wait_for_company(odeon::duration d) { group_wait_ = d; }

 private:
  scratch_folder folder_;
  std::unique_ptr<odeon::runtime> runtime_;
  odeon::sqlite_journal_options options_;
  odeon::duration group_wait_{};
};

/// A store that forgets: each journal starts with nothing.
class forgetful_fixture final : public journal_fixture {
 public:
  odeon::runtime& rt() override { return *runtime_; }
  odeon::result<std::unique_ptr<odeon::journal>> open(odeon::journal_options bounds) override {
    return odeon::make_memory_journal(*runtime_, nullptr, bounds);
  }

 private:
  std::unique_ptr<odeon::runtime> runtime_ = odeon::make_threaded_runtime();
};

/// A store whose first transaction after each opening fails.
class failing_fixture final : public journal_fixture {
 public:
  odeon::runtime& rt() override { return *runtime_; }
  odeon::result<std::unique_ptr<odeon::journal>> open(odeon::journal_options bounds) override {
    store_->fail_next_commits(1, {odeon::errc::io_failed, "as the test wishes"});
    return odeon::make_memory_journal(*runtime_, store_, bounds);
  }

 private:
  std::unique_ptr<odeon::runtime> runtime_ = odeon::make_threaded_runtime();
  std::shared_ptr<odeon::memory_store> store_ = std::make_shared<odeon::memory_store>();
};

void run_all(const std::function<std::unique_ptr<journal_fixture>()>& make) {
  for (const journal_check& check : journal_checks()) {
    CAPTURE(check.name);
    const auto fixture = make();
    const auto held = check.run(*fixture);
    CHECK_MESSAGE(held.has_value(), (held ? std::string() : held.error().to_string()));
  }
}

}  // namespace

TEST_CASE("the memory journal conforms") {
  run_all([] { return std::make_unique<memory_fixture>(); });
}

TEST_CASE("the SQLite journal conforms") {
  run_all([] { return std::make_unique<sqlite_fixture>(odeon::sqlite_journal_options{}); });
}

TEST_CASE(
    "the SQLite journal conforms when its landing is tiny, so that all events move to segments") {
  odeon::sqlite_journal_options tiny;
  tiny.landing_bytes = 2000;
  tiny.segment_bytes = 600;
  tiny.checkpoint_bytes = 64 << 10;
  tiny.readers = 1;
  run_all([&] { return std::make_unique<sqlite_fixture>(tiny); });
}

TEST_CASE("the memory journal conforms under the simulated runtime, each check with another seed") {
  std::uint64_t seed = 0;
  run_all([&] {
    return std::make_unique<memory_fixture>(
        std::make_unique<odeon::simulated_runtime>(odeon::simulation_options{.seed = ++seed}));
  });
}

TEST_CASE("the SQLite journal conforms when an idle one waits for company, in virtual time") {
  run_all([] {
    auto fixture = std::make_unique<sqlite_fixture>(odeon::sqlite_journal_options{},
                                                    std::make_unique<odeon::simulated_runtime>());
    fixture->wait_for_company(std::chrono::microseconds(500));
    return fixture;
  });
}

TEST_CASE("the checks find a journal that forgets, and one that fails") {
  int forgot = 0;
  int failed = 0;
  for (const journal_check& check : journal_checks()) {
    forgetful_fixture forgetful;
    const auto first = check.run(forgetful);
    if (!first) ++forgot;
    failing_fixture failing;
    const auto second = check.run(failing);
    if (!second) ++failed;
    if (!second) CHECK(second.error().text().find("conformance_") != std::string_view::npos);
  }
  CHECK(forgot >= 4);
  CHECK(failed == static_cast<int>(journal_checks().size()));
}
