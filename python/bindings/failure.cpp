#include "failure.hpp"

#include <odeon/base/detail/exceptions.hpp>

#include <map>
#include <mutex>
#include <set>

namespace odeon::python {

class_id intern_class_path(std::string_view path) {
  static std::mutex mutex;
  static std::set<std::string, std::less<>> all;
  std::lock_guard guard(mutex);
  auto found = all.find(path);
  if (found == all.end()) found = all.emplace(path).first;
  return &*found;
}

namespace {

std::string path_of(PyTypeObject* cls) {
  std::string module;
  std::string name;
  owned m(PyObject_GetAttrString(reinterpret_cast<PyObject*>(cls), "__module__"));
  owned n(PyObject_GetAttrString(reinterpret_cast<PyObject*>(cls), "__qualname__"));
  if (!m || !PyUnicode_Check(m.get()) || !read_text(m.get(), "module", module)) module = "builtins";
  if (!n || !PyUnicode_Check(n.get()) || !read_text(n.get(), "name", name)) name = cls->tp_name;
  PyErr_Clear();
  return module + "." + name;
}

const class_ids* ids_of(interp& in, PyTypeObject* cls) {
  static std::mutex mutex;
  // By interpreter as well: another one may have a class at the address, later.
  static std::map<std::pair<interp*, PyTypeObject*>, std::unique_ptr<class_ids>> known;
  {
    std::lock_guard guard(mutex);
    if (auto found = known.find({&in, cls}); found != known.end()) return found->second.get();
  }
  auto ids = std::make_unique<class_ids>();
  PyObject* mro = cls->tp_mro;
  for (Py_ssize_t i = 0; mro && i < PyTuple_GET_SIZE(mro); ++i) {
    auto* base = reinterpret_cast<PyTypeObject*>(PyTuple_GET_ITEM(mro, i));
    if (reinterpret_cast<PyObject*>(base) == reinterpret_cast<PyObject*>(&PyBaseObject_Type)) break;
    ids->push_back(intern_class_path(path_of(base)));
  }
  Py_INCREF(cls);  // known by its address
  std::lock_guard guard(mutex);
  return known.try_emplace({&in, cls}, std::move(ids)).first->second.get();
}

std::string text_of_exception(PyObject* exc) {
  std::string text = Py_TYPE(exc)->tp_name;
  if (const auto dot = text.rfind('.'); dot != std::string::npos) text.erase(0, dot + 1);
  owned s(PyObject_Str(exc));
  std::string more;
  if (s && read_text(s.get(), "text", more) && !more.empty()) text += ": " + more;
  PyErr_Clear();
  return text;
}

}  // namespace

python_error::python_error(interp& in) : held_(std::make_shared<held>()) {
  PyObject* exc = take_exception();
  if (!exc) {
    PyErr_SetString(PyExc_SystemError, "a call failed without an exception");
    exc = take_exception();
  }
  held_->exception = py_handle(in, exc);
  held_->ids = ids_of(in, Py_TYPE(exc));
  held_->text = text_of_exception(exc);
}

bool python_error::is(class_id id) const noexcept {
  for (class_id own : *held_->ids)
    if (own == id) return true;
  return false;
}

void python_error::set_message(PyObject* borrowed) noexcept {
  held_->message = py_handle(home(), Py_XNewRef(borrowed));
}

PyObject* exception_of(interp& in, const std::exception_ptr& p) noexcept {
  try {
    std::rethrow_exception(p);
  } catch (const python_error& e) {
    if (&e.home() == &in) return Py_NewRef(e.exception());
    raise(in, error(errc::handler_failed, e.what()));
  } catch (const actor_error& e) {
    raise(in, e.reason());
  } catch (...) {
    raise(in, error(errc::handler_failed, odeon::detail::what_of(p)));
  }
  return take_exception();
}

error error_of(PyObject* exception) noexcept {
  std::string code;
  owned own(PyObject_GetAttrString(exception, "code"));
  if (!own || !PyUnicode_Check(own.get()) || !read_text(own.get(), "a code", code)) PyErr_Clear();
  constexpr int codes_max = 99;
  for (int i = 1; i <= codes_max; ++i)
    if (to_string(static_cast<errc>(i)) == code)
      return {static_cast<errc>(i), text_of_exception(exception)};
  return {errc::refused, text_of_exception(exception)};
}

// -- supervision ---------------------------------------------------------------------------------

namespace {

bool is_of_class(const std::exception_ptr& p, const void* data) {
  try {
    std::rethrow_exception(p);
  } catch (const python_error& e) {
    return e.is(*static_cast<const class_id*>(data));
  } catch (...) {
    return false;
  }
}

bool read_directive(PyObject* o, directive& out) {
  std::string text;
  owned value(PyObject_GetAttrString(o, "value"));
  if (!value) PyErr_Clear();
  if (!read_text(value ? value.get() : o, "a directive", text)) return false;
  if (text == "resume")
    out = directive::resume;
  else if (text == "restart")
    out = directive::restart;
  else if (text == "stop")
    out = directive::stop;
  else if (text == "escalate")
    out = directive::escalate;
  else {
    PyErr_Format(PyExc_ValueError, "a directive is resume, restart, stop or escalate, not %s",
                 text.c_str());
    return false;
  }
  return true;
}

bool read_scope(PyObject* o, scope& out) {
  std::string text;
  owned value(PyObject_GetAttrString(o, "value"));
  if (!value) PyErr_Clear();
  if (!read_text(value ? value.get() : o, "a scope", text)) return false;
  if (text == "one_for_one")
    out = scope::one_for_one;
  else if (text == "all_for_one")
    out = scope::all_for_one;
  else if (text == "rest_for_one")
    out = scope::rest_for_one;
  else {
    PyErr_Format(PyExc_ValueError, "a scope is one_for_one, all_for_one or rest_for_one, not %s",
                 text.c_str());
    return false;
  }
  return true;
}

/// Pairs of a class (or its path) and a directive.
bool read_decider(PyObject* o, decision_list& out) {
  owned pairs(PyDict_Check(o) ? PyDict_Items(o) : PySequence_List(o));
  if (!pairs) return false;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(pairs.get()); ++i) {
    PyObject* pair = PyList_GET_ITEM(pairs.get(), i);
    if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2) {
      PyErr_SetString(PyExc_TypeError, "a decider is pairs of an exception class and a directive");
      return false;
    }
    PyObject* cls = PyTuple_GET_ITEM(pair, 0);
    std::string path;
    if (PyExceptionClass_Check(cls))
      path = path_of(reinterpret_cast<PyTypeObject*>(cls));
    else if (!PyUnicode_Check(cls) || !read_text(cls, "a class path", path)) {
      PyErr_SetString(PyExc_TypeError, "a decider is by exception class or its path as text");
      return false;
    }
    if (path.find('.') == std::string::npos) path = "builtins." + path;
    directive what{};
    if (!read_directive(PyTuple_GET_ITEM(pair, 1), what)) return false;
    out.emplace_back(&is_of_class, what, std::make_shared<const class_id>(intern_class_path(path)));
  }
  return true;
}

