#pragma once

/// @file
/// The one harness under every benchmark program (`bench_odeon`, `bench_caf`, `bench_floor`).
///
/// A program is this harness, a `main` that names the system, and one source file a workload:
///
///     static void run(const bench::options& opt, bench::report& out) { ... }
///     static const bench::registration entry{"pingpong", bench::pingpong::pairs, run};
///
/// A run of a program measures one workload once, in a process of its own, and prints a row for
/// each metric. Repetition, medians and the taking of turns between systems are the business of
/// `tools/bench.py`; what each workload does, exactly, is written in docs/guide/benchmarks.md.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

using clock = std::chrono::steady_clock;
using nanoseconds = std::chrono::nanoseconds;

/// What the command line asked for, with defaults filled in.
struct options {
  std::size_t size = 0;  ///< how many of what the workload grows in (pairs, actors, open asks)
  double work = 1.0;     ///< factor on the amount of work (messages, hops); 1 is the real thing
  unsigned threads = 0;  ///< worker threads the system under test gets

  /// `total * work`, and never less than `least`: the amount of work of a timed pass.
  [[nodiscard]] std::uint64_t scaled(std::uint64_t total, std::uint64_t least = 1) const;
};

enum class better { lower, higher };

/// One measured figure.
struct row {
  std::string metric;
  std::string unit;
  better direction;
  double value;
};

/// Collects the figures of one run. Not thread-safe: the main thread adds the rows.
class report {
 public:
  void add(std::string_view metric, std::string_view unit, better direction, double value);

  /// Nanoseconds for each of `count` things, lower is better.
  void each_ns(std::string_view metric, nanoseconds elapsed, std::uint64_t count);

  /// Millions of things a second, higher is better; the unit is `M/s`.
  void rate(std::string_view metric, nanoseconds elapsed, std::uint64_t count);

  /// Thousands of things a second, higher is better; the unit is `k/s`.
  void rate_k(std::string_view metric, nanoseconds elapsed, std::uint64_t count);

  [[nodiscard]] const std::vector<row>& rows() const noexcept { return rows_; }

 private:
  std::vector<row> rows_;
};

/// Thrown by `require`; ends the program with exit code 1 and the text on stderr.
class wrong_result : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Every workload checks its own result (a sum, a count), so that a system which drops messages
/// or does less than was asked never gets a figure. @throws wrong_result unless `holds`.
void require(bool holds, const char* what);

/// Makes a workload known under `name`; a program holds one static object for each of its
/// workloads. Names are unique within a program and must outlive it.
class registration {
 public:
  using body = void (*)(const options&, report&);
  registration(const char* name, std::size_t default_size, body run);
};

/// Calls `pass(n)` with a tenth of `total` (but not less than `least`) to warm caches, pools and
/// branch predictors, then with `total`, and gives the second result: the elapsed time that
/// `pass` took itself. The warming result is thrown away.
template <class Pass>
nanoseconds warmed(std::uint64_t total, std::uint64_t least, Pass&& pass) {
  static_cast<void>(pass(std::max(least, total / 10)));
  return pass(total);
}

/// The `p`-th percentile (0–100, nearest rank) of `samples`, which it reorders.
/// @pre `samples` is not empty.
[[nodiscard]] double percentile(std::vector<double>& samples, double p);

/// Makes `asks` asks one after the other, `ask(i)` with `i` from zero, and adds the middle wait and
/// the one in a hundred as `p50` and `p99`. A tenth of them is made before, for nothing but warmth.
template <class Ask>
void one_at_a_time(report& out, std::uint64_t asks, Ask&& ask) {
  std::vector<double> waits;
  const auto pass = [&](std::uint64_t n) {
    waits.clear();
    for (std::uint64_t i = 0; i < n; ++i) {
      const auto started = clock::now();
      ask(i);
      waits.push_back(static_cast<double>((clock::now() - started).count()) / 1e3);
    }
  };
  pass(asks / 10);
  pass(asks);
  out.add("p50", "us", better::lower, percentile(waits, 50));
  out.add("p99", "us", better::lower, percentile(waits, 99));
}

/// Resident memory of this process in bytes (`/proc/self/statm`). One system call or three.
[[nodiscard]] std::size_t resident_bytes();

/// CPU use of the whole process over the next `window` of wall time, in percent of one core,
/// rounded to a hundredth; the calling thread sleeps meanwhile. A process in which every thread
/// is parked measures 0.
[[nodiscard]] double cpu_percent(std::chrono::milliseconds window);

/// The `main` of a program: parses `--workload NAME [--size N] [--work F] [--threads N] [--json]`,
/// `--list`, `--version`; runs; prints. Exit code 0; 1 for a workload that failed; 2 for usage.
int run_main(const char* system, const char* version, int argc, char** argv);

}  // namespace bench
