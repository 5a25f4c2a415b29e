#include "codec_plan.hpp"

#include <array>
#include <bit>
#include <cstring>

namespace odeon::python::codecs {

namespace {

constexpr int deepest_annotation = 32;

constexpr std::array<std::string_view, 17> kind_names = {
    "any",      "none", "bool",      "int",  "float",    "str",   "bytes",  "list",     "tuple",
    "sequence", "set",  "frozenset", "dict", "optional", "union", "object", "reference"};

bool wrong(const char* what) {
  PyErr_Format(PyExc_TypeError, "a codec's description is malformed: %s", what);
  return false;
}

bool text_of(PyObject* from, std::string& to) {
  Py_ssize_t size = 0;
  const char* data = PyUnicode_AsUTF8AndSize(from, &size);
  if (data == nullptr) return false;
  to.assign(data, static_cast<std::size_t>(size));
  return true;
}

// Turns descriptions into nodes of one plan.
class builder {
 public:
  explicit builder(plan& into) noexcept : into_(into) {}

  const node* build(PyObject* spec, int depth = 0) {
    if (depth > deepest_annotation) {
      wrong("an annotation is nested too deeply");
      return nullptr;
    }
    PyObject* name = spec;
    if (PyTuple_Check(spec) && PyTuple_GET_SIZE(spec) > 0) name = PyTuple_GET_ITEM(spec, 0);
    std::string text;
    if (!PyUnicode_Check(name) || !text_of(name, text)) {
      if (PyErr_Occurred() == nullptr) wrong("a kind must be a str");
      return nullptr;
    }
    node& made = into_.nodes.emplace_back();
    if (text == "converted") return converted(made, spec, depth) ? &made : nullptr;
    for (std::size_t i = 0; i < kind_names.size(); ++i) {
      if (kind_names[i] != text) continue;
      made.kind = static_cast<node_kind>(i);
      return parts(made, spec, depth) ? &made : nullptr;
    }
    wrong(text.c_str());
    return nullptr;
  }

 private:
  static PyObject* part(PyObject* spec, Py_ssize_t i) {
    if (PyTuple_Check(spec) && i < PyTuple_GET_SIZE(spec)) return PyTuple_GET_ITEM(spec, i);
    wrong("a part is missing");
    return nullptr;
  }

  const node* child(PyObject* spec, Py_ssize_t i, int depth) {
    PyObject* inner = part(spec, i);
    return inner == nullptr ? nullptr : build(inner, depth + 1);
  }

  bool parts(node& made, PyObject* spec, int depth) {
    switch (made.kind) {
      case node_kind::list:
      case node_kind::sequence:
      case node_kind::set:
      case node_kind::frozenset:
      case node_kind::optional: return (made.a = child(spec, 1, depth)) != nullptr;
      case node_kind::dict:
        return (made.a = child(spec, 1, depth)) != nullptr &&
               (made.b = child(spec, 2, depth)) != nullptr;
      case node_kind::tuple:
        for (Py_ssize_t i = 1; i < PyTuple_GET_SIZE(spec); ++i) {
          const node* item = child(spec, i, depth);
          if (item == nullptr) return false;
          made.items.push_back(item);
        }
        return true;
      case node_kind::object: {
        PyObject* type = part(spec, 1);
        if (type == nullptr) return false;
        if (!PyType_Check(type)) return wrong("an object needs a class");
        made.first = Py_NewRef(type);
        return true;
      }
      case node_kind::variant: return variant(made, spec, depth);
      default: return true;
    }
  }

  bool converted(node& made, PyObject* spec, int depth) {
    made.kind = node_kind::converted;
    PyObject* out = part(spec, 1);
    PyObject* in = out == nullptr ? nullptr : part(spec, 2);
    if (in == nullptr) return false;
    made.first = Py_NewRef(out);
    made.second = Py_NewRef(in);
    return (made.a = child(spec, 3, depth)) != nullptr;
  }

  // ("union", (labels, types, spec), ...)
  bool variant(node& made, PyObject* spec, int depth) {
    for (Py_ssize_t i = 1; i < PyTuple_GET_SIZE(spec); ++i) {
      PyObject* one = PyTuple_GET_ITEM(spec, i);
      PyObject* labels = part(one, 0);
      PyObject* types = labels == nullptr ? nullptr : part(one, 1);
      if (types == nullptr) return false;
      if (!PyTuple_Check(labels) || PyTuple_GET_SIZE(labels) == 0 || !PyTuple_Check(types)) {
        return wrong("an alternative is (labels, classes, kind)");
      }
      alternative& to = made.alternatives.emplace_back();
      for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(labels); ++k) {
        if (!text_of(PyTuple_GET_ITEM(labels, k), to.labels.emplace_back())) return false;
      }
      to.types = Py_NewRef(types);
      const node* inner = child(one, 2, depth);
      if (inner == nullptr) return false;
      made.alternatives[static_cast<std::size_t>(i - 1)].type = inner;
    }
    return !made.alternatives.empty() || wrong("a union of nothing");
  }

