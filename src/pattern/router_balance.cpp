// The shared mailbox of `balancing`.
//
// queue_ stands under `lock_`. A sender puts its message in, then wakes one idle routee, if there
// is one. A routee takes a message whenever it has nothing else to do, and looks once more after it
// has gone to rest (`rested`).
//
// No message is left while a routee rests: let a sender's push come before the routee's last look
// in the order of the lock: then the routee takes the message, or another has. Let it come after:
// then the routee's word said idle before the sender unlocked, so the sender sees it idle, unless
// somebody has woken it since, who makes it look again. A routee that was woken and then ends, or
// fails, before it looks, passes the wake-up on (`left`, `rested`).

#include "internal/router_work.hpp"

#include <deque>

namespace odeon::detail {

namespace {

class shared_mailbox final : public shared_work {
 public:
  shared_mailbox(std::weak_ptr<router_state> s, const mailbox_options& o)
      : state_(std::move(s)),
        options_(o) {}

  result<void> push(router_state& state, cell& self, envelope& e) noexcept override {
    envelope* oldest = nullptr;
    bool full = false;
    {
      spin_guard guard(lock_);
      if (options_.kind == mailbox_kind::bounded && queue_.size() >= options_.capacity) {
        full = options_.overflow != overflow::drop_oldest;
        if (!full) {
          oldest = queue_.front();
          queue_.pop_front();
        }
      }
      if (!full) queue_.push_back(&e);
    }
    const auto text = [&] {
      return "the shared mailbox of " + self.path() + " is full (" +
             std::to_string(options_.capacity) + ")";
    };
    if (full) {
      auto why = state.refuse(self, e, errc::mailbox_full, text());
      if (options_.overflow == overflow::drop_newest) return {};
      return why;
    }
    if (oldest) (void)state.refuse(self, *oldest, errc::mailbox_full, text());
    wake_one(state);
    return {};
  }

  envelope* pull(cell& c) noexcept override {
    envelope* e = nullptr;
    {
      spin_guard guard(lock_);
      if (queue_.empty()) return nullptr;
      e = queue_.front();
      queue_.pop_front();
    }
    if (ask_state_base* ask = e->ask()) ask->retarget(c);
    return e;
  }

  void rested() noexcept override {
    if (waiting() == 0) return;
    if (const auto s = state_.lock()) wake_one(*s);
  }
  void failed(cell&, directive, const std::string&) noexcept override {}
  void left(cell&) noexcept override { rested(); }
  [[nodiscard]] bool awaits(cell&) noexcept override { return false; }
  [[nodiscard]] bool keeps(const cell&) const noexcept override { return false; }

  [[nodiscard]] std::size_t waiting() const noexcept override {
    spin_guard guard(lock_);
    return queue_.size();
  }
  // It is found out when the message is taken.
  void given_up(const ask_state_base&) noexcept override {}
  [[nodiscard]] std::string where_is(const ask_state_base& ask) const override {
    spin_guard guard(lock_);
    for (std::size_t i = 0; i < queue_.size(); ++i)
      if (queue_[i]->ask() == &ask)
        return "queued at depth " + std::to_string(i) + " in the mailbox that all routees share";
    return {};
  }
  void flush(cell& self, const error& why) noexcept override {
    std::deque<envelope*> all;
    {
      spin_guard guard(lock_);
      all.swap(queue_);
    }
    for (envelope* e : all) lose(self, *e, why);
  }

 private:
  const std::weak_ptr<router_state> state_;
  const mailbox_options options_;
  mutable spin_lock lock_;
  std::deque<envelope*> queue_;
};

}  // namespace

std::shared_ptr<shared_work> make_shared_mailbox(std::shared_ptr<router_state> state,
                                                 const mailbox_options& options) {
  const auto wrong = [](const char* text) { throw actor_error(errc::invalid_argument, text); };
  if (options.kind == mailbox_kind::priority)
    wrong("the mailbox that the routees of balancing share has no priorities");
  if (options.kind == mailbox_kind::bounded && options.capacity == 0)
    wrong("a bounded mailbox holds at least one message");
  if (options.kind == mailbox_kind::bounded && options.overflow == overflow::block)
    wrong("the mailbox that the routees of balancing share cannot block its tellers");
  return std::make_shared<shared_mailbox>(state, options);
}

}  // namespace odeon::detail
