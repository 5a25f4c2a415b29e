#include "codec_encode.hpp"

#include <algorithm>

namespace odeon::python::codecs {

namespace {

constexpr std::size_t beside_at_least = 4096;  // smaller buffers travel inside the payload

class encoder : encoder_base {
 public:
  using encoder_base::encoder_base;

  bool message(PyObject* value) {
    PyTypeObject* type = Py_TYPE(value);
    const plan* p = is_builtin(type) ? nullptr : plan_of(type);
    if (p == nullptr && PyErr_Occurred() != nullptr) return raise(value);
    if (p == nullptr) {
      if ((message_.manifest = PyUnicode_FromStringAndSize(value_manifest.data(),
                                                           value_manifest.size())) == nullptr) {
        return false;
      }
      return any(value) || raise(value);
    }
    message_.manifest = Py_NewRef(p->manifest);
    message_.version = p->version;
    return by_plan(*p, value) || raise(value);
  }

 private:
  // --- classes ---------------------------------------------------------------------------------

  static bool is_builtin(PyTypeObject* t) noexcept {
    return t == &PyUnicode_Type || t == &PyLong_Type || t == &PyFloat_Type || t == &PyDict_Type ||
           t == &PyList_Type || t == &PyTuple_Type || t == &PyBytes_Type || t == &PyBool_Type ||
           t == Py_TYPE(Py_None);
  }

  // Null without an exception: the class has no plan.
  const plan* plan_of(PyTypeObject* type) {
    if (const plan* known = find_plan(codec_, type)) return known;
    if (PyErr_Occurred() != nullptr || codec_->hooks[hook_describe] == Py_None) return nullptr;
    const owned made(PyObject_CallFunction(codec_->hooks[hook_describe], "OI", type, flags_));
    if (!made || made.get() == Py_None) return nullptr;
    return find_plan(codec_, type);
  }

  bool by_plan(const plan& p, PyObject* value) {
    switch (p.kind) {
      case plan_kind::record: return record(p, value);
      case plan_kind::enumeration: {
        const owned written(PyObject_GetAttr(value, p.attribute));
        return written ? any(written.get()) : fail({});
      }
      case plan_kind::converted: return convert(p.encode, *p.through, value);
    }
    return false;
  }

  bool record(const plan& p, PyObject* value) {
    if (--left_ < 0) return too_deep();
    out_.append(p.header);
    for (const plan_field& f : p.fields) {
      out_.append(f.key);
      const owned held(PyObject_GetAttr(value, f.name));
      if (!held) {
        fail("the field is not there");
        in_field(f);
        return false;
      }
      if (!this->value(*f.type, held.get())) {
        in_field(f);
        return false;
      }
    }
    ++left_;
    return true;
  }

  bool convert(PyObject* callable, const node& through, PyObject* value) {
    if (--left_ < 0) return too_deep();
    const owned made(PyObject_CallOneArg(callable, value));
    if (!made) return fail({});
    if (!this->value(through, made.get())) return false;
    ++left_;
    return true;
  }

  // --- values with a declared type -------------------------------------------------------------

  bool value(const node& n, PyObject* v) {
    switch (n.kind) {
      case node_kind::integer:
        if (PyLong_CheckExact(v)) return integer(v);
        return other_integer(v);
      case node_kind::floating:
        if (PyFloat_CheckExact(v)) return real(PyFloat_AS_DOUBLE(v));
        return other_float(v);
      case node_kind::text: return PyUnicode_CheckExact(v) ? text(v) : other_text(v);
      case node_kind::boolean:
        if (!PyBool_Check(v)) return expected("bool", v);
        put(v == Py_True ? 0xc3 : 0xc2);
        return true;
      case node_kind::any: return any(v);
      case node_kind::nil:
        if (v != Py_None) return expected("None", v);
        put(0xc0);
        return true;
      case node_kind::optional:
        if (v != Py_None) return value(*n.a, v);
        put(0xc0);
        return true;
      case node_kind::bytes: return bytes_like(v);
      case node_kind::list:
        if (PyList_Check(v)) return list(n.a, v);
        return PyTuple_Check(v) ? same(n.a, v) : expected("list", v);
      case node_kind::sequence: return PyTuple_Check(v) ? same(n.a, v) : expected("tuple", v);
      case node_kind::tuple: return fixed(n, v);
      case node_kind::set:
      case node_kind::frozenset: return PyAnySet_Check(v) ? elements(n.a, v) : expected("set", v);
      case node_kind::dict: return PyDict_Check(v) ? dict(n.a, n.b, v) : expected("dict", v);
      case node_kind::variant: return variant(n, v);
      case node_kind::object: return object(n, v);
      case node_kind::reference: return reference(v, false);
      case node_kind::converted: return convert(n.first, *n.a, v);
    }
    return false;
  }

