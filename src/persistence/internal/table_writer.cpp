#include "persistence/internal/reconnect.hpp"

namespace odeon::store {

namespace {

class table_writer final : public write_backend {
 public:
  table_writer(runtime& rt, std::unique_ptr<table_writer_link> link,
               const reconnect_options& reconnect)
      : link_(std::move(link)),
        pacer_(rt, reconnect) {}

  tally commit(std::span<write_op> calls, wall_time now) override;

 private:
  [[nodiscard]] result<void> transact(std::span<write_op> calls, wall_time now);
  [[nodiscard]] result<void> attempt(std::span<write_op> calls, wall_time now, bool& wrote);

  std::unique_ptr<table_writer_link> link_;
  reconnect_pacer pacer_;
};

void refuse(write_op& op, const error& why) {
  std::visit([&](auto& call) { call.outcome = std::unexpected(why); }, op);
}

}  // namespace

// A batch that did not fit is tried again one call at a time, so that a large one does not take the
// small ones with it.
write_backend::tally table_writer::commit(std::span<write_op> calls, wall_time now) {
  tally t;
  const auto count = [&](result<void> ended) {
    ++(ended ? t.commits : t.failed);
    return ended;
  };
  auto all = count(transact(calls, now));
  if (all) return t;
  const bool full = all.error() == errc::store_full && calls.size() > 1;
  for (std::size_t k = 0; k < calls.size(); ++k) {
    if (full) all = count(transact(calls.subspan(k, 1), now));
    if (!all) refuse(calls[k], all.error());
  }
  return t;
}

// A connection that turns out to be dead before anything was written is replaced, and the batch
// tried once more.
result<void> table_writer::transact(std::span<write_op> calls, wall_time now) {
  for (bool again = true;; again = false) {
    if (auto ok = pacer_.restore(*link_); !ok) return ok;
    bool wrote = false;
    auto ended = attempt(calls, now, wrote);
    if (ended) return ended;
    if (link_->connected()) link_->roll_back();
    if (wrote || link_->connected() || !again) return ended;
  }
}

result<void> table_writer::attempt(std::span<write_op> calls, wall_time now, bool& wrote) {
  table_batch batch(calls);
  if (auto ok = link_->look_up(batch); !ok) return ok;
  batch.decide(now);
  wrote = true;
  auto [outcome_unknown, ended] = link_->write(batch);
  if (!ended && outcome_unknown)
    return fail(errc::io_failed, std::string(ended.error().text()) +
                                     "; whether the write was stored is not known: the next "
                                     "append's expected sequence tells");
  return ended;
}

std::unique_ptr<write_backend> make_table_writer(runtime& rt,
                                                 std::unique_ptr<table_writer_link> link,
                                                 reconnect_options reconnect) {
  return std::make_unique<table_writer>(rt, std::move(link), reconnect);
}

}  // namespace odeon::store
