#include "codec_internal.hpp"

#include <array>
#include <cstring>
#include <string>

namespace odeon::python::codecs {

bool is_fatal_error() noexcept {
  PyObject* type = PyErr_Occurred();  // borrowed
  return type != nullptr && (PyErr_GivenExceptionMatches(type, PyExc_MemoryError) != 0 ||
                             PyErr_GivenExceptionMatches(type, PyExc_Exception) == 0);
}

owned take_exception() noexcept {
#if PY_VERSION_HEX >= 0x030C0000
  return owned(PyErr_GetRaisedException());
#else
  PyObject *type = nullptr, *value = nullptr, *trace = nullptr;
  PyErr_Fetch(&type, &value, &trace);
  if (type != nullptr) PyErr_NormalizeException(&type, &value, &trace);
  if (value != nullptr && trace != nullptr) PyException_SetTraceback(value, trace);
  Py_XDECREF(type);
  Py_XDECREF(trace);
  return owned(value);
#endif
}

void restore_exception(owned raised) noexcept {
  if (raised) PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(raised.get())), raised.get());
}

void raise_from(PyObject* type, const std::string& place, const std::string& what) {
  const owned cause = take_exception();
  std::string text = place + what;
  if (cause && what.empty()) {
    const owned shown(PyObject_Str(cause.get()));
    const char* said = shown ? PyUnicode_AsUTF8(shown.get()) : nullptr;
    PyErr_Clear();
    if (PyErr_GivenExceptionMatches(cause.get(), type) == 0) {
      text += std::string(Py_TYPE(cause.get())->tp_name) + ": ";
    }
    text += said == nullptr ? "" : said;
  }
  const owned message(
      PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "replace"));
  const owned raised(message ? PyObject_CallOneArg(type, message.get()) : nullptr);
  if (!raised) return;
  if (cause) {
    PyException_SetContext(raised.get(), Py_NewRef(cause.get()));
    PyException_SetCause(raised.get(), Py_NewRef(cause.get()));
  }
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(raised.get())), raised.get());
}

namespace {

constexpr std::array<const char*, codec_hooks> hook_names = {
    "encoding_error", "decoding_error", "describe", "resolve", "exception_out", "exception_in",
    "pickle_out",     "pickle_in",      "ref_type", "ref_out", "ref_in"};

codec_object* self_of(PyObject* o) noexcept { return reinterpret_cast<codec_object*>(o); }

// Codec(plan_type): made by the method `_native.new_codec`, which knows the module's Plan.
PyObject* new_codec(PyObject* module, PyObject*) {
  const owned type(PyObject_GetAttrString(module, "Codec"));
  const owned plan_type(PyObject_GetAttrString(module, "Plan"));
  if (!type || !plan_type) return nullptr;
  auto* codec_type = reinterpret_cast<PyTypeObject*>(type.get());
  owned made(codec_type->tp_alloc(codec_type, 0));
  if (!made) return nullptr;
  codec_object* self = self_of(made.get());
  new (&self->bounds) wire::limits{};
  new (&self->last) std::atomic<const plan*>(nullptr);
  self->plan_type = reinterpret_cast<PyTypeObject*>(Py_NewRef(plan_type.get()));
  for (PyObject*& hook : self->hooks) hook = Py_NewRef(Py_None);
  self->by_type = PyDict_New();
  self->by_manifest = PyDict_New();
  self->retired = PyList_New(0);
  if (self->by_type == nullptr || self->by_manifest == nullptr || self->retired == nullptr) {
    return nullptr;
  }
  Py_SETREF(self->hooks[hook_encoding_error], Py_NewRef(PyExc_ValueError));
  Py_SETREF(self->hooks[hook_decoding_error], Py_NewRef(PyExc_ValueError));
  return made.release();
}

// The bounds of `wire::limits` by name.
bool set_limit(wire::limits& bounds, const char* name, PyObject* value) {
  const std::size_t n = PyLong_AsSize_t(value);
  if (n == static_cast<std::size_t>(-1) && PyErr_Occurred() != nullptr) return false;
  if (std::strcmp(name, "max_bytes") == 0)
    bounds.max_bytes = n;
  else if (std::strcmp(name, "max_items") == 0)
    bounds.max_items = n;
  else if (std::strcmp(name, "max_string") == 0)
    bounds.max_string = n;
  else if (std::strcmp(name, "max_memory") == 0)
    bounds.max_memory = n;
  else if (std::strcmp(name, "max_depth") == 0 && n >= 1 && n <= 512) {
    bounds.max_depth = static_cast<std::uint32_t>(n);
  } else {
    PyErr_Format(PyExc_ValueError, "no such limit, or out of its range: %s = %zu", name, n);
    return false;
  }
  return true;
}

// configure(**hooks and limits)
PyObject* codec_configure(PyObject* o, PyObject* args, PyObject* words) {
  codec_object* self = self_of(o);
  if (PyTuple_GET_SIZE(args) != 0) {
    PyErr_SetString(PyExc_TypeError, "configure takes keywords only");
    return nullptr;
  }
  Py_ssize_t at = 0;
  PyObject *key = nullptr, *value = nullptr;
  while (words != nullptr && PyDict_Next(words, &at, &key, &value) != 0) {
    const char* name = PyUnicode_AsUTF8(key);
    if (name == nullptr) return nullptr;
    std::size_t i = 0;
    while (i < hook_names.size() && std::strcmp(hook_names[i], name) != 0) ++i;
    if (i == hook_names.size()) {
      if (!set_limit(self->bounds, name, value)) return nullptr;
    } else if (i == hook_ref_type && value != Py_None && !PyType_Check(value)) {
      PyErr_SetString(PyExc_TypeError, "ref_type must be a class");
      return nullptr;
    } else {
      Py_SETREF(self->hooks[i], Py_NewRef(value));
    }
  }
  Py_RETURN_NONE;
}

PyObject* codec_plan(PyObject* o, PyObject* spec) { return make_plan(self_of(o)->plan_type, spec); }

bool replace(codec_object* self, PyObject* table, PyObject* key, PyObject* plan) {
  PyObject* before = PyDict_GetItemWithError(table, key);
  if (before == plan) return true;
  if (before != nullptr && PyList_Append(self->retired, before) != 0) return false;
  const bool done = PyErr_Occurred() == nullptr && PyDict_SetItem(table, key, plan) == 0;
  self->last.store(nullptr, std::memory_order_release);
  return done;
}

// add(plan, manifests): known by its class, when `manifests` holds its own one, and by them all.
PyObject* codec_add(PyObject* o, PyObject* args) {
  codec_object* self = self_of(o);
  PyObject *plan_given = nullptr, *manifests = nullptr;
  if (PyArg_ParseTuple(args, "O!O!:add", self->plan_type, &plan_given, &PyTuple_Type, &manifests) ==
      0) {
    return nullptr;
  }
  const plan& p = *reinterpret_cast<plan_object*>(plan_given)->made;
  if (!replace(self, self->by_type, reinterpret_cast<PyObject*>(p.type), plan_given)) {
    return nullptr;
  }
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(manifests); ++i) {
    if (!replace(self, self->by_manifest, PyTuple_GET_ITEM(manifests, i), plan_given)) {
      return nullptr;
    }
  }
  Py_RETURN_NONE;
}

