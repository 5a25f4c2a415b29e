#include "codec.hpp"
#include "codec_internal.hpp"
#include "ring_frame.hpp"

#include <memory>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

/// @file `_native.Channel` and `_native.Segment`: rings and segments as Python objects.

namespace odeon::python {

namespace {

using codecs::owned;

struct segment_object {
  PyObject_HEAD std::shared_ptr<segment> held;
};

struct channel_object {
  PyObject_HEAD std::unique_ptr<channel> held;
  PyTypeObject* segment_type;
  received_frame arrived;  // its memory is used again; receiving is one thread's
};

segment_object* segment_of(PyObject* o) noexcept { return reinterpret_cast<segment_object*>(o); }
channel_object* channel_of(PyObject* o) noexcept { return reinterpret_cast<channel_object*>(o); }

PyObject* raise_error(const error& e) {
  PyObject* type = e.code() == errc::invalid_argument || e.code() == errc::bad_encoding
                       ? PyExc_ValueError
                       : PyExc_OSError;
  PyErr_SetString(type, std::string(e.text()).c_str());
  return nullptr;
}

// --- segments ----------------------------------------------------------------------------------

PyObject* new_segment(PyTypeObject* type, std::shared_ptr<segment> held) {
  PyObject* made = type->tp_alloc(type, 0);
  if (made == nullptr) return nullptr;
  new (&segment_of(made)->held) std::shared_ptr<segment>(std::move(held));
  return made;
}

PyObject* segment_new(PyTypeObject* type, PyObject* args, PyObject* words) {
  static const char* names[] = {"size", nullptr};
  Py_ssize_t size = 0;
  if (PyArg_ParseTupleAndKeywords(args, words, "n:Segment", const_cast<char**>(names), &size) ==
      0) {
    return nullptr;
  }
  if (size < 1) {
    PyErr_SetString(PyExc_ValueError, "a segment has at least one byte");
    return nullptr;
  }
  auto made = segment::make(static_cast<std::size_t>(size));
  return made ? new_segment(type, *std::move(made)) : raise_error(made.error());
}

void segment_dealloc(PyObject* o) {
  PyTypeObject* type = Py_TYPE(o);
  std::destroy_at(&segment_of(o)->held);
  type->tp_free(o);
  Py_DECREF(type);
}

int segment_buffer(PyObject* o, Py_buffer* view, int flags) {
  const segment& s = *segment_of(o)->held;
  return PyBuffer_FillInfo(view, o, s.data(), static_cast<Py_ssize_t>(s.size()),
                           s.writable() ? 0 : 1, flags);
}

Py_ssize_t segment_length(PyObject* o) {
  return static_cast<Py_ssize_t>(segment_of(o)->held->size());
}

PyType_Slot segment_slots[] = {
    {Py_tp_new, reinterpret_cast<void*>(segment_new)},
    {Py_tp_dealloc, reinterpret_cast<void*>(segment_dealloc)},
    {Py_bf_getbuffer, reinterpret_cast<void*>(segment_buffer)},
    {Py_sq_length, reinterpret_cast<void*>(segment_length)},
    {Py_tp_doc, const_cast<char*>("Segment(size): zeroed memory that can be handed to a worker "
                                  "process without a copy. A buffer; read only where it arrived.")},
    {0, nullptr},
};

PyType_Spec segment_spec = {
    .name = "odeon._native.Segment",
    .basicsize = sizeof(segment_object),
    .itemsize = 0,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = segment_slots,
};

// --- making channels ---------------------------------------------------------------------------

PyObject* new_channel(PyTypeObject* type, PyObject* module, std::unique_ptr<channel> held) {
  const owned segments(PyObject_GetAttrString(module, "Segment"));
  PyObject* made = segments ? type->tp_alloc(type, 0) : nullptr;
  if (made == nullptr) return nullptr;
  new (&channel_of(made)->held) std::unique_ptr<channel>(std::move(held));
  new (&channel_of(made)->arrived) received_frame();
  channel_of(made)->segment_type = reinterpret_cast<PyTypeObject*>(Py_NewRef(segments.get()));
  return made;
}

// new_channel(capacity) -> (Channel, memory descriptor, socket descriptor)
PyObject* make_channel(PyObject* module, PyObject* size) {
  const std::size_t capacity = PyLong_AsSize_t(size);
  if (capacity == static_cast<std::size_t>(-1) && PyErr_Occurred() != nullptr) return nullptr;
  channel::offered peer;
  auto made = channel::make(capacity, peer);
  if (!made) return raise_error(made.error());
  const owned type(PyObject_GetAttrString(module, "Channel"));
  if (!type) return nullptr;
  const owned object(
      new_channel(reinterpret_cast<PyTypeObject*>(type.get()), module, *std::move(made)));
  if (!object) return nullptr;
  PyObject* all = Py_BuildValue("(Oii)", object.get(), peer.memory.get(), peer.socket.get());
  if (all != nullptr) {
    (void)peer.memory.release();
    (void)peer.socket.release();
  }
  return all;
}

// attach_channel(memory descriptor, socket descriptor) -> Channel; takes them over
PyObject* attach_channel(PyObject* module, PyObject* args) {
  int memory = -1;
  int socket = -1;
  if (PyArg_ParseTuple(args, "ii:attach_channel", &memory, &socket) == 0) return nullptr;
  auto made = channel::attach(unique_fd(memory), unique_fd(socket));
  if (!made) return raise_error(made.error());
  const owned type(PyObject_GetAttrString(module, "Channel"));
  return type ? new_channel(reinterpret_cast<PyTypeObject*>(type.get()), module, *std::move(made))
              : nullptr;
}

void channel_dealloc(PyObject* o) {
  PyTypeObject* type = Py_TYPE(o);
  channel_object* self = channel_of(o);
  std::destroy_at(&self->held);
  std::destroy_at(&self->arrived);
  Py_XDECREF(reinterpret_cast<PyObject*>(self->segment_type));
  type->tp_free(o);
  Py_DECREF(type);
}

// --- sending -----------------------------------------------------------------------------------

// True: sent. False: no room. Raises EOFError when the peer has ended, OSError when it misbehaved.
PyObject* outcome(channel_status status) {
  switch (status) {
    case channel_status::done: Py_RETURN_TRUE;
    case channel_status::full: Py_RETURN_FALSE;
    case channel_status::empty: Py_RETURN_NONE;
    case channel_status::closed:
      PyErr_SetString(PyExc_EOFError, "the process at the other end has ended");
      return nullptr;
    case channel_status::broken: break;
  }
  PyErr_SetString(PyExc_OSError, "the process at the other end broke the channel's rules");
  return nullptr;
}

// Views of a sequence of buffers, for the time of one call.
class views {
 public:
  explicit views(PyObject* sequence) {
    if (sequence == nullptr || sequence == Py_None) return;
    const owned all(PySequence_Fast(sequence, "buffers must be a sequence"));
    if (!all) {
      ok_ = false;
      return;
    }
    held_.reserve(static_cast<std::size_t>(PySequence_Fast_GET_SIZE(all.get())));
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(all.get()); ++i) {
      Py_buffer view;
      if (PyObject_GetBuffer(PySequence_Fast_GET_ITEM(all.get(), i), &view, PyBUF_SIMPLE) != 0) {
        ok_ = false;
        return;
      }
      held_.push_back(view);
      bytes_.emplace_back(static_cast<const std::byte*>(view.buf),
                          static_cast<std::size_t>(view.len));
    }
  }
  views(const views&) = delete;
  views& operator=(const views&) = delete;
  ~views() {
    for (Py_buffer& one : held_) PyBuffer_Release(&one);
  }