  bool other_integer(PyObject* v) {
    if (PyBool_Check(v) || !PyIndex_Check(v)) return expected("int", v);
    const owned whole(PyNumber_Index(v));
    return whole ? integer(whole.get()) : fail({});
  }

  bool other_float(PyObject* v) {
    if (PyBool_Check(v)) return expected("float", v);
    if (PyLong_Check(v)) {
      int overflow = 0;
      const long long whole = PyLong_AsLongLongAndOverflow(v, &overflow);
      constexpr long long exact = 1LL << std::numeric_limits<double>::digits;
      if (overflow != 0 || whole > exact || whole < -exact) {
        return fail("the int is too large to be a float exactly");
      }
      return real(static_cast<double>(whole));
    }
    if (!PyFloat_Check(v)) return expected("float", v);
    return real(PyFloat_AS_DOUBLE(v));
  }

  bool other_text(PyObject* v) { return PyUnicode_Check(v) ? text(v) : expected("str", v); }

  bool object(const node& n, PyObject* v) {
    const auto* wanted = reinterpret_cast<PyTypeObject*>(n.first);
    if (Py_TYPE(v) == wanted) [[likely]] {
      const plan* p = plan_of(Py_TYPE(v));
      return p != nullptr ? by_plan(*p, v) : no_plan(v);
    }
    const int fits = PyObject_IsInstance(v, n.first);
    if (fits < 0) return fail({});
    return fits != 0 ? any(v) : expected(wanted->tp_name, v);
  }

  bool variant(const node& n, PyObject* v) {
    const alternative* chosen = nullptr;
    for (const alternative& a : n.alternatives) {
      for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(a.types) && chosen == nullptr; ++i) {
        if (PyTuple_GET_ITEM(a.types, i) == reinterpret_cast<PyObject*>(Py_TYPE(v))) chosen = &a;
      }
    }
    for (const alternative& a : n.alternatives) {
      if (chosen != nullptr || PyBool_Check(v)) break;
      const int fits = PyObject_IsInstance(v, a.types);
      if (fits < 0) return fail({});
      if (fits != 0) chosen = &a;
    }
    if (chosen == nullptr) {
      std::string all;
      for (const alternative& a : n.alternatives) {
        all += (all.empty() ? "" : " or ") + a.labels.front();
      }
      return expected(all.c_str(), v);
    }
    if (--left_ < 0) return too_deep();
    put(0x81);
    std::string_view label = chosen->labels.front();
    // What an unsigned 64 bit number only can hold is labelled so.
    if (label == "i64" && PyLong_Check(v) && beyond_signed(v)) label = "u64";
    head(label.size(), 0xa0, 32, 0xd9, 0xda, 0xdb);
    out_.append(label);
    if (!value(*chosen->type, v)) return false;
    ++left_;
    return true;
  }

  static bool beyond_signed(PyObject* v) {
    int overflow = 0;
    (void)PyLong_AsLongLongAndOverflow(v, &overflow);
    return overflow > 0;
  }

  bool fixed(const node& n, PyObject* v) {
    if (!PyTuple_Check(v)) return expected("tuple", v);
    const auto count = static_cast<Py_ssize_t>(n.items.size());
    if (PyTuple_GET_SIZE(v) != count) {
      return fail("expected a tuple of " + std::to_string(count) + ", found one of " +
                  std::to_string(PyTuple_GET_SIZE(v)));
    }
    if (--left_ < 0) return too_deep();
    array_head(n.items.size());
    for (Py_ssize_t i = 0; i < count; ++i) {
      if (!value(*n.items[static_cast<std::size_t>(i)], PyTuple_GET_ITEM(v, i))) {
        in_element(i);
        return false;
      }
    }
    ++left_;
    return true;
  }

  bool bytes_like(PyObject* v) {
    if (PyBytes_Check(v)) return blob(PyBytes_AS_STRING(v), PyBytes_GET_SIZE(v));
    if (!PyByteArray_Check(v) && !PyMemoryView_Check(v)) return expected("bytes", v);
    Py_buffer view;
    if (PyObject_GetBuffer(v, &view, PyBUF_CONTIG_RO) != 0) return fail({});
    const bool done = blob(view.buf, view.len);
    PyBuffer_Release(&view);
    return done;
  }

