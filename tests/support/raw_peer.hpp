#pragma once

// One end of a connection, spoken to in plain bytes, as an attacker or an old client would. Waits
// with a bound, under virtual time as well.

#include <odeon/runtime/runtime.hpp>
#include <odeon/runtime/transport.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace odeon::test {

/// A value that comes later, on another thread.
template <class T>
class later {
 public:
  explicit later(runtime& rt) : shared_(std::make_shared<state>(rt)) {}
  [[nodiscard]] auto done() const {
    return [s = shared_](T r) {
      s->value.emplace(std::move(r));
      runtime& rt = s->rt;
      s->word.store(1);
      rt.wake(s->word);
    };
  }
  [[nodiscard]] bool is_there() const { return shared_->word.load() == 1; }
  /// Waits for it, at most `limit`.
  T get(duration limit = std::chrono::seconds(60)) {
    const time_point end = shared_->rt.now(clock_domain::housekeeping) + limit;
    while (!is_there()) REQUIRE(shared_->rt.wait(shared_->word, 0, end));
    return std::move(*shared_->value);
  }

 private:
  struct state {
    explicit state(runtime& r) : rt(r) {}
    runtime& rt;
    std::atomic<std::uint32_t> word{0};
    std::optional<T> value;
  };
  std::shared_ptr<state> shared_;
};

class raw_peer {
 public:
  raw_peer(runtime& rt, std::unique_ptr<connection> c) : rt_(&rt), connection_(std::move(c)) {}
  raw_peer(runtime& rt, transport& t, std::string_view address) : rt_(&rt) {
    later<result<std::unique_ptr<connection>>> l(rt);
    t.connect(address, {}, l.done());
    auto c = l.get();
    REQUIRE(c.has_value());
    connection_ = std::move(*c);
  }

  /// False: the connection is broken.
  bool send(std::string_view bytes) {
    later<result<void>> l(*rt_);
    connection_->write(std::as_bytes(std::span(bytes)), l.done());
    return l.get().has_value();
  }
  bool end_writing() {
    later<result<void>> l(*rt_);
    connection_->end_writing(l.done());
    return l.get().has_value();
  }
  /// What came, until `enough` holds, the peer has ended, or the connection broke.
  template <class Enough>
  std::string read_while_not(Enough enough) {
    while (!enough(got_) && !ended_ && !broken_) read_some();
    return got_;
  }
  std::string read_until(std::string_view end) {
    return read_while_not([end](const std::string& s) { return s.contains(end); });
  }
  std::string read_all() {
    return read_while_not([](const std::string&) { return false; });
  }
  /// One answer with a stated length: its head and its body; taken off what came.
  std::string read_answer() {
    std::size_t size = 0;
    read_while_not([&](const std::string& s) {
      const auto head = s.find("\r\n\r\n");
      if (head == std::string::npos) return false;
      const auto at = s.find("Content-Length: ");
      size = head + 4 + (at < head ? std::stoul(s.substr(at + 16)) : 0);
      return s.size() >= size;
    });
    std::string one = got_.substr(0, size);
    got_.erase(0, size);
    return one;
  }
  void forget() { got_.clear(); }
  [[nodiscard]] bool has_ended() const { return ended_; }
  [[nodiscard]] bool is_broken() const { return broken_; }
  [[nodiscard]] connection& get() { return *connection_; }
  void close() { connection_.reset(); }
  [[nodiscard]] std::unique_ptr<connection> release() { return std::move(connection_); }

 private:
  void read_some() {
    std::string room(16 * 1024, '\0');
    later<result<std::size_t>> l(*rt_);
    connection_->read(std::as_writable_bytes(std::span(room)), l.done());
    const auto n = l.get();
    if (!n)
      broken_ = true;
    else if (*n == 0)
      ended_ = true;
    else
      got_.append(room, 0, *n);
  }

  runtime* rt_;
  std::unique_ptr<connection> connection_;
  std::string got_;
  bool ended_ = false, broken_ = false;
};

}  // namespace odeon::test