  plan& into_;
};

PyObject* item(PyObject* spec, const char* key) {  // borrowed; null with KeyError
  PyObject* found = PyDict_GetItemString(spec, key);
  if (found == nullptr && PyErr_Occurred() == nullptr) PyErr_SetString(PyExc_KeyError, key);
  return found;
}

bool interned(PyObject* spec, PyObject*& to) {
  if (!PyUnicode_Check(spec)) return wrong("a name must be a str");
  to = Py_NewRef(spec);
  PyUnicode_InternInPlace(&to);
  return true;
}

// (name, kind, has a default, default, factory or None)
bool add_field(plan& into, builder& nodes, PyObject* spec) {
  if (!PyTuple_Check(spec) || PyTuple_GET_SIZE(spec) != 5) return wrong("a field has five parts");
  plan_field& to = into.fields.emplace_back();
  if (!interned(PyTuple_GET_ITEM(spec, 0), to.name) || !text_of(to.name, to.text)) return false;
  append_header(to.key, to.text.size(), 0xa0, 0xd9, 0xda);
  to.key += to.text;
  to.type = nodes.build(PyTuple_GET_ITEM(spec, 1));
  if (to.type == nullptr) return false;
  if (PyTuple_GET_ITEM(spec, 2) == Py_True) to.fallback = Py_NewRef(PyTuple_GET_ITEM(spec, 3));
  if (PyTuple_GET_ITEM(spec, 4) != Py_None) to.factory = Py_NewRef(PyTuple_GET_ITEM(spec, 4));
  return true;
}

bool fill_record(plan& into, PyObject* spec) {
  into.kind = plan_kind::record;
  PyObject* fields = item(spec, "fields");
  PyObject* how = item(spec, "maker");
  PyObject* make = item(spec, "make");
  PyObject* post = item(spec, "post_init");
  std::string name;
  if (fields == nullptr || how == nullptr || make == nullptr || post == nullptr ||
      !text_of(how, name)) {
    return false;
  }
  if (name == "fields")
    into.made_by = maker::fields;
  else if (name == "named_tuple")
    into.made_by = maker::named_tuple;
  else if (name == "keywords")
    into.made_by = maker::keywords;
  else if (name == "mapping")
    into.made_by = maker::mapping;
  else
    return wrong("the maker");
  into.make = Py_NewRef(make);
  if (post != Py_None && !interned(post, into.post_init)) return false;
  builder nodes(into);
  if (!PyTuple_Check(fields)) return wrong("fields must be a tuple");
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(fields); ++i) {
    if (!add_field(into, nodes, PyTuple_GET_ITEM(fields, i))) return false;
  }
  if (into.fields.size() > 0xffff) return wrong("too many fields");
  append_header(into.header, into.fields.size(), 0x80, 0, 0xde);
  return true;
}

bool fill_enumeration(plan& into, PyObject* spec) {
  into.kind = plan_kind::enumeration;
  PyObject* attribute = item(spec, "attribute");
  PyObject* by_value = item(spec, "by_value");
  PyObject* by_name = item(spec, "by_name");
  if (attribute == nullptr || by_value == nullptr || by_name == nullptr) return false;
  if (!PyDict_Check(by_value) || !PyDict_Check(by_name)) return wrong("an enumeration's tables");
  into.by_value = Py_NewRef(by_value);
  into.by_name = Py_NewRef(by_name);
  return interned(attribute, into.attribute);
}

bool fill_converted(plan& into, PyObject* spec) {
  into.kind = plan_kind::converted;
  PyObject* out = item(spec, "encode");
  PyObject* in = item(spec, "decode");
  PyObject* through = item(spec, "through");
  if (out == nullptr || in == nullptr || through == nullptr) return false;
  into.encode = Py_NewRef(out);
  into.decode = Py_NewRef(in);
  builder nodes(into);
  return (into.through = nodes.build(through)) != nullptr;
}

bool fill(plan& into, PyObject* spec) {
  if (!PyDict_Check(spec)) return wrong("not a dict");
  PyObject* kind = item(spec, "kind");
  PyObject* type = item(spec, "type");
  PyObject* manifest = item(spec, "manifest");
  PyObject* version = item(spec, "version");
  PyObject* upcast = item(spec, "upcast");
  if (kind == nullptr || type == nullptr || manifest == nullptr || version == nullptr ||
      upcast == nullptr) {
    return false;
  }
  if (!PyType_Check(type)) return wrong("type must be a class");
  into.type = reinterpret_cast<PyTypeObject*>(Py_NewRef(type));
  into.title = into.type->tp_name;
  if (const auto dot = into.title.rfind('.'); dot != std::string::npos)
    into.title.erase(0, dot + 1);
  into.manifest = Py_NewRef(manifest);
  into.upcast = Py_NewRef(upcast);
  const long number = PyLong_AsLong(version);
  if (number == -1 && PyErr_Occurred() != nullptr) return false;
  if (number < 1 || number > INT32_MAX) return wrong("a version counts from 1");
  into.version = static_cast<int>(number);
  std::string name;
  if (!text_of(manifest, into.manifest_text) || !text_of(kind, name)) return false;
  if (name == "record") return fill_record(into, spec);
  if (name == "enum") return fill_enumeration(into, spec);
  if (name == "converted") return fill_converted(into, spec);
  return wrong(name.c_str());
}

