// Protocol: one lock for the whole network guards everything. A completion is posted to the serial
// executor under that lock, so `done` is called without it, later, and in the order in which
// operations were completed. The transport's end, under the lock: cancels what waits, and takes the
// executor out; its destructor, without the lock, runs what was posted. Who completes an operation
// after that finds no executor and calls `done` itself, after letting go of the lock.
//
// A pipe is one direction. It is shared by both ends, as the write end of one and the read end of
// the other.

#include <odeon/runtime/memory_transport.hpp>
#include <odeon/runtime/runtime.hpp>
#include <odeon/runtime/serial_executor.hpp>

#include <algorithm>
#include <deque>
#include <map>
#include <mutex>
#include <unordered_set>
#include <utility>
#include <vector>

namespace odeon {

namespace {

std::unexpected<error> gave_up() {
  return fail(errc::cancelled, "this side gave the connection up");
}
std::unexpected<error> was_reset() {
  return fail(errc::io_failed, "the connection was reset by the peer");
}
std::unexpected<error> misused(const char* how) { return fail(errc::invalid_argument, how); }

struct pipe {
  std::deque<std::byte> bytes;
  bool ended = false;     // nothing more will be written
  bool end_read = false;  // the reader knows
  bool broken = false;    // aborted, or nobody reads any more
  // At most one of each.
  std::span<std::byte> into;
  connection::read_done reading;
  std::vector<const_bytes> from;
  std::size_t piece = 0, at = 0;  // in `from`
  connection::write_done writing;
};

class memory_listener;
class memory_connection;

class network {
 public:
  network(runtime& rt, memory_transport_options o)
      : options(o),
        serial_(rt.make_serial("odeon-memory")) {}

  /// Holds the lock; calls what could not be posted when it lets go.
  class section {
   public:
    explicit section(network& n) : net_(n), lock_(n.mutex_) {}
    section(const section&) = delete;
    ~section() {
      lock_.unlock();
      for (auto& call : now_) call();
    }
    template <class R>
    void complete(std::move_only_function<void(R)>& done, R r) {
      if (!done) return;
      auto call = [d = std::exchange(done, nullptr), r = std::move(r)]() mutable {
        d(std::move(r));
      };
      if (net_.serial_)
        net_.serial_->post(std::move(call));
      else
        now_.emplace_back(std::move(call));
    }
    [[nodiscard]] bool is_closed() const noexcept { return net_.serial_ == nullptr; }

   private:
    network& net_;
    std::unique_lock<std::mutex> lock_;
    std::vector<std::move_only_function<void()>> now_;
  };

  void close();

  const memory_transport_options options;
  // Under the lock.
  std::map<std::string, memory_listener*, std::less<>> listening;
  std::unordered_set<memory_connection*> connections;

