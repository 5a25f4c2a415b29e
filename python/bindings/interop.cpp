#include "interop.hpp"

#include "durable.hpp"
#include "failure.hpp"
#include "message.hpp"
#include "ref.hpp"
#include <odeon/core/signals.hpp>

namespace odeon::python {

namespace {

PyObject* reason_text(const exit_reason& r) { return text_of(to_string(r)); }

PyObject* signal(interp& in, const char* make, const any_ref& who, const exit_reason& reason) {
  static constexpr const char* kinds[] = {"stopped", "failed", "killed", "linked", "no_such_actor"};
  owned ref(new_ref(in, who));
  owned text(reason_text(reason));
  if (!ref || !text) return nullptr;
  return PyObject_CallMethod(in.support, make, "OsO", ref.get(),
                             kinds[static_cast<std::size_t>(reason.kind)], text.get());
}

}  // namespace

PyObject* message_to_python(interp& in, py_actor&, detail::envelope& e, bool& wanted) noexcept {
  const auto is = [&e]<class M>(std::type_identity<M>) {
    return e.type == &detail::message_type_of<M>;
  };
  return guarded(in, [&]() -> PyObject* {
    if (is(std::type_identity<terminated>())) {
      const auto& m = *static_cast<terminated*>(e.payload());
      return signal(in, "terminated", m.ref, m.reason);
    }
    if (is(std::type_identity<exit_signal>())) {
      const auto& m = *static_cast<exit_signal*>(e.payload());
      return signal(in, "exit_signal", m.from, m.reason);
    }
    if (is(std::type_identity<receive_timeout>()))
      return PyObject_CallMethod(in.support, "receive_timeout", nullptr);
    if (PyObject* made = durable_to_python(in, e); made || PyErr_Occurred()) return made;
    wanted = !e.type->signal;
    return nullptr;
  });
}

int send_foreign(interp& in, detail::cell& to, PyObject* message, const tell_options*) {
  raise(in, error(errc::no_codec, std::string(Py_TYPE(message)->tp_name) + " cannot be sent to " +
                                      to.path() + ", which is no actor of this interpreter"));
  return -1;
}

PyObject* ask_foreign(interp& in, detail::cell& to, PyObject* message, duration) {
  static_cast<void>(send_foreign(in, to, message, nullptr));
  return nullptr;
}

}  // namespace odeon::python
