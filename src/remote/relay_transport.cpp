// The node's side of a relay on a transport. One lock guards the mux and the state of the
// connection to the relay. As in the server, whoever changes something does so in a section: under
// the lock the mux works, and what is to be done with the real connection is noted; without the
// lock it is done. Completions of users are posted to a serial executor under the lock, so that
// they are called without it, later, and in their order.
//
// The connection to the relay has a generation: callbacks of an earlier one are told by it that
// they are late. `busy_` counts callbacks that are under way or will come.
//
// The end (~transport):
//   1. what is queued for the relay is given `flush` to be written;
//   2. under the lock, the mux cancels all that waits, and nothing begins any more;
//   3. the connection is aborted, the timer taken out, and `busy_` waited for;
//   4. the serial executor ends when it has run what was posted. Who comes later finds none, and
//      calls `done` itself.

#include "internal/relay_mux.hpp"
#include "internal/relay_ways.hpp"
#include <odeon/remote/relay_transport.hpp>
#include <odeon/runtime/runtime.hpp>
#include <odeon/runtime/serial_executor.hpp>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <utility>

namespace odeon::remote {

using namespace relay_detail;

namespace {

constexpr std::size_t read_size = 64 * 1024;
constexpr duration tick_every = std::chrono::milliseconds(100);

class core : public std::enable_shared_from_this<core> {
 public:
  core(runtime& rt, relay_transport_options o, relay_way way)
      : options(std::move(o)),
        rt_(rt),
        way_(std::move(way)),
        serial_(rt.make_serial("odeon-relay")),
        mux_(
            options, [&rt](auto out) { rt.random(out); },
            [this](channel_ptr c) { return wrap(std::move(c)); }),
        clock_(*this) {}

  void start() {
    section([&](relay_mux&, time_point now) {
      retry_at_ = now;
      arm();
    });
  }

  void stop() {
    flush();
    std::shared_ptr<line> last;
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
      mux_.cancel_all();
      for (auto& w : waiters_)
        post([d = std::move(w.done)]() mutable { d(fail(errc::cancelled, "it was given up")); });
      waiters_.clear();
      for (auto& call : mux_.completions()) post(std::move(call));
      last = std::move(line_);
    }
    if (rt_.timers(clock_domain::housekeeping).disarm(clock_)) release();
    if (last) last->socket->abort();
    for (std::uint32_t n = busy_.load(); n != 0; n = busy_.load())
      (void)rt_.wait(busy_, n, time_point::max());
    std::unique_ptr<serial_executor> serial;
    {
      const std::lock_guard lock(mutex_);
      serial = std::move(serial_);
    }
    serial.reset();
    last.reset();
    way_.over.reset();
    way_.below.reset();
  }

  /// Lets `work(mux, now)` happen and does what came of it. After the end, nothing.
  template <class F>
  bool section(F work) {
    deeds todo;
    {
      const std::lock_guard lock(mutex_);
      if (stopped_) return false;
      const time_point now = rt_.now(clock_domain::housekeeping);
      work(mux_, now);
      look(now, todo);
    }
    carry_out(todo);
    return true;
  }

  [[nodiscard]] relay_status status() const {
    const std::lock_guard lock(mutex_);
    return now_is();
  }
  [[nodiscard]] std::vector<relay_route> routes() const {
    const std::lock_guard lock(mutex_);
    return mux_.routes(rt_.now(clock_domain::housekeeping));
  }
  void ready(duration limit, std::move_only_function<void(result<void>)> done) {
    const bool taken = section([&](relay_mux&, time_point now) {
      waiters_.push_back(
          {limit < time_point::max() - now ? now + limit : time_point::max(), std::move(done)});
    });
    if (!taken) done(fail(errc::cancelled, "the transport is gone"));
  }

  const relay_transport_options options;

