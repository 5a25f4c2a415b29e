#pragma once

#include "interp.hpp"
#include <odeon/core/supervision.hpp>

#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

/// @file A Python exception on its way through the core, and deciders that tell such apart without
/// being attached.

namespace odeon::python {

/// A class path ("builtins.ValueError"), one for each text in the process. Two are equal when their
/// addresses are. @threadsafe
using class_id = const std::string*;
[[nodiscard]] class_id intern_class_path(std::string_view path);

/// The paths of an exception's class and its bases, in their order, up to BaseException.
using class_ids = std::vector<class_id>;

/// What a handler of Python raised. A copy shares the exception.
class python_error final : public std::exception {
 public:
  /// Takes the exception out of the thread, where one must be set. Attached.
  explicit python_error(interp& in);

  [[nodiscard]] const char* what() const noexcept override { return held_->text.c_str(); }
  /// Borrowed.
  [[nodiscard]] PyObject* exception() const noexcept { return held_->exception.get(); }
  [[nodiscard]] interp& home() const noexcept { return *held_->exception.home(); }
  [[nodiscard]] bool is(class_id id) const noexcept;
  /// The message in hand, for `pre_restart`; borrowed; null: none.
  [[nodiscard]] PyObject* message() const noexcept { return held_->message.get(); }
  void set_message(PyObject* borrowed) noexcept;

 private:
  struct held {
    py_handle exception;
    py_handle message;
    const class_ids* ids = nullptr;
    std::string text;
  };
  std::shared_ptr<held> held_;
};

/// The exception object of a failure of the core: the one that a handler raised, or one made for a
/// C++ exception. A new reference, or null with an exception set. Attached.
[[nodiscard]] PyObject* exception_of(interp& in, const std::exception_ptr& p) noexcept;

/// An exception as an error of the runtime: its own code when it is one of `odeon.errors`, else
/// `refused`. Attached.
[[nodiscard]] error error_of(PyObject* exception) noexcept;

/// Reads `odeon.Supervision`; None: the default. False: an exception is set.
[[nodiscard]] bool read_supervision(interp& in, PyObject* o, odeon::supervision& out);

}  // namespace odeon::python
