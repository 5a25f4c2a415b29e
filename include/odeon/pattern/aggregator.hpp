#pragma once

#include <odeon/base/detail/spin.hpp>
#include <odeon/core/actor_system.hpp>

#include <cstddef>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

/// @file Many answers, one result: `gather` for asks, `spawn_aggregator` for messages. Both end
/// when they have enough, or when the time is over, with what there is.
///
///     std::vector<future<double>> asked;
///     for (auto& shop : shops) asked.push_back(shop.ask<quote>("ODN"));
///     auto quotes = co_await gather(std::move(asked), {.within = 1s});
///     for (auto& q : quotes.replies) if (q) best = std::min(best, *q);
///
///     auto [ref, result] = spawn_aggregator<bid>(system, {.expected = 5, .within = 1min});
///     for (auto& b : bidders) b.tell<call_for_bids>(ref);
///     aggregated<bid> all = co_await std::move(result);       // all.complete: five came

namespace odeon {

struct gather_options {
  duration within = std::chrono::seconds(5);  ///< for each ask, from the call on; zero: its own
  std::size_t enough = std::numeric_limits<std::size_t>::max();  ///< so many good replies end it
};

template <class T>
struct gathered {
  /// In the order asked: the reply, or why there is none. `errc::cancelled`: there were enough
  /// without it.
  std::vector<result<T>> replies;
  std::size_t good = 0;   ///< replies that are no errors
  bool complete = false;  ///< enough, or all, were good
};

struct aggregate_options {
  std::size_t expected = 0;                   ///< so many messages are all; at least 1
  duration within = std::chrono::seconds(5);  ///< zero: no limit
  std::string name = {};
};

template <class M>
struct aggregated {
  std::vector<M> messages;  ///< in the order they came
  bool complete = false;    ///< false: the time was over, or the aggregator was stopped
};

namespace detail {

template <class T>
class reply_gathering {
 public:
  reply_gathering(std::size_t n, std::size_t enough, runtime* rt)
      : got_(n),
        open_(n),
        enough_(std::min(n, enough)) {
    if (rt) std::tie(done_, ready_) = promise<void>::make(*rt);
  }
  void put(std::size_t i, result<T> r) {
    promise<void> done;
    {
      spin_guard guard(lock_);
      if (closed_) return;
      good_ += r.has_value();
      got_[i].emplace(std::move(r));
      if (--open_ > 0 && good_ < enough_) return;
      closed_ = true;
      done = std::move(done_);
    }
    if (done) done.set();
  }
  [[nodiscard]] future<void> ready() noexcept { return std::move(ready_); }
  /// Once ready.
  odeon::gathered<T> take() {
    odeon::gathered<T> out;
    spin_guard guard(lock_);
    for (auto& g : got_)
      out.replies.push_back(g ? std::move(*g)
                              : result<T>(fail(errc::cancelled, "there were enough without it")));
    out.good = good_;
    out.complete = good_ >= enough_;
    return out;
  }

 private:
  spin_lock lock_;
  std::vector<std::optional<result<T>>> got_;
  std::size_t open_;
  std::size_t good_ = 0;
  std::size_t enough_;
  bool closed_ = false;
  promise<void> done_;
  future<void> ready_;
};

struct aggregate_over {};

template <class M>
class aggregator_actor final : public actor<M, aggregate_over> {
 public:
  using shared = std::shared_ptr<promise<aggregated<M>>>;
  using enough_fn = std::function<bool(const std::vector<M>&)>;

  aggregator_actor(const aggregate_options& o, const enough_fn& enough, const shared& to)
      : options_(o),
        enough_(enough),
        to_(to) {}
  void pre_start() {
    if (options_.within > duration::zero())
      this->ctx().send_after(options_.within, aggregate_over());
  }
  void on(M m) {
    got_.push_back(std::move(m));
    if (got_.size() >= options_.expected || (enough_ && enough_(got_))) end(true);
  }
  void on(aggregate_over) { end(false); }
  void post_stop() { end(false); }

 private:
  void end(bool complete) {
    if (!*to_) return;
    to_->set(aggregated<M>{std::move(got_), complete});
    this->ctx().stop();
  }
  aggregate_options options_;
  enough_fn enough_;
  shared to_;
  std::vector<M> got_;
};

}  // namespace detail

/// Waits for all of `asked`, or for `enough` of them, each at most `within`. Those that did not
/// answer, or failed, are errors in the result; `gather` itself throws nothing of theirs.
template <class T>
task<gathered<T>> gather(std::vector<future<T>> asked, gather_options options = {}) {
  runtime& rt =
      co_await detail::driver_query{[](task_driver& d) -> runtime& { return d.get_runtime(); }};
  auto state = std::make_shared<detail::reply_gathering<T>>(asked.size(), options.enough, &rt);
  for (std::size_t i = 0; i < asked.size(); ++i) {
    auto put = [state, i](result<T> r) { state->put(i, std::move(r)); };
    if (options.within > duration::zero())
      std::move(asked[i]).within(options.within).then(std::move(put));
    else
      std::move(asked[i]).then(std::move(put));
  }
  if (!asked.empty()) co_await state->ready();
  co_return state->take();
}

/// An aggregator's two ends.
template <class M>
struct aggregator {
  actor_ref<M> ref;
  future<aggregated<M>> result;
};

/// An actor in `where` (an `actor_system` or a `context`) that keeps the messages it is sent until
/// there are `expected`, or `enough(messages)` says so, or the time is over; then it gives them to
/// the future and stops: later ones are dead letters. `pipe_to(std::move(a.result), ref, …)` makes
/// one message of them. Throws `actor_error(errc::invalid_argument)` for none expected.
template <class M, class Where>
aggregator<M> spawn_aggregator(Where& where, aggregate_options options,
                               std::function<bool(const std::vector<M>&)> enough = nullptr) {
  if (options.expected == 0)
    throw actor_error(errc::invalid_argument, "an aggregator expects at least one message");
  runtime* rt;
  if constexpr (requires { where.get_runtime(); })
    rt = &where.get_runtime();
  else
    rt = &where.system().get_runtime();
  auto [p, f] = promise<aggregated<M>>::make(*rt);
  spawn_options o{.name = options.name};
  o.supervision.otherwise = directive::stop;  // `enough` threw: what there is goes to the future
  auto ref = where.template spawn<detail::aggregator_actor<M>>(
      std::move(o), options, enough, std::make_shared<promise<aggregated<M>>>(std::move(p)));
  return {ref, std::move(f)};
}

}  // namespace odeon
