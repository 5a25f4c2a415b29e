#pragma once

/// @file Forward declarations of `task`: coroutines, futures, and who drives them.

namespace odeon {

template <class T = void>
class task;
template <class T>
class future;
template <class T>
class promise;
class task_driver;

}  // namespace odeon
