#include "configuration.hpp"

#include "module.hpp"
#include <odeon/core/actor_system.hpp>

namespace odeon::python {

namespace {

constexpr const char* capsule_name = "odeon.configuration";

constexpr std::pair<std::string_view, config_type> types[] = {
    {"boolean", config_type::boolean},   {"integer", config_type::integer},
    {"floating", config_type::floating}, {"duration", config_type::duration},
    {"size", config_type::size},         {"string", config_type::string},
    {"choice", config_type::choice},     {"string_list", config_type::string_list}};

bool read_texts(PyObject* o, const char* what, std::vector<std::string>& out) {
  owned all(PySequence_Fast(o, what));
  for (Py_ssize_t i = 0; all && i < PySequence_Fast_GET_SIZE(all.get()); ++i)
    if (!read_text(PySequence_Fast_GET_ITEM(all.get(), i), what, out.emplace_back())) return false;
  return static_cast<bool>(all);
}

/// (key, type, fallback, unit, sentence, min, max, choices)
bool read_key(PyObject* o, config_key& out) {
  if (!PyTuple_Check(o) || PyTuple_GET_SIZE(o) != 8) {
    PyErr_SetString(PyExc_TypeError, "a declared key has eight parts");
    return false;
  }
  std::string type;
  std::string* texts[] = {&out.key,      &type,    &out.fallback, &out.unit,
                          &out.sentence, &out.min, &out.max};
  Py_ssize_t at = 0;
  for (std::string* text : texts)
    if (!read_text(PyTuple_GET_ITEM(o, at++), "a part of a declared key", *text)) return false;
  if (!read_texts(PyTuple_GET_ITEM(o, at), "the choices of a key", out.choices)) return false;
  for (const auto& [name, value] : types) {
    if (name != type) continue;
    out.type = value;
    return true;
  }
  PyErr_Format(PyExc_ValueError, "%s is no type of a key", type.c_str());
  return false;
}

bool read_environment_pairs(PyObject* o, config_sources& out) {
  owned all(PySequence_Fast(o, "the environment"));
  for (Py_ssize_t i = 0; all && i < PySequence_Fast_GET_SIZE(all.get()); ++i) {
    PyObject* pair = PySequence_Fast_GET_ITEM(all.get(), i);
    auto& [name, value] = out.environment.emplace_back();
    if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2 ||
        !read_text(PyTuple_GET_ITEM(pair, 0), "a variable's name", name) ||
        !read_text(PyTuple_GET_ITEM(pair, 1), "a variable's value", value)) {
      if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "pairs of texts are expected");
      return false;
    }
  }
  return static_cast<bool>(all);
}

/// (file, toml or None, environment, overrides, keys): a capsule. With a text, `file` names it.
PyObject* config_load(PyObject* module, PyObject* args) {
  const entry in_layer;
  interp& in = interp_of_module(module);
  PyObject *file = nullptr, *toml = nullptr, *environment = nullptr, *overrides = nullptr,
           *keys = nullptr;
  if (!PyArg_ParseTuple(args, "OOOOO", &file, &toml, &environment, &overrides, &keys))
    return nullptr;
  return guarded(in, [&]() -> PyObject* {
    config_sources sources;
    std::string text;
    std::string name;
    if (!read_text(file, "a file's name", name) ||
        (toml != Py_None && !read_text(toml, "a configuration's text", text)) ||
        !read_environment_pairs(environment, sources) ||
        !read_texts(overrides, "an override", sources.overrides))
      return nullptr;
    config_schema schema = system_options::schema();
    owned all(PySequence_Fast(keys, "declared keys"));
    for (Py_ssize_t i = 0; all && i < PySequence_Fast_GET_SIZE(all.get()); ++i) {
      config_key key;
      if (!read_key(PySequence_Fast_GET_ITEM(all.get(), i), key)) return nullptr;
      schema.add(std::move(key));
    }
    if (!all) return nullptr;
    result<configuration> loaded;
    if (toml == Py_None) {
      sources.file = name;
      loaded = configuration::load(schema, sources);
    } else {
      loaded = configuration::parse(schema, text, name, sources);
    }
    if (!loaded) return raise(in, loaded.error());
    auto held = std::make_unique<loaded_config>(std::move(*loaded), schema.keys());
    PyObject* capsule = PyCapsule_New(held.get(), capsule_name, [](PyObject* o) {
      delete static_cast<loaded_config*>(PyCapsule_GetPointer(o, capsule_name));
    });
    if (capsule) static_cast<void>(held.release());
    return capsule;
  });
}

