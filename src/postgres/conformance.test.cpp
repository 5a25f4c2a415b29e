#include "postgres/server.test.hpp"
#include <odeon/persistence/testing/journal_conformance.hpp>

#include <utility>

namespace {

class postgres_fixture final : public odeon::testing::journal_fixture {
 public:
  // Making tables takes longer than most checks: they are emptied, but for the row of `state`.
  postgres_fixture(odeon::runtime& rt, bool first) : runtime_(rt) {
    if (first) return;
    for (const char* table :
         {"actors", "events", "tagged", "snapshots", "timers", "outbox", "marks"})
      pg_test::sql("DELETE FROM conform." + std::string(table));
  }
  odeon::runtime& rt() override { return runtime_; }
  odeon::result<std::unique_ptr<odeon::journal>> open(odeon::journal_options bounds) override {
    auto options = pg_test::options_on("conform");
    static_cast<odeon::journal_options&>(options) = bounds;
    return odeon::open_postgres_journal(runtime_, options);
  }

 private:
  odeon::runtime& runtime_;
};

}  // namespace

TEST_CASE("the PostgreSQL journal conforms") {
  if (pg_test::missing()) return;
  const auto rt = odeon::make_threaded_runtime();
  bool first = true;
  for (const auto& check : odeon::testing::journal_checks()) {
    CAPTURE(check.name);
    postgres_fixture fixture(*rt, std::exchange(first, false));
    const auto held = check.run(fixture);
    CHECK_MESSAGE(held.has_value(), (held ? std::string() : held.error().to_string()));
  }
}
