#pragma once

#include "py.hpp"
#include <odeon/base/time.hpp>

#include <concepts>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

/// @file Records of C++ as dicts, and lists of texts, for the cold calls of modules. Attached.

namespace odeon::python {

[[nodiscard]] inline PyObject* value_of(std::string_view s) noexcept { return text_of(s); }
[[nodiscard]] inline PyObject* value_of(bool b) noexcept { return PyBool_FromLong(b); }
[[nodiscard]] inline PyObject* value_of(double d) noexcept { return PyFloat_FromDouble(d); }
/// Seconds.
[[nodiscard]] inline PyObject* value_of(duration d) noexcept {
  return PyFloat_FromDouble(std::chrono::duration<double>(d).count());
}
[[nodiscard]] inline PyObject* value_of(std::unsigned_integral auto n) noexcept {
  return PyLong_FromUnsignedLongLong(n);
}
[[nodiscard]] inline PyObject* value_of(owned o) noexcept { return o.release(); }

/// A dict that is being filled. After a failure the exception is set, and `take` gives null.
class dict_of {
 public:
  dict_of() noexcept : made_(PyDict_New()) {}
  template <class T>
  dict_of& add(const char* name, T&& value) noexcept {
    if (!made_) return *this;
    const owned v(value_of(std::forward<T>(value)));
    if (!v || PyDict_SetItemString(made_.get(), name, v.get()) != 0) made_ = owned();
    return *this;
  }
  [[nodiscard]] owned take() noexcept { return std::move(made_); }

 private:
  owned made_;
};

/// What `make(one)`, an `owned`, gives for each. Null with an exception set.
template <class Range, class Make>
[[nodiscard]] owned list_of(const Range& all, Make make) {
  owned out(PyList_New(0));
  for (const auto& one : all) {
    if (!out) return {};
    const owned made(make(one));
    if (!made || PyList_Append(out.get(), made.get()) != 0) return {};
  }
  return out;
}
[[nodiscard]] inline owned list_of(const std::vector<std::string>& all) {
  return list_of(all, [](const std::string& s) { return owned(text_of(s)); });
}

/// Calls `read(one)`, a borrowed reference, for each of a sequence, until one gives false. False:
/// so it was, or `o` is no sequence (`what` is the TypeError then), and an exception is set.
template <class Read>
[[nodiscard]] bool read_each(PyObject* o, const char* what, Read read) {
  const owned all(PySequence_Fast(o, what));
  for (Py_ssize_t i = 0; all && i < PySequence_Fast_GET_SIZE(all.get()); ++i)
    if (!read(PySequence_Fast_GET_ITEM(all.get(), i))) return false;
  return static_cast<bool>(all);
}

/// False: it is no sequence of texts, and an exception is set.
[[nodiscard]] inline bool read_texts(PyObject* o, const char* what, std::vector<std::string>& out) {
  return read_each(o, what,
                   [&](PyObject* one) { return read_text(one, what, out.emplace_back()); });
}

/// A count. False: it is none, or not in the range of `Count`, and an exception is set.
template <std::unsigned_integral Count>
[[nodiscard]] bool read_count(PyObject* o, const char* what, Count& out) {
  const unsigned long long n = PyLong_AsUnsignedLongLong(o);
  const bool wrong = n == static_cast<unsigned long long>(-1) && PyErr_Occurred();
  if (wrong && !PyErr_ExceptionMatches(PyExc_OverflowError)) return false;
  if (wrong || n > std::numeric_limits<Count>::max()) {
    PyErr_Format(PyExc_ValueError, "%s is a number from 0 to %llu", what,
                 static_cast<unsigned long long>(std::numeric_limits<Count>::max()));
    return false;
  }
  out = static_cast<Count>(n);
  return true;
}

/// A record's numbers by name: counts are int, spans float seconds.
template <class Record>
struct named_number {
  const char* name;
  std::size_t Record::* count = nullptr;
  duration Record::* span = nullptr;
};
/// Sets those that `dict` has. False: it has another, or a value that is no such number, and an
/// exception is set.
template <class Record, std::size_t N>
[[nodiscard]] bool read_numbers(PyObject* dict, const named_number<Record> (&known)[N],
                                Record& out) {
  PyObject *key = nullptr, *value = nullptr;
  Py_ssize_t at = 0;
  while (PyDict_Next(dict, &at, &key, &value)) {
    std::string name;
    if (!read_text(key, "a limit's name", name)) return false;
    const named_number<Record>* found = nullptr;
    for (const auto& k : known)
      if (name == k.name) found = &k;
    if (!found) {
      PyErr_Format(PyExc_ValueError, "there is no limit %s", name.c_str());
      return false;
    }
    if (!(found->span ? read_seconds(value, name.c_str(), out.*found->span)
                      : read_count(value, name.c_str(), out.*found->count)))
      return false;
  }
  return true;
}

}  // namespace odeon::python
