#pragma once

#include "sidecar/internal/waits.hpp"
#include <odeon/base/error.hpp>

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

/// @file An invocation on its way.

namespace odeon::sidecar::detail {

class engine_core;

/// How much an actor, or a worker of a pool, has to do: read by those who route to it.
struct actor_load {
  std::atomic<std::size_t> waiting{0};     ///< invocations routed to it that have not ended there
  std::atomic<std::uint64_t> revision{0};  ///< stored
  std::atomic<bool> active{false};
  /// Since when the first in its mailbox waits; max: nobody does. Set by the directory when
  /// somebody comes to an empty one, else by the actor, so it may be max for a moment too long.
  std::atomic<time_point> waits_since{time_point::max()};
};

enum class origin : std::uint8_t { invoked, timer, init };

/// Destroyed unanswered, it answers with `error`: nothing that was taken in is left without a word.
struct request {
  explicit request(std::shared_ptr<engine_core> c) noexcept : core(std::move(c)) {}
  request(const request&) = delete;
  ~request();

  /// Ends it, and counts how it ended.
  void answer(invocation_answer with);
  /// Counts its bytes among those of all. Errors: `mailbox_full`.
  result<void> weigh();
  /// Leaves the actor it was routed to.
  void leave_actor() noexcept;
  /// Whether somebody waited for it and does not any more.
  [[nodiscard]] bool given_up() const noexcept { return reply && !reply->is_open(); }
  void note(std::string where) const {
    if (reply) reply->note(std::move(where));
  }

  std::shared_ptr<engine_core> core;
  actor_id to = {};      // as its app knows it
  std::string key = {};  // of the actor that it was routed to
  std::string action = {};
  payload value = {};
  std::optional<actor_id> caller = {};
  tags metadata = {};
  std::uint64_t revision = 0;
  std::shared_ptr<reply_once> reply = {};   // null: nobody waits
  time_point deadline = time_point::max();  // max: counted from its first run on
  time_point since{};                       // in a mailbox
  run_id waiter = 0;                        // the run that waits for its answer
  std::size_t hops = 0;
  std::size_t weight = 0;  // bytes that are counted
  origin from = origin::invoked;
  std::uint64_t timer = 0;  // which one: as its alarm
  std::shared_ptr<actor_load> counted = {};
  bool ended = false;
};
using request_ptr = std::unique_ptr<request>;

/// While there is one on this thread, requests that are destroyed unanswered are answered at its
/// end: made before a lock is taken, it keeps those who are answered from finding it taken.
class answers_later {
 public:
  answers_later() noexcept;
  ~answers_later();
  answers_later(const answers_later&) = delete;

 private:
  friend struct request;
  struct put_off {
    std::shared_ptr<reply_once> reply;
    invocation_answer answer;
  };
  answers_later* const before_;
  std::vector<put_off> all_;
};

}  // namespace odeon::sidecar::detail
