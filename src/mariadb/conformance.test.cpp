#include "mariadb/server.test.hpp"
#include <odeon/persistence/testing/journal_conformance.hpp>

#include <utility>

namespace {

class mariadb_fixture final : public odeon::testing::journal_fixture {
 public:
  // Making tables takes longer than most checks: they are emptied, but for the row of `state`.
  mariadb_fixture(odeon::runtime& rt, bool first) : runtime_(rt) {
    if (first) return;
    for (const char* table :
         {"actors", "events", "tagged", "snapshots", "timers", "outbox", "marks"})
      my_test::sql("DELETE FROM bank.conform_" + std::string(table));
  }
  odeon::runtime& rt() override { return runtime_; }
  odeon::result<std::unique_ptr<odeon::journal>> open(odeon::journal_options bounds) override {
    auto options = my_test::options_on("conform_");
    static_cast<odeon::journal_options&>(options) = bounds;
    return odeon::open_mariadb_journal(runtime_, options);
  }

 private:
  odeon::runtime& runtime_;
};

}  // namespace

TEST_CASE("the MariaDB journal conforms") {
  if (my_test::missing()) return;
  const auto rt = odeon::make_threaded_runtime();
  bool first = true;
  for (const auto& check : odeon::testing::journal_checks()) {
    CAPTURE(check.name);
    mariadb_fixture fixture(*rt, std::exchange(first, false));
    const auto held = check.run(fixture);
    CHECK_MESSAGE(held.has_value(), (held ? std::string() : held.error().to_string()));
  }
}
