#pragma once

#include <odeon/runtime/transport.hpp>
#include <odeon/stream/pipe.hpp>
#include <odeon/task/future.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

/// @file Connections as sources, sinks and flows of bytes, over any transport: sockets
/// (`net/tcp.hpp`), or memory in tests (`runtime/memory_transport.hpp`).
///
///     auto net = make_tcp_transport(system.get_runtime());
///     auto [server, done] = (tcp::incoming(*net, "127.0.0.1:0") |
///                            to(sink::foreach([&](tcp::connection c) {
///                              c.join(framing::lines() | map(answer)).run(system);
///                            }))).run(system);
///     auto replies = (source::from(requests) | tcp::outgoing(*net, server.address()) |
///                     framing::lines() | to(sink::collect())).run(system);
///
/// Bytes are `std::string`s, cut anywhere. A connection is read when bytes are asked for, and its
/// sink asks for more while it holds less than it may: a side that is slow slows the other one down
/// through the network. What is held is `tcp::options::chunk` on reading and two
/// `tcp::options::write_buffer`s on writing, each with what one more element adds.
///
/// Ends. The peer's end of writing completes the source; the end of what the sink takes ends this
/// side's writing, and the other direction goes on. A broken connection fails both with
/// `errc::io_failed`. A failure of what the sink takes breaks the connection, so that the peer does
/// not take a part for the whole. A connection both of whose sides are let go is closed: in good
/// order after an end of either side, else it is broken.

namespace odeon::stream {

namespace tcp {

struct options {
  std::size_t chunk = 16 * 1024;         ///< bytes read at a time
  std::size_t write_buffer = 64 * 1024;  ///< bytes gathered while others are being written
  listen_options listen = {};            ///< of `incoming`
  connect_options connect = {};          ///< of `outgoing`
};

class connection;
class binding;

}  // namespace tcp

namespace detail {

/// One connection, shared by its two sides. src/stream/tcp.cpp
class tcp_link;
using tcp_link_ptr = std::shared_ptr<tcp_link>;
class tcp_read_port;
class tcp_write_port;
class tcp_door;

class tcp_read_stage {
 public:
  using value_type = std::string;
  explicit tcp_read_stage(tcp_link_ptr link);
  tcp_read_stage(tcp_read_stage&&) noexcept = default;
  tcp_read_stage& operator=(tcp_read_stage&&) noexcept;
  ~tcp_read_stage();
  polled<std::string> next(island& in);
  void drive(island&) noexcept {}

 private:
  tcp_link_ptr link_;
  std::shared_ptr<tcp_read_port> port_;
};

/// What a writing island does with the bytes.
class tcp_writer {
 public:
  enum class state : std::uint8_t {
    wants,  ///< more bytes
    waits,  ///< for the connection, which will wake the island
    over,   ///< all is written, and so is the end
    given_up,
  };
  explicit tcp_writer(tcp_link_ptr link);
  tcp_writer(tcp_writer&&) noexcept = default;
  tcp_writer& operator=(tcp_writer&&) noexcept = default;
  ~tcp_writer();
  /// How it stands now. Throws `actor_error` when the connection is broken.
  state look(island& in);
  void take(std::string&& bytes);
  /// Nothing more for now: what was gathered is to be written.
  void flush(island& in);
  void finish() noexcept { finishing_ = true; }
  /// Breaks the connection.
  void fail(const std::exception_ptr& why) noexcept;
  [[nodiscard]] std::uint64_t written() const noexcept { return written_; }

 private:
  void start(island& in);
  tcp_link_ptr link_;
  std::shared_ptr<tcp_write_port> port_;
  std::string gathered_;
  std::uint64_t written_ = 0;
  bool finishing_ = false, ending_ = false;
};

template <class Up>
class tcp_write_body final : public island_body {
  static_assert(std::same_as<typename Up::value_type, std::string>,
                "odeon: a connection takes pieces of bytes as std::string");

 public:
  tcp_write_body(Up up, tcp_link_ptr link, promise<std::uint64_t> result)
      : up_(std::move(up)),
        writer_(std::move(link)),
        promise_(std::move(result)) {}
  bool step(island& in) override {
    for (;;) {
      switch (writer_.look(in)) {
        case tcp_writer::state::wants: break;
        case tcp_writer::state::waits: return false;
        case tcp_writer::state::given_up: return true;
        case tcp_writer::state::over:
          if (promise_) promise_.set(writer_.written());
          return true;
      }
      auto p = up_->next(in);
      if (p) {
        writer_.take(std::move(*p));
      } else if (p.has_ended()) {
        up_.reset();
        writer_.finish();
      } else {
        writer_.flush(in);
        return false;
      }
    }
  }
  void drive(island& in) override {
    if (up_) up_->drive(in);
  }
  void fail(const std::exception_ptr& why) noexcept override {
    writer_.fail(why);
    if (promise_) promise_.fail(error_of(why));
  }

