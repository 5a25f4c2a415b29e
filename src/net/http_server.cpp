#include "internal/http_session.hpp"
#include "internal/http_text.hpp"
#include <odeon/net/detail/task_home.hpp>
#include <odeon/net/http_server.hpp>
#include <odeon/task/fork.hpp>

#include <algorithm>
#include <set>

namespace odeon {

using namespace http_detail;

// -- responders -----------------------------------------------------------------------------------

http_responder& http_responder::operator=(http_responder&& o) noexcept {
  if (this != &o) {
    const http_responder last(std::move(*this));
    x_ = std::move(o.x_);
  }
  return *this;
}
http_responder::~http_responder() {
  if (x_) x_->answer(http_text(500, "no answer was given\n"));
}
void http_responder::send(http_response r) {
  if (const auto x = std::move(x_)) x->answer(std::move(r));
}
http_writer http_responder::start(http_response head, std::optional<std::uint64_t> length) {
  const auto x = std::move(x_);
  runtime& rt = x->session->core().rt;
  x->begin(std::move(head), length);
  return {rt, x};
}
http_writer http_responder::start_events(http_fields fields) {
  fields.set("Content-Type", "text/event-stream");
  fields.set("Cache-Control", "no-store");
  return start({.fields = std::move(fields)});
}
bool http_responder::is_gone() const noexcept { return !x_ || x_->gone; }
void http_responder::on_gone(std::move_only_function<void()> f) { x_->when_gone(std::move(f)); }

namespace detail {

namespace {

/// A handler's task counts, so that the server's end waits for it.
struct held_core {
  explicit held_core(http_server_core& c) : core(c.shared_from_this()) { core->hold(); }
  held_core(const held_core&) = delete;
  ~held_core() { core->let_go(); }
  std::shared_ptr<http_server_core> core;
};

int status_of(errc e) noexcept {
  switch (e) {
    case errc::ask_timeout: return 504;
    case errc::mailbox_full:
    case errc::peer_overloaded:
    case errc::system_stopped:
    case errc::actor_stopped:
    case errc::unreachable: return 503;
    case errc::no_such_actor:
    case errc::not_found: return 404;
    case errc::refused: return 403;
    case errc::version_conflict: return 409;
    case errc::limit_exceeded: return 413;
    case errc::invalid_argument:
    case errc::bad_encoding:
    case errc::truncated:
    case errc::wrong_type:
    case errc::missing_field: return 400;
    default: return 500;
  }
}

task<void> serve(task<http_response> work, http_responder to, task_home& home,
                 std::shared_ptr<held_core> held) {
  http_response r;
  try {
    forked<http_response> f = co_await fork(std::move(work));
    const task_home::interruptible now(home, [f] { f.abort(); });
    r = co_await std::move(f).join();
  } catch (const actor_error& e) {
    r = http_text(status_of(e.which()), std::string(to_string(e.which())) + "\n");
    if (r.status == 500) held->core->report(std::string("a handler failed: ") + e.what());
  } catch (const std::exception& e) {
    r = http_text(500, "the handler failed\n");
    held->core->report(std::string("a handler failed: ") + e.what());
  }
  to.on_gone(nullptr);  // in the section, as all steps are: `home` is not called any more
  to.send(std::move(r));
}
task<http_response> value_of_future(future<http_response> f) { co_return co_await std::move(f); }

}  // namespace

struct http_responder_access {
  static http_exchange& exchange(http_responder& r) { return *r.x_; }
};

void answer_with(task<http_response> work, http_responder to) {
  http_exchange& x = http_responder_access::exchange(to);
  auto held = std::make_shared<held_core>(x.session->core());
  task_home& home = task_home::make(
      held->core->rt,
      [s = x.session](std::move_only_function<void()> f) { s->defer(std::move(f)); });
  x.when_gone([&home] { home.interrupt(); });
  home.start(serve(std::move(work), std::move(to), home, std::move(held)));
}
void answer_with(future<http_response> work, http_responder to) {
  answer_with(value_of_future(std::move(work)), std::move(to));
}

// -- routes ---------------------------------------------------------------------------------------

namespace {

std::vector<std::string_view> segments_of(std::string_view path) {
  std::vector<std::string_view> all;
  while (!path.empty()) {
    path.remove_prefix(1);
    const auto end = std::min(path.find('/'), path.size());
    all.push_back(path.substr(0, end));
    path.remove_prefix(end);
  }
  return all;
}
bool is_brace(std::string_view s) { return s.starts_with('{') && s.ends_with('}') && s.size() > 2; }

}  // namespace

const http_route* http_routing::methods::find(std::string_view method) const noexcept {
  for (const auto& [name, route] : all)
    if (name == method) return &route;
  if (method == "HEAD") return find("GET");
  return nullptr;
}
const http_routing::methods* http_routing::find(
    std::string_view path, std::vector<std::pair<std::string, std::string>>& parameters) const {
  if (const auto i = exact.find(path); i != exact.end()) return &i->second;
  if (patterns.empty()) return nullptr;
  const auto segments = segments_of(path);
  for (const pattern& p : patterns) {
    const std::size_t n = p.segments.size();
    if (p.open_ended ? segments.size() < n : segments.size() != n) continue;
    bool fits = true;
    for (std::size_t i = 0; i < n && fits; ++i)
      fits = is_brace(p.segments[i]) ? !segments[i].empty() : p.segments[i] == segments[i];
    if (!fits) continue;
    for (std::size_t i = 0; i < n; ++i) {
      std::string_view name = p.segments[i];
      if (!is_brace(name)) continue;
      name = name.substr(1, name.size() - 2);
      std::string_view value = segments[i];
      if (i + 1 == n && p.open_ended) {
        name.remove_suffix(3);
        value = {value.data(), path.data() + path.size()};
      }
      parameters.emplace_back(name, value);
    }
    return &p.by_method;
  }
  return nullptr;
}
http_route& http_routing::place(std::string_view method, std::string_view text) {
  const auto wrong = [&](const char* why) -> actor_error {
    return {errc::invalid_argument, "the route '" + std::string(text) + "': " + why};
  };
  if (!is_token(method)) throw wrong("its method is no token");
  if (!text.starts_with('/')) throw wrong("a pattern begins with a slash");
  const auto segments = segments_of(text);
  bool has_braces = false, open_ended = false;
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const std::string_view s = segments[i];
    if (!s.contains('{') && !s.contains('}')) continue;
    if (!is_brace(s) || s.find('{', 1) != std::string_view::npos || !names.insert(s).second)
      throw wrong("braces hold a whole segment, each with a name of its own");
    has_braces = true;
    if (!s.ends_with("...}")) continue;
    if (i + 1 != segments.size() || s.size() < 6) throw wrong("'...' is for the last segment");
    open_ended = true;
  }
  methods* m = nullptr;
  if (!has_braces) {
    m = &exact[std::string(text)];
  } else {
    const auto i = std::ranges::find(patterns, text, &pattern::text);
    if (i == patterns.end()) {
      pattern p;
      p.text = text;
      p.open_ended = open_ended;
      for (const std::string_view s : segments) p.segments.emplace_back(s);
      patterns.push_back(std::move(p));
      m = &patterns.back().by_method;
    } else {
      m = &i->by_method;
    }
  }
  for (const auto& [name, route] : m->all)
    if (name == method) throw wrong("it is there already");
  return m->all.emplace_back(std::string(method), http_route{}).second;
}

}  // namespace detail

