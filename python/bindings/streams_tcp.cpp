/// @file Connections. Their bytes are read and written by threads of C++, which wake the islands.
///
/// A system has one transport, made when it is first needed: sockets, or, where the system runs on
/// a simulation, pipes in memory. It ends after the last actor, and so after the last stage.

#include "streams_bytes.hpp"
#include "system.hpp"
#include <odeon/net/tcp.hpp>
#include <odeon/runtime/memory_transport.hpp>
#include <odeon/stream/tcp.hpp>

namespace odeon::python {

namespace {

namespace d = st::detail;

struct network {
  std::unique_ptr<transport> over;
};

transport& transport_of(actor_system& s) {
  if (const auto known = s.find_extension<network>()) return *known->over;
  runtime& rt = s.get_runtime();
  auto made = std::make_shared<network>();
  made->over =
      dynamic_cast<simulated_runtime*>(&rt) ? make_memory_transport(rt) : make_tcp_transport(rt);
  try {
    s.add_extension(made);
  } catch (const actor_error& e) {
    if (e.code() != errc::name_taken) throw;  // else another thread was faster
  }
  return *s.find_extension<network>()->over;
}

// -- handles -------------------------------------------------------------------------------------

struct connection_handle final : stream_handle {
  explicit connection_handle(st::tcp::connection c) noexcept : connection(std::move(c)) {}
  [[nodiscard]] const char* kind() const noexcept override { return "connection"; }
  [[nodiscard]] d::tcp_link_ptr link() const { return connection.source().link; }
  st::tcp::connection connection;
};
struct binding_handle final : stream_handle {
  explicit binding_handle(st::tcp::binding b) noexcept : binding(std::move(b)) {}
  [[nodiscard]] const char* kind() const noexcept override { return "binding"; }
  st::tcp::binding binding;
};

d::tcp_link_ptr link_in(plan& p, PyObject* capsule) {
  const auto h = handle_as<connection_handle>(capsule);
  if (!h) throw_python(p.in);
  return h->link();
}

/// `wrap(handle)` of each connection.
struct wrapped_connection {
  callback wrap;
  item operator()(st::tcp::connection&& c) const {
    return wrap(
        checked(wrap.home(), new_handle(std::make_shared<connection_handle>(std::move(c)))));
  }
};

// -- stages --------------------------------------------------------------------------------------

/// As the body of C++, with an `Ask` for the number of bytes, or without.
class write_body final : public st::island_body {
 public:
  write_body(erased up, d::tcp_link_ptr link) : up_(std::move(up)), writer_(std::move(link)) {}
  write_body(erased up, d::tcp_link_ptr link, completion done)
      : up_(std::move(up)),
        writer_(std::move(link)),
        done_(std::move(done)) {}
  bool step(st::island& in) override {
    using state = d::tcp_writer::state;
    for (;;) {
      switch (writer_.look(in)) {
        case state::wants: break;
        case state::waits: return false;
        case state::given_up: return true;
        case state::over:
          if (done_) tell_size(*done_, writer_.written());
          done_.reset();
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
  void drive(st::island& in) override {
    if (up_) up_->drive(in);
  }
  void fail(const std::exception_ptr& why) noexcept override {
    writer_.fail(why);
    if (done_) fail_with(*done_, why);
    done_.reset();
  }

 private:
  std::optional<bytes_of_elements> up_;
  d::tcp_writer writer_;
  std::optional<completion> done_;
};

erased through(plan& p, erased up, d::tcp_link_ptr link) {
  d::claim_reader(*link);
  d::claim_writer(*link);
  d::make_flow(*link);
  p.add(std::make_unique<write_body>(std::move(up), link));
  return from_bytes(p, paced<d::tcp_read_stage>(d::tcp_read_stage(std::move(link))));
}

constexpr source_op sources[] = {
    {"connection",
     [](plan& p, const op_args& a) {
       auto link = link_in(p, a.at(0));
       d::claim_reader(*link);
       return from_bytes(p, paced<d::tcp_read_stage>(d::tcp_read_stage(std::move(link))));
     }},
    {"tcp_incoming",  // address, wrap, bytes read at a time, bytes gathered, backlog
     [](plan& p, const op_args& a) {
       st::tcp::options o{.chunk = a.size(2), .write_buffer = a.size(3)};
       o.listen.backlog = static_cast<int>(std::min<std::size_t>(a.size(4), 1U << 20));
       auto b = d::tcp_incoming_source{&transport_of(p.m.system()), a.text(0), o}.build(p.m);
       p.materialize(new_handle(std::make_shared<binding_handle>(std::get<0>(b.mats))));
       using accepting = paced<d::tcp_accept_stage>;
       return make_stage<d::map_stage<accepting, wrapped_connection>>(
           accepting(std::move(b.stage)), wrapped_connection{a.call(1)});
     }},
};

constexpr flow_op table[] = {
    {"connection", [](plan& p, erased up,
                      const op_args& a) { return through(p, std::move(up), link_in(p, a.at(0))); }},
    {"tcp_outgoing",  // address, seconds to connect, bytes read at a time, bytes gathered
     [](plan& p, erased up, const op_args& a) {
       st::tcp::options o{.chunk = a.size(2), .write_buffer = a.size(3)};
       o.connect.timeout = a.seconds(1);
       return through(p, std::move(up), d::connect_link(transport_of(p.m.system()), a.text(0), o));
     }},
};

constexpr sink_op sinks[] = {
    {"connection",
     [](plan& p, erased up, const op_args& a) {
       auto link = link_in(p, a.at(0));
       d::claim_writer(*link);
       auto [ask, done] = make_awaitable(p.in, p.m.get_runtime());
       item result = checked(p.in, ask);
       p.add(std::make_unique<write_body>(std::move(up), std::move(link), std::move(done)));
       return result.take();
     }},
};

// -- functions -----------------------------------------------------------------------------------

/// stream_address(binding) → text; raises what listening failed with
PyObject* stream_address(PyObject* module, PyObject* capsule) {
  const entry in_layer;
  const auto h = handle_as<binding_handle>(capsule);
  if (!h) return nullptr;
  return guarded(interp_of_module(module), [&] { return text_of(h->binding.address()); });
}
PyObject* stream_unbind(PyObject* module, PyObject* capsule) {
  const entry in_layer;
  const auto h = handle_as<binding_handle>(capsule);
  if (!h) return nullptr;
  return guarded(interp_of_module(module), [&]() -> PyObject* {
    h->binding.unbind();
    Py_RETURN_NONE;
  });
}
/// stream_peers(connection) → (own address, the peer's)
PyObject* stream_peers(PyObject* module, PyObject* capsule) {
  const entry in_layer;
  const auto h = handle_as<connection_handle>(capsule);
  if (!h) return nullptr;
  return guarded(interp_of_module(module), [&]() -> PyObject* {
    const owned own(text_of(h->connection.local_address()));
    const owned peer(text_of(h->connection.peer_address()));
    return own && peer ? PyTuple_Pack(2, own.get(), peer.get()) : nullptr;
  });
}

PyMethodDef functions[] = {
    {"stream_address", &stream_address, METH_O, nullptr},
    {"stream_unbind", &stream_unbind, METH_O, nullptr},
    {"stream_peers", &stream_peers, METH_O, nullptr},
    {},
};

}  // namespace

std::span<const source_op> tcp_sources() { return sources; }
std::span<const flow_op> tcp_flows() { return table; }
std::span<const sink_op> tcp_sinks() { return sinks; }
PyMethodDef* tcp_functions() noexcept { return functions; }

}  // namespace odeon::python