// Calls `f` with each reference that a plan holds.
template <class F>
void each_reference(plan& p, F&& f) {
  f(reinterpret_cast<PyObject*&>(p.type));
  for (PyObject** one : {&p.manifest, &p.upcast, &p.make, &p.post_init, &p.attribute, &p.by_value,
                         &p.by_name, &p.encode, &p.decode}) {
    f(*one);
  }
  for (plan_field& one : p.fields) {
    f(one.name);
    f(one.fallback);
    f(one.factory);
  }
  for (node& one : p.nodes) {
    f(one.first);
    f(one.second);
    for (alternative& a : one.alternatives) f(a.types);
  }
}

int plan_traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  auto* object = reinterpret_cast<plan_object*>(self);
  int stop = 0;
  if (object->made != nullptr) {
    each_reference(*object->made, [&](PyObject*& held) {
      if (stop == 0 && held != nullptr) stop = visit(held, arg);
    });
  }
  return stop;
}

// No tp_clear: a plan is immutable while anything can reach it. The dicts of a codec break cycles.
void plan_dealloc(PyObject* self) {
  PyObject_GC_UnTrack(self);
  PyTypeObject* type = Py_TYPE(self);
  auto* object = reinterpret_cast<plan_object*>(self);
  if (object->made != nullptr) {
    each_reference(*object->made, [](PyObject*& held) { Py_CLEAR(held); });
    delete object->made;
  }
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* plan_repr(PyObject* self) {
  const plan& p = *reinterpret_cast<plan_object*>(self)->made;
  return PyUnicode_FromFormat("<odeon codec plan of %s: %U version %d>", p.title.c_str(),
                              p.manifest, p.version);
}

PyObject* plan_manifest(PyObject* self, void*) {
  return Py_NewRef(reinterpret_cast<plan_object*>(self)->made->manifest);
}
PyObject* plan_version(PyObject* self, void*) {
  return PyLong_FromLong(reinterpret_cast<plan_object*>(self)->made->version);
}
PyObject* plan_class(PyObject* self, void*) {
  return Py_NewRef(reinterpret_cast<PyObject*>(reinterpret_cast<plan_object*>(self)->made->type));
}

PyGetSetDef plan_getset[] = {
    {"manifest", plan_manifest, nullptr, "What values are known by on the wire.", nullptr},
    {"version", plan_version, nullptr, "The version that is written.", nullptr},
    {"type", plan_class, nullptr, "The class.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyType_Slot plan_slots[] = {
    {Py_tp_dealloc, reinterpret_cast<void*>(plan_dealloc)},
    {Py_tp_traverse, reinterpret_cast<void*>(plan_traverse)},
    {Py_tp_repr, reinterpret_cast<void*>(plan_repr)},
    {Py_tp_getset, plan_getset},
    {Py_tp_doc, const_cast<char*>("How the values of one class travel. Immutable.")},
    {0, nullptr},
};

PyType_Spec plan_spec = {
    .name = "odeon._native.Plan",
    .basicsize = sizeof(plan_object),
    .itemsize = 0,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = plan_slots,
};

}  // namespace

void append_header(std::string& out, std::size_t n, unsigned fix, unsigned tag8, unsigned tag16) {
  const std::size_t fixed = fix == 0xa0 ? 32 : 16;
  if (n < fixed) {
    out.push_back(static_cast<char>(fix | n));
  } else if (tag8 != 0 && n <= 0xff) {
    out.push_back(static_cast<char>(tag8));
    out.push_back(static_cast<char>(n));
  } else {
    out.push_back(static_cast<char>(tag16));
    out.push_back(static_cast<char>(n >> 8U));
    out.push_back(static_cast<char>(n & 0xffU));
  }
}

PyObject* make_plan(PyTypeObject* plan_type, PyObject* spec) {
  auto* made = reinterpret_cast<plan_object*>(plan_type->tp_alloc(plan_type, 0));
  if (made == nullptr) return nullptr;
  made->made = new plan;
  if (!fill(*made->made, spec)) {
    Py_DECREF(made);
    return nullptr;
  }
  return reinterpret_cast<PyObject*>(made);
}

PyObject* make_plan_type(PyObject* module) {
  return PyType_FromModuleAndSpec(module, &plan_spec, nullptr);
}

const plan* find_plan(codec_object* codec, PyTypeObject* type) noexcept {
  PyObject* found = PyDict_GetItemWithError(codec->by_type, reinterpret_cast<PyObject*>(type));
  return found == nullptr ? nullptr : reinterpret_cast<plan_object*>(found)->made;
}

}  // namespace odeon::python::codecs
