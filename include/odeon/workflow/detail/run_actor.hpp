#pragma once

#include <odeon/core/actor_system.hpp>
#include <odeon/persistence/fwd.hpp>
#include <odeon/task/future.hpp>
#include <odeon/workflow/detail/definition.hpp>

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>

namespace odeon::workflows {

struct run_options {
  std::shared_ptr<state_store> state = {};       ///< empty: one in memory, of this run alone
  std::shared_ptr<odeon::journal> journal = {};  ///< of durable runs; empty: the system's
  std::string name = {};                         ///< of the run's actor; empty: a generated one
  std::string dispatcher = {};                   ///< where function steps run; empty: the default
};

namespace detail {

struct plan;

/// All that a run needs to begin.
struct run_request {
  std::shared_ptr<const plan> of;
  value_ptr input;
  run_options options;
  std::string id;  // empty: not durable
};

/// What a run tells itself, and what follows its start: go on, or something is due.
struct run_tick {
  std::uint64_t what;
};

/// A run, without the type of its answer. On its actor's turns only.
class run_core {
 public:
  run_core(context& ctx, run_request request);
  ~run_core();
  run_core(const run_core&) = delete;

  task<result<value_ptr>> run(actor_ref<run_tick> self, std::stop_token stop);
  void tick(std::uint64_t what);

 private:
  std::unique_ptr<class run_engine> engine_;
};

template <class Out>
struct start_run {
  using reply = Out;
};

/// The actor of one run: a thin shell.
template <class Out>
class run_actor : public actor<start_run<Out>, run_tick> {
 public:
  static constexpr bool reentrant = true;
  explicit run_actor(std::shared_ptr<run_request> request)
      : core_(this->ctx(), std::move(*request)) {}

  task<result<Out>> on(start_run<Out>) {
    begun_ = true;
    auto answer = co_await core_.run(this->self(), co_await this_stop_token());
    this->ctx().stop();
    if (!answer) co_return std::unexpected(std::move(answer).error());
    co_return *static_cast<const Out*>(answer->get());
  }
  void on(run_tick t) {
    // A start that nobody waits for any more is not delivered; this one is, behind it.
    if (begun_)
      core_.tick(t.what);
    else
      this->ctx().stop();
  }

 private:
  bool begun_ = false;
  run_core core_;
};

[[nodiscard]] spawn_options run_actor_options(const run_options& options);

template <class T>
future<T> failed_future(runtime& rt, error why) {
  auto [p, f] = promise<T>::make(rt);
  p.fail(std::move(why));
  return std::move(f);
}

template <class Out>
future<Out> start(result<std::shared_ptr<const plan>> of, value_ptr input, actor_system& system,
                  run_options options, std::string id = {}) {
  if (!of) return failed_future<Out>(system.get_runtime(), std::move(of).error());
  try {
    auto request = std::make_shared<run_request>(std::move(*of), std::move(input),
                                                 std::move(options), std::move(id));
    auto ref = system.spawn<run_actor<Out>>(run_actor_options(request->options), request);
    auto answer = ref.template ask<start_run<Out>>().within(duration::zero());
    ref.tell(run_tick{0});
    return answer;
  } catch (const actor_error& e) {
    return failed_future<Out>(system.get_runtime(), e.reason());
  }
}

}  // namespace detail

}  // namespace odeon::workflows
