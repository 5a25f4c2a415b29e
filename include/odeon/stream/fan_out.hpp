#pragma once

#include <odeon/stream/detail/channel.hpp>
#include <odeon/stream/flow/combine.hpp>

#include <array>
#include <cstddef>
#include <optional>

/// @file One stream into several. The sinks (or flows) that are named each run in an island of
/// their own, behind a channel of `fan_out_capacity` elements. One that cancels is left out from
/// then on; when all have, the source is cancelled. The end and a failure go to all.
///
///     orders | to(sink::broadcast(to_archive, to_screen))      // each element to both
///     jobs   | balance(worker, worker, worker)                  // each to one; results as they
///     come

namespace odeon::stream {

inline constexpr std::size_t fan_out_capacity = 64;  ///< elements before one sink or flow

namespace detail {

[[noreturn]] void throw_no_such_outlet(std::size_t index, std::size_t count);

/// To all that are there, when all have room.
struct to_all {
  template <class T, class Outs>
  bool give(island&, Outs& outs, std::optional<T>& held) {
    for (auto& o : outs)
      if (!o->is_cancelled() && !o->has_room() && o->wait_for_room()) return false;
    const std::size_t last = outs.size() - 1;
    for (std::size_t i = 0; i <= last; ++i) {
      if (outs[i]->is_cancelled() || !outs[i]->has_room()) continue;
      if (i == last)
        outs[i]->put(std::move(*held));
      else
        outs[i]->put(T(*held));
    }
    held.reset();
    return true;
  }
  static constexpr bool copies = true;
};

/// To the next one that has room.
struct to_one {
  std::size_t next = 0;
  template <class T, class Outs>
  bool give(island&, Outs& outs, std::optional<T>& held) {
    for (;;) {
      if (try_give(outs, held)) return true;
      bool changed = false;  // one has got room, or was cancelled, meanwhile
      for (auto& o : outs)
        if (!o->is_cancelled() && !o->wait_for_room()) changed = true;
      if (!changed) return false;
      if (all_gone(outs)) return false;
    }
  }
  static constexpr bool copies = false;

 private:
  template <class Outs>
  static bool all_gone(const Outs& outs) noexcept {
    for (const auto& o : outs)
      if (!o->is_cancelled()) return false;
    return true;
  }
  template <class T, class Outs>
  bool try_give(Outs& outs, std::optional<T>& held) {
    for (std::size_t i = 0; i < outs.size(); ++i) {
      auto& o = outs[(next + i) % outs.size()];
      if (o->is_cancelled() || !o->has_room()) continue;
      o->put(std::move(*held));
      held.reset();
      next = (next + i + 1) % outs.size();
      return true;
    }
    return false;
  }
};

/// To the one whose number `f` gives.
template <class F>
struct to_chosen {
  F f;
  template <class T, class Outs>
  bool give(island& in, Outs& outs, std::optional<T>& held) {
    const auto index = call_user(
        in, *this, [&] { return static_cast<std::size_t>(std::invoke(f, std::as_const(*held))); });
    if (index >= outs.size()) throw_no_such_outlet(index, outs.size());
    auto& o = outs[index];
    if (!o->is_cancelled()) {
      if (!o->has_room() && o->wait_for_room()) return false;
      if (!o->is_cancelled()) o->put(std::move(*held));
    }
    held.reset();
    return true;
  }
  static constexpr bool copies = false;
};

template <class Up, class Policy, std::size_t N>
class fan_out_body final : public island_body {
  using T = typename Up::value_type;
  static_assert(!Policy::copies || std::copy_constructible<T>,
                "odeon: broadcast gives each element several times, so it must be copyable");

