#pragma once

#include "streams.hpp"

#include <string>

/// @file Elements that are bytes, for the stages of C++ that take and give `std::string`s.

namespace odeon::python {

/// The bytes of an object with contiguous ones: bytes, bytearray, memoryview, an array. Throws
/// `python_error` (TypeError).
[[nodiscard]] std::string bytes_in(interp& in, PyObject* o);

/// What elements consist of.
class bytes_of_elements : public st::detail::linear<erased> {
 public:
  using value_type = std::string;
  explicit bytes_of_elements(erased up) : st::detail::linear<erased>(std::move(up)) {}
  st::polled<std::string> next(st::island& in) {
    auto p = up_.next(in);
    if (!p) return p.nothing<std::string>();
    return st::call_user(in, *this,
                         [&] { return st::polled<std::string>(bytes_in(p->home(), p->get())); });
  }
};

/// `bytes` of what a stage of C++ gives.
template <class S>
class elements_of_bytes : public st::detail::linear<S> {
 public:
  using value_type = item;
  elements_of_bytes(interp& home, S up) : st::detail::linear<S>(std::move(up)), home_(&home) {}
  st::polled<item> next(st::island& in) {
    auto p = this->up_.next(in);
    if (!p) return p.template nothing<item>();
    return checked(*home_,
                   PyBytes_FromStringAndSize(p->data(), static_cast<Py_ssize_t>(p->size())));
  }

 private:
  interp* home_;
};
template <class S>
[[nodiscard]] erased from_bytes(plan& p, S stage) {
  return make_stage<elements_of_bytes<S>>(p.in, std::move(stage));
}
/// The flow of a stage of C++ over bytes.
template <class Stage, class... As>
[[nodiscard]] erased bytes_flow(plan& p, erased up, As&&... as) {
  return from_bytes(p, Stage(bytes_of_elements(std::move(up)), std::forward<As>(as)...));
}

/// Ends the `Ask` with a number of bytes.
inline void tell_size(completion& done, std::uint64_t n) {
  done.set([n](interp&) { return PyLong_FromUnsignedLongLong(n); });
}

}  // namespace odeon::python
