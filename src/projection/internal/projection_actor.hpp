#pragma once

#include <odeon/core/actor.hpp>
#include <odeon/projection/announcing_journal.hpp>
#include <odeon/projection/projection.hpp>
#include <odeon/task/future.hpp>

#include <deque>
#include <exception>
#include <memory>
#include <optional>
#include <vector>

/// @file The actor of a projection. See projection.cpp for its protocol.

namespace odeon::projection::detail {

/// There may be something to do.
struct look_again {};
/// The reading has ended, which it does with a failure alone.
struct reading_ended {
  error why;
  bool for_good;
};
struct report {};

/// Lets a projection stop, where an `actor_error` lets it restart.
class broken final : public actor_error {
 public:
  explicit broken(error e) : actor_error(std::move(e)) {}
};

/// An event of a page, decoded.
struct work_item {
  stored_event from;
  const event_type* type = nullptr;
  std::shared_ptr<const void> value;

  [[nodiscard]] event_info info() const noexcept {
    return {from.persistence_id, from.sequence,      from.position,  from.written,
            from.event.manifest, from.event.version, from.event.tags};
  }
};
using items = std::vector<work_item>;

class projection_actor
    : public actor<pause, resume, rewind, get_progress, look_again, reading_ended, report> {
 public:
  explicit projection_actor(const start_request& request);

  void pre_start();
  void on(pause, reply_to<void> done);
  void on(resume);
  void on(rewind m, reply_to<void> done);
  progress on(get_progress) { return now_at(); }
  void on(look_again) { poke(); }
  void on(const reading_ended& m);
  void on(report);

 private:
  struct rewinding {
    std::uint64_t to;
    reply_to<void> done;
  };
  task<void> read();
  task<void> wait(std::optional<duration> limit);
  void poke();
  task<void> go_back(rewinding r);

  task<void> handle(std::vector<stored_event> page);
  task<void> handle_run(items run);
  task<void> one_by_one(std::shared_ptr<const items> run);
  task<void> in_transactions(std::shared_ptr<const items> run);
  task<void> alone(std::shared_ptr<const items> run, std::size_t at);
  /// The first of `run` that the handler refused, or its size: all are done.
  task<std::size_t> in_one_transaction(std::shared_ptr<const items> run, std::size_t from,
                                       std::size_t to, std::optional<error>& why);
  task<bool> tries_again(unsigned attempt, const work_item& of, const error& why);
  task<void> pass_over(const stored_event& e, policy what, error why);
  task<void> move_to(std::uint64_t position);
  result<work_item> decoded(stored_event e);
  void done_with(const work_item& item);
  [[nodiscard]] progress now_at() const;
  void publish();

  settings with_;
  std::shared_ptr<offset_store> store_;
  transactional_store* transactional_;
  const handler_class* class_;
  std::shared_ptr<void> handler_;
  std::shared_ptr<journal> from_;
  std::shared_ptr<watch> watch_;

  std::uint64_t offset_ = 0;  // as stored
  progress counts_;
  wall_time last_written_{};
  bool paused_ = false;
  bool poked_ = false;
  promise<void> waiting_;
  std::deque<reply_to<void>> pausing_;
  std::deque<rewinding> rewinds_;
};

}  // namespace odeon::projection::detail