  [[nodiscard]] bool ok() const noexcept { return ok_; }
  [[nodiscard]] std::span<const std::span<const std::byte>> bytes() const noexcept {
    return bytes_;
  }

 private:
  bool ok_ = true;
  std::vector<Py_buffer> held_;
  std::vector<std::span<const std::byte>> bytes_;
};

PyObject* send_it(PyObject* o, const frame& what, const views& buffers) {
  if (!buffers.ok()) return nullptr;
  auto sent = result<channel_status>(channel_status::empty);
  const std::size_t big = what.payload.size() + buffers.bytes().size() * 4096;
  if (big >= payload_beside_at || !buffers.bytes().empty()) {
    Py_BEGIN_ALLOW_THREADS sent = send_frame(*channel_of(o)->held, what, buffers.bytes());
    Py_END_ALLOW_THREADS
  } else {
    sent = send_frame(*channel_of(o)->held, what, buffers.bytes());
  }
  return sent ? outcome(*sent) : raise_error(sent.error());
}

bool read_head(PyObject* const* args, frame& what) {
  const unsigned long kind = PyLong_AsUnsignedLong(args[0]);
  if (kind == static_cast<unsigned long>(-1) && PyErr_Occurred() != nullptr) return false;
  what.actor = PyLong_AsUnsignedLongLong(args[1]);
  if (what.actor == static_cast<std::uint64_t>(-1) && PyErr_Occurred() != nullptr) return false;
  what.request = PyLong_AsUnsignedLongLong(args[2]);
  if (what.request == static_cast<std::uint64_t>(-1) && PyErr_Occurred() != nullptr) return false;
  if (kind > 0xff) {
    PyErr_SetString(PyExc_ValueError, "a kind is a byte");
    return false;
  }
  what.kind = static_cast<std::uint8_t>(kind);
  return true;
}

bool read_manifest(PyObject* from, std::string_view& to) {
  Py_ssize_t size = 0;
  const char* text = PyUnicode_AsUTF8AndSize(from, &size);
  if (text != nullptr) to = {text, static_cast<std::size_t>(size)};
  return text != nullptr;
}

bool argument_count(Py_ssize_t found, Py_ssize_t wanted, const char* name) {
  if (found == wanted) return true;
  PyErr_Format(PyExc_TypeError, "%s takes %zd arguments, %zd given", name, wanted, found);
  return false;
}

// send(kind, actor, request, codec, flags, value)
PyObject* channel_send(PyObject* o, PyObject* const* args, Py_ssize_t count) {
  frame what;
  if (!argument_count(count, 6, "send") || !read_head(args, what)) return nullptr;
  if (!codec_check(args[3])) {
    PyErr_SetString(PyExc_TypeError, "send needs a native codec");
    return nullptr;
  }
  const unsigned long flags = PyLong_AsUnsignedLong(args[4]);
  if (flags == static_cast<unsigned long>(-1) && PyErr_Occurred() != nullptr) return nullptr;
  std::byte scratch[512];
  encoded_message message;
  message.payload = wire::buffer{std::span(scratch)};
  if (!codec_encode(args[3], args[5], static_cast<unsigned>(flags), message)) return nullptr;
  if (!read_manifest(message.manifest, what.manifest)) return nullptr;
  what.version = static_cast<std::uint32_t>(message.version);
  what.payload = message.payload.view();
  return send_it(o, what, views(message.buffers));
}

// send_encoded(kind, actor, request, manifest, version, payload, buffers)
PyObject* channel_send_encoded(PyObject* o, PyObject* const* args, Py_ssize_t count) {
  frame what;
  if (!argument_count(count, 7, "send_encoded") || !read_head(args, what) ||
      !read_manifest(args[3], what.manifest)) {
    return nullptr;
  }
  const long version = PyLong_AsLong(args[4]);
  if (version == -1 && PyErr_Occurred() != nullptr) return nullptr;
  what.version = static_cast<std::uint32_t>(version);
  Py_buffer view;
  if (PyObject_GetBuffer(args[5], &view, PyBUF_SIMPLE) != 0) return nullptr;
  what.payload = {static_cast<const std::byte*>(view.buf), static_cast<std::size_t>(view.len)};
  PyObject* done = send_it(o, what, views(args[6]));
  PyBuffer_Release(&view);
  return done;
}

// --- receiving ---------------------------------------------------------------------------------

// The buffers that came along, as views that keep their segment mapped; None when there are none.
owned arrived_buffers(const channel_object* self) {
  const auto& parts = self->arrived.buffers;
  if (parts.empty()) return owned::share(Py_None);
  owned all(PyTuple_New(static_cast<Py_ssize_t>(parts.size())));
  for (std::size_t i = 0; all && i < parts.size(); ++i) {
    const owned whole(new_segment(self->segment_type, parts[i].whole));
    const owned view(whole ? PyMemoryView_FromObject(whole.get()) : nullptr);
    const owned from(PyLong_FromUnsignedLongLong(parts[i].offset));
    const owned to(PyLong_FromUnsignedLongLong(parts[i].offset + parts[i].size));
    if (!view || !from || !to) return {};
    const owned range(PySlice_New(from.get(), to.get(), nullptr));
    PyObject* piece = range ? PyObject_GetItem(view.get(), range.get()) : nullptr;
    if (piece == nullptr) return {};
    PyTuple_SET_ITEM(all.get(), static_cast<Py_ssize_t>(i), piece);
  }
  return all;
}

// receive(codec, flags) -> None, or (kind, actor, request, value, None), or (…, None, error)
PyObject* channel_receive(PyObject* o, PyObject* const* args, Py_ssize_t count) {
  if (!argument_count(count, 2, "receive")) return nullptr;
  if (!codec_check(args[0])) {
    PyErr_SetString(PyExc_TypeError, "receive needs a native codec");
    return nullptr;
  }
  const unsigned long flags = PyLong_AsUnsignedLong(args[1]);
  if (flags == static_cast<unsigned long>(-1) && PyErr_Occurred() != nullptr) return nullptr;
  channel_object* self = channel_of(o);
  const channel_status status = receive_frame(*self->held, self->arrived);
  if (status != channel_status::done) return outcome(status);
  const frame& f = self->arrived.content;
  const owned buffers = arrived_buffers(self);
  if (!buffers) return nullptr;
  owned value(codec_decode(args[0], f.manifest, static_cast<int>(f.version), f.payload,
                           buffers.get() == Py_None ? nullptr : buffers.get(),
                           static_cast<unsigned>(flags)));
  owned failure = owned::share(Py_None);
  if (!value) {
    if (PyErr_ExceptionMatches(PyExc_Exception) == 0) return nullptr;
    failure = codecs::take_exception();
    value = owned::share(Py_None);
  }
  const owned kind(PyLong_FromLong(f.kind));
  const owned actor(PyLong_FromUnsignedLongLong(f.actor));
  const owned request(PyLong_FromUnsignedLongLong(f.request));
  if (!kind || !actor || !request) return nullptr;
  return PyTuple_Pack(5, kind.get(), actor.get(), request.get(), value.get(), failure.get());
}

// receive_encoded() -> None, or (kind, actor, request, manifest, version, payload, buffers)
PyObject* channel_receive_encoded(PyObject* o, PyObject*) {
  channel_object* self = channel_of(o);
  const channel_status status = receive_frame(*self->held, self->arrived);
  if (status != channel_status::done) return outcome(status);
  const frame& f = self->arrived.content;
  owned buffers = arrived_buffers(self);
  if (!buffers) return nullptr;
  const auto* payload = reinterpret_cast<const char*>(f.payload.data());
  return Py_BuildValue("(BKKs#Iy#N)", f.kind, static_cast<unsigned long long>(f.actor),
                       static_cast<unsigned long long>(f.request), f.manifest.data(),
                       static_cast<Py_ssize_t>(f.manifest.size()), f.version,
                       payload == nullptr ? "" : payload, static_cast<Py_ssize_t>(f.payload.size()),
                       buffers.release());
}

// --- waiting -----------------------------------------------------------------------------------

// wait(seconds or None, spin=0) -> False when the time is over
PyObject* channel_wait(PyObject* o, PyObject* args) {
  PyObject* seconds = Py_None;
  int spin = 0;
  if (PyArg_ParseTuple(args, "|Oi:wait", &seconds, &spin) == 0) return nullptr;
  int milliseconds = -1;
  if (seconds != Py_None) {
    const double s = PyFloat_AsDouble(seconds);
    if (s == -1.0 && PyErr_Occurred() != nullptr) return nullptr;
    milliseconds = s <= 0 ? 0 : s >= 1e6 ? 1'000'000'000 : static_cast<int>(s * 1e3 + 0.999);
  }
  bool woken = false;
  Py_BEGIN_ALLOW_THREADS woken = channel_of(o)->held->wait(milliseconds, spin);
  Py_END_ALLOW_THREADS if (PyErr_CheckSignals() != 0) return nullptr;
  return PyBool_FromLong(woken ? 1 : 0);
}

// spin(rounds) -> whether something is there; looks without the interpreter, and does not sleep
PyObject* channel_spin(PyObject* o, PyObject* rounds) {
  const long n = PyLong_AsLong(rounds);
  if (n == -1 && PyErr_Occurred() != nullptr) return nullptr;
  bool found = false;
  Py_BEGIN_ALLOW_THREADS found = channel_of(o)->held->spin(static_cast<int>(n));
  Py_END_ALLOW_THREADS return PyBool_FromLong(found ? 1 : 0);
}

PyObject* channel_about_to_wait(PyObject* o, PyObject*) {
  return PyBool_FromLong(channel_of(o)->held->about_to_wait() ? 1 : 0);
}

PyObject* channel_woken(PyObject* o, PyObject*) {
  channel_of(o)->held->woken();
  Py_RETURN_NONE;
}

PyObject* channel_fileno(PyObject* o, PyObject*) {
  return PyLong_FromLong(channel_of(o)->held->socket());
}

PyObject* channel_close(PyObject* o, PyObject*) {
  channel_of(o)->held->close();
  Py_RETURN_NONE;
}

PyObject* channel_gone(PyObject* o, void*) {
  return PyBool_FromLong(channel_of(o)->held->peer_gone() ? 1 : 0);
}

template <class F>
PyCFunction as_method(F* f) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(f));
}

