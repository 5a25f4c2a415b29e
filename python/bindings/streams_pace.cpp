/// @file How long streams may run before the loop of their host has its turn.
///
/// Callbacks of Python are slow, and a turn of the core is counted in elements, not in time. So
/// every few elements the clock is looked at: when islands of this thread have run for a
/// millisecond in one drain, those that ask are woken by a callback of the loop, after all that is
/// ready there.

#include "host.hpp"
#include "streams.hpp"

#include <ctime>

namespace odeon::python {

namespace {

constexpr std::uint32_t elements_per_look = 4;
constexpr std::int64_t slice_ns = 1'000'000;

std::int64_t clock_ns() noexcept {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1'000'000'000 + t.tv_nsec;
}

/// Of a thread: what its islands have used of a drain.
struct pace {
  std::uint32_t elements = 0;
  const host* at = nullptr;  // whose drain it was; compared, not followed
  std::uint64_t drain = 0;
  std::int64_t began = 0;
  // Of the callback that is on its way.
  std::weak_ptr<host> asked;
  std::vector<st::waker_ptr> waiting;
};
pace& this_pace() {
  thread_local pace p;
  return p;
}

PyObject* go_on(PyObject*, PyObject*) {
  const entry in_layer;
  pace& p = this_pace();
  p.asked.reset();
  for (const auto& w : std::exchange(p.waiting, {})) w->wake();
  Py_RETURN_NONE;
}
PyMethodDef go_on_def = {"go_on", &go_on, METH_NOARGS, nullptr};

/// False: the loop takes no callback.
bool ask_for_callback(pace& p, host& at) {
  if (p.asked.lock().get() == &at) return true;
  p.waiting.clear();  // of a loop that has been closed
  const owned call(PyCFunction_New(&go_on_def, nullptr));
  const owned r(call ? PyObject_CallMethodOneArg(at.loop(), at.home().name.call_soon, call.get())
                     : nullptr);
  if (!r) {
    PyErr_Clear();
    return false;
  }
  p.asked = at.weak_from_this();
  return true;
}

}  // namespace

bool goes_on(st::island& in) {
  pace& p = this_pace();
  if (++p.elements % elements_per_look != 0) return true;
  host* at = host::current();
  if (!at || at->is_simulated()) return true;
  const std::int64_t now = clock_ns();
  if (p.at != at || p.drain != at->metrics.drains) {
    p.at = at;
    p.drain = at->metrics.drains;
    p.began = now;
    return true;
  }
  if (now - p.began < slice_ns) return true;
  in.rest();
  if (at->loop() && ask_for_callback(p, *at))
    p.waiting.push_back(in.get_waker());
  else
    in.again();
  return false;
}

}  // namespace odeon::python
