#include "sidecar/internal/metrics.hpp"

#include <concepts>
#include <string_view>

namespace odeon::sidecar {

namespace {

class writer {
 public:
  template <std::integral T>
  void counter(std::string_view name, std::string_view help, T value) {
    add(name, help, "counter", std::to_string(value));
  }
  /// Under its own name, without the others' first part; in seconds.
  void seconds(const std::string& full, std::string_view help, duration value) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(value).count();
    std::string rest = std::to_string(ms % 1000);
    rest.insert(0, 3 - rest.size(), '0');
    put(full, help, "gauge", std::to_string(ms / 1000) + "." + rest);
  }
  template <std::integral T>
  void gauge(std::string_view name, std::string_view help, T value) {
    add(name, help, "gauge", std::to_string(value));
  }
  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  void add(std::string_view name, std::string_view help, std::string_view type,
           std::string_view value) {
    put("odeon_sidecar_" + std::string(name), help, type, value);
  }
  void put(const std::string& full, std::string_view help, std::string_view type,
           std::string_view value) {
    out_ += "# HELP " + full + " ";
    out_ += help;
    out_ += "\n# TYPE " + full + " ";
    out_ += type;
    out_ += "\n" + full + " ";
    out_ += value;
    out_ += "\n";
  }
  std::string out_;
};

void add_actors(writer& w, const engine_figures& f) {
  w.gauge("actors_active", "Actors in memory", f.active_now);
  w.gauge("invocations_waiting", "Invocations in mailboxes", f.waiting_now);
  w.gauge("invocation_bytes", "Bytes of invocations that wait or run", f.waiting_bytes);
  w.seconds("odeon_mailbox_oldest_seconds", "Age of the first invocation in any mailbox",
            f.oldest_waiting);
  w.gauge("app_calls_now", "Actions that apps run now", f.calls_now);
  w.counter("activations_total", "Actors brought into memory", f.activations);
  w.counter("deactivations_total", "Actors put away", f.deactivations);
  w.counter("invocations_total", "Invocations taken", f.invocations);
  w.counter("invocations_succeeded_total", "Invocations that ended well", f.succeeded);
  w.counter("invocations_failed_total", "Invocations that ended with an error", f.failed);
  w.counter("invocations_not_found_total", "Invocations of actors that nobody has", f.not_found);
  w.counter("effects_total", "Side effects sent", f.effects);
  w.counter("broadcasts_total", "Broadcasts sent", f.broadcasts);
  w.counter("pipes_total", "Answers piped on", f.pipes);
  w.counter("forwards_total", "Requests forwarded", f.forwards);
  w.counter("timers_total", "Timers that fired", f.timers);
  w.counter("scheduled_total", "Invocations that were kept for their time", f.scheduled);
  w.counter("snapshots_total", "States stored behind the answer", f.snapshots);
  w.counter("checkpoints_total", "States stored before the answer", f.checkpoints);
  w.counter("store_failures_total", "States that could not be stored or read", f.store_failures);
  w.counter("fenced_total", "Activations that another one took over", f.fenced);
  w.counter("app_failures_total", "Actions that failed", f.app_failures);
  w.counter("app_retries_total", "Calls tried again because no app was there", f.app_retries);
  w.counter("cycles_total", "Requests refused because they would wait for themselves", f.cycles);
}

}  // namespace

std::string to_prometheus(const all_figures& f) {
  writer w;
  w.gauge("ready", "1 while it takes requests, 0 when it ends", f.ready ? 1 : 0);
  add_actors(w, f.actors);
  w.counter("registrations_total", "Registrations of apps", f.face.registrations);
  w.counter("spawns_total", "Requests to spawn", f.face.spawns);
  w.counter("malformed_total", "Requests refused for their bytes", f.face.malformed);
  w.counter("app_calls_total", "Requests to apps", f.face.app_calls);
  w.counter("app_errors_total", "Requests to apps that gave no good answer", f.face.app_errors);
  w.gauge("app_connections", "Connections to apps", f.apps.connections_now);
  w.gauge("app_calls_waiting", "Calls that wait for a connection", f.apps.waiting_now);
  w.gauge("http_connections", "Connections to this server", f.web.connections_now);
  w.counter("http_requests_total", "Requests to this server", f.web.requests);
  w.counter("http_bad_requests_total", "Requests that are no HTTP", f.web.bad_requests);
  return w.take();
}

}  // namespace odeon::sidecar