 private:
  /// A connection to the relay; its buffers belong to the operations under way.
  struct line {
    std::unique_ptr<connection> socket;
    std::uint64_t generation = 0;
    bool reading = false, writing = false;
    std::vector<bytes> batch;
    std::array<std::byte, read_size> room;
  };
  using line_ptr = std::shared_ptr<line>;
  struct deeds {
    bool connect = false;
    line_ptr read, write, abort;
    std::uint64_t generation = 0;
    std::vector<relay_status> changes;
  };
  struct waiter {
    time_point until;
    std::move_only_function<void(result<void>)> done;
  };
  struct clock final : timer_node {
    explicit clock(core& c) noexcept
        : timer_node([](timer_node& n) noexcept { static_cast<clock&>(n).owner.ticked(); }),
          owner(c) {}
    core& owner;
  };

  std::unique_ptr<connection> wrap(channel_ptr c);
  void post(std::move_only_function<void()> call) { serial_->post(std::move(call)); }
  void hold() noexcept { busy_.fetch_add(1); }
  void release() noexcept {
    const auto kept = shared_from_this();
    busy_.fetch_sub(1);
    rt_.wake(busy_);
  }

  // -- under the lock -----------------------------------------------------------------------------

  [[nodiscard]] relay_status now_is() const {
    relay_status s;
    s.state = mux_.link.was_replaced() ? relay_state::replaced
              : mux_.link.is_ready()   ? relay_state::ready
              : connecting_            ? relay_state::connecting
              : line_                  ? relay_state::registering
                                       : relay_state::waiting;
    s.last = mux_.link.why();
    s.registrations = mux_.registrations();
    s.connections = mux_.connections();
    s.queued_bytes = mux_.link.out.size();
    return s;
  }

  void look(time_point now, deeds& todo) {
    mux_.pump(now);
    if (mux_.link.is_ready()) attempts_ = 0;
    if (line_ && mux_.link.now_is() == relay_link::state::over) {
      hang_up(now, mux_.link.why(), todo);
    }
    if (line_ && !line_->writing) {
      line_->batch = mux_.link.out.take();
      if (!line_->batch.empty()) {
        line_->writing = true;
        todo.write = line_;
        hold();
      }
    }
    if (line_ && !line_->reading) {
      line_->reading = true;
      todo.read = line_;
      hold();
    }
    if (!line_ && !connecting_ && !mux_.link.was_replaced() && now >= retry_at_) {
      connecting_ = true;
      todo.connect = true;
      todo.generation = ++generation_;
      hold();
    }
    for (auto& call : mux_.completions()) post(std::move(call));
    tell(now, todo);
  }
  /// Those who wait for this node to be registered, and who want to know each change.
  void tell(time_point now, deeds& todo) {
    const relay_status s = now_is();
    if (s.state != last_state_) {
      last_state_ = s.state;
      if (options.on_change) todo.changes.push_back(s);
    }
    if (waiters_.empty()) return;
    std::erase_if(waiters_, [&](waiter& w) {
      if (s.state == relay_state::ready) {
        post([d = std::move(w.done)]() mutable { d({}); });
      } else if (s.state == relay_state::replaced || now >= w.until) {
        error why = s.last;
        if (why == errc::cancelled)
          why = error(errc::connect_timeout,
                      "not registered at the relay " + options.relay + " in time");
        post([d = std::move(w.done), e = std::move(why)]() mutable { d(std::unexpected(e)); });
      } else {
        return false;
      }
      return true;
    });
  }
  void hang_up(time_point now, const error& why, deeds& todo) {
    todo.abort = std::move(line_);
    line_ = nullptr;
    mux_.link.end(why);
    back_off(now);
    moved_.fetch_add(1);
    rt_.wake(moved_);
  }
  /// Pauses double up to the greatest; each is a random part of the upper half.
  void back_off(time_point now) {
    const relay_client_limits& l = options.limits;
    duration pause = l.backoff_least;
    for (unsigned i = 0; i < attempts_ && pause < l.backoff_most; ++i) pause *= 2;
    pause = std::min(pause, l.backoff_most);
    ++attempts_;
    const auto half = static_cast<std::uint64_t>(pause.count() / 2) + 1;
    retry_at_ = now + pause / 2 + duration(static_cast<std::int64_t>(rt_.random_u64() % half));
  }

