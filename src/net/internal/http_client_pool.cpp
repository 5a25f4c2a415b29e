// The pool of a client. The protocol stands at the top of http_client_core.cpp.

#include "http_client_core.hpp"

#include <algorithm>

namespace odeon::detail {

transport* http_client_core::way_of(const http_flight& f) const noexcept {
  if (!f.call.via.empty()) return options.local;
  return f.url.scheme == "https" ? options.tls : options.plain;
}

void http_client_core::begin() {
  waiting_limit.emplace(rt, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->look_at_waiting();
  });
}
void http_client_core::submit(http_flight_ptr f) {
  if (f->told) return;
  if (f->whole_by <= now())
    return f->fail({errc::ask_timeout, "no answer of " + f->key + " in time (whole_time)"});
  enum class way : std::uint8_t { none, full, wait, take, make_room, connect };
  way go = way::none;
  std::shared_ptr<http_client_connection> free;
  {
    const std::lock_guard guard(mutex);
    if (!closed) {
      pool& p = pools[f->key];
      const bool may_connect = p.count < options.limits.connections_per_host;
      if (!p.idle.empty() && (!f->wants_fresh || !may_connect)) {
        free = std::move(p.idle.back());
        p.idle.pop_back();
        go = f->wants_fresh ? way::make_room : way::take;
      } else if (may_connect) {
        ++p.count;
        connecting.emplace(f.get(), f);
        go = way::connect;
      } else {
        go = p.waiting.size() < options.limits.waiting_per_host ? way::wait : way::full;
      }
      if (go == way::make_room || go == way::wait) {
        p.waiting.push_back(f);
        waiting_first = std::min(waiting_first, f->whole_by);
        waiting_limit->set(waiting_first);
      }
    }
  }
  switch (go) {
    case way::none: return f->fail({errc::cancelled, "the client has gone"});
    case way::full:
      return f->fail({errc::limit_exceeded, std::to_string(options.limits.waiting_per_host) +
                                                " requests wait for a connection to " + f->key +
                                                " already (waiting_per_host)"});
    case way::wait: return;
    case way::take: return free->start(std::move(f));
    case way::make_room: return free->abort_now();
    case way::connect: return connect(std::move(f));
  }
}
void http_client_core::connect(http_flight_ptr f) {
  transport& t = *way_of(*f);
  const std::string to =
      f->call.via.empty() ? to_string(host_and_port{f->url.host, f->url.port}) : f->call.via;
  const duration limit = std::min(options.limits.connect_time, f->whole_by - now());
  t.connect(to, {.timeout = std::max(limit, duration(std::chrono::milliseconds(1)))},
            [self = shared_from_this(), f](result<std::unique_ptr<connection>> c) mutable {
              self->has_connected(std::move(f), std::move(c));
            });
}
void http_client_core::has_connected(http_flight_ptr f, result<std::unique_ptr<connection>> c) {
  std::shared_ptr<http_client_connection> made;
  http_flight_ptr next;
  {
    const std::lock_guard guard(mutex);
    connecting.erase(f.get());
    if (c && !closed) {
      made = std::make_shared<http_client_connection>(shared_from_this(), f->key, std::move(*c));
      all.try_emplace(made.get(), made);
      live.fetch_add(1);
      ++connected;
    } else {
      next = has_gone(f->key);
    }
  }
  if (made) return made->start(std::move(f));
  f->fail(c ? error(errc::cancelled, "the client has gone") : std::move(c.error()));
  if (next) connect(std::move(next));
}
http_flight_ptr http_client_core::has_gone(const std::string& key) {
  const auto i = pools.find(key);
  pool& p = i->second;
  --p.count;
  while (!closed && !p.waiting.empty()) {
    http_flight_ptr f = std::move(p.waiting.front());
    p.waiting.pop_front();
    if (f->told) continue;
    ++p.count;
    connecting.emplace(f.get(), f);
    return f;
  }
  if (p.count == 0) pools.erase(i);
  return nullptr;
}
void http_client_core::is_free(const std::shared_ptr<http_client_connection>& c) {
  http_flight_ptr next;
  {
    const std::lock_guard guard(mutex);
    if (closed) return;  // it is being aborted
    pool& p = pools[c->key_];
    while (!next && !p.waiting.empty()) {
      next = std::move(p.waiting.front());
      p.waiting.pop_front();
      if (next->told) next = nullptr;
    }
    if (!next) return p.idle.push_back(c);
  }
  c->start(std::move(next));
}
void http_client_core::is_gone(http_client_connection& c) {
  http_flight_ptr next;
  {
    const std::lock_guard guard(mutex);
    if (all.erase(&c) == 0) return;
    if (const auto i = pools.find(c.key_); i != pools.end())
      std::erase_if(i->second.idle, [&c](const auto& p) { return p.get() == &c; });
    next = has_gone(c.key_);
  }
  if (next) connect(std::move(next));
}
void http_client_core::look_at_waiting() {
  std::vector<http_flight_ptr> late;
  {
    const std::lock_guard guard(mutex);
    const time_point t = now();
    waiting_first = time_point::max();
    for (auto& [key, p] : pools) {
      std::erase_if(p.waiting, [&](const http_flight_ptr& f) {
        if (f->whole_by > t) {
          waiting_first = std::min(waiting_first, f->whole_by);
          return false;
        }
        late.push_back(f);
        return true;
      });
    }
    if (!closed) waiting_limit->set(waiting_first);
  }
  for (const auto& f : late)
    f->fail(
        {errc::ask_timeout, "no connection to " + f->key + " became free in time (whole_time)"});
}
void http_client_core::end() {
  std::vector<http_flight_ptr> lost;
  std::vector<std::shared_ptr<http_client_connection>> open;
  {
    const std::lock_guard guard(mutex);
    closed = true;
    for (auto& [key, p] : pools) {
      for (auto& f : std::exchange(p.waiting, {})) lost.push_back(std::move(f));
      p.idle.clear();
    }
    for (const auto& [key, f] : connecting) lost.push_back(f);
    for (const auto& [key, c] : all) open.push_back(c);
  }
  waiting_limit.reset();
  for (const auto& f : lost) f->fail({errc::cancelled, "the client has gone"});
  for (const auto& c : open) c->abort_now();
  open.clear();
  for (std::uint32_t n = live.load(); n > 0; n = live.load())
    (void)rt.wait(live, n, time_point::max());
}
void http_client_core::let_go() noexcept {
  // The client's end may return at once: what is used after this is not the core's.
  runtime& of = rt;
  live.fetch_sub(1);
  of.wake(live);
}

}  // namespace odeon::detail
