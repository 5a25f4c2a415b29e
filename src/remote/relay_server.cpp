// The relay on a transport. One lock guards the switch and the table of connections. Whoever
// changes something – a read or a write that is done, the clock – does so in a section: under the
// lock it lets the switch work and notes what is to be done with connections; without the lock it
// does that. At most one read and one write of a connection are under way, which the flags in
// `link` say; they are changed under the lock alone.
//
// Ends. A connection's buffers belong to its operations, so its `link` is shared by the table and
// by the operations under way. `~relay_server` closes the switch and the listener, aborts the
// connections, and waits until `busy_` says that no callback is under way or can still come.

#include "internal/relay_switch.hpp"
#include <odeon/remote/relay.hpp>
#include <odeon/runtime/runtime.hpp>
#include <odeon/runtime/transport.hpp>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <utility>

namespace odeon::remote {

using namespace relay_detail;

namespace {

constexpr std::size_t read_size = 16 * 1024;
constexpr duration linger = std::chrono::seconds(1);  // of what was ended in good order
constexpr duration tick_every = std::chrono::milliseconds(200);

bool is_local(std::string_view host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

result<void> check(const relay_server_options& o) {
  const auto wrong = [](std::string text) { return fail(errc::invalid_argument, std::move(text)); };
  if (o.secret.empty() && !o.allow_unauthenticated_local)
    return wrong("a relay needs a secret, or allow_unauthenticated_local on this machine alone");
  if (!o.secret.empty() && o.secret.size() < relay_secret_min)
    return wrong("the secret of a relay has at least " + std::to_string(relay_secret_min) +
                 " bytes, not " + std::to_string(o.secret.size()));
  if (o.secret.empty()) {
    const std::size_t scheme = o.listen.find("://");
    std::string_view address = o.listen;
    if (scheme != o.listen.npos) address.remove_prefix(scheme + 3);
    address = address.substr(0, address.find('/'));
    const auto at = parse_address(address);
    if (!at) return std::unexpected(at.error());
    if (!is_local(at->host))
      return wrong("a relay on " + o.listen +
                   " is reached from other machines, so it needs a secret: without one it listens "
                   "on 127.0.0.1 alone");
  }
  const relay_limits& l = o.limits;
  if (l.names == 0 || l.connections == 0 || l.handshakes == 0)
    return wrong("a relay with no room for names, connections or handshakes serves nobody");
  if (l.envelope_bytes < 1024 || l.envelope_bytes > (std::size_t{16} << 20U))
    return wrong("relay_limits::envelope_bytes is 1 KiB to 16 MiB");
  if (l.queue_bytes < l.envelope_bytes)
    return wrong("relay_limits::queue_bytes has room for an envelope at least");
  if (l.heartbeat < std::chrono::milliseconds(10) || l.silent_after < l.heartbeat ||
      l.handshake <= duration::zero())
    return wrong("relay_limits: a heartbeat of 10 ms at least, and silent_after above it");
  return {};
}

}  // namespace

class relay_server::impl : public std::enable_shared_from_this<relay_server::impl> {
 public:
  using id = relay_switch::id;

  impl(runtime& rt, relay_server_options o)
      : rt_(rt),
        options_(std::move(o)),
        switch_(options_.secret, options_.limits, [&rt](auto out) { rt.random(out); }),
        clock_(*this) {}

  result<void> start(transport& over) {
    auto l = over.listen(options_.listen);
    if (!l) return std::unexpected(std::move(l.error()));
    listener_ = std::move(*l);
    address = listener_->local_address();
    accept();
    arm();
    return {};
  }

  void stop() {
    std::unordered_map<id, std::shared_ptr<link>> all;
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
      all.swap(links_);
    }
    if (rt_.timers(clock_domain::housekeeping).disarm(clock_)) release();
    listener_->close();
    for (auto& [c, l] : all) l->socket->abort();
    for (std::uint32_t n = busy_.load(); n != 0; n = busy_.load())
      (void)rt_.wait(busy_, n, time_point::max());
  }

