// Protocol. `open_` goes from true to false once; who takes it there calls `done_`. The timer's
// reference `self_` is let go by the one who knows that the timer is at rest: `give`, when `disarm`
// said so, else the firing itself, which runs once in any case.

#include "sidecar/internal/reply.hpp"

#include <utility>

namespace odeon::sidecar::detail {

reply_once::reply_once(runtime& rt, time_point deadline, done_fn done,
                       std::move_only_function<void()> late)
    : timer_node(&fired),
      rt_(rt),
      deadline_(deadline),
      done_(std::move(done)),
      late_(std::move(late)) {}

std::shared_ptr<reply_once> reply_once::begin(runtime& rt, time_point deadline, done_fn done,
                                              std::move_only_function<void()> late) {
  auto out = std::make_shared<reply_once>(rt, deadline, std::move(done), std::move(late));
  out->self_ = out;
  rt.timers(clock_domain::user).arm(*out, deadline);
  return out;
}

bool reply_once::give(invocation_answer answer) {
  if (!open_.exchange(false)) return false;
  std::shared_ptr<reply_once> last;
  if (rt_.timers(clock_domain::user).disarm(*this)) last = std::move(self_);
  std::exchange(done_, nullptr)(std::move(answer));
  return true;
}

void reply_once::note(std::string where) {
  std::lock_guard guard(mutex_);
  where_ = std::move(where);
}

void reply_once::fired(timer_node& node) noexcept {
  auto& me = static_cast<reply_once&>(node);
  const std::shared_ptr<reply_once> last = std::move(me.self_);
  if (!me.open_.exchange(false)) return;
  std::string where;
  {
    std::lock_guard guard(me.mutex_);
    where = std::move(me.where_);
  }
  if (me.late_) std::exchange(me.late_, nullptr)();
  std::exchange(me.done_, nullptr)(
      {outcome::error, "the deadline passed" + (where.empty() ? "" : ": " + where), {}});
}

}  // namespace odeon::sidecar::detail
