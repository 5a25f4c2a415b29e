#include "sidecar/internal/request.hpp"

#include "sidecar/internal/engine_core.hpp"

#include <utility>

namespace odeon::sidecar::detail {

namespace {

constinit thread_local answers_later* putting_off = nullptr;

}  // namespace

request::~request() {
  if (!ended) {
    invocation_answer left{
        outcome::error, "the actor '" + to.name + "' ended before it was done", {}};
    if (reply && putting_off) {
      ended = true;
      putting_off->all_.push_back({reply, std::move(left)});
      if (reply->is_open()) core->counts.ended(outcome::error);
    } else {
      answer(std::move(left));
    }
  }
  leave_actor();
}

void request::answer(invocation_answer with) {
  if (std::exchange(ended, true)) return;
  const outcome how = with.status;
  leave_actor();
  if (reply ? reply->give(std::move(with)) : from == origin::invoked) core->counts.ended(how);
}

void request::leave_actor() noexcept {
  if (auto load = std::exchange(counted, nullptr)) load->waiting.fetch_sub(1);
  if (waiter != 0) core->waiting.unwait(waiter, key);
}

answers_later::answers_later() noexcept : before_(std::exchange(putting_off, this)) {}

answers_later::~answers_later() {
  putting_off = before_;
  for (put_off& p : all_) p.reply->give(std::move(p.answer));
}

}  // namespace odeon::sidecar::detail
