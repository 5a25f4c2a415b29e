#include "sidecar/internal/engine_core.hpp"
#include <odeon/sidecar/engine.hpp>

#include <utility>

namespace odeon::sidecar {

engine::engine(actor_system& system, std::shared_ptr<state_store> store, engine_options options)
    : core_(std::make_shared<detail::engine_core>(system, std::move(store), options)) {
  core_->begin();
}

engine::~engine() { core_->shut_down(); }

result<void> engine::register_app(registration what) {
  return core_->register_app(std::move(what));
}

result<void> engine::spawn(std::span<const actor_id> instances, std::uint64_t revision) {
  return core_->spawn(instances, revision);
}

void engine::spawn(std::span<const actor_id> instances, std::uint64_t revision, spawned_fn done) {
  (void)core_->spawn(instances, revision, std::move(done));
}

void engine::invoke(invocation what, std::optional<time_point> deadline, done_fn done) {
  core_->invoke(std::move(what), deadline, std::move(done));
}

future<invocation_answer> engine::invoke(invocation what) {
  auto [to, out] = promise<invocation_answer>::make(core_->rt);
  core_->invoke(std::move(what), std::nullopt,
                [p = std::move(to)](invocation_answer a) mutable { p.set(std::move(a)); });
  return std::move(out);
}

void engine::publish(const std::string& system, broadcast what, std::optional<actor_id> from) {
  core_->publish(system, what, from);
}

void engine::publish_here(broadcast what) { core_->publish_here(what); }

void engine::set_elsewhere(std::shared_ptr<elsewhere> others) {
  core_->set_elsewhere(std::move(others));
}

future<std::optional<stored_state>> engine::state_of(actor_id which) {
  return core_->state_of(which);
}

future<std::size_t> engine::stop(duration limit) { return core_->stop(limit); }

engine_figures engine::figures() const { return core_->figures(); }

std::vector<active_actor> engine::active(std::size_t max) const { return core_->where.list(max); }

std::map<std::string, actor_def> engine::definitions(const std::string& system) const {
  return core_->defs.definitions(system);
}

}  // namespace odeon::sidecar
