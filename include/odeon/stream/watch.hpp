#pragma once

#include <odeon/stream/flow/async.hpp>
#include <odeon/task/future.hpp>

/// @file Materialised values of flows.

namespace odeon::stream {

/// How a stream ended at one place, when it did not fail there.
enum class ending : std::uint8_t {
  completed,  ///< all elements have passed
  cancelled,  ///< what is behind wanted no more
};

namespace detail {

template <class Up>
class watch_stage {
 public:
  using value_type = typename Up::value_type;
  watch_stage(Up up, promise<ending> p) : up_(std::move(up)), promise_(std::move(p)) {}
  watch_stage(watch_stage&&) = default;
  ~watch_stage() {
    if (!promise_) return;
    if (thrown_)
      promise_.fail(error_of(thrown_));
    else
      promise_.set(ending::cancelled);
  }
  polled<value_type> next(island& in) {
    thrown_ = nullptr;
    try {
      auto p = up_.next(in);
      if (p.has_ended() && promise_) promise_.set(ending::completed);
      return p;
    } catch (...) {
      failed(in);
      throw;
    }
  }
  void drive(island& in) {
    try {
      up_.drive(in);
    } catch (...) {
      failed(in);
      throw;
    }
  }

 private:
  void failed(island& in) noexcept {
    // What `supervised` goes on from is no end.
    if (in.has_thrown())
      thrown_ = std::current_exception();
    else if (promise_)
      promise_.fail(error_of(std::current_exception()));
  }
  Up up_;
  promise<ending> promise_;
  std::exception_ptr thrown_;
};

struct watch_flow {
  using stream_flow = void;
  template <class Up, class... Mats>
  auto attach(materializer& m, built<Up, Mats...> b) && {
    auto [p, f] = promise<ending>::make(m.get_runtime());
    return make_built(watch_stage<Up>(std::move(b.stage), std::move(p)),
                      std::tuple_cat(std::move(b.mats), std::make_tuple(std::move(f))));
  }
};

template <class... Mats>
auto unwrap_or_unit(std::tuple<Mats...> mats) {
  if constexpr (sizeof...(Mats) == 0)
    return unit();
  else
    return unwrap(std::move(mats));
}

template <class F, class C>
struct via_mat_flow {
  using stream_flow = void;
  F flow;
  C combine;
  template <class Up, class... Mats>
  auto attach(materializer& m, built<Up, Mats...> b) && {
    auto out = std::move(flow).attach(m, built<Up>{std::move(b.stage), {}});
    return make_built(std::move(out.stage),
                      std::make_tuple(std::move(combine)(unwrap_or_unit(std::move(b.mats)),
                                                         unwrap_or_unit(std::move(out.mats)))));
  }
};

}  // namespace detail

/// Materialises a `future<ending>`: how the stream ended at this place; it fails when the stream
/// does at or before this place.
[[nodiscard]] inline auto watch_termination() { return detail::watch_flow{}; }

/// `source | flow`, with `combine(before, of flow)` in the place of both materialised values. Where
/// there is none it is a `unit`; where there are several, a `std::tuple`.
template <is_flow F, class C>
[[nodiscard]] auto via_mat(F flow, C combine) {
  return detail::via_mat_flow<F, C>{std::move(flow), std::move(combine)};
}

}  // namespace odeon::stream
