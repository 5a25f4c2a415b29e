// A connection between two islands and a transport.
//
// Who owns what
//   link      the connection itself. Held by the reading stage, by the writer, and by the user's
//             tcp::connection; when the last of them goes, the connection is let go.
//   ports     the buffers of one direction, and what the transport answered. Held by a stage and by
//             the operation that is under way, which may outlive the link: letting the connection
//             go is what ends the operation. So an operation never keeps its own connection alive.
//
// A port's operation: idle → under way by its island; under way → answered by the transport, which
// then wakes the island; answered → idle by the island. All under the port's lock.
//
// A link is connecting, open or failed; who finds it connecting leaves its waker, and is woken when
// that has changed.

#include <odeon/base/detail/spin.hpp>
#include <odeon/stream/tcp.hpp>

#include <array>
#include <atomic>
#include <vector>

namespace odeon::stream {

namespace detail {

using odeon::detail::spin_guard;
using odeon::detail::spin_lock;

namespace {

/// One operation at a time, whose answer wakes an island.
template <class T>
class answer {
 public:
  void begin(const waker_ptr& w) {
    spin_guard guard(lock_);
    waker_ = w;
    under_way_ = true;
  }
  void arrived(result<T> r) {
    waker_ptr w;
    {
      spin_guard guard(lock_);
      value_.emplace(std::move(r));
      w = std::move(waker_);
    }
    w->wake();
  }
  [[nodiscard]] bool is_under_way() {
    spin_guard guard(lock_);
    return under_way_;
  }
  std::optional<result<T>> take() {
    spin_guard guard(lock_);
    if (!value_) return std::nullopt;
    under_way_ = false;
    return std::exchange(value_, std::nullopt);
  }

 private:
  spin_lock lock_;
  waker_ptr waker_;
  bool under_way_ = false;
  std::optional<result<T>> value_;
};

}  // namespace

class tcp_read_port {
 public:
  explicit tcp_read_port(std::size_t n) : room(n == 0 ? 1 : n) {}
  answer<std::size_t> got;
  std::vector<std::byte> room;
};
class tcp_write_port {
 public:
  answer<void> done;
  std::string bytes;
};

class tcp_link {
 public:
  explicit tcp_link(const tcp::options& o) : options(o) {}
  tcp_link(const tcp::options& o, std::unique_ptr<odeon::connection> c) : options(o) {
    opened(std::move(c));
  }

  void opened(result<std::unique_ptr<odeon::connection>> c) {
    std::array<waker_ptr, 2> wake;
    {
      spin_guard guard(lock_);
      if (!c && !why_) why_ = exception_of(std::move(c.error()));
      if (c && !why_) connection_ = std::move(*c);
      wake.swap(waiting_);
    }
    for (auto& w : wake)
      if (w) w->wake();
  }
  /// Null: it is not open yet, and `in` will be woken. Throws what connecting failed with, or what
  /// this side gave up for.
  odeon::connection* look(island& in, std::size_t who) {
    std::exception_ptr why;
    {
      spin_guard guard(lock_);
      why = why_;
      if (!why && !connection_) waiting_[who] = in.get_waker();
      if (!why) return connection_.get();
    }
    std::rethrow_exception(why);
  }
  /// What the reader fails with: this side's reason, where there is one.
  [[nodiscard]] std::exception_ptr reason(error e) {
    spin_guard guard(lock_);
    return why_ ? why_ : exception_of(std::move(e));
  }
  /// This side has failed.
  void fail(const std::exception_ptr& why) noexcept {
    odeon::connection* c = nullptr;
    std::array<waker_ptr, 2> wake;
    {
      spin_guard guard(lock_);
      if (!why_) why_ = why;
      c = connection_.get();
      wake.swap(waiting_);
    }
    if (c) c->abort();
    for (auto& w : wake)
      if (w) w->wake();
  }
  void reader_gone() noexcept {
    waker_ptr w;
    {
      spin_guard guard(lock_);
      nobody_reads_ = true;
      w = writer_;
    }
    if (w) w->wake();
  }
  /// Whether the writer is to end as well; it is woken when that comes later.
  [[nodiscard]] bool is_unwanted(island& in) {
    spin_guard guard(lock_);
    if (!is_flow) return false;
    if (!writer_) writer_ = in.get_waker();
    return nobody_reads_;
  }
  [[nodiscard]] odeon::connection* get() noexcept { return connection_.get(); }

  const tcp::options options;
  bool is_flow = false;  // before the islands start
  std::atomic<bool> has_reader{false}, has_writer{false};

