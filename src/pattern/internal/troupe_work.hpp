#pragma once

#include "router_work.hpp"
#include <odeon/pattern/troupe.hpp>

#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace odeon::detail {

/// The jobs of a troupe. The protocol stands in src/pattern/troupe_work.cpp.
class troupe_work final : public shared_work, public std::enable_shared_from_this<troupe_work> {
 public:
  troupe_work(const std::shared_ptr<router_state>& state, const troupe_options& options);
  ~troupe_work() override;

  result<void> push(router_state& state, cell& self, envelope& e) noexcept override;
  envelope* pull(cell& c) noexcept override;
  void rested() noexcept override;
  void failed(cell& c, directive what, const std::string& why) noexcept override;
  void left(cell& c) noexcept override;
  [[nodiscard]] bool awaits(cell& c) noexcept override;
  [[nodiscard]] bool keeps(const cell& c) const noexcept override;
  [[nodiscard]] std::size_t waiting() const noexcept override;
  void given_up(const ask_state_base& ask) noexcept override;
  [[nodiscard]] std::string where_is(const ask_state_base& ask) const override;
  void flush(cell& self, const error& why) noexcept override;

  // -- of the router's own actor ------------------------------------------------------------------
  [[nodiscard]] troupe_options settings() const;
  void set(const troupe_options& options);
  [[nodiscard]] troupe_status status() const;
  /// How many workers it has, and that those asked for have been looked after.
  void set_workers(std::size_t n) noexcept;
  /// How many more there should be now.
  [[nodiscard]] std::size_t wanted() const noexcept;
  /// The workers that found no job, and when; to be compared only, for they may have ended.
  [[nodiscard]] std::unordered_map<const cell*, time_point> idle_since() const;
  void note_dismissed(std::size_t n) noexcept;
  /// Whether the worker that has ended had no job then; forgets it.
  [[nodiscard]] bool ended_jobless(const cell& c) noexcept;

 private:
  struct leg;
  struct job {
    envelope* message = nullptr;      // without its ask; null: handed out, and not kept
    ask_state_base* first = nullptr;  // the asker's, with the message's reference
    std::string_view type = {};
    unsigned deaths = 0;
  };
  struct hand {
    job what;
    leg* answer = nullptr;  // with a reference; null: told, or nobody waits any more
    bool told = false;      // the asker has its answer
    bool good = true;       // and it is a value
    bool let_go = false;    // its handler has ended
    std::optional<error> why = {};
  };
  /// What is done once the lock is free.
  struct after {
    struct failure_of {
      job what;
      error why;
    };
    std::vector<failure_of> given_up;                            // dead letters, failed asks
    std::vector<std::pair<ask_state_base*, error>> told_errors;  // with a reference
    std::vector<leg*> ended;                                     // with a reference
    std::vector<job> over;
    bool requeued = false;
  };

  [[nodiscard]] std::optional<job> take_next(cell& c, time_point now, after& todo);
  void wake(const router_state& state) noexcept;
  void answered(leg& l) noexcept;
  [[nodiscard]] static bool is_open(const hand& h) noexcept;
  void close(hand& h, after& todo);
  void died(hand& h, const std::string& why, after& todo);
  void carry_out(after& todo) noexcept;
  static void destroy(job& j) noexcept;
  static void attach_ask(job& j) noexcept;
  envelope* hand_out(cell& c, job j) noexcept;
  [[nodiscard]] std::size_t wanted_now() const noexcept;

  const std::weak_ptr<router_state> state_;
  mutable std::mutex mutex_;  // of what follows
  troupe_options options_;
  std::deque<job> pending_;
  std::unordered_map<const cell*, hand> hands_;
  std::unordered_map<const cell*, time_point> idle_;
  std::unordered_set<const cell*> ended_over_job_;  // failed, and have not pulled since
  std::unordered_set<const cell*> jobless_;         // ended without a job
  std::size_t workers_ = 0;
  bool asked_for_more_ = false;
  troupe_status counts_;
};

}  // namespace odeon::detail
