#pragma once

#include <odeon/stream/flow/detached.hpp>
#include <odeon/stream/graph.hpp>

#include <algorithm>
#include <concepts>
#include <list>

/// @file The nodes of a graph: bodies of its templates.

namespace odeon::stream {

namespace detail {

/// One for each that goes in, as flows know it.
template <class F>
inline constexpr bool is_one_for_one = std::same_as<F, async_flow>;
template <class... Ps>
inline constexpr bool is_one_for_one<typed_flow<map_stage, Ps...>> = true;
template <class... Ps>
inline constexpr bool is_one_for_one<typed_flow<try_map_stage, Ps...>> = true;
template <class... Ps>
inline constexpr bool is_one_for_one<typed_flow<wire_tap_stage, Ps...>> = true;
template <class... Ps>
inline constexpr bool is_one_for_one<typed_flow<map_async_stage, Ps...>> = true;
template <class... Ps>
inline constexpr bool is_one_for_one<typed_flow<map_async_unordered_stage, Ps...>> = true;
template <class F, class G>
inline constexpr bool is_one_for_one<joined_flow<F, G>> = is_one_for_one<F> && is_one_for_one<G>;

/// Elements as they come. In a counted cycle: counts those from outside.
template <class T>
class merging_inlets {
 public:
  using value_type = T;
  struct inlet {
    channel_reader<T> from;
    bool inside;
  };
  merging_inlets(std::list<inlet> open, cycle_ptr c)
      : open_(std::move(open)),
        cycle_(std::move(c)) {}
  polled<T> next(island& in) {
    for (std::size_t left = open_.size(); left > 0; --left) {
      const bool counted = cycle_ && !open_.front().inside;
      auto p = open_.front().from.next(in);
      if (p.has_ended()) {
        open_.pop_front();
        if (counted) cycle_->lower();
        continue;
      }
      if (p && counted) cycle_->raise();
      open_.splice(open_.end(), open_, open_.begin());
      if (p) return p;
    }
    if (open_.empty() || (cycle_ && cycle_->is_over(in))) return ended;
    return pending;
  }
  void drive(island&) noexcept {}

 private:
  std::list<inlet> open_;
  cycle_ptr cycle_;
};

template <class T>
class concatenating_inlets {
 public:
  using value_type = T;
  explicit concatenating_inlets(std::list<channel_reader<T>> open) : open_(std::move(open)) {}
  polled<T> next(island& in) {
    while (!open_.empty()) {
      auto p = open_.front().next(in);
      if (!p.has_ended()) return p;
      open_.pop_front();
    }
    return ended;
  }
  void drive(island&) noexcept {}

 private:
  std::list<channel_reader<T>> open_;
};

/// As `fan_out_body`, with a number of outlets that is known when it runs. In a counted cycle:
/// counts those that leave it, and those that become several.
template <class Up, class Policy>
class fan_out_node final : public island_body {
  using T = typename Up::value_type;

 public:
  fan_out_node(Up up, Policy policy, std::vector<channel_writer<T>> outs, cycle_ptr c,
               std::vector<bool> inside)
      : up_(std::move(up)),
        policy_(std::move(policy)),
        outs_(std::move(outs)),
        cycle_(std::move(c)),
        inside_(std::move(inside)) {}
  bool step(island& in) override {
    for (auto& o : outs_) o->enter_writer(in.get_waker());
    for (;;) {
      bool any = false;
      for (auto& o : outs_) any = any || !o->is_cancelled();
      if (!any) return true;
      if (held_) {
        if (!policy_.template give<T>(in, outs_, held_)) break;
        if (cycle_) given();
      }
      auto p = up_.next(in);
      if (p) {
        held_.emplace(std::move(*p));
        if (cycle_) taken();
        continue;
      }
      if (!p.has_ended()) break;
      for (auto& o : outs_) o->close();
      return true;
    }
    for (auto& o : outs_) o->publish();
    return false;
  }
  void drive(island& in) override { up_.drive(in); }
  void fail(const std::exception_ptr& why) noexcept override {
    for (auto& o : outs_) o->close(why);
  }

