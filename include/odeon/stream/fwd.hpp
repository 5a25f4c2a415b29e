#pragma once

/// @file Forward declarations of `stream`: back-pressured pipelines of values.

namespace odeon::stream {

template <class T>
class polled;
class island;
class island_body;
class materializer;
class waker;
struct run_options;

}  // namespace odeon::stream
