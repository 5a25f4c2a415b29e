#include "actor.hpp"

#include "context.hpp"
#include "core/internal/extension.hpp"
#include "execution.hpp"
#include "failure.hpp"
#include "interop.hpp"
#include "message.hpp"
#include <odeon/core/actor_system.hpp>
#include <odeon/core/detail/routing.hpp>

namespace odeon::python {

namespace {

thread_local py_handle spawn_cause;

constexpr std::uint64_t turn_mask = 63;

py_actor& actor_at(void* object) noexcept { return *static_cast<py_actor*>(object); }

// -- calling Python ------------------------------------------------------------------------------

/// For a scope in which a plain function of an actor runs: with the actor's own context variables.
/// Most set none, and run with the host's; the first that sets one has that context as its own.
class in_own_variables {
 public:
  explicit in_own_variables(py_actor& a) noexcept : a_(a) {
    if (PyObject* own = a.own_variables()) [[unlikely]] {
      if (PyContext_Enter(own) == 0)
        entered_ = Py_NewRef(own);
      else
        PyErr_Clear();
    } else {
      before_ = a.props().at->variables_mark();
    }
  }
  ~in_own_variables() {
    if (entered_) [[unlikely]] {
      if (PyContext_Exit(entered_) != 0) PyErr_Clear();
      Py_DECREF(entered_);
    } else if (before_ && a_.props().at->variables_mark() != before_) [[unlikely]] {
      keep();
    }
  }
  in_own_variables(const in_own_variables&) = delete;

 private:
  void keep() noexcept {
    PyObject* failed = take_exception();
    if (PyObject* given = a_.props().at->give_variables()) a_.keep_variables(given);
    if (failed) set_exception(failed);
  }