 public:
  fan_out_body(Up up, Policy policy, std::array<std::shared_ptr<channel<T>>, N> outs)
      : up_(std::move(up)),
        policy_(std::move(policy)) {
    for (auto& o : outs) outs_.emplace_back(std::move(o));
  }
  bool step(island& in) override {
    for (auto& o : outs_) o->enter_writer(in.get_waker());
    for (;;) {
      if (all_cancelled()) return true;
      if (held_ && !policy_.template give<T>(in, outs_, held_)) {
        publish();
        return false;
      }
      auto p = up_.next(in);
      if (p) {
        held_.emplace(std::move(*p));
        continue;
      }
      if (p.has_ended()) {
        for (auto& o : outs_) o->close();
        return true;
      }
      publish();
      return false;
    }
  }
  void drive(island& in) override { up_.drive(in); }
  void fail(const std::exception_ptr& why) noexcept override {
    for (auto& o : outs_) o->close(why);
  }

 private:
  [[nodiscard]] bool all_cancelled() const noexcept {
    for (const auto& o : outs_)
      if (!o->is_cancelled()) return false;
    return true;
  }
  void publish() noexcept {
    for (auto& o : outs_) o->publish();
  }
  Up up_;
  Policy policy_;
  std::vector<channel_writer<T>> outs_;
  std::optional<T> held_;  // has no room yet
};

template <std::size_t N, class Up, class Policy>
auto fan_out(materializer& m, Up up, Policy policy, std::size_t capacity) {
  using T = typename Up::value_type;
  std::array<std::shared_ptr<channel<T>>, N> outs;
  for (auto& o : outs) o = std::make_shared<channel<T>>(capacity);
  m.add(std::make_unique<fan_out_body<Up, Policy, N>>(std::move(up), std::move(policy), outs));
  return outs;
}

template <class Policy, class... Ks>
struct fan_out_sink {
  using stream_sink = void;
  Policy policy;
  std::tuple<Ks...> sinks;

  template <class Up, class... Mats>
  auto attach(materializer& m, built<Up, Mats...> b) && {
    using T = typename Up::value_type;
    auto outs = fan_out<sizeof...(Ks)>(m, std::move(b.stage), std::move(policy), fan_out_capacity);
    return [&]<std::size_t... Is>(std::index_sequence<Is...>) {
      return std::tuple_cat(
          std::move(b.mats),
          std::get<Is>(std::move(sinks))
              .attach(m, built<channel_reader<T>>{channel_reader<T>(std::move(outs[Is])), {}})...);
    }(std::index_sequence_for<Ks...>());
  }
};

template <class Policy, class... Fs>
struct fan_out_flow {
  using stream_flow = void;
  Policy policy;
  std::tuple<Fs...> flows;

  template <class Up, class... Mats>
  auto attach(materializer& m, built<Up, Mats...> b) && {
    using T = typename Up::value_type;
    auto outs = fan_out<sizeof...(Fs)>(m, std::move(b.stage), std::move(policy), fan_out_capacity);
    return [&]<std::size_t... Is>(std::index_sequence<Is...>) {
      // Each flow and its channel are an island; the merge reads from those.
      return merged(
          std::move(b.mats),
          async_flow_of(m, std::get<Is>(std::move(flows))
                               .attach(m, built<channel_reader<T>>{
                                              channel_reader<T>(std::move(outs[Is])), {}}))...);
    }(std::index_sequence_for<Fs...>());
  }

 private:
  template <class Stage, class... Mats>
  static auto async_flow_of(materializer& m, built<Stage, Mats...> b) {
    using U = typename Stage::value_type;
    auto between = std::make_shared<channel<U>>(fan_out_capacity);
    m.add(std::make_unique<channel_body<Stage>>(std::move(b.stage), between));
    return make_built(channel_reader<U>(std::move(between)), std::move(b.mats));
  }
  template <class... Mats, class... Bs>
  static auto merged(std::tuple<Mats...> mats, Bs... bs) {
    return make_built(merge_stage<typename Bs::stage_type...>(std::move(bs.stage)...),
                      std::tuple_cat(std::move(mats), std::move(bs.mats)...));
  }
};

template <class Policy, class... Ps>
auto fan_out_to(Policy policy, Ps... ps) {
  static_assert(sizeof...(Ps) > 0, "odeon: fan out to at least one sink or flow");
  if constexpr ((is_sink<Ps> && ...)) {
    return fan_out_sink<Policy, Ps...>{std::move(policy), {std::move(ps)...}};
  } else {
    static_assert((is_flow<Ps> && ...),
                  "odeon: sink::broadcast, balance and partition take sinks; the flows of these "
                  "names take flows");
    return fan_out_flow<Policy, Ps...>{std::move(policy), {std::move(ps)...}};
  }
}

/// Copies each element into a channel on the way.
template <class Up>
class also_to_stage {
  static_assert(std::copy_constructible<typename Up::value_type>,
                "odeon: also_to gives each element twice, so it must be copyable");

