#pragma once

/// @file Forward declarations of `task`: coroutines, futures, and who drives them.

namespace odeon {

template <class T = void, class M = void>
class task;
/// A task that is run for its messages.
template <class M>
using effect = task<void, M>;
template <class T>
class future;
template <class T>
class promise;
template <class T, class M>
class forked;
class task_driver;
class task_handle;
class task_scope;
struct unhandled_task_error;

}  // namespace odeon
