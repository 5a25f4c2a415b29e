#pragma once

// What the tests of streams share: a source that counts what is asked of it, stages that answer
// `pending` at any time, and the laws that every operator is held to.

#include <odeon/stream/flow/basic.hpp>
#include <odeon/stream/flow/stateful.hpp>
#include <odeon/stream/pipe.hpp>
#include <odeon/stream/sink/basic.hpp>
#include <odeon/stream/source/basic.hpp>
#include <odeon/testkit/testkit.hpp>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace odeon::stream_test {

using namespace odeon::stream;

/// What a `probe_source` has seen.
struct seen {
  std::size_t given = 0;  // elements that were asked for
  bool ended = false;     // its end or failure was asked for
  bool cancelled = false;
};
using seen_ptr = std::shared_ptr<seen>;

/// Gives its elements, then its end or failure; answers `pending` first where `holes` says so.
template <class T>
class probe_stage {
 public:
  using value_type = T;
  probe_stage(std::vector<T> all, seen_ptr s, std::vector<bool> holes, std::optional<error> why)
      : all_(std::move(all)),
        seen_(std::move(s)),
        holes_(std::move(holes)),
        why_(std::move(why)) {}
  probe_stage(probe_stage&&) = default;
  probe_stage(const probe_stage&) = default;
  probe_stage& operator=(probe_stage&&) = default;
  ~probe_stage() {
    // Some tests look on from another thread.
    if (seen_ && !seen_->ended) std::atomic_ref(seen_->cancelled).store(true);
  }
  polled<T> next(island& in) {
    if (calls_ < holes_.size() && holes_[calls_++]) {
      in.again();
      return pending;
    }
    if (at_ < all_.size()) {
      ++seen_->given;
      return all_[at_++];
    }
    seen_->ended = true;
    if (why_) throw actor_error(*why_);
    return ended;
  }
  void drive(island&) {}

 private:
  std::vector<T> all_;
  seen_ptr seen_;
  std::vector<bool> holes_;
  std::optional<error> why_;
  std::size_t at_ = 0, calls_ = 0;
};

template <class T>
auto probe_source(std::vector<T> all, seen_ptr s, std::vector<bool> holes = {},
                  std::optional<error> why = {}) {
  return stream::detail::stage_source{
      probe_stage<T>(std::move(all), std::move(s), std::move(holes), std::move(why))};
}

/// Passes elements on, and answers `pending` first where `holes` says so.
template <class Up, class Holes>
class holes_stage {
 public:
  using value_type = typename Up::value_type;
  holes_stage(Up up, Holes holes) : up_(std::move(up)), holes_(std::move(holes)) {}
  polled<value_type> next(island& in) {
    if (at_ < holes_.size() && holes_[at_++]) {
      in.again();
      return pending;
    }
    return up_.next(in);
  }
  void drive(island& in) { up_.drive(in); }

 private:
  Up up_;
  Holes holes_;
  std::size_t at_ = 0;
};
inline auto with_holes(std::vector<bool> holes) {
  return stream::detail::flow_with<holes_stage>(std::move(holes));
}

/// Elements that came before a failure, and the failure.
template <class T>
struct partial {
  std::vector<T> got;
  std::optional<error> why;
};

/// The materialised value of the sink, which stands last.
template <class R>
R of_sink(R r) {
  return r;
}
template <class... Rs>
auto of_sink(std::tuple<Rs...> rs) {
  return std::get<sizeof...(Rs) - 1>(std::move(rs));
}

template <class S>
auto run_partial(testkit::kit& k, S source) {
  auto got = std::make_shared<std::vector<element_t<S>>>();
  auto done = of_sink((std::move(source) |
                       to(sink::foreach ([got](element_t<S> v) { got->push_back(std::move(v)); })))
                          .run(k.system()))
                  .result();
  partial<element_t<S>> out{*got, {}};
  if (!done) out.why = done.error();
  return out;
}
template <class S>
auto run_all(testkit::kit& k, S source) {
  return of_sink((std::move(source) | to(sink::collect())).run(k.system())).get();
}

/// How far demand may run ahead of what a model needs: in elements.
struct law_options {
  std::size_t ahead = 0;
  bool failure_keeps_all = false;  // a failure comes after all that the elements before it make
};

/// Holds `flow` to `model`, a function from all elements in to all elements out:
/// - what comes out is what the model says, wherever stages answer `pending`;
/// - a failure comes out as it is, after no more than the model's elements;
/// - cancelled after some elements, it has asked for no more than these need, and cancels;
template <class Flow, class Model>
void check_laws(Flow flow, Model model, law_options options = {}) {
  testkit::kit k;
  using in_type = int;
  CHECK(rc::check("all elements come out as the model says", [&] {
    const auto in = *rc::gen::arbitrary<std::vector<in_type>>();
    const auto holes = *rc::gen::arbitrary<std::vector<bool>>();
    const auto holes_after = *rc::gen::arbitrary<std::vector<bool>>();
    auto s = std::make_shared<seen>();
    const auto out = run_all(k, probe_source(in, s, holes) | flow | with_holes(holes_after));
    RC_ASSERT(out == model(in));
  }));
  CHECK(rc::check("a failure comes out after elements of the model", [&] {
    const auto in = *rc::gen::arbitrary<std::vector<in_type>>();
    const auto holes = *rc::gen::arbitrary<std::vector<bool>>();
    auto s = std::make_shared<seen>();
    const auto wanted = model(in);
    const auto out =
        run_partial(k, probe_source(in, s, holes, error(errc::refused, "as told")) | flow);
    RC_ASSERT(out.got.size() <= wanted.size());
    RC_ASSERT(std::equal(out.got.begin(), out.got.end(), wanted.begin()));
    if (s->ended) {
      RC_ASSERT(out.why.has_value());
      RC_ASSERT(*out.why == errc::refused);
      RC_ASSERT(out.why->text() == "as told");
      if (options.failure_keeps_all) RC_ASSERT(out.got.size() == wanted.size());
    } else {
      RC_ASSERT(s->cancelled);
      RC_ASSERT(!out.why.has_value());
    }
  }));
  CHECK(rc::check("cancelling asks for no more, and reaches the source", [&] {
    const auto in = *rc::gen::arbitrary<std::vector<in_type>>();
    const auto holes = *rc::gen::arbitrary<std::vector<bool>>();
    const auto wanted = model(in);
    if (wanted.empty()) return;
    const auto n = *rc::gen::inRange<std::size_t>(1, wanted.size() + 1);
    auto s = std::make_shared<seen>();
    const auto out = run_all(k, probe_source(in, s, holes) | flow | take(n));
    RC_ASSERT(out == std::vector(wanted.begin(), wanted.begin() + std::ptrdiff_t(n)));
    // The shortest beginning of the input that fixes the first n elements.
    std::size_t needed = 0;
    for (; needed < in.size(); ++needed) {
      const auto part = model(std::vector(in.begin(), in.begin() + std::ptrdiff_t(needed)));
      if (part.size() >= n && std::equal(out.begin(), out.end(), part.begin())) break;
    }
    RC_ASSERT(s->given <= needed + options.ahead);
    k.settle();
    RC_ASSERT(s->ended || s->cancelled);
  }));
}

}  // namespace odeon::stream_test