/// An attribute, or null without an exception when it is None.
owned field(PyObject* o, const char* name) {
  owned v(PyObject_GetAttrString(o, name));
  if (v && v.get() == Py_None) return {};
  return v;
}

bool read_number(PyObject* o, const char* what, double least, double& out) {
  out = PyFloat_AsDouble(o);
  if (out == -1.0 && PyErr_Occurred()) return false;
  if (!(out >= least)) {
    PyErr_Format(PyExc_ValueError, "%s is at least %d", what, static_cast<int>(least));
    return false;
  }
  return true;
}

}  // namespace

bool read_supervision(interp& in, PyObject* o, odeon::supervision& out) {
  static_cast<void>(in);
  // The interpreter's own signals go up to the system, unless the decider says otherwise.
  const auto signals = [&out] {
    for (const char* path : {"builtins.KeyboardInterrupt", "builtins.SystemExit"})
      out.decider.emplace_back(&is_of_class, directive::escalate,
                               std::make_shared<const class_id>(intern_class_path(path)));
  };
  if (!o || o == Py_None) {
    signals();
    return true;
  }
  if (owned v = field(o, "decider"); v) {
    if (!read_decider(v.get(), out.decider)) return false;
  }
  signals();
  if (owned v = field(o, "otherwise"); v && !read_directive(v.get(), out.otherwise)) return false;
  if (owned v = field(o, "scope"); v && !read_scope(v.get(), out.scope)) return false;
  if (owned v = field(o, "max_retries"); v) {
    double n = 0;
    if (!read_number(v.get(), "max_retries", 0, n)) return false;
    out.max_retries = static_cast<unsigned>(n);
  }
  if (owned v = field(o, "within"); v && !read_seconds(v.get(), "within", out.within)) return false;
  if (owned b = field(o, "backoff"); b) {
    if (owned v = field(b.get(), "initial");
        v && !read_seconds(v.get(), "initial", out.backoff.initial))
      return false;
    if (owned v = field(b.get(), "max"); v && !read_seconds(v.get(), "max", out.backoff.max))
      return false;
    if (owned v = field(b.get(), "multiplier");
        v && !read_number(v.get(), "multiplier", 1, out.backoff.multiplier))
      return false;
    if (owned v = field(b.get(), "jitter");
        v && !read_number(v.get(), "jitter", 0, out.backoff.jitter))
      return false;
  }
  return !PyErr_Occurred();
}

}  // namespace odeon::python
