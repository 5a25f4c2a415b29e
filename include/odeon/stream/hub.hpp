#pragma once

#include <odeon/base/detail/spin.hpp>
#include <odeon/stream/detail/channel.hpp>
#include <odeon/stream/fan_out.hpp>
#include <odeon/stream/flow/basic.hpp>

#include <algorithm>
#include <cstddef>
#include <list>
#include <memory>
#include <optional>
#include <vector>

/// @file Hubs: streams that others join and leave while they run.
///
///     auto [in, done] = (source::merge_hub<int>() | to(sink::ignore())).run(system);
///     (numbers | to(in.sink())).run(system);                 // any number of times
///
///     auto news = (ticks | to(sink::broadcast_hub())).run(system);
///     auto mine = (news.source() | take(3) | to(sink::collect())).run(system);

namespace odeon::stream {

inline constexpr std::size_t hub_capacity = 64;  ///< elements that wait at each joined stream

namespace detail {

/// Channels that join a running island. Its island takes them over in its next turn.
template <class End, class T>
class joining {
 public:
  /// False: the hub has ended.
  bool join(std::shared_ptr<channel<T>> c) {
    waker_ptr w;
    {
      odeon::detail::spin_guard guard(lock_);
      if (closed_) return false;
      fresh_.push_back(std::move(c));
      w = hub_;
    }
    if (w) w->wake();
    return true;
  }
  template <class F>
  void take_over(island& in, F f) {
    std::vector<std::shared_ptr<channel<T>>> all;
    {
      odeon::detail::spin_guard guard(lock_);
      if (!hub_) hub_ = in.get_waker();
      all.swap(fresh_);
    }
    for (auto& c : all) f(std::move(c));
  }
  /// Nobody joins any more.
  std::vector<std::shared_ptr<channel<T>>> close(const std::exception_ptr& why = nullptr) {
    odeon::detail::spin_guard guard(lock_);
    if (!closed_) why_ = why;
    closed_ = true;
    return std::exchange(fresh_, {});
  }
  [[nodiscard]] std::exception_ptr why() {
    odeon::detail::spin_guard guard(lock_);
    return why_;
  }
  /// No more producers; the stream completes when those there are have ended.
  void finish() {
    waker_ptr w;
    {
      odeon::detail::spin_guard guard(lock_);
      closed_ = true;
      w = hub_;
    }
    if (w) w->wake();
  }
  [[nodiscard]] bool is_closed() {
    odeon::detail::spin_guard guard(lock_);
    return closed_;
  }

 private:
  odeon::detail::spin_lock lock_;
  std::vector<std::shared_ptr<channel<T>>> fresh_;
  waker_ptr hub_;
  bool closed_ = false;
  std::exception_ptr why_;
};
struct producers {};
struct consumers {};

template <class T>
class merge_hub_stage {
 public:
  using value_type = T;
  explicit merge_hub_stage(std::shared_ptr<joining<producers, T>> s) noexcept
      : shared_(std::move(s)) {}
  merge_hub_stage(merge_hub_stage&&) noexcept = default;
  ~merge_hub_stage() {
    if (shared_)
      for (auto& c : shared_->close()) c->cancel();
  }
  polled<T> next(island& in) {
    shared_->take_over(in, [&](auto c) { open_.emplace_back(std::move(c)); });
    for (std::size_t left = open_.size(); left > 0; --left) {
      std::optional<polled<T>> p;
      try {
        p.emplace(open_.front().next(in));
      } catch (...) {
        p.emplace(ended);  // its own stream has failed; the hub goes on
      }
      if (p->has_ended()) {
        open_.pop_front();
        continue;
      }
      open_.splice(open_.end(), open_, open_.begin());
      if (*p) return std::move(*p);
    }
    if (open_.empty() && shared_->is_closed()) {
      shared_->take_over(in, [&](auto c) { open_.emplace_back(std::move(c)); });
      if (open_.empty()) return ended;
      in.again();
    }
    return pending;
  }
  void drive(island&) noexcept {}

 private:
  std::shared_ptr<joining<producers, T>> shared_;
  std::list<channel_reader<T>> open_;
};

template <class T>
struct hub_sink {
  using stream_sink = void;
  std::shared_ptr<joining<producers, T>> shared;
  std::size_t capacity;
  template <class Up, class... Mats>
  auto attach(materializer& m, built<Up, Mats...> b) && {
    static_assert((check_same_elements<T, typename Up::value_type>(), true));
    auto c = std::make_shared<channel<T>>(capacity);
    if (!shared->join(c)) c->cancel();
    m.add(std::make_unique<channel_body<Up>>(std::move(b.stage), std::move(c)));
    return std::move(b.mats);
  }
};

template <class T>
struct hub_source {
  using stream_source = void;
  using built_type = built<channel_reader<T>>;
  std::shared_ptr<joining<consumers, T>> shared;
  std::size_t capacity;
  built_type build(materializer&) && {
    auto c = std::make_shared<channel<T>>(capacity);
    if (!shared->join(c)) c->close(shared->why());
    return {channel_reader<T>(std::move(c)), {}};
  }
};

/// Waits while there are no consumers. `Policy` is that of `fan_out_body`.
template <class Up, class Policy>
class hub_body final : public island_body {
  using T = typename Up::value_type;

