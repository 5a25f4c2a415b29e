#pragma once

#include "interp.hpp"
#include <odeon/persistence/journal.hpp>
#include <odeon/persistence/memory_journal.hpp>
#include <odeon/runtime/simulated.hpp>

#include <memory>
#include <mutex>
#include <span>
#include <utility>

/// @file The Python object `Journal`, the base of `odeon.persistence.Journal`: a journal of C++,
/// whose calls give an `Ask` each.

namespace odeon::python {

/// Where a journal is held for Python until it is closed, by whoever does that. @threadsafe
class journal_box {
 public:
  [[nodiscard]] std::shared_ptr<journal> get() const {
    const std::lock_guard lock(mutex_);
    return held_;
  }
  void set(std::shared_ptr<journal> j) {
    const std::lock_guard lock(mutex_);
    held_ = std::move(j);
  }
  [[nodiscard]] std::shared_ptr<journal> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(held_, nullptr);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<journal> held_;
};

struct journal_object {
  PyObject_HEAD std::shared_ptr<journal_box> box;  // empty: not opened yet, or closed
  std::shared_ptr<memory_store> memory;            // of a journal in memory: its "disk"
  std::shared_ptr<simulated_runtime> simulation;   // where it runs on one
  interp* in;
};

/// The methods that call the journal: journal_calls.cpp.
[[nodiscard]] std::span<const PyMethodDef> journal_calls() noexcept;

/// The journal in a `Journal`, or null with an exception set.
[[nodiscard]] std::shared_ptr<journal> journal_in(interp& in, PyObject* o) noexcept;

/// Its box; `journal_in` has looked at the object.
[[nodiscard]] std::shared_ptr<journal_box> journal_box_of(PyObject* o) noexcept;

/// The runtime of all journals that Python opens, which none of them outlives.
[[nodiscard]] runtime& runtime_of_journals();

/// Opens one of that kind ("memory", "sqlite", "postgres", "mariadb"). `options` is a dict, from
/// which what is known is taken. False: an exception is set. Blocks, the interpreter let go.
[[nodiscard]] bool open_journal(interp& in, journal_object& self, const char* kind,
                                PyObject* options);

/// Fails with an error of the store: an exception of `odeon.errors`. Null.
PyObject* raise_of_store(interp& in, const error& e) noexcept;

[[nodiscard]] bool add_journal_types(PyObject* module, interp& in) noexcept;

}  // namespace odeon::python