 private:
  std::optional<Up> up_;
  tcp_writer writer_;
  promise<std::uint64_t> promise_;
};

/// Throws `actor_error(invalid_argument)` when the side is in use.
void claim_reader(tcp_link& l);
void claim_writer(tcp_link& l);
/// Both sides belong to one flow: when nobody reads any more, writing ends as well.
void make_flow(tcp_link& l);
tcp_link_ptr connect_link(transport& t, const std::string& address, const tcp::options& o);

struct tcp_source {
  using stream_source = void;
  using built_type = built<tcp_read_stage>;
  tcp_link_ptr link;
  built_type build(materializer&) && {
    claim_reader(*link);
    return {tcp_read_stage(std::move(link)), {}};
  }
};

struct tcp_sink {
  using stream_sink = void;
  tcp_link_ptr link;
  template <class Up, class... Mats>
  auto attach(materializer& m, built<Up, Mats...> b) && {
    claim_writer(*link);
    auto [p, f] = promise<std::uint64_t>::make(m.get_runtime());
    m.add(std::make_unique<tcp_write_body<Up>>(std::move(b.stage), std::move(link), std::move(p)));
    return std::tuple_cat(std::move(b.mats), std::make_tuple(std::move(f)));
  }
};

template <class Up, class... Mats>
auto attach_link(materializer& m, tcp_link_ptr link, built<Up, Mats...> b) {
  claim_reader(*link);
  claim_writer(*link);
  make_flow(*link);
  m.add(std::make_unique<tcp_write_body<Up>>(std::move(b.stage), link, promise<std::uint64_t>()));
  return make_built(tcp_read_stage(std::move(link)), std::move(b.mats));
}

struct tcp_flow {
  using stream_flow = void;
  tcp_link_ptr link;
  template <class Up, class... Mats>
  auto attach(materializer& m, built<Up, Mats...> b) && {
    return attach_link(m, std::move(link), std::move(b));
  }
};
struct tcp_outgoing_flow {
  using stream_flow = void;
  transport* over;
  std::string address;
  tcp::options options;
  template <class Up, class... Mats>
  auto attach(materializer& m, built<Up, Mats...> b) && {
    return attach_link(m, connect_link(*over, address, options), std::move(b));
  }
};

class tcp_accept_stage {
 public:
  using value_type = tcp::connection;
  explicit tcp_accept_stage(std::shared_ptr<tcp_door> door) noexcept : door_(std::move(door)) {}
  tcp_accept_stage(tcp_accept_stage&&) noexcept = default;
  tcp_accept_stage& operator=(tcp_accept_stage&& o) noexcept {
    std::swap(door_, o.door_);
    return *this;
  }
  ~tcp_accept_stage();
  polled<tcp::connection> next(island& in);
  void drive(island&) noexcept {}

 private:
  std::shared_ptr<tcp_door> door_;
};

struct tcp_incoming_source {
  using stream_source = void;
  using built_type = built<tcp_accept_stage, tcp::binding>;
  transport* over;
  std::string address;
  tcp::options options;
  built_type build(materializer&) &&;  // below
};

}  // namespace detail

namespace tcp {

/// One accepted connection. Copies are the same one. Its source and its sink are each for one
/// stream; a second one that is run throws `actor_error(invalid_argument)`. When nothing of it is
/// held any more it ends.
class connection {
 public:
  explicit connection(detail::tcp_link_ptr link) noexcept : link_(std::move(link)) {}

  /// The bytes that the peer sends.
  [[nodiscard]] auto source() const { return detail::tcp_source{link_}; }
  /// Sends bytes to the peer, and the end behind them. The result comes when all is handed to the
  /// system: the number of bytes. `future<std::uint64_t>`
  [[nodiscard]] auto sink() const { return detail::tcp_sink{link_}; }
  /// Both in one: what goes in is sent, what comes out was received. As `outgoing`.
  [[nodiscard]] auto flow() const { return detail::tcp_flow{link_}; }
  /// What serves the peer, ready to be run: `source() | serve | to(sink())`.
  template <is_flow F>
  [[nodiscard]] auto join(F serve) const {
    return source() | std::move(serve) | to(sink());
  }

  [[nodiscard]] const std::string& local_address() const noexcept;
  [[nodiscard]] const std::string& peer_address() const noexcept;

 private:
  detail::tcp_link_ptr link_;
};

/// The place where `incoming` listens. Copies are the same; letting go of it does nothing.
/// @threadsafe
class binding {
 public:
  explicit binding(std::shared_ptr<detail::tcp_door> door) noexcept : door_(std::move(door)) {}

  /// "127.0.0.1:40312", with the real port. Throws `actor_error` when it could not be listened on,
  /// which the stream fails with as well.
  [[nodiscard]] const std::string& address() const;
  /// Takes no more connections: the source completes; connections that were accepted go on.
  void unbind() const noexcept;

 private:
  std::shared_ptr<detail::tcp_door> door_;
};

/// Listens on `address` (see `transport::listen`) from the moment it is run, and gives the
/// connections that arrive, each when it is asked for. An address that cannot be listened on fails
/// the stream with `errc::io_failed` or `errc::invalid_argument`. `t` must outlive the run.
/// Materialises a `tcp::binding`.
[[nodiscard]] inline auto incoming(transport& t, std::string address, options o = {}) {
  return detail::tcp_incoming_source{&t, std::move(address), o};
}

/// Connects when it is run; what comes in is sent, what comes out was received. It asks for nothing
/// before it is connected. No connection: it fails with the error of `transport::connect` and
/// cancels what is before. The end of what comes in is told to the peer, and what the peer still
/// sends comes out. Cancelled, it cancels what is before and closes the connection, in good order
/// unless bytes are just being written. `t` must outlive the run's start.
[[nodiscard]] inline auto outgoing(transport& t, std::string address, options o = {}) {
  return detail::tcp_outgoing_flow{&t, std::move(address), o};
}

}  // namespace tcp

}  // namespace odeon::stream
