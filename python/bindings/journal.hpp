#pragma once

#include "interp.hpp"
#include <odeon/persistence/journal.hpp>
#include <odeon/persistence/memory_journal.hpp>

#include <memory>

/// @file The Python object `Journal`, the base of `odeon.persistence.Journal`: a journal of C++,
/// whose calls give an `Ask` each.

namespace odeon::python {

struct journal_object {
  PyObject_HEAD std::shared_ptr<journal> held;  // null: not opened yet, or could not be
  std::shared_ptr<memory_store> memory;         // of a journal in memory: its "disk"
  interp* in;
};

/// The journal in a `Journal`, or null with an exception set.
[[nodiscard]] std::shared_ptr<journal> journal_in(interp& in, PyObject* o) noexcept;

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