 private:
  std::mutex mutex_;
  std::unique_ptr<serial_executor> serial_;
};

using network_ptr = std::shared_ptr<network>;
using section = network::section;

/// Moves bytes from the writer to the pipe, and from the pipe to the reader.
void pump(network& net, section& s, pipe& p) {
  if (p.broken) {
    s.complete(p.reading, result<std::size_t>(was_reset()));
    s.complete(p.writing, result<void>(was_reset()));
    return;
  }
  if (p.writing) {
    while (p.piece < p.from.size() && p.bytes.size() < net.options.capacity) {
      const const_bytes rest = p.from[p.piece].subspan(p.at);
      const std::size_t n = std::min(rest.size(), net.options.capacity - p.bytes.size());
      p.bytes.insert(p.bytes.end(), rest.begin(), rest.begin() + std::ptrdiff_t(n));
      p.at += n;
      if (n == rest.size()) ++p.piece, p.at = 0;
    }
    if (p.piece == p.from.size()) s.complete(p.writing, result<void>());
  }
  if (!p.reading) return;
  const std::size_t n = std::min({p.into.size(), p.bytes.size(), net.options.read_max});
  if (n > 0) {
    std::copy_n(p.bytes.begin(), n, p.into.begin());
    p.bytes.erase(p.bytes.begin(), p.bytes.begin() + std::ptrdiff_t(n));
    s.complete(p.reading, result<std::size_t>(n));
    pump(net, s, p);  // there is room: at most once more, nobody reads now
  } else if (p.ended) {
    p.end_read = true;
    s.complete(p.reading, result<std::size_t>(0));
  }
}
void break_pipe(network& net, section& s, pipe& p) {
  p.broken = true;
  p.bytes.clear();
  pump(net, s, p);
}

class memory_connection final : public connection {
 public:
  /// Under the lock.
  memory_connection(network_ptr n, std::shared_ptr<pipe> in, std::shared_ptr<pipe> out,
                    std::string local, std::string peer)
      : net_(std::move(n)),
        in_(std::move(in)),
        out_(std::move(out)),
        local_(std::move(local)),
        peer_(std::move(peer)) {
    net_->connections.insert(this);
  }
  ~memory_connection() override {
    section s(*net_);
    net_->connections.erase(this);
    const bool in_order = !out_->writing && (out_->ended || in_->end_read);
    if (!in_order) {
      give_up(s);
      return;
    }
    out_->ended = true;
    pump(*net_, s, *out_);
    s.complete(in_->reading, result<std::size_t>(gave_up()));
    break_pipe(*net_, s, *in_);
  }

  void read(std::span<std::byte> into, read_done done) override {
    section s(*net_);
    if (is_over(s)) return s.complete(done, result<std::size_t>(gave_up()));
    if (in_->reading || into.empty())
      return s.complete(done, result<std::size_t>(misused("a read without room, or beside one")));
    in_->into = into;
    in_->reading = std::move(done);
    pump(*net_, s, *in_);
  }
  using connection::write;
  void write(std::span<const const_bytes> pieces, write_done done) override {
    section s(*net_);
    if (is_over(s)) return s.complete(done, result<void>(gave_up()));
    if (out_->writing || out_->ended || pieces.size() > write_pieces_max)
      return s.complete(done, result<void>(misused("a write beside another, after the end, or of "
                                                   "too many pieces")));
    out_->from.assign(pieces.begin(), pieces.end());
    out_->piece = out_->at = 0;
    out_->writing = std::move(done);
    pump(*net_, s, *out_);
  }
  void end_writing(write_done done) override {
    section s(*net_);
    if (is_over(s)) return s.complete(done, result<void>(gave_up()));
    if (out_->writing || out_->ended)
      return s.complete(done, result<void>(misused("the end of writing beside a write, or twice")));
    if (out_->broken) return s.complete(done, result<void>(was_reset()));
    out_->ended = true;
    s.complete(done, result<void>());
    pump(*net_, s, *out_);
  }
  void abort() noexcept override {
    section s(*net_);
    give_up(s);
  }
  [[nodiscard]] const std::string& local_address() const noexcept override { return local_; }
  [[nodiscard]] const std::string& peer_address() const noexcept override { return peer_; }

  void cancel(section& s) {
    aborted_ = true;
    s.complete(in_->reading, result<std::size_t>(gave_up()));
    s.complete(out_->writing, result<void>(gave_up()));
  }
  /// Cancels this side's operations, and breaks the peer's.
  void give_up(section& s) {
    cancel(s);
    break_pipe(*net_, s, *in_);
    break_pipe(*net_, s, *out_);
  }

 private:
  [[nodiscard]] bool is_over(section& s) const { return aborted_ || s.is_closed(); }
  network_ptr net_;
  std::shared_ptr<pipe> in_, out_;
  std::string local_, peer_;
  bool aborted_ = false;
};

class memory_listener final : public listener {
 public:
  /// Under the lock.
  memory_listener(network_ptr n, std::string address, std::size_t backlog)
      : net_(std::move(n)),
        address_(std::move(address)),
        backlog_(backlog) {
    net_->listening.emplace(address_, this);
  }
  ~memory_listener() override { close(); }