http_routes::http_routes() : all_(std::make_unique<detail::http_routing>()) {}
http_routes::http_routes(http_routes&&) noexcept = default;
http_routes& http_routes::operator=(http_routes&&) noexcept = default;
http_routes::~http_routes() = default;
http_routes& http_routes::add(std::string_view method, std::string_view pattern,
                              http_handler handler, http_route_options options) {
  detail::http_route& r = all_->place(method, pattern);
  r.handler = std::move(handler);
  r.options = options;
  return *this;
}
http_routes& http_routes::add_stream(std::string_view method, std::string_view pattern,
                                     http_stream_handler handler, http_route_options options) {
  detail::http_route& r = all_->place(method, pattern);
  r.stream = std::move(handler);
  r.options = options;
  return *this;
}
http_routes& http_routes::add_upgrade(std::string_view pattern,
                                      std::shared_ptr<detail::http_upgrade> to) {
  all_->place("GET", pattern).upgrade = std::move(to);
  return *this;
}

// -- the server -----------------------------------------------------------------------------------

namespace detail {

runtime& runtime_of(const http_member& m) noexcept { return m.core_->rt; }
http_member::~http_member() { core_->left(*this); }
void http_member::is_now(std::weak_ptr<http_member_of> who) {
  auto stage = http_server_core::stage::open;
  std::shared_ptr<http_member_of> now;
  {
    const std::lock_guard guard(core_->mutex);
    who_ = std::move(who);
    now = who_.lock();
    stage = core_->now_is;
  }
  if (!now || stage == http_server_core::stage::open) return;
  if (stage == http_server_core::stage::ended)
    now->abort_now();
  else
    now->go_away();
}

struct http_server_core::draining {
  explicit draining(promise<std::size_t> p) : kept(std::move(p)) {}
  void finish(std::size_t aborted) {
    if (!told.exchange(true)) (void)kept.set(aborted);
  }
  promise<std::size_t> kept;
  std::atomic<bool> told{false};
  std::optional<deadline> limit;
};

result<std::string> http_server_core::listen(transport& t, std::string_view address,
                                             listen_options o) {
  auto made = t.listen(address, o);
  if (!made) return std::unexpected(std::move(made.error()));
  const std::shared_ptr<listener> l = std::move(*made);
  {
    const std::lock_guard guard(mutex);
    if (now_is != stage::open) return fail(errc::cancelled, "the server goes away");
    listeners.push_back(l);
  }
  accept_next(l);
  return l->local_address();
}
void http_server_core::accept_next(std::shared_ptr<listener> l) {
  listener& at = *l;
  at.accept(
      [self = shared_from_this(), l = std::move(l)](result<std::unique_ptr<connection>> c) mutable {
        if (!c) {
          if (c.error() != errc::cancelled)
            self->report("the listener on " + l->local_address() +
                         " has ended: " + c.error().to_string());
          return;
        }
        self->arrived(std::move(*c));
        if (self->now_is == stage::open) self->accept_next(std::move(l));
      });
}
void http_server_core::arrived(std::unique_ptr<connection> c) {
  const std::string& peer = c->peer_address();
  auto member = std::make_shared<http_member>(shared_from_this(), peer.substr(0, peer.rfind(':')));
  ++accepted;
  hold();
  bool full = false, flooded = false;
  {
    const std::lock_guard guard(mutex);
    members.try_emplace(member.get(), member);
    count = members.size();
    const std::size_t of_host = ++per_host[member->host_];
    full = members.size() > options.limits.connections ||
           of_host > options.limits.connections_per_peer;
    // Those that are told 503 are bounded as well.
    flooded = members.size() > options.limits.connections + 100 ||
              of_host > options.limits.connections_per_peer + 100;
  }
  if (full) ++refused;
  if (flooded) return c->abort();
  const auto session =
      std::make_shared<http_session>(shared_from_this(), std::move(member), std::move(c));
  session->start(full);
}
void http_server_core::left(http_member& m) {
  std::vector<std::shared_ptr<draining>> over;
  {
    const std::lock_guard guard(mutex);
    members.erase(&m);
    count = members.size();
    if (const auto i = per_host.find(m.host_); i != per_host.end() && --i->second == 0)
      per_host.erase(i);
    if (members.empty()) over.swap(waiting);
  }
  for (const auto& d : over) d->finish(0);
  let_go();
}
void http_server_core::let_go() noexcept {
  // The server's end may return at once: what is used after this is not the core's.
  runtime& of = rt;
  live.fetch_sub(1);
  of.wake(live);
}
void http_server_core::for_each_member(void (http_member_of::*f)() noexcept) {
  std::vector<std::shared_ptr<http_member_of>> all;
  {
    const std::lock_guard guard(mutex);
    for (const auto& [key, weak] : members)
      if (const auto m = weak.lock())
        if (auto who = m->who_.lock()) all.push_back(std::move(who));
  }
  for (const auto& who : all) ((*who).*f)();
}
void http_server_core::stop_listening() {
  std::vector<std::shared_ptr<listener>> all;
  {
    const std::lock_guard guard(mutex);
    all.swap(listeners);
  }
  for (const auto& l : all) l->close();
}
void http_server_core::report(const std::string& text) {
  if (options.report) options.report(text);
}
void http_server_core::end() {
  now_is = stage::ended;
  stop_listening();
  for_each_member(&http_member_of::abort_now);
  for (std::uint32_t n = live.load(); n > 0; n = live.load())
    (void)rt.wait(live, n, time_point::max());
  const std::lock_guard guard(mutex);
  waiting.clear();
}
future<std::size_t> http_server_core::drain(duration limit) {
  auto [kept, value] = promise<std::size_t>::make(rt);
  auto d = std::make_shared<draining>(std::move(kept));
  d->limit.emplace(rt, [core = weak_from_this(), of = std::weak_ptr(d)] {
    const auto alive = core.lock();
    const auto d = of.lock();
    if (!alive || !d) return;
    std::size_t left = 0;
    {
      const std::lock_guard guard(alive->mutex);
      left = alive->members.size();
    }
    d->finish(left);
    alive->for_each_member(&http_member_of::abort_now);
  });
  auto open = stage::open;
  now_is.compare_exchange_strong(open, stage::draining);
  stop_listening();
  bool empty = false;
  {
    const std::lock_guard guard(mutex);
    empty = members.empty();
    if (!empty) waiting.push_back(d);
  }
  if (empty) {
    d->finish(0);
  } else {
    d->limit->set(now() + limit);
    for_each_member(&http_member_of::go_away);
  }
  return std::move(value);
}

}  // namespace detail

http_server::http_server(runtime& rt, http_routes routes, http_server_options options)
    : core_(std::make_shared<detail::http_server_core>(rt, std::move(routes), std::move(options))) {
}
http_server::~http_server() { core_->end(); }
result<std::string> http_server::listen(transport& t, std::string_view address,
                                        listen_options options) {
  return core_->listen(t, address, options);
}
future<std::size_t> http_server::drain(duration limit) { return core_->drain(limit); }
http_server_figures http_server::figures() const noexcept {
  return {.connections_now = core_->count,
          .accepted = core_->accepted,
          .refused_connections = core_->refused,
          .requests = core_->requests,
          .bad_requests = core_->bad,
          .timeouts = core_->timeouts};
}

}  // namespace odeon
