#pragma once

#include <odeon/stream/detail/channel.hpp>
#include <odeon/stream/flow/detached.hpp>

#include <cstddef>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

/// @file Streams of streams.
///
///     words | group_by(100, first_letter)
///           | flat_map_merge(100, [](auto group) { return std::move(group) | fold(0, count); })
///
/// `group_by`, `split_when`, `split_after` and `prefix_and_tail` give sources as elements. Such a
/// source is moved, run once, and fed by the stage that made it: through a channel, so that it may
/// run anywhere. The stage goes on for as long as the stream does: when that is cancelled, sources
/// that have not ended fail with `errc::cancelled`. A source that is let go unread is cancelled,
/// and its elements are dropped.

namespace odeon::stream {

inline constexpr std::size_t substream_capacity = 16;  ///< elements that wait in one of them

/// A part of a stream, as an element of another. Move-only.
template <class T>
class substream {
 public:
  using stream_source = void;
  using built_type = built<detail::channel_reader<T>>;
  explicit substream(std::shared_ptr<detail::channel<T>> c) noexcept : reader_(std::move(c)) {}
  built_type build(materializer&) && { return {std::move(reader_), {}}; }
  /// Its elements as a stage, for those who build streams by themselves.
  [[nodiscard]] detail::channel_reader<T> reader() && noexcept { return std::move(reader_); }

 private:
  detail::channel_reader<T> reader_;
};

/// The elements of one key.
template <class K, class T>
class group : public substream<T> {
 public:
  group(K key, std::shared_ptr<detail::channel<T>> c)
      : substream<T>(std::move(c)),
        key_(std::move(key)) {}
  [[nodiscard]] const K& key() const noexcept { return key_; }

 private:
  K key_;
};

namespace detail {

[[nodiscard]] std::exception_ptr substreams_cancelled();
[[noreturn]] void throw_too_many_groups(std::size_t limit);

/// The feeding end of a substream: what is left of it when it goes was not given.
template <class T>
class feeder {
 public:
  explicit feeder(island& in, std::size_t capacity)
      : channel_(std::make_shared<channel<T>>(capacity)) {
    channel_->enter_writer(in.get_waker());
  }
  feeder(feeder&&) noexcept = default;
  feeder& operator=(feeder&& o) noexcept {
    std::swap(channel_, o.channel_);
    return *this;
  }
  ~feeder() {
    if (channel_) channel_->close(substreams_cancelled());
  }
  /// Takes the element, or drops it for a substream that nobody reads. False: no room yet.
  bool give(std::optional<T>& element) {
    if (!channel_->is_cancelled()) {
      if (!channel_->has_room() && channel_->wait_for_room()) return false;
      if (!channel_->is_cancelled()) {
        channel_->put(std::move(*element));
        channel_->publish();
      }
    }
    element.reset();
    return true;
  }
  [[nodiscard]] bool is_cancelled() const noexcept { return channel_->is_cancelled(); }
  void close(const std::exception_ptr& why = nullptr) noexcept { channel_->close(why); }
  [[nodiscard]] const std::shared_ptr<channel<T>>& get() const noexcept { return channel_; }

 private:
  std::shared_ptr<channel<T>> channel_;
};

/// What stages share that make substreams: `pump` goes on until there is one to give, or the end,
/// or nothing to do; it is called when the stage is asked and when it is driven.
template <class Self, class Up, class Out>
class splitting {
 protected:
  using element = typename Up::value_type;
  explicit splitting(Up up) : up_(std::move(up)) {}

 public:
  using value_type = Out;
  polled<Out> next(island& in) {
    if (!fresh_) guarded(in);
    if (fresh_) {
      polled<Out> out(std::move(*fresh_));
      fresh_.reset();
      return out;
    }
    if (why_) std::rethrow_exception(std::exchange(why_, nullptr));
    if (over_) return ended;
    return pending;
  }
  void drive(island& in) {
    if (!fresh_ && !over_) {
      guarded(in);
      if (fresh_ || over_) in.again();
    }
    if (!over_) up_.drive(in);
  }

