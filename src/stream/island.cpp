#include <odeon/core/actor_system.hpp>
#include <odeon/stream/island.hpp>

namespace odeon::stream {

namespace {

class island_actor final : public actor<wake_up, time_due> {
 public:
  explicit island_actor(const std::shared_ptr<std::unique_ptr<island_body>>& body)
      : island_(std::move(*body), ctx()) {}
  void on(wake_up) {
    if (island_.turn(true)) ctx().stop();
  }
  void on(time_due) {
    if (island_.turn(false)) ctx().stop();
  }

 private:
  island island_;
};

}  // namespace

void waker::send() noexcept {
  try {
    who_.tell<wake_up>();
  } catch (const std::bad_alloc&) {
    // No memory for a message of 64 bytes: the next wake-up tries again.
    state_.store(idle, std::memory_order_release);
  }
}

// -- island ---------------------------------------------------------------------------------------

island::island(std::unique_ptr<island_body> body, context& ctx)
    : body_(std::move(body)),
      ctx_(&ctx),
      waker_(std::make_shared<waker>(actor_ref<wake_up>::assume(ctx.self()))) {}

island::~island() {
  waker_->state_.store(waker::closed, std::memory_order_release);
  if (body_)
    body_->fail(exception_of(
        error(errc::actor_stopped, "the stream's actor " + ctx_->path() + " was stopped")));
}

time_point island::now() const noexcept { return get_runtime().now(clock_domain::user); }
runtime& island::get_runtime() const noexcept { return ctx_->system().get_runtime(); }

bool island::turn(bool woken) {
  // Acquire: what wakers wrote before. A closed waker stays closed.
  std::uint8_t is = waker::scheduled;
  if (woken) waker_->state_.compare_exchange_strong(is, waker::idle, std::memory_order_acq_rel);
  if (!body_) return true;  // the wake-up that was on its way at the end
  const time_point at = now();
  if (armed_ <= at) armed_ = time_point::max();
  budget_ = island_turn_budget;
  rests_ = again_ = false;
  due_ = time_point::max();
  bool over = false;
  try {
    over = body_->step(*this);
    if (!over) body_->drive(*this);
  } catch (...) {
    body_->fail(std::current_exception());
    over = true;
  }
  if (over) {
    body_.reset();
    timer_.cancel();
    return waker_->state_.exchange(waker::closed, std::memory_order_acq_rel) != waker::scheduled;
  }
  if (again_) waker_->wake();
  arm();
  return false;
}

void island::arm() {
  if (due_ >= armed_) return;  // a timer that comes too early is a turn for nothing
  timer_.cancel();
  const time_point at = now();
  timer_ = ctx_->send_after(due_ > at ? due_ - at : duration::zero(), time_due{});
  armed_ = due_;
}

// -- materializer ---------------------------------------------------------------------------------

materializer::materializer(actor_system& system, run_options options) noexcept
    : system_(&system),
      options_(std::move(options)) {}
materializer::materializer(context& parent, run_options options) noexcept
    : system_(&parent.system()),
      parent_(&parent),
      options_(std::move(options)) {}
materializer::~materializer() = default;

runtime& materializer::get_runtime() const noexcept { return system_->get_runtime(); }

void materializer::add(std::unique_ptr<island_body> body, std::string dispatcher) {
  planned_.push_back({std::move(body), std::move(dispatcher)});
}

void materializer::start() {
  for (std::size_t i = 0; i < planned_.size(); ++i) {
    spawn_options options;
    if (i + 1 == planned_.size()) options.name = options_.name;
    options.dispatcher =
        planned_[i].dispatcher.empty() ? options_.dispatcher : planned_[i].dispatcher;
    auto body = std::make_shared<std::unique_ptr<island_body>>(std::move(planned_[i].body));
    auto ref = parent_ ? parent_->spawn<island_actor>(std::move(options), body)
                       : system_->spawn<island_actor>(std::move(options), body);
    ref.tell<wake_up>();
  }
  planned_.clear();
}

// -- errors ---------------------------------------------------------------------------------------

std::exception_ptr exception_of(error e) {
  return std::make_exception_ptr(actor_error(std::move(e)));
}

}  // namespace odeon::stream