  bool drain(duration limit) {
    const time_point until = now() + limit;
    listener_->close();
    section([](relay_switch& s, time_point, auto&) { s.drain(); });
    for (;;) {
      const std::uint32_t seen = closed_.load();
      {
        const std::lock_guard lock(mutex_);
        if (links_.empty()) return true;
      }
      if (!rt_.wait(closed_, seen, until)) return false;
    }
  }

  [[nodiscard]] relay_metrics metrics() const {
    const std::lock_guard lock(mutex_);
    return switch_.metrics();
  }
  [[nodiscard]] std::vector<relay_peer> peers(std::size_t most) const {
    const std::lock_guard lock(mutex_);
    return switch_.peers(most, now());
  }

  std::string address;

 private:
  struct link {
    std::unique_ptr<connection> socket;
    // Under the lock.
    bool reading = false, writing = false, ending = false;
    std::optional<time_point> ended;
    // Of the operations under way.
    std::vector<bytes> batch;
    std::array<std::byte, read_size> room;
  };
  using link_ptr = std::shared_ptr<link>;
  /// What is to be done with a connection when the lock is free again.
  struct deed {
    enum class what : std::uint8_t { read, write, end, abort } todo;
    id number;
    link_ptr on;
  };
  struct clock final : timer_node {
    explicit clock(impl& i) noexcept
        : timer_node([](timer_node& n) noexcept { static_cast<clock&>(n).owner.ticked(); }),
          owner(i) {}
    impl& owner;
  };

  [[nodiscard]] time_point now() const noexcept { return rt_.now(clock_domain::housekeeping); }
  void hold() noexcept { busy_.fetch_add(1); }
  // The waiter may destroy this as soon as it sees 0: nothing of it is used after that, but the
  // runtime, which outlives it.
  void release() noexcept {
    runtime& rt = rt_;
    const auto kept = shared_from_this();
    busy_.fetch_sub(1);
    rt.wake(kept->busy_);
  }

  /// Lets `work(switch, now, deeds)` happen, then does what came of it.
  template <class F>
  void section(F work) {
    std::vector<deed> deeds;
    std::vector<relay_event> events;
    {
      const std::lock_guard lock(mutex_);
      if (stopped_) return;
      work(switch_, now(), deeds);
      for (const id c : switch_.changed()) look(c, deeds);
      for (const deed& d : deeds)
        if (d.todo != deed::what::abort) hold();
      events = switch_.events();
    }
    for (deed& d : deeds) carry_out(d);
    if (options_.on_event)
      for (const auto& e : events) options_.on_event(e);
  }
  /// Under the lock.
  void look(id c, std::vector<deed>& deeds) {
    const auto found = links_.find(c);
    if (found == links_.end()) return;
    const link_ptr l = found->second;
    if (switch_.is_lost(c)) return drop(c, l, deeds);
    if (!l->writing) {
      l->batch = switch_.take(c, now());
      if (!l->batch.empty()) {
        l->writing = true;
        deeds.push_back({deed::what::write, c, l});
      } else if (switch_.is_over(c) && !std::exchange(l->ending, true)) {
        l->writing = true;
        deeds.push_back({deed::what::end, c, l});
      }
    }
    if (!l->reading && switch_.may_read(c)) {
      l->reading = true;
      deeds.push_back({deed::what::read, c, l});
    }
  }
  /// Under the lock: it is not known any more; operations under way tell nobody.
  void drop(id c, const link_ptr& l, std::vector<deed>& deeds) {
    switch_.closed(c, now());
    links_.erase(c);
    deeds.push_back({deed::what::abort, c, l});
    closed_.fetch_add(1);
    rt_.wake(closed_);
  }

  void carry_out(deed& d) {
    switch (d.todo) {
      case deed::what::read:
        return d.on->socket->read(d.on->room, [this, c = d.number, l = d.on](auto n) {
          did_read(c, l, n);
          release();
        });
      case deed::what::write: {
        std::vector<const_bytes> pieces(d.on->batch.begin(), d.on->batch.end());
        return d.on->socket->write(pieces, [this, c = d.number, l = d.on](const auto& r) {
          did_write(c, l, r.has_value());
          release();
        });
      }
      case deed::what::end:
        return d.on->socket->end_writing([this, l = d.on](const auto&) {
          did_end(l);
          release();
        });
      case deed::what::abort: d.on->socket->abort(); return;
    }
  }

