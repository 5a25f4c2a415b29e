#include <odeon/testkit/kit.hpp>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>

namespace odeon::testkit {

namespace {

using namespace std::chrono_literals;

constexpr duration resolution = 1ms;  // of timers, and of looking at a condition in real time

std::uint64_t chosen_seed(std::uint64_t told) {
  if (told) return told;
  std::uint64_t from_environment = 0;
  if (const char* text = std::getenv("ODEON_TEST_SEED"))
    std::from_chars(text, text + std::strlen(text), from_environment);
  return from_environment ? from_environment : 1;
}

}  // namespace

kit::kit() : kit(kit_options{}) {}

kit::kit(kit_options options)
    : seed_(chosen_seed(options.seed)),
      moves_time_(options.moves_time),
      patience_(options.patience) {
  if (!options.threaded) {
    own_runtime_ = std::make_unique<simulated_runtime>(
        simulation_options{.seed = seed_, .advance_when_idle = moves_time_});
    simulation_ = own_runtime_.get();
    options.system.runtime = simulation_;
  }
  own_system_ = std::make_unique<actor_system>(std::move(options.name), std::move(options.system));
  system_ = own_system_.get();
}

kit::kit(actor_system& system, duration patience) : system_(&system), patience_(patience) {
  if (system.get_runtime().is_simulated())
    simulation_ = static_cast<simulated_runtime*>(&system.get_runtime());
}

// A shutdown needs time to pass.
kit::~kit() {
  if (frozen_[0]) simulation_->thaw(clock_domain::user);
  if (frozen_[1]) simulation_->thaw(clock_domain::housekeeping);
}

void kit::fail(std::string text, const std::source_location& at) const {
  if (own_runtime_) text += " (seed " + std::to_string(seed_) + ")";
  throw assertion_error(text, at);
}

// -- time -----------------------------------------------------------------------------------------

simulated_runtime& kit::simulation(std::source_location at) {
  if (!simulation_)
    fail("time can be moved on the simulated runtime only; this system runs on threads", at);
  return *simulation_;
}

std::size_t kit::settle(std::source_location at) { return simulation(at).settle(); }
void kit::advance(duration d, std::source_location at) { simulation(at).advance(d); }
void kit::advance(duration d, clock_domain domain, std::source_location at) {
  simulation(at).advance(d, domain);
}
void kit::freeze(clock_domain domain, std::source_location at) {
  simulation(at).freeze(domain);
  frozen_[static_cast<std::size_t>(domain)] = true;
}
void kit::thaw(clock_domain domain, std::source_location at) {
  simulation(at).thaw(domain);
  frozen_[static_cast<std::size_t>(domain)] = false;
}

// -- waiting --------------------------------------------------------------------------------------

time_point kit::clock() const noexcept {
  const bool still = frozen_[static_cast<std::size_t>(clock_domain::housekeeping)];
  return system_->get_runtime().now(still ? clock_domain::user : clock_domain::housekeeping);
}

time_point kit::deadline(duration limit) noexcept {
  const time_point end = clock() + limit_or_patience(limit);
  return block_ends_ ? std::min(end, *block_ends_) : end;
}

bool kit::wait(const std::atomic<std::uint32_t>& word, std::uint32_t value, time_point deadline) {
  runtime& rt = get_runtime();
  if (!simulation_) {
    while (word.load() == value)
      if (!rt.wait(word, value, deadline)) return word.load() != value;
    return true;
  }
  while (word.load() == value)
    if (!simulation_->step() && !pass_time(deadline)) return false;
  return true;
}

// Moves virtual time to the next timer, or to the end; false at the end.
bool kit::pass_time(time_point deadline) {
  const duration left = deadline - clock();
  if (!moves_time_ || left <= duration::zero()) return false;
  if (frozen_[0] && frozen_[1]) return false;
  const bool armed = simulation_->timers(clock_domain::user).size() > 0 ||
                     simulation_->timers(clock_domain::housekeeping).size() > 0;
  // Up to the next tick of the timers, so that what one of them starts is seen at its own time.
  const duration to_tick = resolution - clock().time_since_epoch() % resolution;
  simulation_->advance(armed ? std::min(left, to_tick) : left);
  return true;
}

void kit::eventually(const std::function<bool()>& holds, duration limit, std::string_view what,
                     std::source_location at) {
  const time_point end = deadline(limit);
  const std::atomic<std::uint32_t> never{0};
  while (!holds()) {
    bool more = true;
    if (simulation_) {
      more = simulation_->step() || pass_time(end);
    } else {
      get_runtime().wait(never, 0, clock() + resolution);
      more = clock() < end;
    }
    if (!more && !holds())
      fail(std::string(what) + " did not come about within " + to_string(limit), at);
  }
}

// -- within ---------------------------------------------------------------------------------------

kit::block::block(kit& k, duration l) noexcept
    : owner(k),
      limit(l),
      began(k.clock()),
      outer(k.block_ends_) {
  k.block_ends_ = outer ? std::min(*outer, began + l) : began + l;
}

kit::block::~block() { owner.block_ends_ = outer; }

void kit::check_block(const block& b, const std::source_location& at) const {
  const duration took = clock() - b.began;
  if (took > b.limit)
    fail("the block was to take at most " + to_string(b.limit) + ", and took " + to_string(took),
         at);
}

}  // namespace odeon::testkit
