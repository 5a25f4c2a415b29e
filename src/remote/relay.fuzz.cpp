#include "remote/internal/relay_mux.hpp"
#include "remote/internal/relay_switch.hpp"

#include <cstdlib>

/// @file libFuzzer on the relay and on its nodes: the first byte says whom the rest is sent to, and
/// the second into what pieces it is cut.

namespace {

using namespace odeon;
using namespace odeon::remote;
using namespace odeon::remote::relay_detail;

void zeros(std::span<std::byte> out) {
  for (auto& b : out) b = std::byte(7);
}

struct held final : connection {
  void read(std::span<std::byte>, read_done) override {}
  void write(std::span<const const_bytes>, write_done) override {}
  void end_writing(write_done) override {}
  void abort() noexcept override {}
  const std::string& local_address() const noexcept override { return nothing; }
  const std::string& peer_address() const noexcept override { return nothing; }
  std::string nothing;
};

template <class F>
void in_pieces(const_bytes in, std::size_t piece, F each) {
  while (!in.empty()) {
    const std::size_t n = std::min(in.size(), piece);
    each(in.first(n));
    in = in.subspan(n);
  }
}

/// A relay to which "a" is registered already, unless the input is to do that.
void to_relay(const_bytes in, std::size_t piece, bool registered) {
  const relay_limits bounds{.envelope_bytes = 2048, .queue_bytes = 4096};
  relay_switch relay("", bounds, zeros);
  time_point now{std::chrono::hours(1)};
  const auto join = [&](relay_switch::id c, std::string_view name) {
    (void)relay.opened(c, "host", now);
    registration r;
    r.authenticate = false;
    r.name = name;
    bytes b;
    append(b, r);
    relay.received(c, b, now);
  };
  join(1, "b");
  if (registered)
    join(2, "a");
  else
    (void)relay.opened(2, "host", now);
  in_pieces(in, piece, [&](const_bytes part) {
    relay.received(2, part, now);
    now += std::chrono::milliseconds(200);
    relay.tick(now);
    (void)relay.changed();
    (void)relay.events();
    (void)relay.take(2, now);
    relay.wrote(2, now);
  });
  const auto m = relay.metrics();
  if (m.queued_bytes > 4 * bounds.queue_bytes + 4096) std::abort();
  relay.closed(2, now);
  if (relay.metrics().registered > 1 || relay.metrics().connections != 1) std::abort();
}

/// A node; what it is told as a relay, or by a peer in a delivery.
void to_node(const_bytes in, std::size_t piece, bool delivered) {
  relay_transport_options options;
  options.relay = "fuzz";
  options.name = "a";
  options.limits.window_bytes = 4096;
  options.limits.connections = 16;
  relay_mux mux(options, zeros, [](channel_ptr) { return std::make_unique<held>(); });
  time_point now{std::chrono::hours(1)};
  const auto tell = [&](const frame& f) {
    bytes b;
    append(b, f);
    mux.link.received(b, now);
  };
  mux.link.begin(now);
  if (delivered) {
    challenge c;
    c.authenticate = false;
    c.envelope_bytes = 4096;
    c.heartbeat_ms = 5000;
    tell(c);
    tell(welcome{});
  }
  const auto port = mux.listen("*:1", 4);
  mux.accept(**port, [](auto) {});
  mux.connect("b:1", std::chrono::seconds(5), [](auto) {}, now);
  in_pieces(in, piece, [&](const_bytes part) {
    if (delivered)
      tell(delivery{"b", part});
    else
      mux.link.received(part, now);
    now += std::chrono::milliseconds(100);
    mux.tick(now);
    mux.pump(now);
    (void)mux.link.out.take();
    mux.link.out.wrote();
    for (auto& call : mux.completions()) call();
  });
  if (mux.connections() > 16) std::abort();
  mux.cancel_all();
  for (auto& call : mux.completions()) call();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::span all(reinterpret_cast<const std::byte*>(data), size);
  const std::size_t piece = std::size_t{data[1]} + 1;
  const const_bytes in = all.subspan(2);
  switch (data[0] % 4) {
    case 0: to_relay(in, piece, false); break;
    case 1: to_relay(in, piece, true); break;
    case 2: to_node(in, piece, false); break;
    default: to_node(in, piece, true); break;
  }
  if (auto f = read_frame(in)) {
    bytes again;
    append(again, *f);
    // What is read is written as the same bytes.
    if (!std::ranges::equal(const_bytes(again).subspan(head_size), in)) std::abort();
  }
  return 0;
}
