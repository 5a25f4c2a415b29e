#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

/// @file
/// A folder of a run's own, in the one that `ODEON_BENCH_DIR` names or else in the current one:
/// what the durable workloads measure is its disk.

namespace bench {

/// Made by the constructor, removed with all that is in it by the destructor.
class scratch {
 public:
  scratch() {
    const char* where = std::getenv("ODEON_BENCH_DIR");
    path_ =
        std::filesystem::path(where ? where : ".") / ("odeon-bench-" + std::to_string(::getpid()));
    std::filesystem::create_directories(path_);
  }
  ~scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;
  [[nodiscard]] std::filesystem::path file(const char* name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace bench