/// Whether `key` is of that declaration, in which one segment may be `*`.
bool matches(std::string_view declared, std::string_view key) noexcept {
  for (;;) {
    const auto a = declared.substr(0, declared.find('.'));
    const auto b = key.substr(0, key.find('.'));
    if (a != "*" && a != b) return false;
    const bool ends_a = a.size() == declared.size();
    const bool ends_b = b.size() == key.size();
    if (ends_a || ends_b) return ends_a && ends_b;
    declared.remove_prefix(a.size() + 1);
    key.remove_prefix(b.size() + 1);
  }
}

PyObject* value_of(const configuration& c, config_type type, const std::string& key) {
  switch (type) {
    case config_type::boolean: return PyBool_FromLong(c.get_bool(key));
    case config_type::integer: return PyLong_FromLongLong(c.get_int(key));
    case config_type::floating: return PyFloat_FromDouble(c.get_float(key));
    case config_type::duration:
      return PyFloat_FromDouble(std::chrono::duration<double>(c.get_duration(key)).count());
    case config_type::size: return PyLong_FromLongLong(c.get_size(key));
    case config_type::string:
    case config_type::choice: return text_of(c.get_string(key));
    case config_type::string_list: break;
  }
  owned list(PyList_New(0));
  for (const std::string& item : c.get_list(key)) {
    owned text(text_of(item));
    if (!list || !text || PyList_Append(list.get(), text.get()) != 0) return nullptr;
  }
  return list.release();
}

/// `f(configuration of the first argument, text of the second)`
template <class F>
PyObject* with_config(PyObject* module, PyObject* const* args, Py_ssize_t n, F f) noexcept {
  const entry in_layer;
  interp& in = interp_of_module(module);
  return guarded(in, [&]() -> PyObject* {
    const loaded_config* c = n > 0 ? read_config(args[0]) : nullptr;
    std::string text;
    if (n > 0 && !c) return nullptr;
    if (n != 2 || !read_text(args[1], "a key", text)) {
      if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "two arguments are expected");
      return nullptr;
    }
    return f(*c, text);
  });
}

/// KeyError for a key that is not declared.
PyObject* config_get(PyObject* module, PyObject* const* args, Py_ssize_t n) {
  return with_config(module, args, n, [&](const loaded_config& c, const std::string& key) {
    for (const config_key& k : c.keys) {
      if (!matches(k.key, key)) continue;
      try {
        return value_of(c.values, k.type, key);
      } catch (const actor_error&) {
        break;  // a table of that name there is not
      }
    }
    PyErr_SetObject(PyExc_KeyError, args[1]);
    return static_cast<PyObject*>(nullptr);
  });
}

PyObject* config_names(PyObject* module, PyObject* const* args, Py_ssize_t n) {
  return with_config(module, args, n, [](const loaded_config& c, const std::string& prefix) {
    owned list(PyList_New(0));
    for (const std::string& name : c.values.names(prefix)) {
      owned text(text_of(name));
      if (!list || !text || PyList_Append(list.get(), text.get()) != 0)
        return static_cast<PyObject*>(nullptr);
    }
    return list.release();
  });
}

/// [(key, value, default, origin, type, sentence)]
PyObject* config_describe(PyObject* module, PyObject* capsule) {
  const entry in_layer;
  interp& in = interp_of_module(module);
  return guarded(in, [&]() -> PyObject* {
    const loaded_config* c = read_config(capsule);
    owned list(c ? PyList_New(0) : nullptr);
    if (!list) return nullptr;
    for (const config_entry& e : c->values.describe()) {
      owned one(Py_BuildValue("NNNNNN", text_of(e.key), text_of(e.value), text_of(e.fallback),
                              text_of(e.origin), text_of(e.type), text_of(e.sentence)));
      if (!one || PyList_Append(list.get(), one.get()) != 0) return nullptr;
    }
    return list.release();
  });
}

PyMethodDef functions[] = {{"_config_load", &config_load, METH_VARARGS, nullptr},
                           {"_config_get", fn(&config_get), METH_FASTCALL, nullptr},
                           {"_config_names", fn(&config_names), METH_FASTCALL, nullptr},
                           {"_config_describe", &config_describe, METH_O, nullptr},
                           {}};

}  // namespace

const loaded_config* read_config(PyObject* capsule) noexcept {
  return static_cast<const loaded_config*>(PyCapsule_GetPointer(capsule, capsule_name));
}

bool add_config_functions(PyObject* module) noexcept {
  return PyModule_AddFunctions(module, functions) == 0;
}

}  // namespace odeon::python