PyObject* codec_find(PyObject* o, PyObject* key) {
  codec_object* self = self_of(o);
  PyObject* table = PyUnicode_Check(key) ? self->by_manifest : self->by_type;
  PyObject* found = PyDict_GetItemWithError(table, key);
  if (found == nullptr && PyErr_Occurred() != nullptr) return nullptr;
  return Py_NewRef(found == nullptr ? Py_None : found);
}

bool flags_of(PyObject* from, unsigned& to) {
  const unsigned long n = PyLong_AsUnsignedLong(from);
  if (n == static_cast<unsigned long>(-1) && PyErr_Occurred() != nullptr) return false;
  to = static_cast<unsigned>(n);
  return true;
}

// encode(value, flags=0) -> (manifest, version, payload, buffers)
PyObject* method_encode(PyObject* o, PyObject* const* args, Py_ssize_t count) {
  unsigned flags = 0;
  if (count < 1 || count > 2) {
    PyErr_SetString(PyExc_TypeError, "encode takes a value and flags");
    return nullptr;
  }
  if (count == 2 && !flags_of(args[1], flags)) return nullptr;
  std::byte scratch[512];
  encoded_message message;
  message.payload = wire::buffer{std::span(scratch)};
  if (!codec_encode(o, args[0], flags, message)) return nullptr;
  const auto bytes = wire::as_text(message.payload.view());
  const owned payload(
      PyBytes_FromStringAndSize(bytes.data(), static_cast<Py_ssize_t>(bytes.size())));
  const owned version(PyLong_FromLong(message.version));
  if (!payload || !version) return nullptr;
  return PyTuple_Pack(4, message.manifest, version.get(), payload.get(),
                      message.buffers == nullptr ? Py_None : message.buffers);
}

