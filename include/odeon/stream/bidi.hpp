#pragma once

#include <odeon/stream/pipe.hpp>

#include <utility>

/// @file Flows in both directions: protocols in layers.
///
///     auto frames  = bidi_flow(framing::length_prefix(max), framing::length_field(max));
///     auto objects = bidi_flow(map(encode), map(decode));
///     auto wire    = objects.atop(frames).join(connection);   // a flow of objects to objects

namespace odeon::stream {

/// Two flows: `down` towards the wire, `up` from it. A value.
template <is_flow Down, is_flow Up>
class bidi_flow {
 public:
  bidi_flow(Down down, Up up) : down_(std::move(down)), up_(std::move(up)) {}

  /// This layer on top of `below`.
  template <is_flow D, is_flow U>
  [[nodiscard]] auto atop(bidi_flow<D, U> below) const {
    return stream::bidi_flow(down_ | std::move(below).down(), std::move(below).up() | up_);
  }
  /// Closes it with the flow below all layers: what goes down comes out of it and goes up.
  template <is_flow F>
  [[nodiscard]] auto join(F flow) const {
    return down_ | std::move(flow) | up_;
  }
  /// The other way round.
  [[nodiscard]] auto reversed() const { return stream::bidi_flow<Up, Down>(up_, down_); }

  [[nodiscard]] const Down& down() const noexcept { return down_; }
  [[nodiscard]] const Up& up() const noexcept { return up_; }

 private:
  Down down_;
  Up up_;
};

}  // namespace odeon::stream
