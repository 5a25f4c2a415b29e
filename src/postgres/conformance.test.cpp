#include "postgres/server.test.hpp"
#include <odeon/persistence/testing/journal_conformance.hpp>

namespace {

class postgres_fixture final : public odeon::testing::journal_fixture {
 public:
  explicit postgres_fixture(odeon::runtime& rt) : runtime_(rt), schema_(pg_test::fresh_schema()) {}
  odeon::runtime& rt() override { return runtime_; }
  odeon::result<std::unique_ptr<odeon::journal>> open(odeon::journal_options bounds) override {
    auto options = pg_test::options_on(schema_);
    static_cast<odeon::journal_options&>(options) = bounds;
    return odeon::open_postgres_journal(runtime_, options);
  }

 private:
  odeon::runtime& runtime_;
  std::string schema_;
};

}  // namespace

TEST_CASE("the PostgreSQL journal conforms") {
  if (pg_test::missing()) return;
  const auto rt = odeon::make_threaded_runtime();
  for (const auto& check : odeon::testing::journal_checks()) {
    CAPTURE(check.name);
    postgres_fixture fixture(*rt);
    const auto held = check.run(fixture);
    CHECK_MESSAGE(held.has_value(), (held ? std::string() : held.error().to_string()));
  }
}
