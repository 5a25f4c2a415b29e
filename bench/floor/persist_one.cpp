/// What SQLite itself commits, one small row a transaction.

#include "plain_sqlite.hpp"

namespace bench {
namespace {

constexpr std::uint64_t events = 10'000;

void run(const options& opt, report& out) {
  const scratch folder;
  plain_sqlite db(folder);
  const std::uint64_t n = opt.scaled(events, 10);
  (void)db.commit(n / 10);
  out.rate_k("events", db.commit(n), n);
}

const registration entry{"persist_one", 1'000, run};

}  // namespace
}  // namespace bench
