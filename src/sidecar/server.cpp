#include "sidecar/internal/http_app.hpp"
#include "sidecar/internal/kept_apps.hpp"
#include "sidecar/internal/metrics.hpp"
#include "sidecar/internal/protocol.hpp"
#include <odeon/sidecar/server.hpp>

#include <atomic>
#include <charconv>
#include <optional>
#include <utility>

namespace odeon::sidecar {

namespace {

struct counters {
  std::atomic<std::uint64_t> registrations{0}, spawns{0}, invocations{0}, malformed{0};
};

// Counts, each read by itself.
void count(std::atomic<std::uint64_t>& one) { one.fetch_add(1, std::memory_order_relaxed); }

http_response message(int status, std::string bytes) {
  return {.status = status,
          .fields = {{"Content-Type", "application/octet-stream"}},
          .body = std::move(bytes)};
}

int status_of(outcome o) { return o == outcome::ok ? 200 : 500; }

/// "?revision=7"; none: 0.
result<std::uint64_t> revision_of(const http_request& q) {
  if (q.query().empty()) return std::uint64_t{0};
  const auto text = q.query_value("revision");
  if (!text) return std::uint64_t{0};
  std::uint64_t n = 0;
  const auto [end, wrong] = std::from_chars(text->data(), text->data() + text->size(), n);
  if (wrong == std::errc() && end == text->data() + text->size() && !text->empty()) return n;
  return fail(errc::invalid_argument, "the query's revision is no number: '" + *text + "'");
}

}  // namespace

struct server::core {
  runtime& rt;
  engine& actors;
  server_options options;
  counters counted;
  std::atomic<bool> ready{true};
  http_apps apps;
  std::shared_ptr<kept_apps> kept;  // null: registrations are not kept
  std::optional<http_server> web;   // the last: its handlers use all above

  core(runtime& r, engine& a, transport& plain, server_options o)
      : rt(r),
        actors(a),
        options(std::move(o)),
        apps(rt, {.plain = &plain,
                  .path = options.app_path,
                  .time = options.app_time,
                  .connections = options.app_connections,
                  .answer_bytes = options.app_answer_bytes}) {
    if (options.remember) kept = std::make_shared<kept_apps>(options.remember, options.remember_as);
    web.emplace(rt, routes(), http_server_options{.limits = options.limits});
  }
  core(const core&) = delete;

  http_routes routes();
  void take_registration(http_request q, http_responder to);
  void take_spawn(const http_request& q, http_responder to);
  void take_invocation(const http_request& q, http_responder to);
  void give_state(const http_request& q, http_responder to);
  [[nodiscard]] std::string app_address(const http_request& q) const;
  /// Where apps are called back that are all at one place.
  [[nodiscard]] std::string own_address() const {
    return odeon::to_string(host_and_port{options.app_host, options.app_port});
  }