  void accept(accept_done done) override {
    section s(*net_);
    if (closed_ || s.is_closed()) return s.complete(done, accepted(closed_now()));
    if (accepting_) return s.complete(done, accepted(misused("an accept beside another")));
    accepting_ = std::move(done);
    give(s);
  }
  void close() noexcept override {
    std::deque<std::unique_ptr<connection>> refused;  // let go of without the lock
    section s(*net_);
    end(s, refused);
  }
  [[nodiscard]] const std::string& local_address() const noexcept override { return address_; }

  void end(section& s, std::deque<std::unique_ptr<connection>>& refused) {
    if (std::exchange(closed_, true)) return;
    net_->listening.erase(address_);
    s.complete(accepting_, accepted(closed_now()));
    for (auto& c : waiting_) refused.push_back(std::move(c));
    waiting_.clear();
  }
  [[nodiscard]] bool has_room() const noexcept { return waiting_.size() < backlog_; }
  void arrive(section& s, std::unique_ptr<connection> c) {
    waiting_.push_back(std::move(c));
    give(s);
  }

 private:
  using accepted = result<std::unique_ptr<connection>>;
  static std::unexpected<error> closed_now() {
    return fail(errc::cancelled, "the listener was closed");
  }
  void give(section& s) {
    if (!accepting_ || waiting_.empty()) return;
    s.complete(accepting_, accepted(std::move(waiting_.front())));
    waiting_.pop_front();
  }
  network_ptr net_;
  std::string address_;
  std::size_t backlog_;
  std::deque<std::unique_ptr<connection>> waiting_;
  accept_done accepting_;
  bool closed_ = false;
};

void network::close() {
  std::deque<std::unique_ptr<connection>> refused;
  std::unique_ptr<serial_executor> last;
  {
    section s(*this);
    while (!listening.empty()) listening.begin()->second->end(s, refused);
    for (auto* c : connections) c->cancel(s);
  }
  refused.clear();
  {
    section s(*this);
    last = std::move(serial_);
  }
}

class memory_transport final : public transport {
 public:
  memory_transport(runtime& rt, memory_transport_options o)
      : net_(std::make_shared<network>(rt, o)) {}
  ~memory_transport() override { net_->close(); }

  result<std::unique_ptr<listener>> listen(std::string_view address,
                                           listen_options options) override {
    auto at = parse_address(address);
    if (!at) return std::unexpected(std::move(at.error()));
    section s(*net_);
    if (at->port == 0) at->port = next_port_++;
    std::string name = to_string(*at);
    if (net_->listening.contains(name))
      return fail(errc::address_in_use, "cannot listen on " + name + ": the address is in use");
    const auto backlog = static_cast<std::size_t>(std::max(1, options.backlog));
    return std::make_unique<memory_listener>(net_, std::move(name), backlog);
  }

  void connect(std::string_view address, connect_options, connect_done done) override {
    using connected = result<std::unique_ptr<connection>>;
    const auto at = parse_address(address);
    section s(*net_);
    if (!at) return s.complete(done, connected(std::unexpected(at.error())));
    if (s.is_closed()) return s.complete(done, connected(gave_up()));
    const std::string there = to_string(*at);
    const auto found = net_->listening.find(there);
    if (found == net_->listening.end() || !found->second->has_room())
      return s.complete(done, connected(fail(errc::connection_refused,
                                             "cannot connect to " + there +
                                                 ": nobody accepts connections there; start what "
                                                 "listens, or check the address")));
    const std::string here = to_string({"local", next_port_++});
    auto to = std::make_shared<pipe>(), back = std::make_shared<pipe>();
    auto near = std::make_unique<memory_connection>(net_, back, to, here, there);
    found->second->arrive(s, std::make_unique<memory_connection>(net_, to, back, there, here));
    s.complete(done, connected(std::move(near)));
  }

 private:
  network_ptr net_;
  std::uint16_t next_port_ = 1;  // under the lock
};

}  // namespace

std::unique_ptr<transport> make_memory_transport(runtime& rt, memory_transport_options options) {
  return std::make_unique<memory_transport>(rt, options);
}

}  // namespace odeon