 private:
  spin_lock lock_;
  std::unique_ptr<odeon::connection> connection_;  // set once
  std::exception_ptr why_;
  std::array<waker_ptr, 2> waiting_;
  waker_ptr writer_;
  bool nobody_reads_ = false;
};

void claim_reader(tcp_link& l) {
  if (l.has_reader.exchange(true))
    throw actor_error(errc::invalid_argument,
                      "the bytes of this connection go to another stream already");
}
void claim_writer(tcp_link& l) {
  if (l.has_writer.exchange(true))
    throw actor_error(errc::invalid_argument, "another stream writes to this connection already");
}
void make_flow(tcp_link& l) { l.is_flow = true; }

tcp_link_ptr connect_link(transport& t, const std::string& address, const tcp::options& o) {
  auto link = std::make_shared<tcp_link>(o);
  t.connect(address, o.connect, [weak = std::weak_ptr(link)](auto c) {
    if (auto alive = weak.lock()) alive->opened(std::move(c));
  });
  return link;
}

// -- reading --------------------------------------------------------------------------------------

tcp_read_stage::tcp_read_stage(tcp_link_ptr link)
    : link_(std::move(link)),
      port_(std::make_shared<tcp_read_port>(link_->options.chunk)) {}
tcp_read_stage& tcp_read_stage::operator=(tcp_read_stage&& o) noexcept {
  std::swap(link_, o.link_);
  std::swap(port_, o.port_);
  return *this;
}
tcp_read_stage::~tcp_read_stage() {
  if (link_) link_->reader_gone();
}

polled<std::string> tcp_read_stage::next(island& in) {
  odeon::connection* c = link_->look(in, 0);
  if (!c) return pending;
  if (!in.spend()) return pending;
  if (auto r = port_->got.take()) {
    if (!*r) std::rethrow_exception(link_->reason(std::move(r->error())));
    if (**r == 0) {
      link_.reset();  // an end is no cancelling
      return ended;
    }
    return polled<std::string>(std::in_place, reinterpret_cast<const char*>(port_->room.data()),
                               **r);
  }
  if (!port_->got.is_under_way()) {
    port_->got.begin(in.get_waker());
    c->read(port_->room, [p = port_](result<std::size_t> n) { p->got.arrived(std::move(n)); });
  }
  return pending;
}

// -- writing --------------------------------------------------------------------------------------

tcp_writer::tcp_writer(tcp_link_ptr link)
    : link_(std::move(link)),
      port_(std::make_shared<tcp_write_port>()) {}
tcp_writer::~tcp_writer() = default;

auto tcp_writer::look(island& in) -> state {
  odeon::connection* c = link_->look(in, 1);
  if (auto r = port_->done.take()) {
    if (!*r) {
      // The reader knows better: there may be an answer before the end.
      if (link_->is_flow) return state::given_up;
      throw actor_error(std::move(r->error()));
    }
    if (ending_) return state::over;
    written_ += port_->bytes.size();
  }
  if (link_->is_unwanted(in)) {
    if (c && !port_->done.is_under_way()) c->end_writing([](const result<void>&) {});
    return state::given_up;
  }
  if (!c || ending_) return state::waits;
  const bool full = gathered_.size() >= link_->options.write_buffer;
  if (!port_->done.is_under_way()) {
    if (full || finishing_) start(in);
    return finishing_ ? state::waits : state::wants;
  }
  return full || finishing_ ? state::waits : state::wants;
}

void tcp_writer::take(std::string&& bytes) {
  if (gathered_.empty())
    gathered_ = std::move(bytes);
  else
    gathered_ += bytes;
}
void tcp_writer::flush(island& in) {
  if (!gathered_.empty() && !port_->done.is_under_way()) start(in);
}
/// Writes what was gathered; else the end.
void tcp_writer::start(island& in) {
  port_->done.begin(in.get_waker());
  auto told = [p = port_](result<void> r) { p->done.arrived(std::move(r)); };
  if (gathered_.empty()) {
    ending_ = true;
    link_->get()->end_writing(std::move(told));
    return;
  }
  port_->bytes = std::exchange(gathered_, {});
  link_->get()->write(std::as_bytes(std::span(port_->bytes)), std::move(told));
}
void tcp_writer::fail(const std::exception_ptr& why) noexcept { link_->fail(why); }

// -- listening ------------------------------------------------------------------------------------

class tcp_door {
 public:
  using given = std::unique_ptr<odeon::connection>;
  tcp_door(result<std::unique_ptr<listener>> l, const tcp::options& o)
      : listener_(std::move(l)),
        options_(o) {}

  [[nodiscard]] const std::string& address() const {
    if (!listener_) throw actor_error(listener_.error());
    return (*listener_)->local_address();
  }
  void close() noexcept {
    closed_.store(true);
    if (listener_) (*listener_)->close();
  }
  std::optional<given> next(island& in, bool& over) {
    if (!listener_) throw actor_error(listener_.error());
    if (auto r = accepted_->take()) {
      if (*r) return std::move(**r);
      if (!closed_) throw actor_error(std::move(r->error()));
    }
    if (closed_) {
      over = true;
    } else if (!accepted_->is_under_way()) {
      accepted_->begin(in.get_waker());
      (*listener_)->accept([a = accepted_](result<given> r) { a->arrived(std::move(r)); });
    }
    return std::nullopt;
  }
  [[nodiscard]] const tcp::options& options() const noexcept { return options_; }

 private:
  result<std::unique_ptr<listener>> listener_;
  const tcp::options options_;
  std::shared_ptr<answer<given>> accepted_ = std::make_shared<answer<given>>();
  std::atomic<bool> closed_{false};
};

tcp_accept_stage::~tcp_accept_stage() {
  if (door_) door_->close();
}

polled<tcp::connection> tcp_accept_stage::next(island& in) {
  if (!in.spend()) return pending;
  bool over = false;
  if (auto c = door_->next(in, over))
    return tcp::connection(std::make_shared<tcp_link>(door_->options(), std::move(*c)));
  if (over) return ended;
  return pending;
}

auto tcp_incoming_source::build(materializer&) && -> built_type {
  auto door = std::make_shared<tcp_door>(over->listen(address, options.listen), options);
  return {tcp_accept_stage(door), std::tuple<tcp::binding>(tcp::binding(door))};
}

}  // namespace detail

namespace tcp {

const std::string& connection::local_address() const noexcept {
  return link_->get()->local_address();
}
const std::string& connection::peer_address() const noexcept {
  return link_->get()->peer_address();
}
const std::string& binding::address() const { return door_->address(); }
void binding::unbind() const noexcept { door_->close(); }

}  // namespace tcp

}  // namespace odeon::stream