PyMethodDef channel_methods[] = {
    {"send", as_method(channel_send), METH_FASTCALL,
     "send(kind, actor, request, codec, flags, value) -> False when there is no room"},
    {"send_encoded", as_method(channel_send_encoded), METH_FASTCALL,
     "send_encoded(kind, actor, request, manifest, version, payload, buffers) -> as send"},
    {"receive", as_method(channel_receive), METH_FASTCALL,
     "receive(codec, flags) -> None or (kind, actor, request, value, error)"},
    {"receive_encoded", channel_receive_encoded, METH_NOARGS,
     "-> None or (kind, actor, request, manifest, version, payload, buffers)"},
    {"wait", channel_wait, METH_VARARGS, "wait(seconds=None, spin=0) -> False at the time's end"},
    {"spin", channel_spin, METH_O, "spin(rounds) -> True as soon as something has arrived"},
    {"about_to_wait", channel_about_to_wait, METH_NOARGS,
     "True: the descriptor becomes readable when something arrives. False: something is there."},
    {"woken", channel_woken, METH_NOARGS, "After the descriptor became readable."},
    {"fileno", channel_fileno, METH_NOARGS, "The descriptor to wait for."},
    {"close", channel_close, METH_NOARGS, "Lets the peer see the end."},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef channel_getset[] = {
    {"peer_gone", channel_gone, nullptr, "True once the other end is known to have ended.",
     nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyType_Slot channel_slots[] = {
    {Py_tp_dealloc, reinterpret_cast<void*>(channel_dealloc)},
    {Py_tp_methods, channel_methods},
    {Py_tp_getset, channel_getset},
    {Py_tp_doc, const_cast<char*>("One end of a connection to another process.")},
    {0, nullptr},
};

PyType_Spec channel_spec = {
    .name = "odeon._native.Channel",
    .basicsize = sizeof(channel_object),
    .itemsize = 0,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = channel_slots,
};

PyMethodDef functions[] = {
    {"new_channel", make_channel, METH_O,
     "new_channel(capacity) -> (Channel, memory descriptor, socket descriptor)"},
    {"attach_channel", attach_channel, METH_VARARGS,
     "attach_channel(memory descriptor, socket descriptor) -> Channel"},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

int ring_add_to(PyObject* module) {
  const owned segments(PyType_FromModuleAndSpec(module, &segment_spec, nullptr));
  const owned channels(PyType_FromModuleAndSpec(module, &channel_spec, nullptr));
  if (!segments || !channels) return -1;
  if (PyModule_AddObjectRef(module, "Segment", segments.get()) != 0 ||
      PyModule_AddObjectRef(module, "Channel", channels.get()) != 0 ||
      PyModule_AddFunctions(module, functions) != 0) {
    return -1;
  }
  return 0;
}

}  // namespace odeon::python