  py_actor& a_;
  const void* before_ = nullptr;
  PyObject* entered_ = nullptr;
};

PyObject* call(py_actor& a, const method& m, PyObject* first, PyObject* second = nullptr) noexcept {
  PyObject* context = a.context_object();
  if (!context) return nullptr;
  // (self, first, second, ctx), as far as the function takes them.
  PyObject* args[5] = {nullptr, a.instance()};
  int n = 1;
  if (first) args[++n] = first;
  if (second) args[++n] = second;
  args[++n] = context;
  const int takes = std::min(n, m.takes);
  const in_own_variables own(a);
  return PyObject_Vectorcall(
      m.call, args + 1, static_cast<std::size_t>(takes) | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr);
}

/// The function for that message's class; an empty one: there is none.
bool method_for(py_class& cls, interp& in, PyObject* message, method& out) noexcept {
  out = cls.receive;
  if (!cls.handlers) return true;
  PyObject* type = reinterpret_cast<PyObject*>(Py_TYPE(message));
  PyObject* found = PyDict_GetItemWithError(cls.handlers, type);
  if (!found) {
    if (PyErr_Occurred()) return false;
    // A base class's, most likely: found once, and noted.
    owned looked(PyObject_CallMethod(in.support, "find_handler", "OO", cls.handlers, type));
    if (!looked) return false;
    found = PyDict_GetItemWithError(cls.handlers, type);
  }
  if (found && PyTuple_Check(found)) {
    out.call = PyTuple_GET_ITEM(found, 0);
    out.takes = static_cast<int>(PyLong_AsLong(PyTuple_GET_ITEM(found, 1)));
  }
  return !PyErr_Occurred();
}

PyObject* call_behavior(py_actor& a, PyObject* message) noexcept {
  PyObject* all = a.behaviors();
  PyObject* top = PyList_GET_ITEM(all, PyList_GET_SIZE(all) - 1);
  PyObject* context = a.context_object();
  if (!context) return nullptr;
  PyObject* args[] = {nullptr, message, context};
  const in_own_variables own(a);
  return PyObject_Vectorcall(top, args + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr);
}

/// An exception that asks the program to end goes up, also from an actor without a decider.
void escalate_exits(py_actor& a, const python_error& e) {
  PyObject* exc = e.exception();
  if (!PyErr_GivenExceptionMatches(exc, PyExc_KeyboardInterrupt) &&
      !PyErr_GivenExceptionMatches(exc, PyExc_SystemExit))
    return;
  auto& own = a.cell().extension().supervision;
  if (own.decider.empty() && !read_supervision(a.home(), nullptr, own)) PyErr_Clear();
}

/// The exception of the handler, told and on its way; and the asker's answer.
[[noreturn]] void fail_handler(py_actor& a, python_error e, reply_slot& slot,
                               std::string_view message) {
  interp& in = a.home();
  e.set_message(a.message);
  escalate_exits(a, e);
  const std::string path = a.cell().path();
  owned told(PyObject_CallMethod(in.support, "handler_failed", "Os#s#s#", e.exception(),
                                 path.data(), static_cast<Py_ssize_t>(path.size()),
                                 a.props().cls.name.data(),
                                 static_cast<Py_ssize_t>(a.props().cls.name.size()), message.data(),
                                 static_cast<Py_ssize_t>(message.size())));
  if (!told) PyErr_Clear();
  if (slot.ask && !slot.settled) {
    slot.settled = true;
    std::string text = path + " failed on " + std::string(message) + ": " + e.what();
    if (slot.ask->quiet) {  // one of a router's several: a better answer may come
      slot.ask->fail({errc::handler_failed, std::move(text)});
      throw e;
    }
    if (!asked_here(*slot.ask)) {
      give_failure(in, *slot.ask, e.exception(), std::move(text));
      throw e;
    }
    auto cause = std::make_shared<python_error>(e);
    detail::fulfil<py_value>(
        *slot.ask, [cause, text = std::move(text)](interp& taker) -> PyObject* {
          PyObject* own = &cause->home() == &taker ? Py_NewRef(cause->exception()) : nullptr;
          return raise_from(taker, error(errc::handler_failed, text), own);
        });
  }
  throw e;
}

// -- coroutines ----------------------------------------------------------------------------------

const detail::coroutine_finish handler_finish{[](std::coroutine_handle<> root,
                                                 detail::ask_state_base* ask) {
  auto h = std::coroutine_handle<detail::task_promise<execution*>>::from_address(root.address());
  execution* x = h.promise().take();
  x->slot.ask = ask;
  conclude(x->in, *x->actor, x->slot, std::exchange(x->result, nullptr), x->what);
  x->slot.ask = nullptr;
  if (ask) ask->drop_ref();
}};

const detail::coroutine_finish hook_finish{[](std::coroutine_handle<> root,
                                              detail::ask_state_base*) {
  auto h = std::coroutine_handle<detail::task_promise<execution*>>::from_address(root.address());
  static_cast<void>(h.promise().take());
}};

/// For a scope: the message in hand, which the actor borrows.
class message_in_hand {
 public:
  message_in_hand(py_actor& a, PyObject* message) noexcept
      : a_(a),
        before_(std::exchange(a.message, message)) {}
  ~message_in_hand() { a_.message = before_; }
  message_in_hand(const message_in_hand&) = delete;

