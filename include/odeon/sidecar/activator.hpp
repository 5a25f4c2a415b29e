#pragma once

#include <odeon/base/config.hpp>
#include <odeon/base/error.hpp>
#include <odeon/base/time.hpp>
#include <odeon/net/http_server.hpp>
#include <odeon/pattern/cron.hpp>
#include <odeon/runtime/fwd.hpp>
#include <odeon/sidecar/fwd.hpp>
#include <odeon/sidecar/message.hpp>
#include <odeon/sidecar/transcoding.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

/// @file Activators: what comes from outside – a request of HTTP, a time, a message of NATS –
/// becomes an invocation of an actor. docs/guide/activators.md has examples of all of them.
///
///     [sidecar.http.deposit]                    # POST /accounts/joe/deposit with JSON
///     path = "/accounts/{name}/deposit"
///     actor = "{name}"
///     parent = "account"
///     action = "deposit"
///     body = "bank.Deposit"
///
///     [sidecar.cron.interest]
///     schedule = "0 0 3 1 * *"
///     actor = "bank"
///     action = "addInterest"

namespace odeon::sidecar {

/// Where activators send: `target_of(engine)`, or what a test likes. @threadsafe
struct activation_target {
  using done_fn = std::move_only_function<void(invocation_answer)>;
  /// As `engine::invoke`.
  std::function<void(invocation, std::optional<time_point>, done_fn)> invoke;
};

/// The same of an engine, which outlives all who have it.
template <class Engine>
[[nodiscard]] activation_target target_of(Engine& actors) {
  return {[&actors](invocation what, std::optional<time_point> deadline,
                    activation_target::done_fn done) {
    actors.invoke(std::move(what), deadline, std::move(done));
  }};
}

/// Whom to invoke, and with what.
struct activation {
  std::string system = {};
  std::string actor = {};   ///< HTTP: may have the path's parameters in braces: "order-{id}"
  std::string action = {};  ///< likewise
  std::string parent = {};
  /// The type that JSON is transcoded to; empty: the actor gets the JSON as it is (`json_any`).
  std::string body = {};
  bool async = false;  ///< answered at once, without the actor's answer
  duration timeout = std::chrono::seconds(30);
};

struct http_activator {
  std::string name = {};
  std::string method = "POST";
  std::string path = {};  ///< a pattern of `http_routes`
  activation what = {};
};

/// What becomes of a time that comes while the run before is still under way.
enum class overrun : std::uint8_t {
  skip,  ///< nothing
  once,  ///< one run after that one, however many times came
};

/// What becomes of the times that came while no program ran.
enum class catch_up : std::uint8_t {
  none,  ///< nothing
  once,  ///< one run at the start, however many came
};

struct cron_activator {
  std::string name = {};
  cron when;
  std::string json = {};  ///< the request; empty: none
  overrun late = overrun::skip;
  activation what = {};
  catch_up missed = catch_up::none;
};

struct nats_activator {
  std::string name = {};
  std::string subject = {};     ///< with the wildcards of NATS, where wanted
  std::string queue = "odeon";  ///< one of those in a queue group gets each message; empty: all
  activation what = {};
};

struct activators {
  std::vector<http_activator> http = {};
  std::vector<cron_activator> cron = {};
  std::vector<nats_activator> nats = {};
};

/// The keys: `sidecar.http.*`, `sidecar.cron.*`, `sidecar.nats.*`.
[[nodiscard]] config_schema activator_schema();

/// Reads and checks all of them. `types`: every `body` is among them, and each `json` is one of its
/// body. Errors: `config_invalid`, naming the activator and what is wrong.
[[nodiscard]] result<activators> read_activators(const configuration& config,
                                                 const descriptors& types);

/// Adds the routes of `all`, and for any actor
///
///     POST /api/v1/activators/{actor}/{action}?system=…&parent=…&type=…&async=true
///
/// `system` may be left out when `default_system` is not empty. Bodies are JSON; with the content
/// type application/octet-stream or application/protobuf they are the message itself, and so is the
/// answer where that is accepted.
///
/// Answers: 200 with the value as JSON (of a type that is not registered: its URL and base64), 204
/// without a value, 202 when async; 400, the body is not what it should be; 404, no such actor; 500
/// with what went wrong. An error is `{"status": "ERROR", "message": "…"}`.
///
/// Errors: `config_invalid`, a path or method that is none. `rt` outlives the routes.
[[nodiscard]] result<void> add_http_activators(http_routes& to, runtime& rt,
                                               activation_target target,
                                               std::shared_ptr<const descriptors> types,
                                               std::vector<http_activator> all,
                                               std::string default_system = {});

struct cron_figures {
  std::uint64_t runs = 0, succeeded = 0, failed = 0, overrun = 0, caught_up = 0;
};

/// Where activators with `catch_up::once` keep until when their times have been met: one state of
/// each, written when a run has ended. Somebody else keeps `store` for longer.
struct cron_memory {
  std::shared_ptr<state_store> store = {};
  std::string node = {};  ///< tells apart those who share the store
};

/// Invokes at the times of its activators, by the wall clock: one run of each at a time. The next
/// time is computed from the present one, so a restart goes on with the next; what becomes of times
/// that passed while no program ran is said by `catch_up`. With `once` the first start ever makes
/// up for nothing; a run that the program's end cut off, or whose actor nobody knew, is made up for
/// at the next start. A clock that is set back repeats nothing within a minute before the next
/// time, and one that is set forward gives one run. @threadsafe
class cron_activators {
 public:
  /// Told of each run that failed, and of a memory that fails, for a log.
  using report_fn = std::function<void(const std::string& name, const invocation_answer& answer)>;

  /// `rt` and what `target` refers to outlive it. `types` transcodes the requests, which
  /// `read_activators` has checked. Throws `actor_error` for one that catches up without a memory.
  cron_activators(runtime& rt, activation_target target, const descriptors& types,
                  std::vector<cron_activator> all, report_fn report = {}, cron_memory memory = {});
  cron_activators(const cron_activators&) = delete;
  /// Begins no more runs; returns when none is being begun. Does not wait for their answers.
  ~cron_activators();

  [[nodiscard]] cron_figures figures() const;
  /// When an activator runs next; none: never, or there is none of that name.
  [[nodiscard]] std::optional<wall_time> next(const std::string& name) const;

 private:
  struct core;
  std::shared_ptr<core> core_;
};

}  // namespace odeon::sidecar
