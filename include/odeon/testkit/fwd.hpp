#pragma once

#include <odeon/core/fwd.hpp>

/// @file Forward declarations of `testkit`.

namespace odeon::testkit {

class assertion_error;
class kit;
struct kit_options;
template <class... Ms>
class probe;
template <class E>
class event_log;

}  // namespace odeon::testkit