 public:
  hub_body(Up up, Policy policy, std::shared_ptr<joining<consumers, T>> s)
      : up_(std::move(up)),
        policy_(std::move(policy)),
        shared_(std::move(s)) {}
  ~hub_body() override {
    const auto why =
        exception_of(error(errc::actor_stopped, "the stream behind the hub was stopped"));
    for (auto& c : shared_->close(why)) c->close(why);
  }
  bool step(island& in) override {
    for (;;) {
      shared_->take_over(in, [&](auto c) {
        c->enter_writer(in.get_waker());
        outs_.emplace_back(std::move(c));
      });
      std::erase_if(outs_, [](const auto& o) { return o->is_cancelled(); });
      if (outs_.empty()) return false;  // who joins wakes it
      if (held_ && !policy_.template give<T>(in, outs_, held_)) {
        publish();
        return false;
      }
      auto p = up_.next(in);
      if (p) {
        held_.emplace(std::move(*p));
        continue;
      }
      publish();
      if (!p.has_ended()) return false;
      end(nullptr);
      return true;
    }
  }
  void drive(island& in) override { up_.drive(in); }
  void fail(const std::exception_ptr& why) noexcept override { end(why); }

 private:
  void end(const std::exception_ptr& why) noexcept {
    for (auto& o : outs_) o->close(why);
    for (auto& c : shared_->close(why)) c->close(why);
  }
  void publish() noexcept {
    for (auto& o : outs_) o->publish();
  }
  Up up_;
  Policy policy_;
  std::shared_ptr<joining<consumers, T>> shared_;
  std::vector<channel_writer<T>> outs_;
  std::optional<T> held_;
};

/// To the consumer that `f(number of consumers, element)` chooses.
template <class F>
struct to_chosen_of {
  F f;
  template <class T, class Outs>
  bool give(island&, Outs& outs, std::optional<T>& held) {
    const auto index = static_cast<std::size_t>(std::invoke(f, outs.size(), std::as_const(*held)));
    if (index >= outs.size()) throw_no_such_outlet(index, outs.size());
    if (!outs[index]->has_room() && outs[index]->wait_for_room()) return false;
    if (outs[index]->is_cancelled()) return true;  // it is chosen for anew
    outs[index]->put(std::move(*held));
    held.reset();
    return true;
  }
};

}  // namespace detail

/// Where streams join a `source::merge_hub`. Copies are the same hub. @threadsafe
template <class T>
class merge_hub {
 public:
  explicit merge_hub(std::shared_ptr<detail::joining<detail::producers, T>> s,
                     std::size_t capacity) noexcept
      : shared_(std::move(s)),
        capacity_(capacity) {}
  /// A sink for any number of streams. One that fails leaves the others alone; when the hub has
  /// ended, it cancels.
  [[nodiscard]] auto sink() const { return detail::hub_sink<T>{shared_, capacity_}; }
  /// No more streams may join; the hub completes when those there are have ended.
  void complete() const { shared_->finish(); }

 private:
  std::shared_ptr<detail::joining<detail::producers, T>> shared_;
  std::size_t capacity_;
};

/// Where streams join a `sink::broadcast_hub` or `sink::partition_hub`. Copies are the same hub.
/// @threadsafe
template <class T>
class consumer_hub {
 public:
  explicit consumer_hub(std::shared_ptr<detail::joining<detail::consumers, T>> s,
                        std::size_t capacity) noexcept
      : shared_(std::move(s)),
        capacity_(capacity) {}
  /// A source for any number of streams, of the elements from here on. It ends, or fails, with the
  /// hub.
  [[nodiscard]] auto source() const { return detail::hub_source<T>{shared_, capacity_}; }

 private:
  std::shared_ptr<detail::joining<detail::consumers, T>> shared_;
  std::size_t capacity_;
};

namespace detail {

template <class T>
struct merge_hub_source {
  using stream_source = void;
  using built_type = built<merge_hub_stage<T>, merge_hub<T>>;
  std::size_t capacity;
  built_type build(materializer&) && {
    auto shared = std::make_shared<joining<producers, T>>();
    return {merge_hub_stage<T>(shared), std::tuple<merge_hub<T>>(merge_hub<T>(shared, capacity))};
  }
};

template <class Policy>
struct consumer_hub_sink {
  using stream_sink = void;
  Policy policy;
  std::size_t capacity;
  template <class Up, class... Mats>
  auto attach(materializer& m, built<Up, Mats...> b) && {
    using T = typename Up::value_type;
    auto shared = std::make_shared<joining<consumers, T>>();
    m.add(std::make_unique<hub_body<Up, Policy>>(std::move(b.stage), std::move(policy), shared));
    return std::tuple_cat(std::move(b.mats), std::make_tuple(consumer_hub<T>(shared, capacity)));
  }
};

}  // namespace detail

namespace source {

/// The elements of all streams that join, as they come; up to `capacity` of each wait. Never
/// completes by itself. `merge_hub<T>`
template <class T>
[[nodiscard]] auto merge_hub(std::size_t capacity = hub_capacity) {
  return detail::merge_hub_source<T>{capacity};
}

}  // namespace source

namespace sink {

/// Each element to all streams that have joined; the slowest, with up to `capacity` elements before
/// it, sets the pace. Without any it waits. `consumer_hub<T>`
[[nodiscard]] inline auto broadcast_hub(std::size_t capacity = hub_capacity) {
  return detail::consumer_hub_sink<detail::to_all>{{}, capacity};
}
/// Each element to the one stream whose number (from 0, in the order joined) `f(number of streams,
/// element)` gives.
template <class F>
[[nodiscard]] auto partition_hub(F f, std::size_t capacity = hub_capacity) {
  return detail::consumer_hub_sink<detail::to_chosen_of<F>>{{std::move(f)}, capacity};
}

}  // namespace sink

}  // namespace odeon::stream