  // -- without the lock ---------------------------------------------------------------------------

  void carry_out(deeds& todo) {
    if (todo.abort) todo.abort->socket->abort();
    if (todo.write) {
      std::vector<const_bytes> pieces(todo.write->batch.begin(), todo.write->batch.end());
      todo.write->socket->write(pieces, [this, l = todo.write](const result<void>& r) {
        did_write(l, r);
        release();
      });
    }
    if (todo.read)
      todo.read->socket->read(todo.read->room, [this, l = todo.read](result<std::size_t> n) {
        did_read(l, n);
        release();
      });
    if (todo.connect)
      way_.use->connect(way_.address, {.timeout = options.limits.handshake},
                        [this, g = todo.generation](auto c) {
                          did_connect(g, std::move(c));
                          release();
                        });
    for (const auto& s : todo.changes) options.on_change(s);
  }

  void did_connect(std::uint64_t generation, result<std::unique_ptr<connection>> c) {
    section([&](relay_mux& m, time_point now) {
      connecting_ = false;
      if (!c) {
        m.link.begin(now);  // so that it knows why nothing came of it
        m.link.end({c.error().code(), std::string(c.error().text())});
        return back_off(now);
      }
      line_ = std::make_shared<line>();
      line_->socket = std::move(*c);
      line_->generation = generation;
      m.link.begin(now);
    });
  }
  void did_read(const line_ptr& l, const result<std::size_t>& n) {
    deeds late;
    section([&](relay_mux& m, time_point now) {
      l->reading = false;
      if (l != line_) return;
      if (n && *n > 0) return m.link.received(const_bytes(l->room).first(*n), now);
      hang_up(
          now,
          n ? error(errc::unreachable, "the relay at " + options.relay + " closed the connection")
            : error(errc::unreachable, "the connection to the relay at " + options.relay +
                                           " broke: " + std::string(n.error().text())),
          late);
    });
    carry_out(late);
  }
  void did_write(const line_ptr& l, const result<void>& r) {
    section([&](relay_mux& m, time_point) {
      l->writing = false;
      l->batch.clear();
      if (l != line_ || !r) return;  // a read tells why
      m.link.out.wrote();
      moved_.fetch_add(1);
      rt_.wake(moved_);
    });
  }

  void arm() {
    hold();
    rt_.timers(clock_domain::housekeeping)
        .arm(clock_, rt_.now(clock_domain::housekeeping) + tick_every);
  }
  void ticked() noexcept {
    section([this](relay_mux& m, time_point now) {
      m.tick(now);
      arm();
    });
    release();
  }

  /// Gives what was said last the time to be written.
  void flush() {
    const time_point until = rt_.now(clock_domain::housekeeping) + options.limits.flush;
    for (;;) {
      const std::uint32_t seen = moved_.load();
      {
        const std::lock_guard lock(mutex_);
        if (!mux_.link.is_ready() || mux_.link.out.size() == 0) return;
      }
      if (!rt_.wait(moved_, seen, until)) return;
    }
  }

