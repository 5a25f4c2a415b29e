#include "harness.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <optional>
#include <thread>

namespace bench {
namespace {

struct workload {
  const char* name;
  std::size_t default_size;
  registration::body run;
};

std::vector<workload>& table() {
  static std::vector<workload> all;
  return all;
}

struct arguments {
  std::string_view workload;
  options opt;
  bool json = false;
  bool list = false;
  bool version = false;
};

constexpr const char* usage =
    "usage: %s --workload NAME [--size N] [--work FACTOR] [--threads N] [--json]\n"
    "       %s --list | --version\n";

template <class T>
bool parse_number(std::string_view text, T& out) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size() && out > 0;
}

std::optional<arguments> parse(int argc, char** argv) {
  arguments args;
  for (int i = 1; i < argc; ++i) {
    std::string_view flag = argv[i];
    if (flag == "--json") {
      args.json = true;
    } else if (flag == "--list") {
      args.list = true;
    } else if (flag == "--version") {
      args.version = true;
    } else if (i + 1 == argc) {
      return std::nullopt;
    } else {
      std::string_view value = argv[++i];
      bool good = flag == "--workload"  ? (args.workload = value, true)
                  : flag == "--size"    ? parse_number(value, args.opt.size)
                  : flag == "--work"    ? parse_number(value, args.opt.work)
                  : flag == "--threads" ? parse_number(value, args.opt.threads)
                                        : false;
      if (!good) return std::nullopt;
    }
  }
  if (!args.list && !args.version && args.workload.empty()) return std::nullopt;
  return args;
}

const char* name_of(better direction) { return direction == better::lower ? "lower" : "higher"; }

void print(const char* system, const arguments& args, const report& out) {
  for (const row& r : out.rows()) {
    if (args.json) {
      std::printf(R"({"workload":"%.*s","metric":"%s","unit":"%s","better":"%s","system":"%s",)"
                  R"("value":%.6g,"size":%zu})"
                  "\n",
                  static_cast<int>(args.workload.size()), args.workload.data(), r.metric.c_str(),
                  r.unit.c_str(), name_of(r.direction), system, r.value, args.opt.size);
    } else {
      std::printf("%-7s %-14s %-10s %12.4g %-4s (%s is better, size %zu)\n", system,
                  std::string(args.workload).c_str(), r.metric.c_str(), r.value, r.unit.c_str(),
                  name_of(r.direction), args.opt.size);
    }
  }
}

timespec process_cpu() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return now;
}

int run_one(const char* system, arguments& args) {
  auto found = std::ranges::find(table(), args.workload, &workload::name);
  if (found == table().end()) {
    std::fprintf(stderr, "%s has no workload named %s; --list shows them\n", system,
                 std::string(args.workload).c_str());
    return 2;
  }
  if (args.opt.size == 0) args.opt.size = found->default_size;
  if (args.opt.threads == 0) args.opt.threads = std::max(1u, std::thread::hardware_concurrency());
  report out;
  found->run(args.opt, out);
  print(system, args, out);
  return 0;
}

}  // namespace

std::uint64_t options::scaled(std::uint64_t total, std::uint64_t least) const {
  return std::max(least, static_cast<std::uint64_t>(static_cast<double>(total) * work));
}

void report::add(std::string_view metric, std::string_view unit, better direction, double value) {
  rows_.push_back({std::string(metric), std::string(unit), direction, value});
}

void report::each_ns(std::string_view metric, nanoseconds elapsed, std::uint64_t count) {
  add(metric, "ns", better::lower,
      static_cast<double>(elapsed.count()) / static_cast<double>(count));
}

void report::rate(std::string_view metric, nanoseconds elapsed, std::uint64_t count) {
  add(metric, "M/s", better::higher,
      1e3 * static_cast<double>(count) / static_cast<double>(elapsed.count()));
}

void report::rate_k(std::string_view metric, nanoseconds elapsed, std::uint64_t count) {
  add(metric, "k/s", better::higher,
      1e6 * static_cast<double>(count) / static_cast<double>(elapsed.count()));
}

void require(bool holds, const char* what) {
  if (!holds) throw wrong_result(what);
}

registration::registration(const char* name, std::size_t default_size, body run) {
  table().push_back({name, default_size, run});
}

double percentile(std::vector<double>& samples, double p) {
  auto rank =
      static_cast<std::ptrdiff_t>(std::ceil(p / 100.0 * static_cast<double>(samples.size())));
  auto nth = samples.begin() + std::max<std::ptrdiff_t>(rank - 1, 0);
  std::nth_element(samples.begin(), nth, samples.end());
  return *nth;
}

std::size_t resident_bytes() {
  std::size_t total = 0;
  std::size_t resident = 0;
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  bool read = file != nullptr && std::fscanf(file, "%zu %zu", &total, &resident) == 2;
  if (file != nullptr) std::fclose(file);
  require(read, "/proc/self/statm could not be read");
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

double cpu_percent(std::chrono::milliseconds window) {
  auto wall = clock::now();
  auto before = process_cpu();
  std::this_thread::sleep_for(window);
  auto after = process_cpu();
  double used = static_cast<double>(after.tv_sec - before.tv_sec) * 1e9 +
                static_cast<double>(after.tv_nsec - before.tv_nsec);
  double percent = 100.0 * used / static_cast<double>(nanoseconds(clock::now() - wall).count());
  return std::round(percent * 100.0) / 100.0;
}

int run_main(const char* system, const char* version, int argc, char** argv) {
  auto args = parse(argc, argv);
  if (!args) {
    std::fprintf(stderr, usage, argv[0], argv[0]);
    return 2;
  }
  if (args->version) {
    std::printf("%s\n", version);
    return 0;
  }
  if (args->list) {
    std::ranges::sort(table(), {}, [](const workload& w) { return std::string_view(w.name); });
    for (const workload& w : table()) std::printf("%s\n", w.name);
    return 0;
  }
  try {
    return run_one(system, *args);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s: %s: %s\n", system, std::string(args->workload).c_str(), e.what());
    return 1;
  }
}

}  // namespace bench
