#include "message.hpp"

#include "named_message.hpp"

#include <new>
#include <string>

namespace odeon::python {

namespace {

constexpr std::size_t types_max = 65'536;

constexpr detail::message_type any_object = named_type<py_message>("object");

std::string name_of(PyTypeObject* cls) {
  owned module(PyObject_GetAttrString(reinterpret_cast<PyObject*>(cls), "__module__"));
  owned name(PyObject_GetAttrString(reinterpret_cast<PyObject*>(cls), "__qualname__"));
  std::string out;
  std::string part;
  if (module && PyUnicode_Check(module.get()) && read_text(module.get(), "module", part) &&
      part != "builtins")
    out = part + ".";
  if (name && PyUnicode_Check(name.get()) && read_text(name.get(), "name", part))
    out += part;
  else
    out += cls->tp_name;
  PyErr_Clear();
  return out;
}

const detail::message_type& look_up(interp& in, PyTypeObject* cls) {
  {
    const table_guard guard(in.tables);
    if (auto found = in.message_types.find(cls); found != in.message_types.end())
      return *found->second;
    if (in.message_types.size() >= types_max) return any_object;
  }
  // Never freed: dead letters and hops name it for as long as the process runs.
  auto* name = new std::string(name_of(cls));
  auto* type = new detail::message_type(named_type<py_message>(*name));
  const table_guard guard(in.tables);
  const auto [at, is_new] = in.message_types.emplace(cls, type);
  if (is_new) Py_INCREF(cls);  // or another class might come to stand at its address
  return *at->second;
}

}  // namespace

py_message::py_message(const py_message& o) : word_(o.word_), home_(o.home_) {
  if (!word_) return;
  if (!(word_ & boxed)) {
    auto* b = new box{1, reinterpret_cast<PyObject*>(word_)};
    o.word_ = word_ = reinterpret_cast<std::uintptr_t>(b) | boxed;
  }
  in_box()->refs.fetch_add(1, std::memory_order_relaxed);
}

void py_message::drop() noexcept {
  PyObject* object = reinterpret_cast<PyObject*>(word_);
  if (word_ & boxed) {
    box* b = in_box();
    // Acquire and release: the last of the holders frees what the others are done with.
    if (b->refs.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    object = b->object;
    delete b;
  }
  py_handle::give_up(*home_, object);
}

PyObject* py_message::get() const noexcept {
  return word_ & boxed ? in_box()->object : reinterpret_cast<PyObject*>(word_);
}

PyObject* py_message::take() noexcept {
  if (!(word_ & boxed)) return reinterpret_cast<PyObject*>(std::exchange(word_, 0));
  PyObject* o = Py_NewRef(in_box()->object);
  drop();
  word_ = 0;
  return o;
}

const detail::message_type& message_type_for(interp& in, PyTypeObject* cls) noexcept {
  auto& place = in.cache[(reinterpret_cast<std::uintptr_t>(cls) >> 5) % interp::cache_size];
  {
    const table_guard guard(in.tables);
    if (place.type == cls) [[likely]]
      return *place.as;
  }
  try {
    const detail::message_type& type = look_up(in, cls);
    const table_guard guard(in.tables);
    place = {cls, &type};
    return type;
  } catch (const std::bad_alloc&) {
    return any_object;
  }
}

bool is_py_message(const detail::message_type& type) noexcept {
  return is_named_type<py_message>(type);
}

detail::envelope* make_py_envelope(interp& in, PyObject* stolen, bool extra) {
  const detail::message_type& type = message_type_for(in, Py_TYPE(stolen));
  return make_named_envelope(type, py_message(in, stolen), extra);
}

}  // namespace odeon::python
