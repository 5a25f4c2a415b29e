#pragma once

#include "harness.hpp"
#include <odeon/persistence/journal.hpp>
#include <odeon/persistence/sqlite_journal.hpp>

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

/// @file What the journal's workloads share.

namespace bench {

/// A folder of its own, removed at the end.
class scratch {
 public:
  scratch() {
    const char* where = std::getenv("ODEON_BENCH_DIR");
    path_ = std::filesystem::path(where != nullptr ? where : ".") /
            ("journal-bench-" + std::to_string(::getpid()));
    std::filesystem::create_directories(path_);
  }
  ~scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;
  [[nodiscard]] std::string file(const char* name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

inline std::unique_ptr<odeon::journal> open(odeon::runtime& rt, const std::string& path) {
  odeon::sqlite_journal_options options;
  options.path = path;
  auto j = odeon::open_sqlite_journal(rt, options);
  if (!j) throw wrong_result(j.error().to_string());
  return std::move(*j);
}

/// A 64-byte event, as a small domain event is.
inline odeon::event_record event_of(std::uint64_t n) {
  odeon::event_record e{.manifest = "bank.deposited", .payload = std::vector<std::byte>(64)};
  for (std::size_t k = 0; k < sizeof n; ++k) e.payload[k] = std::byte(n >> (8 * k));
  return e;
}

inline std::uint64_t number_in(const odeon::event_view& e) {
  std::uint64_t n = 0;
  for (std::size_t k = 0; k < sizeof n; ++k)
    n |= std::to_integer<std::uint64_t>(e.payload[k]) << (8 * k);
  return n;
}

inline std::uint64_t take_over(odeon::runtime& rt, odeon::journal& j, const std::string& id) {
  auto epoch =
      odeon::wait_for<std::uint64_t>(rt, [&](auto done) { j.open_writer(id, std::move(done)); });
  require(epoch.has_value(), "a writer could not be opened");
  return *epoch;
}

}  // namespace bench
