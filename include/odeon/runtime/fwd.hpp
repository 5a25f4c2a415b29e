#pragma once

/// @file Forward declarations of `runtime`: the seams through which Odeon reaches clocks, threads
/// and chance.

namespace odeon {

class runnable;
class executor;
class serial_executor;
class timer_queue;
class timer_node;
class runtime;
class threaded_runtime;
class simulated_runtime;
struct executor_options;

}  // namespace odeon