  http_response malformed(std::string bytes) {
    count(counted.malformed);
    return message(400, std::move(bytes));
  }
  [[nodiscard]] server_figures figures() const {
    return {.registrations = counted.registrations.load(),
            .spawns = counted.spawns.load(),
            .invocations = counted.invocations.load(),
            .malformed = counted.malformed.load(),
            .app_calls = apps.calls(),
            .app_errors = apps.errors()};
  }
  [[nodiscard]] std::string metrics() const {
    return to_prometheus({.actors = actors.figures(),
                          .face = figures(),
                          .web = web->figures(),
                          .apps = apps.figures(),
                          .ready = ready.load()});
  }
};

http_routes server::core::routes() {
  http_routes r;
  r.add("POST", "/api/v1/system", [this](http_request q, http_responder to) {
    take_registration(std::move(q), std::move(to));
  });
  r.add("POST", "/api/v1/system/{system}/actors/spawn",
        [this](const http_request& q, http_responder to) { take_spawn(q, std::move(to)); });
  r.add("POST", "/api/v1/system/{system}/actors/{actor}/invoke",
        [this](http_request q, http_responder to) { take_invocation(q, std::move(to)); });
  r.add("GET", "/api/v1/system/{system}/actors/{actor}",
        [this](http_request q, http_responder to) { give_state(q, std::move(to)); });
  const auto lives = [](const http_request&) { return http_text(200, "ok\n"); };
  r.add("GET", "/health", lives);
  r.add("GET", "/health/liveness", lives);
  r.add("GET", "/health/readiness", [this](const http_request&) {
    return ready.load() ? http_text(200, "ok\n") : http_text(503, "it ends\n");
  });
  r.add("GET", "/metrics", [this](const http_request&) {
    return http_response{.fields = {{"Content-Type", metrics_type}}, .body = metrics()};
  });
  if (options.more_routes) options.more_routes(r);
  return r;
}

std::string server::core::app_address(const http_request& q) const {
  if (!options.app_host.empty()) return own_address();
  const auto peer = parse_address(q.peer);
  const bool has_host = peer && !q.peer.starts_with("unix:");
  return odeon::to_string(host_and_port{has_host ? peer->host : "127.0.0.1", options.app_port});
}

void server::core::take_registration(http_request q, http_responder to) {
  const auto refused = [](const error& why) {
    return message(500, protocol::registration_response(
                            outcome::error, "Error on create Actors: " + std::string(why.text())));
  };
  auto what = protocol::read_registration(q.body);
  if (!what)
    return to.send(malformed(protocol::registration_response(outcome::error, what.error().text())));
  count(counted.registrations);
  kept_app one{.system = what->system, .address = app_address(q), .message = std::move(q.body)};
  what->app = apps.at(one.address);
  if (auto taken = actors.register_app(std::move(*what)); !taken)
    return to.send(refused(taken.error()));
  const auto accepted = [] {
    return message(200, protocol::registration_response(outcome::ok, "Accepted"));
  };
  if (!kept) return to.send(accepted());
  kept->keep(std::move(one), [to = std::move(to), refused, accepted](result<void> r) mutable {
    to.send(r ? accepted() : refused(r.error()));
  });
}

void server::core::take_spawn(const http_request& q, http_responder to) {
  const auto revision = revision_of(q);
  if (!revision)
    return to.send(malformed(protocol::spawn_response(outcome::error, revision.error().text())));
  const auto what = protocol::read_spawn(q.body, q.parameter("system"));
  if (!what)
    return to.send(malformed(protocol::spawn_response(outcome::error, what.error().text())));
  count(counted.spawns);
  actors.spawn(*what, *revision, [to = std::move(to)](result<void> r) mutable {
    if (r) return to.send(message(200, protocol::spawn_response(outcome::ok, "Accepted")));
    to.send(message(500, protocol::spawn_response(outcome::error, r.error().text())));
  });
}

void server::core::take_invocation(const http_request& q, http_responder to) {
  std::string system(q.parameter("system")), actor(q.parameter("actor"));
  auto what = protocol::read_invocation(q.body, system, actor);
  if (!what)
    return to.send(malformed(protocol::invocation_response(
        {.status = outcome::error, .message = std::string(what.error().text())}, system, actor)));
  count(counted.invocations);
  actors.invoke(
      std::move(*what), std::nullopt,
      [to = std::move(to), system = std::move(system),
       actor = std::move(actor)](invocation_answer a) mutable {
        const int status = status_of(a.status);
        to.send(message(status, protocol::invocation_response(std::move(a), system, actor)));
      });
}

void server::core::give_state(const http_request& q, http_responder to) {
  const std::string actor(q.parameter("actor"));
  actors.state_of({.system = std::string(q.parameter("system")), .name = actor})
      .then([to = std::move(to), actor](result<std::optional<stored_state>> s) mutable {
        if (!s)
          return to.send(http_text(s.error() == errc::invalid_argument ? 400 : 500,
                                   std::string(s.error().text()) + "\n"));
        if (!*s) return to.send(http_text(404, "the actor '" + actor + "' has no state\n"));
        to.send(message(200, protocol::checkpoint(std::move(**s))));
      });
}

server::server(runtime& rt, engine& actors, transport& plain, server_options options)
    : core_(std::make_unique<core>(rt, actors, plain, std::move(options))) {}

server::~server() = default;

future<std::size_t> server::recall() {
  auto [given, later] = promise<std::size_t>::make(core_->rt);
  if (!core_->kept) {
    (void)given.set_result(std::size_t{0});
    return std::move(later);
  }
  core_->kept->recall(
      [c = core_.get(), p = std::move(given)](result<std::vector<kept_app>> all) mutable {
        if (!all) return (void)p.set_result(std::unexpected(std::move(all.error())));
        std::size_t n = 0;
        for (const kept_app& one : *all) {
          auto what = protocol::read_registration(one.message);
          if (!what) continue;  // of an older version with wider bounds: the app registers anew
          what->app = c->apps.at(c->options.app_host.empty() ? one.address : c->own_address());
          if (c->actors.register_app(std::move(*what))) ++n;
        }
        (void)p.set_result(n);
      });
  return std::move(later);
}

result<std::string> server::listen(transport& t, std::string_view address) {
  return core_->web->listen(t, address);
}

void server::not_ready() noexcept { core_->ready.store(false); }

future<std::size_t> server::drain(duration limit) {
  not_ready();
  return core_->web->drain(limit);
}

server_figures server::figures() const { return core_->figures(); }
std::string server::metrics() const { return core_->metrics(); }

}  // namespace odeon::sidecar
