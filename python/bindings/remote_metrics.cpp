// How an endpoint and its peers are doing, as dicts whose keys are the fields of the dataclasses.

#include "remote.hpp"
#include "values.hpp"
#include <odeon/remote/metrics.hpp>

namespace odeon::python {

namespace {

owned traffic_of(const remote::traffic& t) {
  return dict_of()
      .add("bytes", t.bytes)
      .add("writes", t.writes)
      .add("messages", t.messages)
      .add("controls", t.controls)
      .take();
}

owned peer_of(const remote::peer_metrics& p) {
  return dict_of()
      .add("node", p.node)
      .add("incarnation", p.incarnation)
      .add("state", to_string(p.state))
      .add("last_error", p.last_error)
      .add("sent", traffic_of(p.sent))
      .add("received", traffic_of(p.received))
      .add("connections", p.connections)
      .add("queued_bytes", p.queued_bytes)
      .add("queued_messages", p.queued_messages)
      .add("unacknowledged", p.unacknowledged)
      .add("reconnects", p.reconnects)
      .add("unsent", p.unsent)
      .add("overloads", p.overloads)
      .add("round_trip", p.round_trip)
      .add("heard_before", p.heard_before)
      .add("phi", p.phi)
      .add("failed_attempts", p.failed_attempts)
      .take();
}

}  // namespace

PyObject* metrics_to_python(const remote::endpoint_metrics& m) {
  dict_of rejected;
  for (std::size_t i = 0; i < m.rejected.size(); ++i)
    rejected.add(std::string(to_string(static_cast<remote::rejection>(i))).c_str(), m.rejected[i]);
  return dict_of()
      .add("sent", traffic_of(m.sent))
      .add("received", traffic_of(m.received))
      .add("connections", m.connections)
      .add("handshakes", m.handshakes)
      .add("quarantined", m.quarantined)
      .add("accepted", m.accepted)
      .add("attempts", m.attempts)
      .add("failed_attempts", m.failed_attempts)
      .add("gone", m.gone)
      .add("rejected", rejected.take())
      .add("peers", list_of(m.peers, &peer_of))
      .take()
      .release();
}

}  // namespace odeon::python
