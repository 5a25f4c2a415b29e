#include "routing.hpp"

#include <odeon/base/detail/spin.hpp>
#include <odeon/base/type_name.hpp>
#include <odeon/core/context.hpp>
#include <odeon/pattern/routers.hpp>

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace odeon::python {

namespace {

using detail::route_kind;

// In the order of route_kind.
constexpr std::array<std::string_view, 9> kinds{
    "round_robin",    "random",        "smallest_mailbox", "broadcast", "consistent_hash",
    "scatter_gather", "tail_chopping", "balancing",        "troupe"};
static_assert(kinds.size() == static_cast<std::size_t>(route_kind::troupe) + 1);

/// The fields of one option, read one after the other: after the first error all do nothing.
class reader {
 public:
  reader(PyObject* option, const char* what) noexcept : option_(option), what_(what) {}

  owned attribute(const char* name) {
    if (!good_) return {};
    owned o(PyObject_GetAttrString(option_, name));
    if (!o) good_ = false;
    return o;
  }
  void read(const char* name, std::size_t& out) {
    const owned o = attribute(name);
    if (!o) return;
    if (!PyLong_Check(o.get()) || PyBool_Check(o.get())) {
      PyErr_Format(PyExc_TypeError, "%s of %s is an int, not %.200s", name, what_,
                   Py_TYPE(o.get())->tp_name);
      good_ = false;
      return;
    }
    out = PyLong_AsSize_t(o.get());
    good_ = out != static_cast<std::size_t>(-1) || !PyErr_Occurred();
  }
  void read(const char* name, unsigned& out) {
    std::size_t n = 0;
    read(name, n);
    if (good_ && n > std::numeric_limits<unsigned>::max()) {
      PyErr_Format(PyExc_OverflowError, "%s of %s is too large", name, what_);
      good_ = false;
    }
    out = static_cast<unsigned>(n);
  }
  void read(const char* name, double& out) {
    const owned o = attribute(name);
    if (!o) return;
    out = PyFloat_AsDouble(o.get());
    good_ = out != -1.0 || !PyErr_Occurred();
  }
  void read(const char* name, duration& out) {
    const owned o = attribute(name);
    if (o) good_ = read_seconds(o.get(), name, out);
  }
  void read(const char* name, bool& out) {
    const owned o = attribute(name);
    if (!o) return;
    const int is = PyObject_IsTrue(o.get());
    out = is == 1;
    good_ = is >= 0;
  }
  [[nodiscard]] bool good() const noexcept { return good_; }

 private:
  PyObject* option_;
  const char* what_;
  bool good_ = true;
};

bool read_resizer(PyObject* option, resizer& out) {
  reader in(option, "a resizer");
  in.read("min", out.min);
  in.read("max", out.max);
  in.read("pressure", out.pressure);
  in.read("grow", out.grow);
  in.read("shrink_below", out.shrink_below);
  in.read("shrink", out.shrink);
  in.read("every", out.every);
  return in.good();
}

bool read_pool(PyObject* option, pool_options& out) {
  reader in(option, "a pool");
  in.read("replace", out.replace);
  const owned resize = in.attribute("resize");
  if (!resize || resize.get() == Py_None) return in.good();
  return read_resizer(resize.get(), out.resize.emplace());
}

bool read_kind(PyObject* option, route_kind& out) {
  const owned kind(PyObject_GetAttrString(option, "kind"));
  if (!kind) {
    if (PyErr_ExceptionMatches(PyExc_AttributeError))
      PyErr_Format(PyExc_TypeError,
                   "a router is an option of odeon.routing, such as round_robin(4), not %.200s",
                   Py_TYPE(option)->tp_name);
    return false;
  }
  std::string name;
  if (!read_text(kind.get(), "the kind of a router", name)) return false;
  for (std::size_t i = 0; i < kinds.size(); ++i)
    if (kinds[i] == name) {
      out = static_cast<route_kind>(i);
      return true;
    }
  PyErr_Format(PyExc_ValueError, "there is no routing strategy '%.200s'", name.c_str());
  return false;
}

/// Text, bytes or an int. -1: none of these, and nothing is set; 0: an exception is set.
int read_plain_key(PyObject* key, std::uint64_t& out) {
  if (PyUnicode_Check(key)) {
    Py_ssize_t n = 0;
    const char* p = PyUnicode_AsUTF8AndSize(key, &n);
    if (p) out = fnv1a({p, static_cast<std::size_t>(n)});
    return p ? 1 : 0;
  }
  if (PyBytes_Check(key)) {
    out = fnv1a({PyBytes_AS_STRING(key), static_cast<std::size_t>(PyBytes_GET_SIZE(key))});
    return 1;
  }
  if (!PyLong_Check(key)) return -1;
  out = PyLong_AsUnsignedLongLongMask(key);
  return PyErr_Occurred() ? 0 : 1;
}

}  // namespace

bool read_troupe_options(PyObject* option, troupe_options& out) {
  reader in(option, "a troupe");
  in.read("max", out.max);
  in.read("idle", out.idle);
  in.read("max_pending", out.max_pending);
  in.read("idle_time", out.idle_time);
  in.read("attempts", out.attempts);
  return in.good();
}

bool read_router_plan(PyObject* option, detail::router_plan& out) {
  if (!read_kind(option, out.kind)) return false;
  reader in(option, "a router");
  in.read("size", out.size);
  in.read("within", out.within);
  in.read("interval", out.interval);
  const owned pool = in.attribute("pool");
  const owned workers = in.attribute("workers");
  return in.good() && read_pool(pool.get(), out.pool) &&
         read_troupe_options(workers.get(), out.workers);
}

bool read_routing_key(PyObject* key, std::uint64_t& out) {
  int got = read_plain_key(key, out);
  if (got < 0) {
    // An enum's member: its value.
    const owned value(PyObject_GetAttrString(key, "value"));
    if (!value && !PyErr_ExceptionMatches(PyExc_AttributeError)) return false;
    PyErr_Clear();
    if (value) got = read_plain_key(value.get(), out);
  }
  if (got < 0)
    PyErr_Format(PyExc_TypeError, "a routing key is text, bytes, an int or an enum, not %.200s",
                 Py_TYPE(key)->tp_name);
  if (got <= 0) return false;
  if (out == 0) out = zero_key;
  return true;
}

// -- routers by key ------------------------------------------------------------------------------

namespace {

struct keyed_router {
  interp* in;
  any_ref router;
  py_handle function;  // empty: the messages have keys of their own
};

/// Few, and looked at only by tells to routers. Those that have ended fall out when another is
/// added. The lock is never held while Python is called.
detail::spin_lock keyed_lock;
std::vector<keyed_router>& keyed() {
  static auto* all = new std::vector<keyed_router>();
  return *all;
}

/// The class of the routees. They may be made by a thread that cannot call Python, when the pool
/// grows or replaces one: then the instance is made at the start, by the hook. Never freed.
const detail::actor_class& startable(const detail::actor_class& cls) {
  static detail::spin_lock lock;
  static auto* all = new std::map<const detail::actor_class*, detail::actor_class>();
  constexpr auto start = 1U << static_cast<unsigned>(detail::hook::pre_start);
  if (cls.hooks & start) return cls;
  auto made = cls;
  made.hooks = static_cast<decltype(made.hooks)>(made.hooks | start);
  const detail::spin_guard guard(lock);
  return all->try_emplace(&cls, made).first->second;
}

/// A pool of Python's actors; one by key is noted once it is there.
class python_spec final : public detail::router_spec {
 public:
  python_spec(interp& in, odeon::router inner, bool by_key, PyObject* function)
      : in_(in),
        inner_(std::move(inner)),
        by_key_(by_key),
        function_(in, Py_XNewRef(function)) {}
  detail::cell* spawn(detail::system_anchor& system,
                      const detail::spawn_request& request) const override {
    detail::spawn_request routees = request;
    routees.what = &startable(*request.what);
    detail::cell* made = inner_.spec()->spawn(system, routees);
    if (by_key_ && is_attached(in_)) note_keyed_router(in_, *made, function_.get());
    return made;
  }

 private:
  interp& in_;
  odeon::router inner_;
  bool by_key_;
  py_handle function_;
};

/// What `function` (null: none) gives for the message, else its own `routing_key()`.
bool key_of_message(PyObject* function, PyObject* message, std::uint64_t& out) {
  owned key;
  if (function) {
    key = owned(PyObject_CallOneArg(function, message));
  } else {
    const owned own(PyObject_GetAttrString(message, "routing_key"));
    if (!own) {
      if (!PyErr_ExceptionMatches(PyExc_AttributeError)) return false;
      PyErr_Clear();
      return true;
    }
    key = owned(PyObject_CallNoArgs(own.get()));
  }
  return key && read_routing_key(key.get(), out);
}

}  // namespace

void note_keyed_router(interp& in, detail::cell& router, PyObject* function) {
  std::vector<keyed_router> ended;  // given up without the lock: that may call Python
  keyed_router made{&in, any_ref::share(&router), {}};
  if (function && function != Py_None) made.function = py_handle(in, Py_NewRef(function));
  const detail::spin_guard guard(keyed_lock);
  auto& all = keyed();
  all.reserve(all.size() + 1);
  ended.reserve(all.size());
  std::erase_if(all, [&](keyed_router& k) {
    if (!k.router.is_terminated()) return false;
    ended.push_back(std::move(k));
    return true;
  });
  all.push_back(std::move(made));
}

bool find_routing_key(interp& in, const detail::cell& to, PyObject* message, std::uint64_t& out) {
  out = 0;
  owned function;
  {
    const detail::spin_guard guard(keyed_lock);
    const auto found = std::ranges::find_if(
        keyed(), [&](const keyed_router& k) { return k.router.get() == &to && k.in == &in; });
    if (found == keyed().end()) return true;
    if (found->function) function = owned::share(found->function.get());
  }
  return key_of_message(function.get(), message, out);
}

odeon::router to_router(interp& in, PyObject* option) {
  detail::router_plan plan{};
  if (!read_router_plan(option, plan)) return {};
  odeon::router made = detail::make_router(plan);
  const owned function(PyObject_GetAttrString(option, "key"));
  if (!function) return {};
  return odeon::router(
      std::make_shared<python_spec>(in, std::move(made), plan.kind == route_kind::consistent_hash,
                                    function.get() == Py_None ? nullptr : function.get()));
}

}  // namespace odeon::python