  // --- containers ------------------------------------------------------------------------------

  // Null type: elements say what they are. The list may change while user code runs.
  bool list(const node* type, PyObject* v) {
    if (--left_ < 0) return too_deep();
    const Py_ssize_t count = PyList_GET_SIZE(v);
    if (!array_head(static_cast<std::size_t>(count))) return false;
    for (Py_ssize_t i = 0; i < count; ++i) {
      if (i >= PyList_GET_SIZE(v)) return fail("the list changed while it was encoded");
#if PY_VERSION_HEX >= 0x030D0000
      const owned one(PyList_GetItemRef(v, i));
      if (!one) return fail({});
#else
      const owned one = owned::share(PyList_GET_ITEM(v, i));
#endif
      if (!element(type, one.get())) {
        in_element(i);
        return false;
      }
    }
    if (PyList_GET_SIZE(v) != count) return fail("the list changed while it was encoded");
    ++left_;
    return true;
  }

  bool same(const node* type, PyObject* v) {
    if (--left_ < 0) return too_deep();
    const Py_ssize_t count = PyTuple_GET_SIZE(v);
    if (!array_head(static_cast<std::size_t>(count))) return false;
    for (Py_ssize_t i = 0; i < count; ++i) {
      if (!element(type, PyTuple_GET_ITEM(v, i))) {
        in_element(i);
        return false;
      }
    }
    ++left_;
    return true;
  }

  bool element(const node* type, PyObject* v) { return type == nullptr ? any(v) : value(*type, v); }

  bool elements(const node* type, PyObject* v) {
    if (--left_ < 0) return too_deep();
    const Py_ssize_t count = PySet_GET_SIZE(v);
    if (!array_head(static_cast<std::size_t>(count))) return false;
    const owned each(PyObject_GetIter(v));
    if (!each) return fail({});
    Py_ssize_t i = 0;
    for (; i < count; ++i) {
      const owned one(PyIter_Next(each.get()));
      if (!one)
        return fail(PyErr_Occurred() != nullptr ? "" : "the set changed while it was encoded");
      if (!element(type, one.get())) {
        in_element(i);
        return false;
      }
    }
    if (PySet_GET_SIZE(v) != count) return fail("the set changed while it was encoded");
    ++left_;
    return true;
  }

  bool dict(const node* key_type, const node* type, PyObject* v) {
    if (--left_ < 0) return too_deep();
    bool done = false;
#if PY_VERSION_HEX >= 0x030D0000
    Py_BEGIN_CRITICAL_SECTION(v);
    done = entries(key_type, type, v);
    Py_END_CRITICAL_SECTION();
#else
    done = entries(key_type, type, v);
#endif
    ++left_;
    return done;
  }

  bool entries(const node* key_type, const node* type, PyObject* v) {
    const Py_ssize_t count = PyDict_GET_SIZE(v);
    head(static_cast<std::size_t>(count), 0x80, 16, 0, 0xde, 0xdf);
    Py_ssize_t at = 0;
    Py_ssize_t written = 0;
    PyObject *key = nullptr, *held = nullptr;
    while (written < count && PyDict_Next(v, &at, &key, &held) != 0) {
      const owned k = owned::share(key);  // user code may drop the dict's own
      const owned h = owned::share(held);
      if (!element(key_type, k.get())) {
        in("[key " + std::to_string(written) + "]");
        return false;
      }
      if (!element(type, h.get())) {
        in_entry(k.get());
        return false;
      }
      ++written;
    }
    if (written == count && PyDict_GET_SIZE(v) == count) return true;
    return fail("the dict changed while it was encoded");
  }

  // --- values that say what they are -----------------------------------------------------------

  bool any(PyObject* v) {
    PyTypeObject* type = Py_TYPE(v);
    if (type == &PyUnicode_Type) return text(v);
    if (type == &PyLong_Type) return integer(v);
    if (v == Py_None) return put(0xc0);
    if (type == &PyBool_Type) return put(v == Py_True ? 0xc3 : 0xc2);
    if (type == &PyFloat_Type) return real(PyFloat_AS_DOUBLE(v));
    if (type == &PyList_Type) return list(nullptr, v);
    if (type == &PyDict_Type) return dict(nullptr, nullptr, v);
    if (type == &PyBytes_Type) return blob(PyBytes_AS_STRING(v), PyBytes_GET_SIZE(v));
    if (type == &PyTuple_Type) return extended(ext_tuple, [&] { return same(nullptr, v); });
    if (type == &PySet_Type) return extended(ext_set, [&] { return elements(nullptr, v); });
    if (type == &PyFrozenSet_Type) {
      return extended(ext_frozenset, [&] { return elements(nullptr, v); });
    }
    if (type == &PyByteArray_Type || type == &PyMemoryView_Type) return buffer(v);
    return instance(v);
  }

