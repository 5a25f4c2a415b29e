/// What do actors of two processes, over loopback TCP, reach? The other process is forked before
/// this one has any thread, serves until its pipe closes, and counts what it is told.

#include "odeon_support.hpp"
#include <odeon/remote/endpoint.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <string>

namespace bench {
namespace {

namespace wire = odeon::wire;
using odeon::remote::endpoint;
using odeon::remote::endpoint_options;

/// 64 bytes on the wire.
struct item {
  std::uint64_t value = 0;
  std::array<std::byte, 44> body{};
};
/// Every message before it has come.
struct window_done {};
struct attach {
  odeon::actor_ref<window_done> sender;
  std::uint64_t window = 0;
};
struct question {
  using reply = std::uint64_t;
  std::uint64_t value = 0;
};
struct sum_so_far {
  using reply = std::uint64_t;
};

class far_end : public odeon::actor<item, attach, question, sum_so_far> {
 public:
  void on(const item& m) {
    sum_ += m.value;
    if (++seen_ % window_ == 0) sender_.tell<window_done>();
  }
  void on(attach m) {
    sender_ = std::move(m.sender);
    window_ = m.window;
    seen_ = sum_ = 0;
  }
  std::uint64_t on(question m) { return m.value + 1; }
  std::uint64_t on(sum_so_far) { return sum_; }

 private:
  odeon::actor_ref<window_done> sender_;
  std::uint64_t window_ = 1, seen_ = 0, sum_ = 0;
};

struct begin {
  std::uint64_t windows = 0;
};
/// Keeps a few windows on their way.
class near_end : public odeon::actor<begin, window_done> {
 public:
  static constexpr std::uint64_t ahead = 8;

  near_end(far_end::ref to, std::uint64_t window, std::latch* done)
      : to_(std::move(to)),
        window_(window),
        done_(done) {}
  void on(begin m) {
    left_ = open_ = m.windows;
    for (std::uint64_t i = 0; i < ahead && left_ > 0; ++i) send();
  }
  void on(window_done) {
    if (left_ > 0) send();
    if (--open_ == 0) done_->count_down();
  }

 private:
  void send() {
    --left_;
    for (std::uint64_t i = 0; i < window_; ++i) to_.tell<item>(i);
  }
  far_end::ref to_;
  std::uint64_t window_;
  std::latch* done_;
  std::uint64_t left_ = 0, open_ = 0;
};

endpoint_options options_for(bool secret, const char* listen) {
  endpoint_options o;
  o.listen = listen;
  if (secret) o.security = odeon::remote::shared_secret{"a secret of the benchmark's own"};
  return o;
}

/// The other process.
class server {
 public:
  server(const options& opt, bool secret) {
    int up[2];
    int down[2];
    require(::pipe(up) == 0 && ::pipe(down) == 0, "no pipe");
    pid_ = ::fork();
    require(pid_ >= 0, "no process");
    if (pid_ == 0) {
      ::close(up[0]);
      ::close(down[1]);
      serve(opt, secret, up[1], down[0]);
      std::_Exit(0);
    }
    ::close(up[1]);
    ::close(down[0]);
    keeps_ = down[1];
    char text[256];
    const ssize_t n = ::read(up[0], text, sizeof text);
    ::close(up[0]);
    require(n > 0, "the other process did not start");
    address_.assign(text, static_cast<std::size_t>(n));
  }
  ~server() {
    ::close(keeps_);
    ::waitpid(pid_, nullptr, 0);
  }
  server(const server&) = delete;
  server& operator=(const server&) = delete;
  [[nodiscard]] const std::string& address() const { return address_; }

 private:
  static void serve(const options& opt, bool secret, int tell, int until) {
    odeon::actor_system system("far", system_options(opt));
    endpoint net(system, options_for(secret, "tcp://127.0.0.1:0"));
    net.expose<far_end, window_done>();
    const std::string address = net.address_of(system.spawn<far_end>({.name = "end"}))->to_string();
    require(::write(tell, address.data(), address.size()) > 0, "nobody reads");
    char nothing;
    while (::read(until, &nothing, 1) > 0) {
    }
  }

  pid_t pid_ = -1;
  int keeps_ = -1;
  std::string address_;
};

nanoseconds tell_pass(odeon::actor_system& system, const far_end::ref& far, std::uint64_t window,
                      std::uint64_t windows) {
  std::latch done(1);
  std::vector<near_end::ref> own{system.spawn<near_end>(far, window, &done)};
  far.tell<attach>(own[0], window);
  auto started = clock::now();
  own[0].tell<begin>(windows);
  done.wait();
  auto elapsed = clock::now() - started;
  require(far.ask<sum_so_far>().get() == windows * (window * (window - 1) / 2),
          "the far sum is wrong");
  finish(system, own);
  return elapsed;
}

void run_tell(const options& opt, report& out, bool secret) {
  const server other(opt, secret);
  odeon::actor_system system("near", system_options(opt));
  endpoint net(system, options_for(secret, ""));
  net.expose<window_done>();
  const auto far = net.resolve<far_end>(other.address()).get();
  const std::uint64_t windows = opt.scaled(remote_tell::messages) / opt.size + 1;
  auto elapsed =
      warmed(windows, 1, [&](std::uint64_t n) { return tell_pass(system, far, opt.size, n); });
  out.rate("throughput", elapsed, windows * opt.size);
}

void run_ask(const options& opt, report& out, bool secret) {
  const server other(opt, secret);
  odeon::actor_system system("near", system_options(opt));
  endpoint net(system, options_for(secret, ""));
  const auto far = net.resolve<far_end>(other.address()).get();
  const auto one_at_a_time = [&](std::uint64_t n) {
    std::vector<double> waits;
    for (std::uint64_t i = 0; i < n; ++i) {
      auto started = clock::now();
      require(far.ask<question>(i).get() == i + 1, "an answer is wrong");
      waits.push_back(static_cast<double>((clock::now() - started).count()) / 1e3);
    }
    return waits;
  };
  const std::uint64_t asks = opt.scaled(remote_ask::asks, 10);
  static_cast<void>(one_at_a_time(asks / 10));
  std::vector<double> waits = one_at_a_time(asks);
  out.add("p50", "us", better::lower, percentile(waits, 50));
  out.add("p99", "us", better::lower, percentile(waits, 99));
  const auto many = [&](std::uint64_t n) {
    auto started = clock::now();
    std::vector<odeon::future<std::uint64_t>> open(opt.size);
    for (std::uint64_t i = 0; i < n + opt.size; ++i) {
      auto& place = open[i % opt.size];
      if (i >= opt.size) require(place.get() == i - opt.size + 1, "an answer is wrong");
      if (i < n) place = far.ask<question>(i);
    }
    return clock::now() - started;
  };
  const std::uint64_t total = std::max<std::uint64_t>(opt.scaled(remote_ask::in_flight), opt.size);
  out.rate_k("open_1000", warmed(total, opt.size, many), total);
}

const registration tells{"remote_tell", remote_tell::window,
                         [](const options& o, report& r) { run_tell(o, r, false); }};
const registration secret_tells{"remote_tell_secret", remote_tell::window,
                                [](const options& o, report& r) { run_tell(o, r, true); }};
const registration asks{"remote_ask", remote_ask::open,
                        [](const options& o, report& r) { run_ask(o, r, false); }};
const registration secret_asks{"remote_ask_secret", remote_ask::open,
                               [](const options& o, report& r) { run_ask(o, r, true); }};

}  // namespace
}  // namespace bench