 public:
  using value_type = typename Up::value_type;
  also_to_stage(Up up, std::shared_ptr<channel<value_type>> side)
      : up_(std::move(up)),
        side_(std::move(side)) {}
  polled<value_type> next(island& in) {
    side_->enter_writer(in.get_waker());
    if (!side_->is_cancelled() && !side_->has_room() && side_->wait_for_room()) return pending;
    try {
      auto p = up_.next(in);
      if (p) {
        if (!side_->is_cancelled()) side_->put(value_type(*p));
      } else if (p.has_ended()) {
        side_->close();
      } else {
        side_->publish();
      }
      return p;
    } catch (...) {
      if (!in.has_thrown()) side_->close(std::current_exception());
      throw;
    }
  }
  void drive(island& in) {
    side_->publish();
    up_.drive(in);
  }

 private:
  Up up_;
  channel_writer<value_type> side_;
};

template <class K>
struct also_to_flow {
  using stream_flow = void;
  K sink;
  template <class Up, class... Mats>
  auto attach(materializer& m, built<Up, Mats...> b) && {
    using T = typename Up::value_type;
    auto side = std::make_shared<channel<T>>(fan_out_capacity);
    auto mats = std::move(sink).attach(m, built<channel_reader<T>>{channel_reader<T>(side), {}});
    return make_built(also_to_stage<Up>(std::move(b.stage), std::move(side)),
                      std::tuple_cat(std::move(b.mats), std::move(mats)));
  }
};

}  // namespace detail

/// Passes all elements on, and a copy of each to `sink`. A sink that is slow holds both up; one
/// that cancels or fails is left out. When what is behind cancels, the sink fails with
/// `errc::actor_stopped`: it has not seen the end.
template <class K>
[[nodiscard]] auto also_to(K sink) {
  static_assert(is_sink<K>, "odeon: also_to(…) takes a sink, such as sink::collect()");
  return detail::also_to_flow<K>{std::move(sink)};
}
/// Each element through each of these flows; what they give, as it comes.
template <is_flow... Fs>
[[nodiscard]] auto broadcast(Fs... flows) {
  return detail::fan_out_to(detail::to_all(), std::move(flows)...);
}
/// Each element through one of these flows, one that has room; what they give, as it comes.
template <is_flow... Fs>
[[nodiscard]] auto balance(Fs... flows) {
  return detail::fan_out_to(detail::to_one(), std::move(flows)...);
}
/// Each element through the flow whose number (from 0) `f(const T&)` gives; a number too high fails
/// the stream with `errc::invalid_argument`.
template <class F, is_flow... Fs>
[[nodiscard]] auto partition(F f, Fs... flows) {
  return detail::fan_out_to(detail::to_chosen<F>{std::move(f)}, std::move(flows)...);
}

namespace sink {

/// Each element to each of these sinks. The futures of all, in order.
template <is_sink... Ks>
[[nodiscard]] auto broadcast(Ks... sinks) {
  return detail::fan_out_to(detail::to_all(), std::move(sinks)...);
}
/// Each element to one of these sinks, one that has room.
template <is_sink... Ks>
[[nodiscard]] auto balance(Ks... sinks) {
  return detail::fan_out_to(detail::to_one(), std::move(sinks)...);
}
/// Each element to the sink whose number `f` gives.
template <class F, is_sink... Ks>
[[nodiscard]] auto partition(F f, Ks... sinks) {
  return detail::fan_out_to(detail::to_chosen<F>{std::move(f)}, std::move(sinks)...);
}

}  // namespace sink

}  // namespace odeon::stream