// decode(manifest, version, payload, buffers=None, flags=0)
PyObject* method_decode(PyObject* o, PyObject* const* args, Py_ssize_t count) {
  unsigned flags = 0;
  if (count < 3 || count > 5) {
    PyErr_SetString(PyExc_TypeError,
                    "decode takes a manifest, a version, bytes, buffers and flags");
    return nullptr;
  }
  Py_ssize_t size = 0;
  const char* manifest = PyUnicode_AsUTF8AndSize(args[0], &size);
  if (manifest == nullptr) return nullptr;
  const long version = PyLong_AsLong(args[1]);
  if (version == -1 && PyErr_Occurred() != nullptr) return nullptr;
  if (version < 1 || version > INT32_MAX) {
    PyErr_SetString(self_of(o)->hooks[hook_decoding_error], "a version counts from 1");
    return nullptr;
  }
  if (count == 5 && !flags_of(args[4], flags)) return nullptr;
  PyObject* buffers = count >= 4 && args[3] != Py_None ? args[3] : nullptr;
  Py_buffer view;
  if (PyObject_GetBuffer(args[2], &view, PyBUF_SIMPLE) != 0) return nullptr;
  PyObject* made =
      codec_decode(o, {manifest, static_cast<std::size_t>(size)}, static_cast<int>(version),
                   {static_cast<const std::byte*>(view.buf), static_cast<std::size_t>(view.len)},
                   buffers, flags);
  PyBuffer_Release(&view);
  return made;
}

int codec_traverse(PyObject* o, visitproc visit, void* arg) {
  codec_object* self = self_of(o);
  Py_VISIT(Py_TYPE(o));
  Py_VISIT(self->by_type);
  Py_VISIT(self->by_manifest);
  Py_VISIT(self->retired);
  Py_VISIT(reinterpret_cast<PyObject*>(self->plan_type));
  for (PyObject* hook : self->hooks) Py_VISIT(hook);
  return 0;
}

int codec_clear(PyObject* o) {
  codec_object* self = self_of(o);
  self->last.store(nullptr, std::memory_order_relaxed);  // nobody else has it any more
  if (self->by_type != nullptr) PyDict_Clear(self->by_type);
  if (self->by_manifest != nullptr) PyDict_Clear(self->by_manifest);
  Py_CLEAR(self->retired);
  for (PyObject*& hook : self->hooks) {  // what may still be called finds something
    if (hook != nullptr) Py_SETREF(hook, Py_NewRef(Py_None));
  }
  return 0;
}

void codec_dealloc(PyObject* o) {
  PyObject_GC_UnTrack(o);
  PyTypeObject* type = Py_TYPE(o);
  codec_object* self = self_of(o);
  (void)codec_clear(o);
  Py_CLEAR(self->by_type);
  Py_CLEAR(self->by_manifest);
  PyTypeObject* plan_type = std::exchange(self->plan_type, nullptr);
  Py_XDECREF(plan_type);
  for (PyObject*& hook : self->hooks) Py_CLEAR(hook);
  type->tp_free(o);
  Py_DECREF(type);
}

PyMethodDef codec_methods[] = {
    {"configure", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(codec_configure)),
     METH_VARARGS | METH_KEYWORDS, "Sets hooks and limits, by keyword."},
    {"plan", codec_plan, METH_O, "A plan from its description."},
    {"add", codec_add, METH_VARARGS, "Makes a plan known by its class and by these manifests."},
    {"find", codec_find, METH_O, "The plan of a class or manifest, or None."},
    {"encode", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(method_encode)), METH_FASTCALL,
     "encode(value, flags=0) -> (manifest, version, payload, buffers or None)"},
    {"decode", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(method_decode)), METH_FASTCALL,
     "decode(manifest, version, payload, buffers=None, flags=0) -> the value"},
    {nullptr, nullptr, 0, nullptr},
};

PyType_Slot codec_slots[] = {
    {Py_tp_dealloc, reinterpret_cast<void*>(codec_dealloc)},
    {Py_tp_traverse, reinterpret_cast<void*>(codec_traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(codec_clear)},
    {Py_tp_methods, codec_methods},
    {Py_tp_doc, const_cast<char*>("The tables of one odeon.codecs.Codec.")},
    {0, nullptr},
};

PyType_Spec codec_spec = {
    .name = "odeon._native.Codec",
    .basicsize = sizeof(codec_object),
    .itemsize = 0,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = codec_slots,
};

PyMethodDef functions[] = {
    {"new_codec", new_codec, METH_NOARGS, "A codec that knows built-in values only."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

}  // namespace odeon::python::codecs

namespace odeon::python {

bool codec_check(PyObject* object) noexcept {
  return PyType_GetSlot(Py_TYPE(object), Py_tp_dealloc) ==
         reinterpret_cast<void*>(codecs::codec_dealloc);
}

int codec_add_to(PyObject* module) {
  const codecs::owned plan_type(codecs::make_plan_type(module));
  const codecs::owned codec_type(PyType_FromModuleAndSpec(module, &codecs::codec_spec, nullptr));
  if (!plan_type || !codec_type) return -1;
  if (PyModule_AddObjectRef(module, "Plan", plan_type.get()) != 0 ||
      PyModule_AddObjectRef(module, "Codec", codec_type.get()) != 0 ||
      PyModule_AddFunctions(module, codecs::functions) != 0) {
    return -1;
  }
  return ring_add_to(module);
}

}  // namespace odeon::python