 private:
  [[nodiscard]] std::size_t written_inside() const noexcept {
    std::size_t n = 0;
    for (std::size_t i = 0; i < outs_.size(); ++i)
      if (inside_[i]) n += outs_[i]->written();
    return n;
  }
  /// The element, as one on each way inside.
  void taken() noexcept {
    before_ = written_inside();
    ways_ = static_cast<std::size_t>(std::ranges::count(inside_, true));
    cycle_->raise(ways_);
  }
  /// It has become those that were written inside.
  void given() noexcept { cycle_->lower(1 + ways_ - (written_inside() - before_)); }

  Up up_;
  Policy policy_;
  std::vector<channel_writer<T>> outs_;
  std::optional<T> held_;
  cycle_ptr cycle_;
  std::vector<bool> inside_;
  std::size_t before_ = 0, ways_ = 0;
};

}  // namespace detail

template <is_source S>
auto graph::add_source(std::string name, S source) {
  using T = element_t<S>;
  const std::size_t node = shape_.add(std::move(name), 0, 1, {});
  auto out = make_outlet<T>(node, 0);
  builders_.push_back(
      [source = std::move(source), edge = out.edge](graph&, materializer& m) mutable {
        auto b = std::move(source).build(m);
        m.add(std::make_unique<detail::channel_body<stage_t<S>>>(std::move(b.stage), *edge));
      });
  return out;
}

template <class T, is_flow F>
auto graph::add_flow(std::string name, F flow) {
  using built_type = decltype(std::declval<F&&>().attach(
      std::declval<materializer&>(), std::declval<built<detail::channel_reader<T>>>()));
  using stage = typename built_type::stage_type;
  using U = typename stage::value_type;
  const std::size_t node = shape_.add(std::move(name), 1, 1, {.counts = detail::is_one_for_one<F>});
  flow_ports<T, U> ports{make_inlet<T>(node, 0), make_outlet<U>(node, 0)};
  builders_.push_back([flow = std::move(flow), in = ports.in.edge, out = ports.out.edge](
                          graph&, materializer& m) mutable {
    auto b = std::move(flow).attach(
        m, built<detail::channel_reader<T>>{detail::channel_reader<T>(*in), {}});
    m.add(std::make_unique<detail::channel_body<stage>>(std::move(b.stage), *out));
  });
  return ports;
}

template <class T, is_sink K>
auto graph::add_sink(std::string name, K sink) {
  using mats = decltype(std::declval<K&&>().attach(
      std::declval<materializer&>(), std::declval<built<detail::channel_reader<T>>>()));
  static_assert(std::tuple_size_v<mats> == 1,
                "odeon: a graph's sink materialises one value, its result");
  using Mat = std::tuple_element_t<0, mats>;
  const std::size_t node = shape_.add(std::move(name), 1, 0, {});
  sink_ports<T, Mat> ports{make_inlet<T>(node, 0), std::make_shared<std::optional<Mat>>()};
  builders_.push_back([sink = std::move(sink), in = ports.in.edge, mat = ports.mat](
                          graph&, materializer& m) mutable {
    auto all = std::move(sink).attach(
        m, built<detail::channel_reader<T>>{detail::channel_reader<T>(*in), {}});
    mat->emplace(std::get<0>(std::move(all)));
  });
  return ports;
}

template <class T>
fan_in_ports<T> graph::make_fan_in(std::size_t node, std::size_t n) {
  fan_in_ports<T> ports{{}, make_outlet<T>(node, 0)};
  for (std::size_t i = 0; i < n; ++i) ports.in.push_back(make_inlet<T>(node, i));
  return ports;
}
template <class T>
fan_in_ports<T> graph::add_merge(std::string name, std::size_t n) {
  using stage = detail::merging_inlets<T>;
  const std::size_t node = shape_.add(std::move(name), n, 1, {.counts = true, .merges = true});
  auto ports = make_fan_in<T>(node, n);
  builders_.push_back([ports, node](graph& g, materializer& m) {
    const auto inside = g.shape_.inside(node, true);
    std::list<typename stage::inlet> all;
    for (std::size_t i = 0; i < ports.in.size(); ++i)
      all.push_back({detail::channel_reader<T>(*ports.in[i].edge), inside[i]});
    m.add(std::make_unique<detail::channel_body<stage>>(
        stage(std::move(all), g.shape_.cycle_of(node)), *ports.out.edge));
  });
  return ports;
}
template <class T>
fan_in_ports<T> graph::add_concat(std::string name, std::size_t n) {
  using stage = detail::concatenating_inlets<T>;
  auto ports = make_fan_in<T>(shape_.add(std::move(name), n, 1, {}), n);
  builders_.push_back([ports](graph&, materializer& m) {
    std::list<detail::channel_reader<T>> all;
    for (const auto& i : ports.in) all.emplace_back(*i.edge);
    m.add(std::make_unique<detail::channel_body<stage>>(stage(std::move(all)), *ports.out.edge));
  });
  return ports;
}

template <class T, class F>
auto graph::add_fan_in(std::string name, std::size_t n, F make) {
  using readers = std::vector<detail::channel_reader<T>>;
  static_assert(std::invocable<F&, materializer&, readers>,
                "odeon: the function of add_fan_in takes a materializer and the inlets' readers");
  using stage = std::remove_cvref_t<std::invoke_result_t<F&, materializer&, readers>>;
  using U = typename stage::value_type;
  const std::size_t node = shape_.add(std::move(name), n, 1, {});
  fan_in_ports<T, U> ports{{}, make_outlet<U>(node, 0)};
  for (std::size_t i = 0; i < n; ++i) ports.in.push_back(make_inlet<T>(node, i));
  builders_.push_back([ports, make = std::move(make)](graph&, materializer& m) mutable {
    readers all;
    for (const auto& i : ports.in) all.emplace_back(*i.edge);
    m.add(std::make_unique<detail::channel_body<stage>>(std::invoke(make, m, std::move(all)),
                                                        *ports.out.edge));
  });
  return ports;
}

template <class T, class Policy>
fan_out_ports<T> graph::add_fan_out(std::string name, std::size_t n, Policy policy) {
  const std::size_t node = shape_.add(std::move(name), 1, n, {.counts = true});
  fan_out_ports<T> ports{make_inlet<T>(node, 0), {}};
  for (std::size_t i = 0; i < n; ++i) ports.out.push_back(make_outlet<T>(node, i));
  builders_.push_back([node, ports, policy = std::move(policy)](graph& g, materializer& m) mutable {
    using reader = detail::channel_reader<T>;
    std::vector<detail::channel_writer<T>> outs;
    for (const auto& o : ports.out) outs.emplace_back(*o.edge);
    m.add(std::make_unique<detail::fan_out_node<reader, Policy>>(
        reader(*ports.in.edge), std::move(policy), std::move(outs), g.shape_.cycle_of(node),
        g.shape_.inside(node, false)));
  });
  return ports;
}
template <class T>
fan_out_ports<T> graph::add_broadcast(std::string name, std::size_t n) {
  static_assert(std::copy_constructible<T>,
                "odeon: broadcast gives each element several times, so it must be copyable");
  return add_fan_out<T>(std::move(name), n, detail::to_all());
}
template <class T>
fan_out_ports<T> graph::add_balance(std::string name, std::size_t n) {
  return add_fan_out<T>(std::move(name), n, detail::to_one());
}
template <class T, class F>
fan_out_ports<T> graph::add_partition(std::string name, std::size_t n, F choose) {
  return add_fan_out<T>(std::move(name), n, detail::to_chosen<F>{std::move(choose)});
}

template <class T>
flow_ports<T, T> graph::add_feedback(std::string name, std::size_t capacity, on_full what) {
  if (what == on_full::wait)
    throw actor_error(errc::invalid_argument,
                      "graph: the feedback '" + name +
                          "' may not wait when it is full: a cycle could stand still for ever");
  using stage = detail::buffer_stage<detail::channel_reader<T>>;
  const std::size_t node =
      shape_.add(std::move(name), 1, 1, {.breaks_cycles = true, .counts = what == on_full::fail});
  flow_ports<T, T> ports{make_inlet<T>(node, 0), make_outlet<T>(node, 0)};
  builders_.push_back([ports, capacity, what](graph&, materializer& m) {
    m.add(std::make_unique<detail::channel_body<stage>>(
        stage(detail::channel_reader<T>(*ports.in.edge), capacity, what), *ports.out.edge));
  });
  return ports;
}

}  // namespace odeon::stream
