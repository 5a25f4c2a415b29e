#include "sidecar/internal/protocol.hpp"

#include <odeon/net/http_message.hpp>

#include <actor.pb.h>
#include <google/protobuf/stubs/logging.h>
#include <protocol.pb.h>
#include <state.pb.h>

#include <limits>
#include <utility>

namespace odeon::sidecar::protocol {

namespace {

namespace pb = eigr::functions::protocol;
using std::chrono::milliseconds;

template <class Message>
result<void> parse(Message& into, std::string_view bytes, const char* name, const bounds& limits) {
  if (bytes.size() > limits.bytes || bytes.size() > std::numeric_limits<int>::max())
    return fail(errc::limit_exceeded, std::string(name) + " has " + std::to_string(bytes.size()) +
                                          " bytes, more than " + std::to_string(limits.bytes));
  // What is wrong with it is told by the error, not by the library on stderr.
  const google::protobuf::LogSilencer quiet;
  if (!into.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return fail(errc::bad_encoding, "these " + std::to_string(bytes.size()) + " bytes are no " +
                                        name + " of the Spawn protocol v1");
  return {};
}

template <class Message>
std::string bytes_of(const Message& m) {
  std::string out;
  m.SerializeToString(&out);
  return out;
}

/// Texts may have been somebody else's; a string of protobuf is UTF-8.
std::string as_utf8(std::string_view text) {
  std::string out(text);
  if (!is_utf8(out))
    for (char& c : out)
      if ((static_cast<unsigned char>(c) & 0x80U) != 0) c = '?';
  return out;
}

result<void> check_name(const std::string& name, const char* what, const bounds& limits) {
  if (name.empty()) return fail(errc::missing_field, std::string(what) + " has no name");
  if (name.size() > limits.name_bytes)
    return fail(errc::limit_exceeded, std::string(what) + " has a name of " +
                                          std::to_string(name.size()) + " bytes, more than " +
                                          std::to_string(limits.name_bytes));
  for (const char c : name)
    if (static_cast<unsigned char>(c) < 0x20U || c == 0x7f)
      return fail(errc::invalid_argument,
                  std::string(what) + " has a control character in its name");
  return {};
}

result<void> check_count(int count, std::size_t most, const char* what) {
  if (static_cast<std::size_t>(count) <= most) return {};
  return fail(errc::limit_exceeded,
              std::to_string(count) + " " + what + ", more than " + std::to_string(most));
}

any take(google::protobuf::Any& from) {
  return {std::move(*from.mutable_type_url()), std::move(*from.mutable_value())};
}

/// What was packed of nothing is nothing.
std::optional<any> take_state(google::protobuf::Any& from) {
  if (from.type_url().empty() && from.value().empty()) return {};
  return take(from);
}

void put(any from, google::protobuf::Any* to) {
  *to->mutable_type_url() = as_utf8(from.type_url);
  *to->mutable_value() = std::move(from.value);
}

template <class Map>
result<tags> take_tags(const Map& from, const char* what, const bounds& limits) {
  if (auto few = check_count(static_cast<int>(from.size()), limits.tags, what); !few)
    return std::unexpected(few.error());
  tags out;
  for (const auto& [key, value] : from) {
    if (key.size() > limits.tag_bytes || value.size() > limits.tag_bytes)
      return fail(errc::limit_exceeded, std::string("an entry of the ") + what +
                                            " is longer than " + std::to_string(limits.tag_bytes) +
                                            " bytes");
    out.emplace(key, value);
  }
  return out;
}

template <class Map>
void put(const tags& from, Map* to) {
  for (const auto& [key, value] : from) (*to)[as_utf8(key)] = as_utf8(value);
}

actor_id take(pb::actors::ActorId& from) {
  return {std::move(*from.mutable_system()), std::move(*from.mutable_name()),
          std::move(*from.mutable_parent())};
}

void put(const actor_id& from, pb::actors::ActorId* to) {
  to->set_name(as_utf8(from.name));
  to->set_system(as_utf8(from.system));
  if (!from.parent.empty()) to->set_parent(as_utf8(from.parent));
}

/// A time in milliseconds that somebody else wrote; none: it was not given.
result<std::optional<duration>> read_ms(std::int64_t ms, const char* what) {
  constexpr std::int64_t most = 10LL * 366 * 24 * 3600 * 1000;  // fits nanoseconds
  if (ms < 0 || ms > most)
    return fail(errc::invalid_argument,
                std::string("a ") + what + " of " + std::to_string(ms) + " ms");
  if (ms == 0) return std::optional<duration>();
  return std::optional<duration>(milliseconds(ms));
}

result<void> read_settings(const pb::actors::ActorSettings& from, actor_def& to) {
  switch (from.kind()) {
    case pb::actors::UNKNOW_KIND:
    case pb::actors::NAMED: to.kind = actor_kind::named; break;
    case pb::actors::UNAMED: to.kind = actor_kind::unnamed; break;
    case pb::actors::POOLED: to.kind = actor_kind::pooled; break;
    default:
      return fail(errc::invalid_argument,
                  "an actor of kind " + std::to_string(static_cast<int>(from.kind())) +
                      ", which version 1 of the protocol does not have for apps");
  }
  to.stateful = from.stateful();
  auto every = read_ms(from.snapshot_strategy().timeout().timeout(), "snapshot timeout");
  if (!every) return std::unexpected(every.error());
  if (*every) to.snapshot_every = **every;
  auto after = read_ms(from.deactivation_strategy().timeout().timeout(), "deactivation timeout");
  if (!after) return std::unexpected(after.error());
  if (*after) to.deactivate_after = **after;
  if (from.min_pool_size() < 0 || from.max_pool_size() < 0)
    return fail(errc::invalid_argument, "a pool of a negative size");
  to.min_pool = static_cast<std::uint32_t>(from.min_pool_size());
  to.max_pool = static_cast<std::uint32_t>(from.max_pool_size());
  return {};
}

result<void> read_actions(pb::actors::Actor& from, actor_def& to, const bounds& limits) {
  if (auto few = check_count(from.actions_size(), limits.per_actor, "actions"); !few) return few;
  if (auto few = check_count(from.timer_actions_size(), limits.per_actor, "timers"); !few)
    return few;
  for (auto& action : *from.mutable_actions()) {
    if (auto named = check_name(action.name(), "an action", limits); !named) return named;
    to.actions.push_back(std::move(*action.mutable_name()));
  }
  for (auto& timer : *from.mutable_timer_actions()) {
    if (auto named = check_name(timer.action().name(), "a timer's action", limits); !named)
      return named;
    if (timer.seconds() <= 0)
      return fail(errc::invalid_argument, "the timer '" + timer.action().name() + "' runs every " +
                                              std::to_string(timer.seconds()) + " ms");
    to.timers.push_back(
        {std::move(*timer.mutable_action()->mutable_name()), milliseconds(timer.seconds())});
  }
  return {};
}

result<actor_def> read_actor(const std::string& key, pb::actors::Actor& from,
                             const bounds& limits) {
  actor_def def;
  def.name = from.id().name().empty() ? key : from.id().name();
  if (auto named = check_name(def.name, "an actor", limits); !named)
    return std::unexpected(named.error());
  if (!key.empty() && def.name != key)
    return fail(errc::invalid_argument, "it is registered as '" + key + "'");
  if (auto read = read_settings(from.settings(), def); !read) return std::unexpected(read.error());
  if (auto read = read_actions(from, def, limits); !read) return std::unexpected(read.error());
  if (from.metadata().channel_group().size() > limits.name_bytes)
    return fail(errc::limit_exceeded, "its channel's name is longer than " +
                                          std::to_string(limits.name_bytes) + " bytes");
  def.channel = std::move(*from.mutable_metadata()->mutable_channel_group());
  auto own = take_tags(from.metadata().tags(), "tags", limits);
  if (!own) return std::unexpected(own.error());
  auto of_state = take_tags(from.state().tags(), "tags of the state", limits);
  if (!of_state) return std::unexpected(of_state.error());
  def.actor_tags = std::move(*own);
  def.actor_tags.merge(*of_state);
  if (from.state().has_state())
    def.initial_state = take_state(*from.mutable_state()->mutable_state());
  return def;
}

/// The names that a request has itself; checked.
result<invocation> take(pb::InvocationRequest& from, const bounds& limits) {
  invocation out;
  out.actor = take(*from.mutable_actor()->mutable_id());
  std::string& system = *from.mutable_system()->mutable_name();
  if (out.actor.system.empty()) out.actor.system = system;
  if (!system.empty() && out.actor.system != system)
    return fail(errc::invalid_argument,
                "the request names the systems '" + system + "' and '" + out.actor.system + "'");
  if (auto named = check_name(from.action_name(), "the action", limits); !named)
    return std::unexpected(named.error());
  out.action = std::move(*from.mutable_action_name());
  if (from.has_value()) out.value = take(*from.mutable_value());
  out.async = from.async();
  out.pooled = from.pooled();
  if (from.has_caller()) out.caller = take(*from.mutable_caller());
  auto metadata = take_tags(from.metadata(), "metadata", limits);
  if (!metadata) return std::unexpected(metadata.error());
  out.metadata = std::move(*metadata);
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max() / 1'000'000;
  if (from.scheduled_to() < 0 || from.scheduled_to() > most)
    return fail(errc::invalid_argument, "it is scheduled to " +
                                            std::to_string(from.scheduled_to()) +
                                            " ms since 1970, which is no time");
  if (from.scheduled_to() > 0)
    out.scheduled_to = wall_time(duration(milliseconds(from.scheduled_to())));
  return out;
}

result<void> check_id(const actor_id& id, const bounds& limits) {
  if (auto named = check_name(id.name, "the actor", limits); !named) return named;
  if (auto named = check_name(id.system, "the actor system", limits); !named) return named;
  if (id.parent.empty()) return {};
  return check_name(id.parent, "the parent", limits);
}

result<workflow> take(pb::Workflow& from, const std::string& system, const bounds& limits) {
  workflow out;
  if (auto few = check_count(from.effects_size(), limits.effects, "effects"); !few)
    return std::unexpected(few.error());
  for (auto& effect : *from.mutable_effects()) {
    auto what = take(*effect.mutable_request(), limits);
    if (!what) return std::unexpected(what.error());
    if (what->actor.system.empty()) what->actor.system = system;
    if (auto named = check_id(what->actor, limits); !named) return std::unexpected(named.error());
    out.effects.push_back(std::move(*what));
  }
  if (from.has_broadcast()) {
    auto& b = *from.mutable_broadcast();
    if (auto named = check_name(b.channel_group(), "the channel of a broadcast", limits); !named)
      return std::unexpected(named.error());
    out.to_channel = {.channel = std::move(*b.mutable_channel_group()),
                      .action = std::move(*b.mutable_action_name()),
                      .value = b.has_value() ? payload(take(*b.mutable_value())) : payload()};
  }
  const auto route = [&](auto& to, auto next, const char* what) -> result<void> {
    if (auto named = check_name(to.actor(), what, limits); !named) return named;
    if (auto named = check_name(to.action_name(), "the action of a route", limits); !named)
      return named;
    next.actor = std::move(*to.mutable_actor());
    next.action = std::move(*to.mutable_action_name());
    out.route = std::move(next);
    return {};
  };
  result<void> routed;
  if (from.has_pipe()) routed = route(*from.mutable_pipe(), pipe_to{}, "the actor of a pipe");
  if (from.has_forward())
    routed = route(*from.mutable_forward(), forward_to{}, "the actor of a forward");
  if (!routed) return std::unexpected(routed.error());
  return out;
}

void put_status(outcome status, std::string_view message, pb::RequestStatus* to) {
  to->set_status(static_cast<pb::Status>(status));
  if (!message.empty()) to->set_message(as_utf8(message));
}

template <class E>
std::unexpected<error> in(std::string_view where, const E& why) {
  return fail(why.code(), std::string(where) + ": " + std::string(why.text()));
}

}  // namespace

result<registration> read_registration(std::string_view bytes, const bounds& limits) {
  pb::RegistrationRequest m;
  if (auto read = parse(m, bytes, "RegistrationRequest", limits); !read)
    return std::unexpected(read.error());
  registration out;
  out.system = std::move(*m.mutable_actor_system()->mutable_name());
  if (auto named = check_name(out.system, "the actor system", limits); !named)
    return std::unexpected(named.error());
  auto& actors = *m.mutable_actor_system()->mutable_registry()->mutable_actors();
  if (auto few = check_count(static_cast<int>(actors.size()), limits.actors, "actors"); !few)
    return std::unexpected(few.error());
  for (auto& [key, actor] : actors) {
    if (!actor.id().system().empty() && actor.id().system() != out.system)
      return fail(errc::invalid_argument, "the actor '" + key + "' is of the system '" +
                                              actor.id().system() + "', and registered in '" +
                                              out.system + "'");
    auto def = read_actor(key, actor, limits);
    if (!def) return in("the actor '" + key + "'", def.error());
    std::string name = def->name;
    out.actors.emplace(std::move(name), std::move(*def));
  }
  return out;
}

result<std::vector<actor_id>> read_spawn(std::string_view bytes, std::string_view system,
                                         const bounds& limits) {
  pb::SpawnRequest m;
  if (auto read = parse(m, bytes, "SpawnRequest", limits); !read)
    return std::unexpected(read.error());
  if (auto few = check_count(m.actors_size(), limits.actors, "actors"); !few)
    return std::unexpected(few.error());
  std::vector<actor_id> out;
  out.reserve(static_cast<std::size_t>(m.actors_size()));
  for (auto& from : *m.mutable_actors()) {
    actor_id id = take(from);
    if (id.system.empty()) id.system = system;
    if (id.system != system)
      return fail(errc::invalid_argument, "the actor '" + id.name + "' is of the system '" +
                                              id.system + "', and the request of '" +
                                              std::string(system) + "'");
    if (auto named = check_id(id, limits); !named) return std::unexpected(named.error());
    out.push_back(std::move(id));
  }
  return out;
}

result<invocation> read_invocation(std::string_view bytes, std::string_view system,
                                   std::string_view actor, const bounds& limits) {
  pb::InvocationRequest m;
  if (auto read = parse(m, bytes, "InvocationRequest", limits); !read)
    return std::unexpected(read.error());
  auto out = take(m, limits);
  if (!out) return out;
  if (out->actor.system.empty()) out->actor.system = system;
  if (out->actor.name.empty()) out->actor.name = actor;
  if (out->actor.system != system || out->actor.name != actor)
    return fail(errc::invalid_argument, "the request is for '" + out->actor.name + "' of '" +
                                            out->actor.system + "', and was sent to '" +
                                            std::string(actor) + "' of '" + std::string(system) +
                                            "'");
  if (auto named = check_id(out->actor, limits); !named) return std::unexpected(named.error());
  return out;
}

result<action_answer> read_answer(std::string_view bytes, const actor_id& called,
                                  const bounds& limits) {
  pb::ActorInvocationResponse m;
  if (auto read = parse(m, bytes, "ActorInvocationResponse", limits); !read)
    return std::unexpected(read.error());
  if (m.actor_name() != called.name)
    return fail(errc::bad_encoding, "an ActorInvocationResponse of the actor '" + m.actor_name() +
                                        "', where '" + called.name + "' was called");
  action_answer out;
  if (m.updated_context().has_state())
    out.state = take_state(*m.mutable_updated_context()->mutable_state());
  if (m.has_value()) out.value = take(*m.mutable_value());
  if (m.has_workflow()) {
    auto then = take(*m.mutable_workflow(), called.system, limits);
    if (!then) return in("the workflow of an ActorInvocationResponse", then.error());
    out.then = std::move(*then);
  }
  out.checkpoint = m.checkpoint();
  return out;
}

std::string registration_response(outcome status, std::string_view message) {
  pb::RegistrationResponse m;
  put_status(status, message, m.mutable_status());
  auto* proxy = m.mutable_proxy_info();
  proxy->set_protocol_major_version(version_major);
  proxy->set_protocol_minor_version(version_minor);
  proxy->set_proxy_name("odeon");
  proxy->set_proxy_version(std::to_string(version_major) + "." + std::to_string(version_minor));
  return bytes_of(m);
}

std::string spawn_response(outcome status, std::string_view message) {
  pb::SpawnResponse m;
  put_status(status, message, m.mutable_status());
  return bytes_of(m);
}

std::string invocation_response(invocation_answer answer, std::string_view system,
                                std::string_view actor) {
  pb::InvocationResponse m;
  put_status(answer.status, answer.message, m.mutable_status());
  m.mutable_system()->set_name(as_utf8(system));
  auto* id = m.mutable_actor()->mutable_id();
  id->set_name(as_utf8(actor));
  id->set_system(as_utf8(system));
  if (answer.value)
    put(std::move(*answer.value), m.mutable_value());
  else if (answer.status == outcome::ok)
    m.mutable_noop();
  return bytes_of(m);
}

std::string actor_invocation(action_call what) {
  pb::ActorInvocation m;
  put(what.actor, m.mutable_actor());
  m.set_action_name(as_utf8(what.action));
  auto* context = m.mutable_current_context();
  if (what.state) put(std::move(*what.state), context->mutable_state());
  if (what.caller) {
    put(*what.caller, context->mutable_caller());
    put(*what.caller, m.mutable_caller());
  }
  put(what.actor, context->mutable_self());
  put(what.metadata, context->mutable_metadata());
  put(what.actor_tags, context->mutable_tags());
  if (what.value)
    put(std::move(*what.value), m.mutable_value());
  else
    m.mutable_noop();
  return bytes_of(m);
}

std::string checkpoint(stored_state what) {
  pb::state::Checkpoint m;
  m.mutable_revision()->set_value(static_cast<std::int64_t>(what.revision));
  put(std::move(what.state), m.mutable_state()->mutable_state());
  return bytes_of(m);
}

}  // namespace odeon::sidecar::protocol
