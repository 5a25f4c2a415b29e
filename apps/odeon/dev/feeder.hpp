#pragma once

#include "odeon/bank/coordinator.hpp"
#include "odeon/bank/transfer_file.hpp"
#include "odeon/dev/reporter.hpp"
#include <odeon/base/time.hpp>
#include <odeon/core/actor.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace odeon::dev {

/// Answered when that many transfers, which were under way when the worker started, have ended.
struct await_resumed {
  using reply = std::uint64_t;
  std::uint64_t under_way = 0;
};

/// Reads the file and sees every transfer of it to its end. False: it was asked to stop before.
struct feed {
  using reply = bool;
};

/// Reads no further; what is under way ends.
struct drain {};

/// What the feeder's progress looks like from other threads.
struct feeder_gauge {
  std::atomic<std::uint64_t> in_flight{0};
};

struct feeder_options {
  std::string file;
  std::size_t window = 1000;  ///< transfers under way at most
  std::vector<bank::coordinator::ref> coordinators;
  reporter::ref report;
  std::shared_ptr<feeder_gauge> gauge;
};

/// Feeds a file of transfers to the coordinators, and reports what becomes of them. Whether a
/// transfer was carried out before a crash is for its coordinator to say, so the file is fed from
/// its beginning each time. Runs on the blocking dispatcher. Asks fail with the trouble that a
/// transfer met, or with what reading the file did.
class feeder : public actor<await_resumed, feed, drain, bank::verdict, bank::trouble> {
 public:
  explicit feeder(feeder_options options);

  void on(await_resumed m, reply_to<std::uint64_t> answer);
  void on(feed, reply_to<bool> answer);
  void on(drain);
  void on(const bank::verdict& m);
  void on(const bank::trouble& m);

 private:
  void pump();
  void give_up(const error& why);

  feeder_options options_;
  std::optional<bank::transfer_file> file_;
  std::unordered_map<std::uint64_t, time_point> in_flight_;  // by line: since when
  std::uint64_t under_way_ = 0;
  std::uint64_t resumed_ = 0;
  std::optional<error> trouble_;
  bool stopping_ = false;
  reply_to<std::uint64_t> all_resumed_;
  reply_to<bool> all_fed_;
};

}  // namespace odeon::dev
