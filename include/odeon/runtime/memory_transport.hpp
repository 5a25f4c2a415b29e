#pragma once

#include <odeon/runtime/fwd.hpp>
#include <odeon/runtime/transport.hpp>

#include <cstddef>
#include <memory>

namespace odeon {

struct memory_transport_options {
  std::size_t capacity = 64 * 1024;  ///< bytes on their way, in each direction of a connection
  std::size_t read_max = std::size_t(-1);  ///< bytes that one read gives; small ones try framing
};

/// A transport without a network: connections between parts of one program, through pipes with a
/// bound. For tests; on the simulated runtime every run of a seed is the same. Each transport is a
/// network of its own. Any host may be listened on; addresses are compared as text, and ports that
/// are asked for as 0 are counted up from 1. `rt` must outlive it.
[[nodiscard]] std::unique_ptr<transport> make_memory_transport(
    runtime& rt, memory_transport_options options = {});

}  // namespace odeon
