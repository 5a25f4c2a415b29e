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
  if (weight != 0) core->queued_bytes.fetch_sub(weight);
}

result<void> request::weigh() {
  std::size_t now = action.size();
  if (value) now += value->type_url.size() + value->value.size();
  for (const auto& [name, text] : metadata) now += name.size() + text.size();
  const std::size_t more = now - std::exchange(weight, now);  // modulo: it may be less
  const std::size_t all = core->queued_bytes.fetch_add(more) + more;
  if (all <= core->options.waiting_bytes) return {};
  return fail(errc::mailbox_full, "the invocations that wait have " + std::to_string(all) +
                                      " bytes, more than " +
                                      std::to_string(core->options.waiting_bytes));
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