  void did_read(id c, const link_ptr& l, const result<std::size_t>& n) {
    section([&](relay_switch& s, time_point at, std::vector<deed>& deeds) {
      l->reading = false;
      if (!links_.contains(c)) return;
      if (!n || *n == 0) return drop(c, l, deeds);
      s.received(c, const_bytes(l->room).first(*n), at);
      look(c, deeds);
    });
  }
  void did_write(id c, const link_ptr& l, bool good) {
    section([&](relay_switch& s, time_point at, std::vector<deed>& deeds) {
      l->writing = false;
      l->batch.clear();
      if (!links_.contains(c)) return;
      if (!good) return drop(c, l, deeds);
      s.wrote(c, at);
    });
  }
  /// Everything was written. The node has a moment to read it, then the connection is closed.
  void did_end(const link_ptr& l) {
    section([&](relay_switch&, time_point at, std::vector<deed>&) { l->ended = at; });
  }

  void accept() {
    hold();
    listener_->accept([this](result<std::unique_ptr<connection>> c) {
      if (c) {
        arrived(std::move(*c));
        accept();
      } else if (c.error() != errc::cancelled) {  // tried again with the next tick
        section([&](relay_switch&, time_point, auto&) { accept_failed_ = true; });
      }
      release();
    });
  }
  void arrived(std::unique_ptr<connection> socket) {
    const auto from = parse_address(socket->peer_address());
    std::string host = from ? from->host : socket->peer_address();
    auto l = std::make_shared<link>();
    l->socket = std::move(socket);
    section([&](relay_switch& s, time_point at, auto&) {
      const id c = next_++;
      if (s.opened(c, std::move(host), at)) links_.emplace(c, std::move(l));
    });
    if (l) l->socket->abort();
  }
  void arm() {
    hold();
    rt_.timers(clock_domain::housekeeping).arm(clock_, now() + tick_every);
  }
  void ticked() noexcept {
    bool again = false;
    section([&](relay_switch& s, time_point at, std::vector<deed>& deeds) {
      s.tick(at);
      std::vector<std::pair<id, link_ptr>> late;
      for (const auto& [c, l] : links_)
        if (l->ended && at - *l->ended >= linger) late.emplace_back(c, l);
      for (const auto& [c, l] : late) drop(c, l, deeds);
      again = std::exchange(accept_failed_, false);
    });
    if (again) accept();
    {
      const std::lock_guard lock(mutex_);
      if (!stopped_) arm();
    }
    release();
  }

  runtime& rt_;
  const relay_server_options options_;
  std::unique_ptr<listener> listener_;
  mutable std::mutex mutex_;
  relay_switch switch_;
  std::unordered_map<id, link_ptr> links_;
  id next_ = 1;
  bool stopped_ = false, accept_failed_ = false;
  clock clock_;
  std::atomic<std::uint32_t> busy_{0};    // callbacks that are under way, or will come
  std::atomic<std::uint32_t> closed_{0};  // connections, so far
};

relay_server::relay_server(std::shared_ptr<impl> i) : impl_(std::move(i)) {}
relay_server::~relay_server() { impl_->stop(); }

result<std::unique_ptr<relay_server>> relay_server::start(runtime& rt, transport& over,
                                                          relay_server_options options) {
  if (auto ok = check(options); !ok) return std::unexpected(std::move(ok.error()));
  auto i = std::make_shared<impl>(rt, std::move(options));
  if (auto ok = i->start(over); !ok) return std::unexpected(std::move(ok.error()));
  return std::unique_ptr<relay_server>(new relay_server(std::move(i)));
}

const std::string& relay_server::address() const noexcept { return impl_->address; }
bool relay_server::drain(duration limit) { return impl_->drain(limit); }
relay_metrics relay_server::metrics() const { return impl_->metrics(); }
std::vector<relay_peer> relay_server::peers(std::size_t most) const { return impl_->peers(most); }

}  // namespace odeon::remote