 private:
  py_actor& a_;
  PyObject* before_;
};

task<execution*> handler_work(core_share share) {
  execution& x = *share;
  try {
    co_await ended(x);
  } catch (const python_error& e) {
    if (!x.actor) throw;
    const message_in_hand now(*x.actor, x.message_object.get());
    fail_handler(*x.actor, e, x.slot, x.what);
  }
  co_return &x;
}

task<execution*> hook_work(core_share share) {
  co_await ended(*share);
  co_return &*share;
}

// -- the handler ---------------------------------------------------------------------------------

void handle(detail::turn& t, py_actor& a, detail::envelope& e, PyObject* message) {
  interp& in = a.home();
  py_class& cls = a.props().cls;
  reply_slot slot{.ask = e.ask()};
  const in_hand now(a, slot, message);
  const std::string_view what = e.type->name;
  const auto fail = [&]() {
    python_error error(in);
    slot.ask = e.ask();
    fail_handler(a, std::move(error), slot, what);
  };
  PyObject* value = nullptr;
  if (PyObject* own = a.behaviors(); own && PyList_GET_SIZE(own)) [[unlikely]] {
    value = call_behavior(a, message);
  } else {
    method m;
    if (!method_for(cls, in, message, m)) fail();
    if (!m) {
      if (cls.on_unhandled) {
        owned r(call(a, cls.on_unhandled, message));
        if (!r) fail();
      }
      detail::unhandled_here(t, e);
      return;
    }
    value = call(a, m, message);
  }
  if (!value) [[unlikely]]
    fail();
  if (value == Py_NotImplemented) [[unlikely]] {
    Py_DECREF(value);
    detail::unhandled_here(t, e);
    return;
  }
  if (PyCoro_CheckExact(value)) {
    execution* x = nullptr;
    PyObject* result = nullptr;
    bool over = false;
    try {
      over = run_coroutine(a, value, what, slot, &result, &x);
    } catch (const python_error& error) {
      slot.ask = e.ask();
      fail_handler(a, error, slot, what);
    }
    if (!over) {
      auto work = handler_work(core_share(*x));
      auto h = work.release();
      detail::start_handler(t, e, h, h.promise(), handler_finish);
      return;
    }
    value = result;
  }
  // Forwarded or set aside, the ask is no longer this envelope's.
  if (detail::ask_state_base* ask = e.ask()) [[unlikely]] {
    conclude(in, a, slot, value, what);
    ask->drop_ref();
    detail::forget_ask(e);
  } else {
    Py_DECREF(value);
  }
}

void invoke(detail::turn& t, void* object, detail::envelope& e) {
  py_actor& a = actor_at(object);
  interp& in = a.home();
  // A turn is short, and a host's hold of its interpreter a millisecond.
  if ((++a.props().at->metrics.messages & turn_mask) == 0) t.spent = true;
  if (is_py_message(*e.type)) [[likely]] {
    auto& m = *static_cast<py_message*>(e.payload());
    if (&m.home() == &in) [[likely]] {
      // Ours: the handler may give the envelope away.
      const owned message = owned::share(m.get());
      handle(t, a, e, message.get());
      // Most are done with now: given up here, where the thread is known to be attached.
      constexpr auto elsewhere = detail::envelope::kept | detail::envelope::hollow;
      if (!(e.flags & elsewhere)) Py_DECREF(m.take());
      return;
    }
  }
  bool wanted = true;
  owned message(message_to_python(in, a, e, wanted));
  if (message) {
    handle(t, a, e, message.get());
  } else if (PyErr_Occurred()) {
    throw python_error(in);
  } else if (wanted) {
    detail::unhandled_here(t, e);
  }
}

// -- hooks ---------------------------------------------------------------------------------------

bool run_hook(detail::turn& t, void* object, detail::hook which, const failure* why) {
  py_actor& a = actor_at(object);
  interp& in = a.home();
  if (!is_attached(in)) return true;  // the interpreter's thread is gone: nothing can be called
  if (which == detail::hook::pre_start) a.make_instance();
  if (!a.instance()) return true;
  py_class& cls = a.props().cls;
  const auto own = [&cls](detail::hook h) -> const method& {
    return cls.hooks[static_cast<std::size_t>(h)];
  };
  owned exception;
  owned message;
  const method* m = &own(which);
  if (why) {
    exception = owned(exception_of(in, why->exception));
    message = owned::share(Py_None);
    try {
      std::rethrow_exception(why->exception);
    } catch (const python_error& e) {
      if (e.message() && &e.home() == &in) message = owned::share(e.message());
    } catch (...) {
    }
    if (!*m)
      m = &own(which == detail::hook::pre_restart ? detail::hook::post_stop
                                                  : detail::hook::pre_start);
  }
  if (!*m) return true;
  const bool is_own = m == &own(which);
  owned value(!why || !is_own                      ? call(a, *m, nullptr)
              : which == detail::hook::pre_restart ? call(a, *m, exception.get(), message.get())
                                                   : call(a, *m, exception.get()));
  if (!value) throw python_error(in);
  if (!PyCoro_CheckExact(value.get())) return true;
  execution* x = nullptr;
  PyObject* result = nullptr;
  reply_slot none;
  if (run_coroutine(a, value.release(), "a hook", none, &result, &x)) {
    Py_XDECREF(result);
    return true;
  }
  auto work = hook_work(core_share(*x));
  auto h = work.release();
  return detail::start_hook(t, which, h, h.promise(), hook_finish);
}

// -- the class -----------------------------------------------------------------------------------

using kept_props = props_ref;
constexpr std::size_t args_offset = sizeof(py_actor);
static_assert(args_offset + sizeof(kept_props) == 64);

void construct(void* object, void* args) {
  ::new (object) py_actor(**static_cast<kept_props*>(args));
}

bool read_method(PyObject* o, method& out) {
  if (!o || o == Py_None) return true;
  out.call = Py_NewRef(PyTuple_GET_ITEM(o, 0));
  out.takes = static_cast<int>(PyLong_AsLong(PyTuple_GET_ITEM(o, 1)));
  return !PyErr_Occurred();
}

std::unique_ptr<py_class> describe(interp& in, PyObject* cls) {
  // (name, receive, handlers, (hooks …), on_unhandled, is_async, reentrant)
  owned d(PyObject_CallMethod(in.support, "describe_class", "O", cls));
  if (!d || !PyTuple_Check(d.get())) return nullptr;
  auto out = std::make_unique<py_class>();
  const auto item = [&](Py_ssize_t i) { return PyTuple_GET_ITEM(d.get(), i); };
  if (!read_text(item(0), "name", out->name) || !read_method(item(1), out->receive)) return nullptr;
  if (item(2) != Py_None) out->handlers = Py_NewRef(item(2));
  std::uint8_t hooks = 0;
  for (Py_ssize_t i = 0; i < 4; ++i) {
    auto& m = out->hooks[i];
    if (!read_method(PyTuple_GET_ITEM(item(3), i), m)) return nullptr;
    if (m) hooks = static_cast<std::uint8_t>(hooks | 1U << i);
  }
  // By default a restart calls post_stop on the old instance, and pre_start on the new one.
  constexpr auto bit = [](detail::hook h) { return 1U << static_cast<unsigned>(h); };
  if (hooks & bit(detail::hook::post_stop)) hooks |= bit(detail::hook::pre_restart);
  if (hooks & bit(detail::hook::pre_start)) hooks |= bit(detail::hook::post_restart);
  if (!read_method(item(4), out->on_unhandled)) return nullptr;
  // Of classes that stand for actors elsewhere.
  if (out->outgoing = PyObject_GetAttrString(cls, "__odeon_outgoing__"); !out->outgoing)
    PyErr_Clear();
  out->is_async = PyObject_IsTrue(item(5)) == 1;
  out->cls = Py_NewRef(cls);
  out->rest.invoke = &invoke;
  out->core = detail::actor_class{
      .name = out->name,
      .size = args_offset + sizeof(kept_props),
      .args_offset = args_offset,
      .handlers = {.places = out->places, .mask = 0, .rest = &out->rest},
      .construct = &construct,
      .destroy = [](void* o) noexcept { std::destroy_at(static_cast<py_actor*>(o)); },
      .destroy_args = [](void* o) noexcept { std::destroy_at(static_cast<kept_props*>(o)); },
      .copy_args = [](void* to,
                      void* from) { ::new (to) kept_props(*static_cast<kept_props*>(from)); },
      .run_hook = &run_hook,
      .context_in = [](void* o) noexcept -> context& { return actor_at(o).ctx(); },
      .hooks = hooks,
      .reentrant = PyObject_IsTrue(item(6)) == 1,
  };
  return out;
}

}  // namespace

py_class* class_for(interp& in, PyObject* cls) noexcept {
  try {
    {
      const table_guard guard(in.tables);
      if (auto found = in.classes.find(cls); found != in.classes.end()) return found->second.get();
    }
    auto made = describe(in, cls);
    if (!made) return nullptr;
    const table_guard guard(in.tables);
    const auto [at, is_new] = in.classes.emplace(cls, std::move(made));
    if (is_new) Py_INCREF(cls);
    return at->second.get();
  } catch (...) {
    raise_current(in);
    return nullptr;
  }
}

// -- the actor -----------------------------------------------------------------------------------

py_actor::py_actor(actor_props& props) : props_(&props) {
  if (is_attached(home())) make_instance();
  if (props.recipe && props.recipe->place) [[unlikely]]
    props.recipe->place->enter();
}

py_actor::~py_actor() {
  interp& in = home();
  if (props_->recipe && props_->recipe->place) [[unlikely]]
    props_->recipe->place->leave();
  if (context_) {
    context_->actor = nullptr;
    py_handle::give_up(in, reinterpret_cast<PyObject*>(context_));
  }
  if (more_) {
    if (more_->behaviors) py_handle::give_up(in, more_->behaviors);
    if (more_->variables) py_handle::give_up(in, more_->variables);
  }
  if (instance_) py_handle::give_up(in, instance_);
}

py_class& py_class::elsewhere() {
  if (!elsewhere_) {
    auto made = std::make_unique<py_class>();
    made->name = name;
    made->rest = rest;
    made->core = core;
    made->core.name = made->name;
    made->core.handlers = {.places = made->places, .mask = 0, .rest = &made->rest};
    made->core.hooks |= 1U << static_cast<unsigned>(detail::hook::pre_start);  // makes the instance
    made->is_async = is_async;
    elsewhere_ = std::move(made);
  }
  return *elsewhere_;
}

/// The arguments that another node has sent, as a tuple.
static owned arguments_from_far(interp& in, const remote_recipe& recipe) {
  const owned list(decode_object(in, *recipe.args, recipe.far));
  return owned(list ? PySequence_Tuple(list.get()) : nullptr);
}

/// The class and the arguments, in the interpreter that the actor runs in; anew for each instance.
static actor_props& found_here(actor_props& from) {
  interp& in = from.home;
  py_class* known = from.recipe->known;
  owned args;
  owned kwargs;
  if (known) {
    args = arguments_from_far(in, *from.recipe);
  } else {
    owned module(PyImport_ImportModule("odeon._interop"));
    owned cls(
        module ? PyObject_CallMethod(module.get(), "find_factory", "s", from.recipe->path.c_str())
               : nullptr);
    known = cls ? class_for(in, cls.get()) : nullptr;
    if (owned both(known ? decode_object(in, *from.recipe->args) : nullptr); both) {
      args = owned::share(PyTuple_GET_ITEM(both.get(), 0));
      PyObject* named = PyTuple_GET_ITEM(both.get(), 1);
      if (named != Py_None) kwargs = owned::share(named);
    }
  }
  if (!args) throw python_error(in);
  if (!from.found)
    from.found = std::make_shared<actor_props>(in, *known, from.at, py_handle(), py_handle());
  from.found->recipe = from.recipe;
  from.found->args = py_handle(in, args.release());
  from.found->kwargs = py_handle(in, kwargs.release());
  return *from.found;
}

void py_actor::make_instance() {
  if (instance_) return;
  if (!props_->cls.cls) props_ = &found_here(*props_);
  PyObject* made = PyObject_Call(props_->cls.cls, props_->args.get(), props_->kwargs.get());
  if (!made) {
    python_error e(home());
    spawn_cause = py_handle(home(), Py_NewRef(e.exception()));
    throw e;
  }
  instance_ = made;
}

py_actor::rare& py_actor::more() {
  if (!more_) more_ = std::make_unique<rare>();
  return *more_;
}

PyObject* py_actor::context_object() noexcept {
  if (!context_) context_ = new_context(home(), *this);
  return reinterpret_cast<PyObject*>(context_);
}

PyObject* py_actor::variables() noexcept {
  return guarded(home(), [this]() -> PyObject* {
    PyObject*& own = more().variables;
    if (!own) own = PyContext_Copy(props_->at->first_variables());
    return own;
  });
}

void py_actor::keep_variables(PyObject* stolen) noexcept {
  owned given(stolen);
  static_cast<void>(guarded(home(), [&] {
    Py_XSETREF(more().variables, given.release());
    return 0;
  }));
}

PyObject* py_actor::need_behaviors() noexcept {
  return guarded(home(), [this]() -> PyObject* {
    PyObject*& own = more().behaviors;
    if (!own) own = PyList_New(0);
    return own;
  });
}

any_ref spawn_actor(detail::system_anchor& system, detail::cell* parent,
                    std::shared_ptr<actor_props> props, spawn_options* options) {
  spawn_cause.reset();
  detail::spawn_request request{&props->cls.core, options, parent};
  if (options)
    options->dispatcher = props->at->name();  // of a pool's actors as well
  else
    request.where = props->at.get();
  kept_props kept(std::move(props));
  request.args = &kept;
  request.keep_args = [](void* where, void* from) {
    ::new (where) kept_props(std::move(*static_cast<kept_props*>(from)));
  };
  return any_ref::adopt(detail::spawn_cell(system, request));
}

PyObject* take_spawn_cause() noexcept { return spawn_cause.take(); }

bool is_python(const detail::cell& c) noexcept { return c.get_class().construct == &construct; }

py_actor* actor_in(detail::cell& c) noexcept {
  return is_python(c) && !c.is_terminated() ? static_cast<py_actor*>(c.object()) : nullptr;
}

// -- the cells' share of props: the first takes a reference for all, the last gives it back ------

props_ref::props_ref(std::shared_ptr<actor_props> p) noexcept : props_(p.get()) {
  const detail::spin_guard guard(props_->lock_);
  if (props_->cells_++ == 0) props_->self_ = std::move(p);
}

props_ref::props_ref(const props_ref& o) noexcept : props_(o.props_) {
  const detail::spin_guard guard(props_->lock_);
  ++props_->cells_;
}

props_ref::~props_ref() {
  if (!props_) return;
  std::shared_ptr<actor_props> last;
  {
    const detail::spin_guard guard(props_->lock_);
    if (--props_->cells_ == 0) last = std::move(props_->self_);
  }
}

// -- answers -------------------------------------------------------------------------------------

bool answer(interp& in, reply_slot& slot, PyObject* stolen) {
  py_handle value(in, stolen);
  if (!slot.ask || slot.settled) return false;
  slot.settled = true;
  if (!asked_here(*slot.ask)) [[unlikely]]
    return give_reply(in, *slot.ask, value.get());
  return detail::fulfil<py_value>(*slot.ask, std::move(value));
}

void conclude(interp& in, py_actor& a, reply_slot& slot, PyObject* stolen,
              std::string_view message) {
  if (!slot.ask || slot.settled) {
    Py_XDECREF(stolen);
    return;
  }
  if (stolen != Py_None && stolen != Py_NotImplemented) {
    answer(in, slot, stolen);
    return;
  }
  const bool unhandled = stolen == Py_NotImplemented;
  Py_DECREF(stolen);
  slot.settled = true;
  if (unhandled) {
    slot.ask->fail(
        {errc::unhandled, a.cell().path() + " has no handler for " + std::string(message)});
    return;
  }
  slot.ask->fail({errc::no_reply, a.cell().path() + " gave no reply to " + std::string(message) +
                                      ": its handler returned None"});
}

}  // namespace odeon::python
