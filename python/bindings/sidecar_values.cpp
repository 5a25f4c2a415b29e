// A call of an action goes to the main host as a job, and its answer comes back by a capsule, which
// owns what the engine waits for: an answer that Python loses fails its action when the capsule, or
// the job that was to make it, is freed.

#include "sidecar.hpp"
#include "values.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace odeon::python {

namespace {

using sidecar::action_answer;
using sidecar::action_call;

constexpr const char* answer_name = "odeon.sidecar_answer";

/// What the engine waits for. Answered once: by Python, or by its own end.
class pending_answer {
 public:
  explicit pending_answer(sidecar::host_app::done_fn done) noexcept : done_(std::move(done)) {}
  pending_answer(const pending_answer&) = delete;
  ~pending_answer() {
    end(fail(errc::handler_failed, "the action ended without an answer: its program is ending"));
  }
  /// False: it had ended. @threadsafe
  bool end(result<action_answer> how) {
    if (ended_.exchange(true)) return false;
    auto done = std::move(done_);
    done(std::move(how));
    return true;
  }

 private:
  std::atomic<bool> ended_{false};
  sidecar::host_app::done_fn done_;
};
using answer_ptr = std::shared_ptr<pending_answer>;

PyObject* actor_to_python(const sidecar::actor_id& a) {
  return Py_BuildValue("NNN", text_of(a.system), text_of(a.name), text_of(a.parent));
}

PyObject* dict_to_python(const sidecar::tags& all) {
  dict_of out;
  for (const auto& [name, value] : all) out.add(name.c_str(), std::string_view(value));
  return out.take().release();
}

PyObject* call_to_python(const action_call& c) {
  return Py_BuildValue("NNNNNNN", actor_to_python(c.actor), text_of(c.action), payload_of(c.value),
                       payload_of(c.state),
                       c.caller ? actor_to_python(*c.caller) : Py_NewRef(Py_None),
                       dict_to_python(c.metadata), dict_to_python(c.actor_tags));
}

PyObject* capsule_of(const answer_ptr& answer) {
  auto* held = new answer_ptr(answer);
  PyObject* capsule = PyCapsule_New(held, answer_name, [](PyObject* c) {
    const entry in_layer;
    delete static_cast<answer_ptr*>(PyCapsule_GetPointer(c, answer_name));
  });
  if (!capsule) delete held;
  return capsule;
}

bool read_tags(PyObject* o, sidecar::tags& out) {
  if (!PyDict_Check(o)) {
    PyErr_SetString(PyExc_TypeError, "tags and metadata are a dict of str");
    return false;
  }
  PyObject *key = nullptr, *value = nullptr;
  Py_ssize_t at = 0;
  while (PyDict_Next(o, &at, &key, &value)) {
    std::string name;
    if (!read_text(key, "a tag's name", name) || !read_text(value, "a tag", out[name]))
      return false;
  }
  return true;
}

/// A tuple that `PyArg_ParseTuple` may be given.
bool is_tuple(PyObject* o, const char* what) {
  if (PyTuple_Check(o)) return true;
  PyErr_Format(PyExc_TypeError, "%s is a tuple, not %.200s", what, Py_TYPE(o)->tp_name);
  return false;
}

/// (channel, action, value)
bool read_broadcast(PyObject* o, std::optional<sidecar::broadcast>& out) {
  const char *channel = nullptr, *action = nullptr;
  PyObject* value = nullptr;
  if (o == Py_None) return true;
  if (!is_tuple(o, "a broadcast") || !PyArg_ParseTuple(o, "ssO", &channel, &action, &value))
    return false;
  out.emplace(sidecar::broadcast{.channel = channel, .action = action});
  return read_payload(value, out->value);
}

/// ("pipe" | "forward", actor, action)
bool read_route(PyObject* o, sidecar::workflow& out) {
  const char *how = nullptr, *actor = nullptr, *action = nullptr;
  if (o == Py_None) return true;
  if (!is_tuple(o, "a route") || !PyArg_ParseTuple(o, "sss", &how, &actor, &action)) return false;
  if (std::string_view(how) == "pipe")
    out.route = sidecar::pipe_to{actor, action};
  else
    out.route = sidecar::forward_to{actor, action};
  return true;
}

bool read_answer(PyObject* o, action_answer& out) {
  PyObject *state = nullptr, *value = nullptr, *effects = nullptr, *to = nullptr, *route = nullptr;
  int checkpoint = 0;
  if (!is_tuple(o, "an answer") ||
      !PyArg_ParseTuple(o, "OOOOOp", &state, &value, &effects, &to, &route, &checkpoint))
    return false;
  out.checkpoint = checkpoint != 0;
  return read_payload(state, out.state) && read_payload(value, out.value) &&
         read_each(
             effects, "effects are a sequence",
             [&](PyObject* e) { return read_invocation(e, out.then.effects.emplace_back()); }) &&
         read_broadcast(to, out.then.to_channel) && read_route(route, out.then);
}

class functions_of_python final : public sidecar::host_app {
 public:
  functions_of_python(std::shared_ptr<relay> to, py_handle run, runtime& rt)
      : to_(std::move(to)),
        run_(std::make_shared<py_handle>(std::move(run))),
        rt_(rt) {}

