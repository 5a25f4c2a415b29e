#include "dispatcher.hpp"

#include "actor.hpp"
#include "failure.hpp"
#include "ref.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <mutex>

namespace odeon::python {

namespace {

/// Sets the exception of that class of `odeon.errors`. Returns null.
PyObject* raise_named(interp& in, const char* cls, const std::string& text) {
  owned type(PyObject_GetAttrString(in.errors, cls));
  if (type) PyErr_SetString(type.get(), text.c_str());
  return nullptr;
}

/// Resident memory of the process, in bytes; 0: not known.
std::size_t resident_bytes() noexcept {
  const int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  char text[128];
  const auto n = read(fd, text, sizeof text);
  close(fd);
  if (n <= 0) return 0;
  const char* end = text + n;
  const char* at = std::find(static_cast<const char*>(text), end, ' ');
  std::size_t pages = 0;
  if (at == end || std::from_chars(at + 1, end, pages).ec != std::errc()) return 0;
  return pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

// -- a pool --------------------------------------------------------------------------------------

struct host_pool::lists {
  mutable std::mutex mutex;
  struct entry {
    std::shared_ptr<host> at;
    std::size_t actors = 0;
  };
  std::vector<entry> all;
  std::size_t actors = 0;
  std::size_t next = 0;
};

/// One actor's place, counted from the choice on; given back when the actor has ended.
struct host_pool::place final : actor_place {
  place(std::shared_ptr<lists> of, std::size_t which) : of_(std::move(of)), which_(which) {}
  ~place() override {
    if (counted_) count(-1);
  }
  place(const place&) = delete;

  void enter() noexcept override {
    if (!std::exchange(counted_, true)) count(1);
  }
  void leave() noexcept override {
    if (std::exchange(counted_, false)) count(-1);
  }
  void count(int by) noexcept {
    std::lock_guard guard(of_->mutex);
    of_->all[which_].actors += static_cast<std::size_t>(by);
    of_->actors += static_cast<std::size_t>(by);
  }

  std::shared_ptr<lists> of_;
  std::size_t which_;
  bool counted_ = true;  // of one thread at a time: the spawner's, then the actor's
};

host_pool::host_pool(std::string name, pool_quota quota)
    : name_(std::move(name)),
      quota_(quota),
      waiting_(std::make_shared<waiting_count>()),
      lists_(std::make_shared<lists>()) {
  waiting_->most = quota.max_mailbox_total;
}

void host_pool::add(std::shared_ptr<host> h) {
  h->waiting = waiting_;
  std::lock_guard guard(lists_->mutex);
  lists_->all.push_back({std::move(h)});
}

std::shared_ptr<host> host_pool::last() const {
  std::lock_guard guard(lists_->mutex);
  return lists_->all.empty() ? nullptr : lists_->all.back().at;
}

std::shared_ptr<host_pool::place> host_pool::choose(interp& in) {
  if (quota_.memory_soft_limit_bytes) {
    if (const std::size_t now = resident_bytes(); now > quota_.memory_soft_limit_bytes) {
      raise_named(in, "QuotaExceeded",
                  "the dispatcher " + name_ + " takes no more actors: the process has " +
                      std::to_string(now) + " bytes of memory, and its limit is " +
                      std::to_string(quota_.memory_soft_limit_bytes));
      return nullptr;
    }
  }
  std::lock_guard guard(lists_->mutex);
  auto& all = lists_->all;
  if (all.empty()) {
    raise_named(in, "SystemStopped", "the dispatcher " + name_ + " has no host");
    return nullptr;
  }
  if (quota_.max_actors && lists_->actors >= quota_.max_actors) {
    raise_named(in, "QuotaExceeded",
                "the dispatcher " + name_ + " takes no more actors: it has " +
                    std::to_string(lists_->actors) + ", as many as it may");
    return nullptr;
  }
  // The least loaded, and in turn where several are.
  std::size_t best = lists_->next++ % all.size();
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::size_t at = (best + i) % all.size();
    if (all[at].actors < all[best].actors) best = at;
  }
  ++all[best].actors;
  ++lists_->actors;
  return std::make_shared<place>(lists_, best);
}

namespace {

bool refuse_router(interp& in, const std::string& name, const spawn_options& options) {
  if (!options.router) return false;
  raise(in, error(errc::invalid_argument,
                  "a router cannot spread its actors over the dispatcher " + name +
                      ": spawn them one by one, and route to them with a group"));
  return true;
}

}  // namespace

PyObject* host_pool::spawn(interp& in, actor_system& system, detail::cell* parent, PyObject* cls,
                           PyObject* args, PyObject* kwargs, spawn_options& options) {
  if (refuse_router(in, name_, options)) return nullptr;
  auto place = choose(in);
  if (!place) return nullptr;
  std::shared_ptr<host> at;
  {
    std::lock_guard guard(lists_->mutex);
    at = lists_->all[place->which_].at;
  }
  return spawn_remote(in, system, parent, cls, args, kwargs, std::move(at), options,
                      std::move(place));
}

PyObject* host_pool::metrics() const {
  std::vector<lists::entry> all;
  {
    std::lock_guard guard(lists_->mutex);
    all = lists_->all;
  }
  owned out(PyList_New(0));
  for (const auto& e : all) {
    if (!out) return nullptr;
    // Plain numbers of the host's thread: each is right, together they may be of two moments.
    const host_metrics& m = e.at->metrics;
    owned one(Py_BuildValue(
        "{s:s,s:n,s:K,s:K,s:K,s:K,s:K,s:n}", "host", e.at->name().c_str(), "actors_hosted",
        static_cast<Py_ssize_t>(e.actors), "messages_handled", m.messages, "suspensions",
        m.suspensions, "drains", m.drains, "gil_hold_ns_total", m.gil_hold_ns, "gil_hold_ns_max",
        m.longest_hold_ns, "mailbox_depth_total",
        static_cast<Py_ssize_t>(waiting_->now.load(std::memory_order_relaxed))));
    if (!one || PyList_Append(out.get(), one.get()) != 0) return nullptr;
  }
  return out.release();
}

// -- spawning elsewhere --------------------------------------------------------------------------

namespace {

PyObject* spawn_there(interp& in, actor_system& system, detail::cell* parent,
                      std::shared_ptr<actor_props> props, spawn_options& options) {
  try {
    return new_ref(in, spawn_actor(system.anchor(), parent, std::move(props), &options));
  } catch (const actor_error& e) {
    return raise_from(in, e.reason(),
                      e.reason().code() == errc::spawn_failed ? take_spawn_cause() : nullptr);
  }
}

}  // namespace

PyObject* stand_in_dispatcher::spawn(interp& in, actor_system& system, detail::cell* parent,
                                     PyObject* cls, PyObject* args, PyObject* kwargs,
                                     spawn_options& options) {
  if (&in != make_.home())
    return raise(in, error(errc::invalid_argument,
                           "the dispatcher " + name_ + " is used by the main interpreter only"));
  if (refuse_router(in, name_, options)) return nullptr;
  owned made(
      PyObject_CallFunctionObjArgs(make_.get(), cls, args, kwargs ? kwargs : Py_None, nullptr));
  PyObject *there = nullptr, *its_args = nullptr, *its_kwargs = nullptr;
  if (!made || !PyArg_ParseTuple(made.get(), "O!O!O!", &PyType_Type, &there, &PyTuple_Type,
                                 &its_args, &PyDict_Type, &its_kwargs))
    return nullptr;
  py_class* known = class_for(in, there);
  if (!known) return nullptr;
  return spawn_there(
      in, system, parent,
      std::make_shared<actor_props>(in, *known, at_, py_handle(in, Py_NewRef(its_args)),
                                    py_handle(in, Py_NewRef(its_kwargs))),
      options);
}

PyObject* spawn_remote(interp& in, actor_system& system, detail::cell* parent, PyObject* cls,
                       PyObject* args, PyObject* kwargs, std::shared_ptr<host> at,
                       spawn_options& options, std::shared_ptr<actor_place> place) {
  options.dispatcher = at->name();
  py_class* known = class_for(in, cls);
  if (!known) return nullptr;
  if (&at->home() == &in) {
    auto props =
        std::make_shared<actor_props>(in, *known, std::move(at), py_handle(in, Py_NewRef(args)),
                                      py_handle(in, Py_XNewRef(kwargs)));
    auto recipe = std::make_shared<remote_recipe>();
    recipe->place = std::move(place);
    props->recipe = std::move(recipe);
    return spawn_there(in, system, parent, std::move(props), options);
  }
  auto recipe = std::make_shared<remote_recipe>();
  owned module(PyImport_ImportModule("odeon._interop"));
  owned path(module ? PyObject_CallMethod(module.get(), "factory_path", "O", cls) : nullptr);
  if (!path || !read_text(path.get(), "a path", recipe->path)) return nullptr;
  owned both(PyTuple_Pack(2, args, kwargs ? kwargs : Py_None));
  if (!both || !(recipe->args = encode_object(in, both.get()))) return nullptr;
  recipe->place = std::move(place);
  interp& home = at->home();
  auto props = std::make_shared<actor_props>(home, known->elsewhere(), std::move(at), py_handle(),
                                             py_handle());
  props->recipe = std::move(recipe);
  return spawn_there(in, system, parent, std::move(props), options);
}

}  // namespace odeon::python
