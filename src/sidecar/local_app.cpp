#include <odeon/base/detail/exceptions.hpp>
#include <odeon/sidecar/actor.hpp>

#include <atomic>
#include <charconv>
#include <exception>
#include <utility>

namespace odeon::sidecar {

struct local_actor_access {
  static const auto& functions(const local_actor& a) { return *a.functions_; }
};

namespace {

struct run_action {
  local_actor::action_fn what;
  action_call with;
  host_app::done_fn done;
};

/// Runs actions, as many at once as are suspended.
class runner : public actor<run_action> {
 public:
  static constexpr bool reentrant = true;

  task<void> on(run_action m) {
    result<action_answer> how = std::unexpected<error>(errc::internal);
    try {
      how = (co_await m.what(std::move(m.with))).take();
    } catch (const std::exception&) {
      const error why = odeon::detail::error_of(std::current_exception());
      how = fail(errc::handler_failed, std::string(why.text()));
    }
    m.done(std::move(how));
  }
};

class function_app final : public host_app {
 public:
  function_app(actor_system& where, std::vector<local_actor> actors, std::size_t runners)
      : where_(where) {
    for (const local_actor& a : actors)
      functions_[a.definition().name] = local_actor_access::functions(a);
    for (std::size_t i = 0; i < runners; ++i) runners_.push_back(where.spawn<runner>());
  }
  ~function_app() override {
    for (const auto& r : runners_) where_.stop(r);
  }

  void call(action_call what, time_point, done_fn done) override {
    const std::string& of = what.actor.parent.empty() ? what.actor.name : what.actor.parent;
    const auto actor = functions_.find(of);
    if (actor == functions_.end())
      return done(fail(errc::handler_failed, "there is no actor '" + of + "' in this program"));
    const auto action = actor->second.find(what.action);
    if (action == actor->second.end())
      return done(fail(errc::handler_failed, "'" + of + "' has no function '" + what.action + "'"));
    const std::size_t turn = next_.fetch_add(1) % runners_.size();
    runners_[turn].tell<run_action>(action->second, std::move(what), std::move(done));
  }
  std::string where() const override { return "this program"; }

 private:
  actor_system& where_;
  std::map<std::string, std::map<std::string, local_actor::action_fn>> functions_;
  std::vector<runner::ref> runners_;
  std::atomic<std::size_t> next_{0};
};

}  // namespace

int detail::version_in(std::string_view type_url, std::string_view manifest) {
  constexpr std::string_view scheme = "odeon/";
  int version = 0;
  if (type_url.starts_with(scheme)) {
    const std::string_view rest = type_url.substr(scheme.size());
    const auto read = std::from_chars(rest.data(), rest.data() + rest.size(), version);
    const auto used = static_cast<std::size_t>(read.ptr - rest.data());
    if (read.ec == std::errc() && version > 0 && used < rest.size() && rest[used] == '/' &&
        rest.substr(used + 1) == manifest)
      return version;
  }
  throw actor_error(errc::wrong_type, "a value of type '" + std::string(type_url) +
                                          "' came where " + std::string(manifest) + " is wanted");
}

invocation calling(const action_call& from, std::string actor, std::string action, payload value) {
  invocation out{.actor = {from.actor.system, std::move(actor), ""},
                 .action = std::move(action),
                 .value = std::move(value)};
  out.caller = from.actor;
  out.metadata = from.metadata;
  return out;
}

local_actor::local_actor(std::string name, local_options o)
    : def_{.name = std::move(name),
           .kind = o.kind,
           .stateful = o.stateful,
           .snapshot_every = o.snapshot_every,
           .deactivate_after = o.deactivate_after,
           .min_pool = o.min_pool,
           .max_pool = o.max_pool,
           .channel = std::move(o.channel),
           .actor_tags = std::move(o.actor_tags),
           .initial_state = std::move(o.initial_state)},
      functions_(std::make_shared<std::map<std::string, action_fn>>()) {}

local_actor& local_actor::add(std::string name, action_fn f, const duration* every) {
  if (!functions_->emplace(name, std::move(f)).second)
    throw actor_error(errc::invalid_argument,
                      "'" + def_.name + "' has two actions of the name '" + name + "'");
  if (every)
    def_.timers.push_back({std::move(name), *every});
  else
    def_.actions.push_back(std::move(name));
  return *this;
}

registration local_app(actor_system& where, std::string system, std::vector<local_actor> actors,
                       std::size_t runners) {
  if (runners == 0)
    throw actor_error(errc::invalid_argument, "actors of this program need at least one runner");
  registration out{.system = std::move(system)};
  for (const local_actor& a : actors)
    if (!out.actors.emplace(a.definition().name, a.definition()).second)
      throw actor_error(errc::invalid_argument,
                        "two actors of the name '" + a.definition().name + "'");
  out.app = std::make_shared<function_app>(where, std::move(actors), runners);
  return out;
}

}  // namespace odeon::sidecar