  /// At the deadline the engine answers by itself; Python is told how long that is.
  void call(action_call what, time_point deadline, done_fn done) override {
    auto answer = std::make_shared<pending_answer>(std::move(done));
    const std::chrono::duration<double> left = deadline - rt_.now();
    const bool posted = to_->post_job([what = std::move(what), answer, run = run_, left](interp&) {
      const owned told(call_to_python(what));
      const owned capsule(told ? capsule_of(answer) : nullptr);
      const owned limit(capsule ? PyFloat_FromDouble(std::max(left.count(), 0.0)) : nullptr);
      const owned ran(limit ? PyObject_CallFunctionObjArgs(run->get(), told.get(), capsule.get(),
                                                           limit.get(), nullptr)
                            : nullptr);
      if (ran) return;
      PyErr_WriteUnraisable(run->get());
      answer->end(fail(errc::handler_failed, "the action could not be begun"));
    });
    if (!posted)
      answer->end(fail(errc::unreachable, "as many calls as may wait for Python's thread already"));
  }
  std::string where() const override { return "this program"; }

 private:
  std::shared_ptr<relay> to_;
  std::shared_ptr<py_handle> run_;
  runtime& rt_;
};

}  // namespace

PyObject* payload_of(const sidecar::payload& p) {
  if (!p) return Py_NewRef(Py_None);
  return Py_BuildValue("Ny#", text_of(p->type_url), p->value.data(),
                       static_cast<Py_ssize_t>(p->value.size()));
}

bool read_payload(PyObject* o, sidecar::payload& out) {
  const char *type = nullptr, *bytes = nullptr;
  Py_ssize_t size = 0;
  out.reset();
  if (o == Py_None) return true;
  if (!is_tuple(o, "a value") || !PyArg_ParseTuple(o, "sy#", &type, &bytes, &size)) return false;
  out.emplace(sidecar::any{type, std::string(bytes, static_cast<std::size_t>(size))});
  return true;
}

bool read_actor(PyObject* o, sidecar::actor_id& out) {
  const char *system = nullptr, *name = nullptr, *parent = nullptr;
  if (!is_tuple(o, "an actor") || !PyArg_ParseTuple(o, "sss", &system, &name, &parent))
    return false;
  out = {system, name, parent};
  return true;
}

bool read_invocation(PyObject* o, sidecar::invocation& out) {
  PyObject *actor = nullptr, *value = nullptr, *at = nullptr, *caller = nullptr;
  PyObject *metadata = nullptr, *revision = nullptr;
  const char* action = nullptr;
  int wait = 1;
  if (!is_tuple(o, "an invocation") ||
      !PyArg_ParseTuple(o, "OsOpOOOO", &actor, &action, &value, &wait, &at, &caller, &metadata,
                        &revision) ||
      !read_actor(actor, out.actor) || !read_payload(value, out.value) ||
      !read_tags(metadata, out.metadata) || !read_count(revision, "a revision", out.revision))
    return false;
  out.action = action;
  out.async = wait == 0;
  if (caller != Py_None && !read_actor(caller, out.caller.emplace())) return false;
  if (at == Py_None) return true;
  duration since{};
  if (!read_seconds(at, "a time", since)) return false;
  out.scheduled_to = wall_time(since);
  return true;
}

bool read_definition(PyObject* o, sidecar::actor_def& out) {
  const char *name = nullptr, *channel = nullptr;
  int kind = 0, stateful = 0;
  PyObject *min_pool = nullptr, *max_pool = nullptr, *snapshot = nullptr, *deactivate = nullptr,
           *tags = nullptr, *actions = nullptr;
  PyObject *timers = nullptr, *initial = nullptr;
  if (!is_tuple(o, "a definition") ||
      !PyArg_ParseTuple(o, "sipOOOOsOOOO", &name, &kind, &stateful, &snapshot, &deactivate,
                        &min_pool, &max_pool, &channel, &tags, &actions, &timers, &initial))
    return false;
  out.name = name;
  out.kind = static_cast<sidecar::actor_kind>(kind);
  out.stateful = stateful != 0;
  out.channel = channel;
  return read_count(min_pool, "min_pool", out.min_pool) &&
         read_count(max_pool, "max_pool", out.max_pool) &&
         read_seconds(snapshot, "snapshot_every", out.snapshot_every) &&
         read_seconds(deactivate, "deactivate_after", out.deactivate_after) &&
         read_tags(tags, out.actor_tags) && read_texts(actions, "an action", out.actions) &&
         read_each(timers, "timers are a sequence",
                   [&](PyObject* t) {
                     const char* action = nullptr;
                     PyObject* every = nullptr;
                     auto& one = out.timers.emplace_back();
                     if (!is_tuple(t, "a timer") || !PyArg_ParseTuple(t, "sO", &action, &every))
                       return false;
                     one.action = action;
                     return read_seconds(every, "every", one.every);
                   }) &&
         read_payload(initial, out.initial_state);
}

std::shared_ptr<sidecar::host_app> python_app(std::shared_ptr<relay> to, py_handle run,
                                              runtime& rt) {
  return std::make_shared<functions_of_python>(std::move(to), std::move(run), rt);
}

PyObject* answer_call(interp& in, PyObject* args) {
  return guarded(in, [&]() -> PyObject* {
    PyObject *capsule = nullptr, *failure = nullptr, *given = nullptr;
    if (!PyArg_ParseTuple(args, "OOO:_answer", &capsule, &failure, &given)) return nullptr;
    auto* held = static_cast<answer_ptr*>(PyCapsule_GetPointer(capsule, answer_name));
    if (!held) return nullptr;
    const answer_ptr answer = *held;
    result<action_answer> how = action_answer{};
    std::string why;
    if (failure != Py_None) {
      if (!read_text(failure, "a failure", why)) return nullptr;
      how = fail(errc::handler_failed, std::move(why));
    } else if (!read_answer(given, *how)) {
      return nullptr;
    }
    return PyBool_FromLong(answer->end(std::move(how)));
  });
}

}  // namespace odeon::python
