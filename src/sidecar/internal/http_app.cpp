#include "sidecar/internal/http_app.hpp"

#include "sidecar/internal/protocol.hpp"
#include <odeon/runtime/runtime.hpp>

#include <algorithm>
#include <utility>

// The client ends while calls may be made: `users` counts those that are inside `send`, which never
// blocks, and `closing` turns new ones away; the owner waits for 0 and then lets the client go.
// Both are seq_cst: who counts itself and sees no end is seen by the end.

namespace odeon::sidecar {

struct http_apps::core {
  runtime& rt;
  http_app_options options;
  std::atomic<std::uint32_t> users{0};
  std::atomic<bool> closing{false};
  std::atomic<std::uint64_t> calls{0}, errors{0};
  std::unique_ptr<http_client> client;

  core(runtime& r, http_app_options o)
      : rt(r),
        options(std::move(o)),
        client(std::make_unique<http_client>(
            rt, http_client_options{.plain = options.plain,
                                    .limits = {.connections_per_host = options.connections,
                                               .waiting_per_host = options.waiting,
                                               .body_bytes = options.answer_bytes,
                                               .first_byte_time = options.time,
                                               .whole_time = options.time}})) {}
  bool enter() {
    users.fetch_add(1);
    if (!closing.load()) return true;
    leave();
    return false;
  }
  void leave() {
    if (users.fetch_sub(1) == 1 && closing.load()) rt.wake(users);
  }
};

namespace {

bool is_there_no_more(int status) { return status == 502 || status == 503 || status == 504; }

/// What the engine is told of a request without an answer.
error error_of(const error& why) {
  const std::string text(why.text());
  switch (why.code()) {
    case errc::ask_timeout: return {errc::ask_timeout, text};
    case errc::limit_exceeded:
    case errc::bad_encoding:
    case errc::truncated: return {errc::bad_encoding, text};
    default: return {errc::unreachable, text};
  }
}

result<action_answer> answer_of(result<http_response> r, const actor_id& called,
                                std::uint64_t most) {
  if (!r) return std::unexpected(error_of(r.error()));
  if (r->status != 200) {
    const std::string text = first_text(r->body);
    return fail(is_there_no_more(r->status) ? errc::unreachable : errc::handler_failed,
                "it answered " + std::to_string(r->status) + (text.empty() ? "" : ": " + text));
  }
  auto read = protocol::read_answer(r->body, called, {.bytes = static_cast<std::size_t>(most)});
  if (read) return read;
  return fail(errc::bad_encoding,
              "it answered what cannot be used: " + std::string(read.error().text()));
}

class http_app final : public host_app {
 public:
  http_app(std::shared_ptr<http_apps::core> c, std::string address)
      : core_(std::move(c)),
        where_(std::move(address)),
        url_("http://" + where_ + core_->options.path) {}

  void call(action_call what, time_point deadline, done_fn done) override {
    http_apps::core& c = *core_;
    if (!c.enter())
      return done(fail(errc::unreachable, "the sidecar calls no apps any more: it ends"));
    const duration left = deadline - c.rt.now();
    if (left <= duration::zero()) {
      c.leave();
      return done(fail(errc::ask_timeout, "no time was left to call it"));
    }
    c.calls.fetch_add(1, std::memory_order_relaxed);  // a count, read by itself
    http_call request{.method = "POST",
                      .url = url_,
                      .fields = {{"Content-Type", "application/octet-stream"},
                                 {"Accept", "application/octet-stream"}},
                      .whole_time = std::min(left, c.options.time)};
    actor_id called = what.actor;
    request.body = protocol::actor_invocation(std::move(what));
    c.client->send(std::move(request), [core = core_, called = std::move(called),
                                        done = std::move(done)](result<http_response> r) mutable {
      auto answer = answer_of(std::move(r), called, core->options.answer_bytes);
      // A count, read by itself.
      if (!answer) core->errors.fetch_add(1, std::memory_order_relaxed);
      done(std::move(answer));
    });
    c.leave();
  }

  [[nodiscard]] std::string where() const override { return where_; }

 private:
  std::shared_ptr<http_apps::core> core_;
  std::string where_, url_;
};

}  // namespace

http_apps::http_apps(runtime& rt, http_app_options options)
    : core_(std::make_shared<core>(rt, std::move(options))) {}

http_apps::~http_apps() {
  core_->closing.store(true);
  while (const std::uint32_t n = core_->users.load())
    (void)core_->rt.wait(core_->users, n, time_point::max());
  core_->client.reset();
}

std::shared_ptr<host_app> http_apps::at(std::string address) const {
  return std::make_shared<http_app>(core_, std::move(address));
}

std::uint64_t http_apps::calls() const noexcept { return core_->calls.load(); }
std::uint64_t http_apps::errors() const noexcept { return core_->errors.load(); }
http_client_figures http_apps::figures() const noexcept { return core_->client->figures(); }

std::string first_text(std::string_view page) {
  constexpr std::size_t most = 200;
  std::string line;
  bool in_tag = false;
  for (const char c : page) {
    const bool is_break = c == '\n' || c == '\r';
    if (is_break && !in_tag && !line.empty()) break;
    if (c == '<')
      in_tag = true;
    else if (c == '>' && in_tag)
      in_tag = false;
    else if (!in_tag && !(line.empty() && (c == ' ' || is_break)))
      line += static_cast<unsigned char>(c) < 0x20U || c == 0x7f ? ' ' : c;
    if (line.size() == most) break;
  }
  while (line.ends_with(' ')) line.pop_back();
  return line;
}

}  // namespace odeon::sidecar
