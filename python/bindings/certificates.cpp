// Certificates of an authority of one's own, as `odeon cert` makes them.

#include "module.hpp"
#include "remote.hpp"
#include "values.hpp"
#include <odeon/net/certificates.hpp>

#include <string>

namespace odeon::python {

namespace {

/// Seconds since 1970.
wall_time wall_of(double seconds) {
  return wall_time(
      std::chrono::duration_cast<wall_time::duration>(std::chrono::duration<double>(seconds)));
}
double seconds_since_1970(wall_time at) {
  return std::chrono::duration<double>(at.time_since_epoch()).count();
}

bool read_key(const std::string& name, certificate_key& out) {
  if (name == "p256")
    out = certificate_key::p256;
  else if (name == "ed25519")
    out = certificate_key::ed25519;
  else {
    PyErr_Format(PyExc_ValueError, "a key is p256 or ed25519, not %s", name.c_str());
    return false;
  }
  return true;
}

PyObject* texts_of(interp& in, const result<credentials>& made) {
  if (!made) return raise(in, made.error());
  return Py_BuildValue("NN", text_of(made->certificate), text_of(made->key));
}

/// (name, valid_for, key, now): certificate and key, PEM
PyObject* make_authority(PyObject* module, PyObject* args) {
  const entry in_layer;
  interp& in = interp_of_module(module);
  return guarded(in, [&]() -> PyObject* {
    const char *name = nullptr, *key = nullptr;
    PyObject* valid_for = nullptr;
    double now = 0;
    ca_options options;
    if (!PyArg_ParseTuple(args, "sOsd", &name, &valid_for, &key, &now) ||
        !read_seconds(valid_for, "valid_for", options.valid_for) || !read_key(key, options.key))
      return nullptr;
    options.name = name;
    return texts_of(in, make_ca(options, wall_of(now)));
  });
}

/// (authority's certificate, its key, name, hosts, valid_for, key, now)
PyObject* make_node(PyObject* module, PyObject* args) {
  const entry in_layer;
  interp& in = interp_of_module(module);
  return guarded(in, [&]() -> PyObject* {
    const char *ca = nullptr, *ca_key = nullptr, *name = nullptr, *key = nullptr;
    PyObject *hosts = nullptr, *valid_for = nullptr;
    double now = 0;
    node_certificate_options options;
    if (!PyArg_ParseTuple(args, "sssOOsd", &ca, &ca_key, &name, &hosts, &valid_for, &key, &now) ||
        !read_texts(hosts, "a host", options.hosts) ||
        !read_seconds(valid_for, "valid_for", options.valid_for) || !read_key(key, options.key))
      return nullptr;
    options.name = name;
    return texts_of(in, make_node_certificate({ca, ca_key}, options, wall_of(now)));
  });
}

PyObject* read_one(PyObject* module, PyObject* pem) {
  const entry in_layer;
  interp& in = interp_of_module(module);
  return guarded(in, [&]() -> PyObject* {
    std::string text;
    if (!read_text(pem, "a certificate", text)) return nullptr;
    const auto c = read_certificate(text);
    if (!c) return raise(in, c.error());
    return dict_of()
        .add("subject", c->subject)
        .add("issuer", c->issuer)
        .add("serial", c->serial)
        .add("node", c->node)
        .add("hosts", list_of(c->hosts))
        .add("not_before", seconds_since_1970(c->not_before))
        .add("not_after", seconds_since_1970(c->not_after))
        .add("is_ca", c->is_ca)
        .add("key", c->key)
        .add("fingerprint", c->fingerprint)
        .take()
        .release();
  });
}

PyMethodDef functions[] = {{"_make_ca", &make_authority, METH_VARARGS, nullptr},
                           {"_make_node_certificate", &make_node, METH_VARARGS, nullptr},
                           {"_read_certificate", &read_one, METH_O, nullptr},
                           {}};

}  // namespace

bool add_certificate_functions(PyObject* module) noexcept {
  return PyModule_AddFunctions(module, functions) == 0;
}

}  // namespace odeon::python