 protected:
  void guarded(island& in) {
    if (over_) return;
    try {
      static_cast<Self*>(this)->pump(in);
    } catch (...) {
      if (in.has_thrown()) throw;
      // The parts have it first: whoever reads them may put something in its place.
      over_ = true;
      why_ = std::current_exception();
      static_cast<Self*>(this)->close_all(why_);
    }
  }
  Up up_;
  std::optional<element> held_;  // has no room yet
  std::optional<Out> fresh_;     // to be given
  bool over_ = false;
  std::exception_ptr why_;
};

template <class Up, class N, class F, class C>
class group_by_stage
    : public splitting<
          group_by_stage<Up, N, F, C>, Up,
          group<call_result_t<F, const typename Up::value_type&>, typename Up::value_type>> {
  using T = typename Up::value_type;
  static_assert(std::invocable<F&, const T&>,
                "odeon: these two stages do not fit: the function of group_by does not take what "
                "comes before");
  using K = call_result_t<F, const T&>;
  using base = splitting<group_by_stage, Up, group<K, T>>;
  friend base;

 public:
  group_by_stage(Up up, N max, F f, C capacity)
      : base(std::move(up)),
        max_(max),
        capacity_(capacity),
        f_(std::move(f)) {}

 private:
  void pump(island& in) {
    while (!this->fresh_ && !this->over_) {
      if (this->held_) {
        if (!target_->second.give(this->held_)) return;
        continue;
      }
      auto p = this->up_.next(in);
      if (!p) {
        if (p.has_ended()) {
          this->over_ = true;
          close_all(nullptr);
        }
        return;
      }
      K key = call_user(in, *this, [&] { return std::invoke(f_, std::as_const(*p)); });
      target_ = groups_.find(key);
      if (target_ == groups_.end()) {
        if (groups_.size() == max_) throw_too_many_groups(max_);
        target_ = groups_.emplace(key, feeder<T>(in, capacity_)).first;
        this->fresh_.emplace(std::move(key), target_->second.get());
      }
      this->held_.emplace(std::move(*p));
      (void)target_->second.give(this->held_);
    }
  }
  void close_all(const std::exception_ptr& why) noexcept {
    for (auto& [key, out] : groups_) out.close(why);
  }
  std::size_t max_, capacity_;
  F f_;
  std::map<K, feeder<T>> groups_;
  typename std::map<K, feeder<T>>::iterator target_;
};

/// `After`: the element that says yes is the last of its part, else the first of the next.
template <bool After>
struct split_by {
  template <class Up, class F, class C>
  class stage : public splitting<stage<Up, F, C>, Up, substream<typename Up::value_type>> {
    using T = typename Up::value_type;
    static_assert((check_predicate<F, T>(), true));
    using base = splitting<stage, Up, substream<T>>;
    friend base;

   public:
    stage(Up up, F f, C capacity) : base(std::move(up)), capacity_(capacity), f_(std::move(f)) {}

   private:
    void pump(island& in) {
      while (!this->fresh_ && !this->over_) {
        if (this->held_ && !part_->give(this->held_)) return;
        if (After && cut_) finish_part();
        auto p = this->up_.next(in);
        if (!p) {
          if (p.has_ended()) {
            this->over_ = true;
            close_all(nullptr);
          }
          return;
        }
        const bool cut =
            call_user(in, *this, [&] { return bool(std::invoke(f_, std::as_const(*p))); });
        if (!After && cut) finish_part();
        cut_ = cut;
        if (!part_) {
          part_.emplace(in, capacity_);
          this->fresh_.emplace(part_->get());
        }
        this->held_.emplace(std::move(*p));
        if (part_->give(this->held_) && After && cut) finish_part();
      }
    }
    void finish_part() noexcept {
      if (part_) part_->close();
      part_.reset();
    }
    void close_all(const std::exception_ptr& why) noexcept {
      if (part_) part_->close(why);
    }
    std::size_t capacity_;
    F f_;
    std::optional<feeder<T>> part_;
    bool cut_ = false;  // the last element said yes
  };
};
template <class Up, class F, class C>
using split_when_stage = typename split_by<false>::template stage<Up, F, C>;
template <class Up, class F, class C>
using split_after_stage = typename split_by<true>::template stage<Up, F, C>;

template <class Up>
class prefix_stage
    : public splitting<
          prefix_stage<Up>, Up,
          std::pair<std::vector<typename Up::value_type>, substream<typename Up::value_type>>> {
  using T = typename Up::value_type;
  using base = splitting<prefix_stage, Up, std::pair<std::vector<T>, substream<T>>>;
  friend base;

 public:
  prefix_stage(Up up, std::size_t n, std::size_t capacity)
      : base(std::move(up)),
        n_(n),
        capacity_(capacity) {}

 private:
  void pump(island& in) {
    while (!this->fresh_ && !this->over_) {
      if (this->held_ && !tail_->give(this->held_)) return;
      if (!tail_ && prefix_.size() == n_) {
        begin_tail(in);
        return;
      }
      auto p = this->up_.next(in);
      if (p) {
        if (tail_)
          this->held_.emplace(std::move(*p));
        else
          prefix_.push_back(std::move(*p));
        continue;
      }
      if (!p.has_ended()) return;
      if (!tail_) begin_tail(in);
      this->over_ = true;
      close_all(nullptr);
    }
  }
  void begin_tail(island& in) {
    tail_.emplace(in, capacity_);
    this->fresh_.emplace(std::exchange(prefix_, {}), substream<T>(tail_->get()));
  }
  void close_all(const std::exception_ptr& why) noexcept {
    if (tail_) tail_->close(why);
  }
  std::size_t n_, capacity_;
  std::vector<T> prefix_;
  std::optional<feeder<T>> tail_;
};

template <class F, class T>
consteval void check_makes_source() {
  check_function<F, T>();
  if constexpr (std::invocable<F&, T>)
    static_assert(is_source<call_result_t<F, T>>,
                  "odeon: the function of a flat_map returns a source");
}

template <class Up, class F>
class flat_map_concat_stage : public detached<Up> {
  using in_type = typename Up::value_type;
  static_assert((check_makes_source<F, in_type>(), true));
  using inner = stage_t<call_result_t<F, in_type>>;