  runtime& rt_;
  relay_way way_;
  mutable std::mutex mutex_;
  std::unique_ptr<serial_executor> serial_;
  relay_mux mux_;
  line_ptr line_;
  bool connecting_ = false, stopped_ = false;
  std::uint64_t generation_ = 0;
  unsigned attempts_ = 0;
  time_point retry_at_{};
  relay_state last_state_ = relay_state::connecting;
  std::vector<waiter> waiters_;
  clock clock_;
  std::atomic<std::uint32_t> busy_{0};   // callbacks that are under way, or will come
  std::atomic<std::uint32_t> moved_{0};  // batches written, and connections lost
};
using core_ptr = std::shared_ptr<core>;

class relayed_connection final : public connection {
 public:
  relayed_connection(core_ptr c, channel_ptr on) : core_(std::move(c)), channel_(std::move(on)) {}
  ~relayed_connection() override {
    core_->section([&](relay_mux& m, time_point now) { m.let_go(*channel_, now); });
  }
  void read(std::span<std::byte> into, read_done done) override {
    operate(done, [&](relay_mux& m) { m.read(*channel_, into, std::move(done)); });
  }
  using connection::write;
  void write(std::span<const const_bytes> pieces, write_done done) override {
    operate(done, [&](relay_mux& m) { m.write(*channel_, pieces, std::move(done)); });
  }
  void end_writing(write_done done) override {
    operate(done, [&](relay_mux& m) { m.end_writing(*channel_, std::move(done)); });
  }
  void abort() noexcept override {
    core_->section([&](relay_mux& m, time_point) { m.abort(*channel_); });
  }
  [[nodiscard]] const std::string& local_address() const noexcept override {
    return channel_->local_address;
  }
  [[nodiscard]] const std::string& peer_address() const noexcept override {
    return channel_->peer_address;
  }

 private:
  template <class Done, class F>
  void operate(Done& done, F f) {
    if (!core_->section([&](relay_mux& m, time_point) { f(m); }))
      done(fail(errc::cancelled, "the transport is gone"));
  }
  core_ptr core_;
  channel_ptr channel_;
};

class relayed_listener final : public listener {
 public:
  relayed_listener(core_ptr c, port_ptr p, std::string address)
      : core_(std::move(c)),
        port_(std::move(p)),
        address_(std::move(address)) {}
  ~relayed_listener() override { close(); }
  void accept(accept_done done) override {
    if (!core_->section([&](relay_mux& m, time_point) { m.accept(*port_, std::move(done)); }))
      done(fail(errc::cancelled, "the transport is gone"));
  }
  void close() noexcept override {
    core_->section([&](relay_mux& m, time_point) { m.close(*port_); });
  }
  [[nodiscard]] const std::string& local_address() const noexcept override { return address_; }

 private:
  core_ptr core_;
  port_ptr port_;
  std::string address_;
};

std::unique_ptr<connection> core::wrap(channel_ptr c) {
  return std::make_unique<relayed_connection>(shared_from_this(), std::move(c));
}

class relayed_transport final : public relay_transport {
 public:
  explicit relayed_transport(core_ptr c) : core_(std::move(c)) { core_->start(); }
  ~relayed_transport() override { core_->stop(); }

  result<std::unique_ptr<listener>> listen(std::string_view address, listen_options o) override {
    result<std::unique_ptr<listener>> made = fail(errc::cancelled, "the transport is gone");
    core_->section([&](relay_mux& m, time_point) {
      auto p = m.listen(address, static_cast<std::size_t>(std::max(1, o.backlog)));
      if (!p)
        made = std::unexpected(std::move(p.error()));
      else
        made = std::make_unique<relayed_listener>(core_, *p, m.here((*p)->port));
    });
    return made;
  }
  void connect(std::string_view address, connect_options o, connect_done done) override {
    core_->section(
        [&](relay_mux& m, time_point now) { m.connect(address, o.timeout, std::move(done), now); });
  }
  [[nodiscard]] const std::string& name() const noexcept override { return core_->options.name; }
  [[nodiscard]] relay_status status() const override { return core_->status(); }
  [[nodiscard]] std::vector<relay_route> routes() const override { return core_->routes(); }
  void ready(duration limit, std::move_only_function<void(result<void>)> done) override {
    core_->ready(limit, std::move(done));
  }

 private:
  core_ptr core_;
};

}  // namespace

namespace relay_detail {

std::unique_ptr<relay_transport> make_relayed(runtime& rt, relay_transport_options options,
                                              relay_way way) {
  return std::make_unique<relayed_transport>(
      std::make_shared<core>(rt, std::move(options), std::move(way)));
}

}  // namespace relay_detail

}  // namespace odeon::remote
