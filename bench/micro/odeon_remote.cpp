/// What do actors of two processes, over loopback TCP, reach: bare, with a MAC on each frame, and
/// under TLS in which both sides show certificates? The other process is forked before this one has
/// any thread, and counts what it is told. `local` is the same protocol without a kernel between:
/// two systems of one worker each in this process, over a transport in memory.

#include "odeon_support.hpp"
#include "remote_process.hpp"
#include "scratch.hpp"
#include <odeon/net/certificates.hpp>
#include <odeon/remote/endpoint.hpp>
#include <odeon/runtime/memory_transport.hpp>
#include <odeon/runtime/runtime.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>

namespace bench {
namespace {

namespace wire = odeon::wire;
namespace remote = odeon::remote;
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

enum class way { plain, secret, tls, local };

/// How both sides reach each other. Made before the second process is.
class connected_by {
 public:
  explicit connected_by(way w) : way_(w) {
    if (w == way::local) {
      runtime_ = odeon::make_threaded_runtime();
      memory_ = odeon::make_memory_transport(*runtime_, {.capacity = std::size_t{1} << 20U});
    }
    if (w != way::tls) return;
    files_.emplace();
    const auto now =
        std::chrono::time_point_cast<odeon::duration>(std::chrono::system_clock::now());
    const auto ca = odeon::make_ca({.name = "bench-ca"}, now).value();
    odeon::write_credentials(ca, file("ca.crt"), file("ca.key")).value();
    for (const std::string system : {"near", "far"}) {
      const auto node =
          odeon::make_node_certificate(ca, {.name = system, .hosts = {"127.0.0.1"}}, now).value();
      odeon::write_credentials(node, file(system + ".crt"), file(system + ".key")).value();
    }
  }
  [[nodiscard]] bool is_local() const noexcept { return way_ == way::local; }
  [[nodiscard]] odeon::system_options system(const options& opt) const {
    return {.workers = is_local() ? 1 : opt.threads};
  }
  /// Of that system; `port`: of a side which listens.
  [[nodiscard]] endpoint_options endpoint(const std::string& system, const char* port) const {
    endpoint_options o;
    if (port != nullptr)
      o.listen = (is_local() ? "memory://127.0.0.1:" : "tcp://127.0.0.1:") + std::string(port);
    o.transport = memory_.get();
    if (way_ == way::secret)
      o.security = odeon::remote::shared_secret{"a secret of the benchmark's own"};
    if (way_ == way::tls)
      o.security =
          odeon::remote::mtls{file(system + ".crt"), file(system + ".key"), file("ca.crt")};
    return o;
  }

 private:
  [[nodiscard]] std::string file(const std::string& name) const {
    return files_->file(name.c_str()).string();
  }

  way way_;
  std::unique_ptr<odeon::runtime> runtime_;
  std::unique_ptr<odeon::transport> memory_;
  std::optional<scratch> files_;
};

/// The side that counts.
class far_side {
 public:
  far_side(const options& opt, const connected_by& by)
      : system_("far", by.system(opt)),
        net_(system_, by.endpoint("far", "0")) {
    net_.expose<far_end, window_done>();
    address_ = net_.address_of(system_.spawn<far_end>({.name = "end"}))->to_string();
  }
  [[nodiscard]] const std::string& address() const noexcept { return address_; }

 private:
  odeon::actor_system system_;
  remote::endpoint net_;
  std::string address_;
};

/// It, in its own process, or in this one.
class other_side {
 public:
  other_side(const options& opt, const connected_by& by) {
    if (by.is_local())
      here_.emplace(opt, by);
    else
      there_.emplace([&](const first_process& first) {
        const far_side side(opt, by);
        first.listening_at(side.address());
        first.serve();
      });
  }
  [[nodiscard]] const std::string& address() const noexcept {
    return here_ ? here_->address() : there_->address();
  }

 private:
  std::optional<far_side> here_;
  std::optional<second_process> there_;
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

void run_tell(const options& opt, report& out, way w) {
  const connected_by by(w);
  const other_side other(opt, by);
  odeon::actor_system system("near", by.system(opt));
  remote::endpoint net(system, by.endpoint("near", nullptr));
  net.expose<window_done>();
  const auto far = net.resolve<far_end>(other.address()).get();
  const std::uint64_t windows = opt.scaled(remote_tell::messages) / opt.size + 1;
  auto elapsed =
      warmed(windows, 1, [&](std::uint64_t n) { return tell_pass(system, far, opt.size, n); });
  out.rate("throughput", elapsed, windows * opt.size);
}

void run_ask(const options& opt, report& out, way w) {
  const connected_by by(w);
  const other_side other(opt, by);
  odeon::actor_system system("near", by.system(opt));
  remote::endpoint net(system, by.endpoint("near", nullptr));
  const auto far = net.resolve<far_end>(other.address()).get();
  one_at_a_time(out, opt.scaled(remote_ask::asks, 10), [&](std::uint64_t i) {
    require(far.ask<question>(i).get() == i + 1, "an answer is wrong");
  });
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

template <way W>
void tell_by(const options& opt, report& out) {
  run_tell(opt, out, W);
}
template <way W>
void ask_by(const options& opt, report& out) {
  run_ask(opt, out, W);
}

const registration tells{"remote_tell", remote_tell::window, tell_by<way::plain>};
const registration secret_tells{"remote_tell_secret", remote_tell::window, tell_by<way::secret>};
const registration tls_tells{"remote_tell_tls", remote_tell::window, tell_by<way::tls>};
const registration local_tells{"remote_tell_local", remote_tell::window, tell_by<way::local>};
const registration asks{"remote_ask", remote_ask::open, ask_by<way::plain>};
const registration secret_asks{"remote_ask_secret", remote_ask::open, ask_by<way::secret>};
const registration tls_asks{"remote_ask_tls", remote_ask::open, ask_by<way::tls>};
const registration local_asks{"remote_ask_local", remote_ask::open, ask_by<way::local>};

}  // namespace
}  // namespace bench