 public:
  using value_type = typename inner::value_type;
  flat_map_concat_stage(Up up, F f) : detached<Up>(std::move(up)), f_(std::move(f)) {}
  polled<value_type> next(island& in) {
    for (;;) {
      if (inner_) {
        auto p = inner_->next(in);
        if (!p.has_ended()) return p;
        inner_.reset();
      }
      auto p = this->ask(in);
      if (p.has_ended()) return this->template conclude<value_type>();
      if (!p) return pending;
      call_user(in, *this,
                [&] { inner_.emplace(build_inner(in, std::invoke(f_, std::move(*p)))); });
    }
  }
  void drive(island& in) {
    if (inner_) inner_->drive(in);
    this->drive_up(in);
  }

 private:
  F f_;
  std::optional<inner> inner_;
};

template <class Up, class N, class F>
class flat_map_merge_stage : public detached<Up> {
  using in_type = typename Up::value_type;
  static_assert((check_makes_source<F, in_type>(), true));
  using inner = stage_t<call_result_t<F, in_type>>;

 public:
  using value_type = typename inner::value_type;
  flat_map_merge_stage(Up up, N breadth, F f)
      : detached<Up>(std::move(up)),
        breadth_(breadth == 0 ? 1 : breadth),
        f_(std::move(f)) {}
  polled<value_type> next(island& in) {
    begin(in);
    for (std::size_t left = open_.size(); left > 0; --left) {
      auto p = open_.front().next(in);
      if (p.has_ended()) {
        open_.pop_front();
        if (begin(in)) ++left;
        continue;
      }
      open_.splice(open_.end(), open_, open_.begin());  // the next one's turn
      if (p) return p;
    }
    if (open_.empty() && this->up_over()) return this->template conclude<value_type>();
    return pending;
  }
  void drive(island& in) {
    for (auto& i : open_) i.drive(in);
    this->drive_up(in);
  }

 private:
  bool begin(island& in) {
    bool any = false;
    while (open_.size() < breadth_) {
      auto p = this->ask(in);
      if (!p) return any;
      call_user(in, *this,
                [&] { open_.push_back(build_inner(in, std::invoke(f_, std::move(*p)))); });
      any = true;
    }
    return any;
  }
  std::size_t breadth_;
  F f_;
  std::list<inner> open_;
};

}  // namespace detail

/// `f` gives a source for each element: their elements, one source after the other.
template <class F>
[[nodiscard]] auto flat_map_concat(F f) {
  return detail::flow_with<detail::flat_map_concat_stage>(std::move(f));
}
/// The same with up to `breadth` sources at a time, their elements as they come.
template <class F>
[[nodiscard]] auto flat_map_merge(std::size_t breadth, F f) {
  return detail::flow_with<detail::flat_map_merge_stage>(breadth, std::move(f));
}
/// A `group<K, T>` for each key that `f(const T&)` gives (ordered by `<`), when its first element
/// comes. At most `max` keys: one more fails the stream with `errc::limit_exceeded`. All of them
/// have to be read: one whose `capacity` is full holds up the others.
template <class F>
[[nodiscard]] auto group_by(std::size_t max, F f, std::size_t capacity = substream_capacity) {
  return detail::flow_with<detail::group_by_stage>(max, std::move(f), capacity);
}
/// A `substream<T>` for each part: an element for which `f` says yes begins the next one.
template <class F>
[[nodiscard]] auto split_when(F f, std::size_t capacity = substream_capacity) {
  return detail::flow_with<detail::split_when_stage>(std::move(f), capacity);
}
/// The same; an element for which `f` says yes is the last of its part.
template <class F>
[[nodiscard]] auto split_after(F f, std::size_t capacity = substream_capacity) {
  return detail::flow_with<detail::split_after_stage>(std::move(f), capacity);
}
/// One `std::pair`: a vector of the first `n` elements, and the rest as a `substream<T>`. Completes
/// when the rest has been read.
[[nodiscard]] inline auto prefix_and_tail(std::size_t n,
                                          std::size_t capacity = substream_capacity) {
  return detail::plain_flow_with<detail::prefix_stage>(n, capacity);
}

}  // namespace odeon::stream
