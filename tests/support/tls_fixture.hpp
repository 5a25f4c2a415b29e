#pragma once

// Certificates and transports for the tests of TLS.

#include "transport_laws.hpp"
#include <odeon/net/certificates.hpp>
#include <odeon/net/tls.hpp>
#include <odeon/runtime/serial_executor.hpp>

#include <unistd.h>

#include <deque>
#include <filesystem>
#include <mutex>

namespace odeon::tls_test {

using transport_test::connection_ptr;
using transport_test::outcome;

inline const char* const anywhere = "127.0.0.1:0";

/// A folder that goes with the test.
struct folder {
  std::string path = [] {
    std::string p = std::filesystem::temp_directory_path() / "odeon-tls-XXXXXX";
    REQUIRE(mkdtemp(p.data()) != nullptr);
    return p;
  }();
  ~folder() { std::filesystem::remove_all(path); }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path + "/" + name; }
};

/// An authority, and nodes of it on this machine.
struct pki {
  explicit pki(runtime& rt) : now(rt.wall_now()) {}
  wall_time now;
  credentials ca =
      made(make_ca({.valid_for = std::chrono::days(1000)}, now - std::chrono::days(500)));

  [[nodiscard]] tls_options node(const std::string& name, std::vector<std::string> hosts = {
                                                              "127.0.0.1", "localhost"}) const {
    return signed_at(name, now, std::move(hosts));
  }
  /// Valid for a month that begins in one; and one that ended a month ago.
  [[nodiscard]] tls_options early(const std::string& name) const {
    return signed_at(name, now + std::chrono::days(30), {"127.0.0.1"});
  }
  /// Valid for all of that time.
  [[nodiscard]] tls_options lasting(const std::string& name) const {
    return signed_at(name, now - std::chrono::days(100), {"127.0.0.1"}, std::chrono::days(200));
  }
  [[nodiscard]] tls_options expired(const std::string& name) const {
    return signed_at(name, now - std::chrono::days(65), {"127.0.0.1"});
  }

 private:
  static credentials made(result<credentials> c) {
    REQUIRE(c.has_value());
    return std::move(*c);
  }
  [[nodiscard]] tls_options signed_at(const std::string& name, wall_time when,
                                      std::vector<std::string> hosts,
                                      duration how_long = std::chrono::days(30)) const {
    const auto c = made(make_node_certificate(
        ca, {.name = name, .hosts = std::move(hosts), .valid_for = how_long}, when));
    tls_options o;
    o.certificate = c.certificate;
    o.key = c.key;
    o.trusted = ca.certificate;
    return o;
  }
};

struct meeting {
  result<connection_ptr> near, far;
};
/// Both ends of a connection that must come to be.
inline meeting meet(runtime& rt, transport& client, listener& l) {
  outcome<connection_ptr> there(rt), here(rt);
  l.accept(there.done());
  client.connect(l.local_address(), {}, here.done());
  auto near = here.get();
  if (!near) MESSAGE(near.error().to_string());
  REQUIRE(near.has_value());
  return {std::move(near), there.get()};
}

/// What `on_refused` is told, one after the other.
class refusals {
 public:
  explicit refusals(runtime& rt) : shared_(std::make_shared<state>(rt)) {}
  [[nodiscard]] auto listener() const {
    return [s = shared_](std::string_view peer, const error& why) {
      CHECK_FALSE(peer.empty());
      std::lock_guard guard(s->mutex);
      s->all.push_back(why);
      s->count.fetch_add(1);
      s->rt.wake(s->count);
    };
  }
  error next() {
    const time_point limit = shared_->rt.now(clock_domain::housekeeping) + std::chrono::seconds(30);
    while (shared_->count.load() == taken_)
      REQUIRE(shared_->rt.wait(shared_->count, taken_, limit));
    std::lock_guard guard(shared_->mutex);
    return shared_->all[taken_++];
  }

 private:
  struct state {
    explicit state(runtime& r) : rt(r) {}
    runtime& rt;
    std::mutex mutex;
    std::deque<error> all;
    std::atomic<std::uint32_t> count{0};
  };
  std::shared_ptr<state> shared_;
  std::uint32_t taken_ = 0;
};

/// A runtime whose clock on the wall is wrong.
class clock_elsewhere final : public runtime {
 public:
  clock_elsewhere(runtime& rt, duration off) : rt_(rt), off_(off) {}
  [[nodiscard]] time_point now(clock_domain d) const noexcept override { return rt_.now(d); }
  [[nodiscard]] wall_time wall_now() const noexcept override { return rt_.wall_now() + off_; }
  void random(std::span<std::byte> out) noexcept override { rt_.random(out); }
  [[nodiscard]] timer_queue& timers(clock_domain d) noexcept override { return rt_.timers(d); }
  [[nodiscard]] std::unique_ptr<executor> make_executor(executor_options o) override {
    return rt_.make_executor(std::move(o));
  }
  [[nodiscard]] std::unique_ptr<serial_executor> make_serial(std::string name) override {
    return rt_.make_serial(std::move(name));
  }
  bool wait(const std::atomic<std::uint32_t>& w, std::uint32_t v, time_point t) override {
    return rt_.wait(w, v, t);
  }
  void wake(const std::atomic<std::uint32_t>& w) noexcept override { rt_.wake(w); }
  [[nodiscard]] bool is_simulated() const noexcept override { return false; }

 private:
  runtime& rt_;
  duration off_;
};

}  // namespace odeon::tls_test
