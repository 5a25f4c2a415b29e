#include "odeon/node/tool.hpp"

#include "odeon/node/stores.hpp"
#include <odeon/core/actor_system.hpp>
#include <odeon/net/tcp.hpp>
#include <odeon/net/unix.hpp>
#include <odeon/sidecar/engine.hpp>
#include <odeon/sidecar/server.hpp>

#include <memory>
#include <optional>
#include <utility>

namespace odeon::node_tool {

namespace {

using std::chrono::seconds;

constexpr duration closing_time = seconds(2);  // for answers to go out, after all has ended

int complain(const terminal& t, const error& why, exit_code code) {
  std::fprintf(t.err, "odeon: %s\n", std::string(why.text()).c_str());
  return code;
}

int show(const configuration& all, const terminal& t) {
  for (const config_entry& e : all.describe())
    std::fprintf(t.out, "%s = %s  (%s)\n    %s\n", e.key.c_str(), e.value.c_str(), e.origin.c_str(),
                 e.sentence.c_str());
  return good;
}

std::string store_name(const sidecar::statestore_options& o) {
  std::string out = o.kind;
  if (o.kind == "sqlite") out += " " + o.path;
  if (!o.database.empty() && o.kind != "sqlite" && o.kind != "memory") out += " " + o.database;
  return out + (o.keys.empty() ? "" : ", sealed");
}

/// Everything that serves, in the order in which it is made.
class node {
 public:
  node(runtime& rt, const node_settings& s, std::shared_ptr<sidecar::state_store> states)
      : settings_(s),
        rt_(rt),
        states_(std::move(states)),
        system_(s.name, {.runtime = &rt}),
        tcp_(make_tcp_transport(rt, {.threads = s.threads, .name = "odeon-web"})),
        actors_(system_, states_,
                {.request_time = s.request_time, .calls_per_app = s.app_connections}),
        face_(rt, actors_, *tcp_,
              {.app_host = s.app_host,
               .app_port = s.app_port,
               .app_time = s.app_time,
               .app_connections = s.app_connections,
               .remember = states_,
               .remember_as = s.name,
               .more_routes = [this](http_routes& to) { add_activators(to); }}) {}
  node(const node&) = delete;
  ~node() {
    cron_.reset();
    actors_.set_elsewhere(nullptr);
    if (link_) link_->close();
  }

  /// What an activator of HTTP has for a path or a method that is none.
  [[nodiscard]] const result<void>& routes() const { return routes_; }

  /// NATS, where it is wanted, the apps of the last run, and the activators of times.
  result<void> connect() {
    if (settings_.nats) {
      auto link = sidecar::connect_nats(
          rt_,
          {.actors = sidecar::target_of(actors_),
           .publish_here = [this](sidecar::broadcast b) { actors_.publish_here(std::move(b)); }},
          settings_.types, *settings_.nats);
      if (!link) return std::unexpected(link.error());
      link_ = std::move(*link);
      actors_.set_elsewhere(link_);
      for (const auto& a : settings_.activators.nats)
        if (auto added = link_->add(a); !added) return added;
    }
    if (auto recalled = face_.recall().result(); !recalled)
      return std::unexpected(recalled.error());
    // After them: what is made up for wants their actors.
    if (!settings_.activators.cron.empty())
      cron_.emplace(
          rt_, sidecar::target_of(actors_), *settings_.types, settings_.activators.cron,
          [](const std::string& name, const sidecar::invocation_answer& a) {
            std::fprintf(stderr, "odeon: the run of %s failed: %s\n", name.c_str(),
                         a.message.c_str());
          },
          sidecar::cron_memory{states_, settings_.name});
    return {};
  }

  /// Where it can be reached.
  result<std::string> listen() {
    auto at = face_.listen(*tcp_, settings_.listen);
    if (!at) return at;
    std::string all = "http://" + *at;
    if (settings_.unix_socket.empty()) return all;
    local_ = make_unix_transport(rt_, {.name = "odeon-unix"});
    auto path = face_.listen(*local_, settings_.unix_socket);
    if (!path) return path;
    return all + " and " + (path->starts_with("unix:") ? *path : "unix:" + *path);
  }

  /// How many actors could not be stored.
  std::size_t end() {
    face_.not_ready();
    cron_.reset();
    const std::size_t unsaved = actors_.stop(settings_.drain).get();
    (void)face_.drain(closing_time).get();
    return unsaved;
  }

 private:
  void add_activators(http_routes& to) {
    routes_ = sidecar::add_http_activators(to, rt_, sidecar::target_of(actors_), settings_.types,
                                           settings_.activators.http, settings_.system);
  }

  const node_settings& settings_;
  runtime& rt_;
  const std::shared_ptr<sidecar::state_store> states_;
  actor_system system_;
  std::unique_ptr<transport> tcp_, local_;
  sidecar::engine actors_;
  result<void> routes_;
  sidecar::server face_;
  std::shared_ptr<sidecar::nats_link> link_;
  std::optional<sidecar::cron_activators> cron_;
};

}  // namespace

int serve(const node_arguments& a, const environment_fn& environment, const terminal& t) {
  auto settings = read_settings(a, environment);
  if (!settings) return complain(t, settings.error(), usage);
  if (a.show_settings) return show(settings->all, t);
  if (!a.sidecar)
    return complain(t,
                    error(errc::config_invalid,
                          "odeon node keeps actors of apps: say so with "
                          "--sidecar"),
                    usage);
  termination_signals signals;
  const auto rt = make_threaded_runtime();
  auto states = sidecar::open_statestore(*rt, settings->store, server_stores());
  if (!states)
    return complain(t, states.error(),
                    states.error() == errc::invalid_argument ? usage : cannot_open);
  node n(*rt, *settings, std::move(*states));
  if (!n.routes()) return complain(t, n.routes().error(), usage);
  if (auto connected = n.connect(); !connected)
    return complain(t, connected.error(),
                    connected.error() == errc::invalid_argument ? usage : cannot_open);
  const auto address = n.listen();
  if (!address)
    return complain(t, address.error(),
                    address.error() == errc::invalid_argument ? usage : cannot_open);
  std::fprintf(t.out, "odeon node: sidecar on %s, apps at %s:%u, states in %s\n", address->c_str(),
               settings->app_host.empty() ? "their own hosts" : settings->app_host.c_str(),
               unsigned{settings->app_port}, store_name(settings->store).c_str());
  std::fflush(t.out);
  while (!signals.wait(seconds(3600))) {
  }
  const std::size_t unsaved = n.end();
  if (unsaved == 0) return good;
  return complain(t,
                  error(errc::io_failed, std::to_string(unsaved) +
                                             " actors did not end in time or could not be stored"),
                  failed);
}

}  // namespace odeon::node_tool