  bool instance(PyObject* v) {
    PyObject* ref_type = codec_->hooks[hook_ref_type];
    if (ref_type != Py_None && PyObject_TypeCheck(v, reinterpret_cast<PyTypeObject*>(ref_type))) {
      return reference(v, true);
    }
    if (const plan* p = plan_of(Py_TYPE(v))) {
      return extended(ext_object, [&] {
        return text(p->manifest) && whole(static_cast<std::uint64_t>(p->version)) && by_plan(*p, v);
      });
    }
    if (PyErr_Occurred() != nullptr) return fail({});
    if (PyExceptionInstance_Check(v)) return exception(v);
    if ((flags_ & codec_pickle) != 0) return pickle(v);
    return no_plan(v);
  }

  bool no_plan(PyObject* v) {
    if (PyErr_Occurred() != nullptr) return fail({});
    return fail(std::string("no codec for ") + Py_TYPE(v)->tp_name +
                "; declare it as a dataclass, or register it with odeon.codecs.register");
  }

  bool exception(PyObject* v) {
    const owned parts(PyObject_CallOneArg(codec_->hooks[hook_exception_out], v));
    if (!parts) return fail({});
    return extended(ext_exception, [&] { return any(parts.get()); });
  }

  bool reference(PyObject* v, bool tagged) {
    PyObject* ref_type = codec_->hooks[hook_ref_type];
    if (ref_type == Py_None || !PyObject_TypeCheck(v, reinterpret_cast<PyTypeObject*>(ref_type))) {
      return expected("an actor reference", v);
    }
    const owned address(PyObject_CallOneArg(codec_->hooks[hook_ref_out], v));
    if (!address) return fail({});
    if (!PyUnicode_Check(address.get())) return expected("an address", address.get());
    if (!tagged) return text(address.get());
    return extended(ext_reference, [&] {
      Py_ssize_t size = 0;
      const char* data = PyUnicode_AsUTF8AndSize(address.get(), &size);
      if (data == nullptr) return fail({});
      out_.append(std::string_view(data, static_cast<std::size_t>(size)));
      return true;
    });
  }

  bool pickle(PyObject* v) {
    PyObject* beside = (flags_ & codec_buffers) != 0 ? Py_True : Py_False;
    const owned made(
        PyObject_CallFunctionObjArgs(codec_->hooks[hook_pickle_out], v, beside, nullptr));
    if (!made) return fail({});
    return extended(ext_pickle, [&] { return any(made.get()); });
  }

  // A bytearray or a memoryview: its bytes, here or beside.
  bool buffer(PyObject* v) {
    Py_buffer view;
    if (PyObject_GetBuffer(v, &view, PyBUF_CONTIG_RO) != 0)
      return fail("the buffer is not contiguous");
    const auto size = static_cast<std::size_t>(view.len);
    const bool is_view = PyMemoryView_Check(v);
    const bool beside = is_view && (flags_ & codec_buffers) != 0 && size >= beside_at_least;
    const bool done = extended(ext_buffer, [&] {
      put(static_cast<unsigned>(is_view ? buffer_view : buffer_bytearray) |
          (beside ? buffer_beside : 0U));
      if (!beside) {
        out_.append(std::span(static_cast<const std::byte*>(view.buf), size));
        return true;
      }
      if (message_.buffers == nullptr && (message_.buffers = PyList_New(0)) == nullptr)
        return false;
      if (!whole(static_cast<std::uint64_t>(PyList_GET_SIZE(message_.buffers))) || !whole(size)) {
        return false;
      }
      return PyList_Append(message_.buffers, v) == 0 || fail({});
    });
    PyBuffer_Release(&view);
    return done;
  }
};

}  // namespace

}  // namespace odeon::python::codecs

namespace odeon::python {

bool codec_encode(PyObject* codec, PyObject* value, unsigned flags, encoded_message& out) {
  if (codecs::encoder(reinterpret_cast<codecs::codec_object*>(codec), flags, out).message(value))
    return true;
  out.clear();
  return false;
}

}  // namespace odeon::python
