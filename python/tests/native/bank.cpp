// An extension module of a mixed program: actors of C++ that Python asks, and the other way round.

#include <odeon/address/codec.hpp>
#include <odeon/address/messages.hpp>
#include <odeon/python/system.hpp>

#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace {

using namespace odeon;

struct total {
  static constexpr auto manifest = "bank.Total";
  std::string account;
  long cents = 0;
};
struct deposit {
  static constexpr auto manifest = "bank.Deposit";
  using reply = total;
  std::string account;
  long cents = 0;
};
struct names {
  static constexpr auto manifest = "bank.Names";
  using reply = std::vector<std::string>;
};
struct reset {
  static constexpr auto manifest = "bank.Reset";
};
struct closed {
  static constexpr auto manifest = "bank.Closed";
  using reply = bool;
  std::string account;
};
struct tell_when_closed {
  static constexpr auto manifest = "bank.TellWhenClosed";
  actor_ref<closed> whom;
  std::string account;
};
/// Asks another actor, whichever language it is written in, on behalf of its sender.
struct pass_on {
  static constexpr auto manifest = "bank.PassOn";
  using reply = long;
  any_ref to;
  std::string account;
  long cents = 0;
};
struct unknown_there {
  int n = 0;
};
struct tell_unknown {
  static constexpr auto manifest = "bank.TellUnknown";
  any_ref to;
};

class bank : public actor<deposit, names, reset, tell_when_closed, pass_on, tell_unknown> {
 public:
  total on(const deposit& d) {
    if (d.cents < 0) throw std::invalid_argument("less than nothing");
    return {d.account, accounts_[d.account] += d.cents};
  }
  std::vector<std::string> on(names) {
    std::vector<std::string> all;
    for (const auto& [name, cents] : accounts_) all.push_back(name);
    return all;
  }
  void on(reset) { accounts_.clear(); }
  void on(const tell_when_closed& m) { m.whom.tell(closed{m.account}); }
  task<long> on(pass_on m) {
    auto other = m.to.as<actor_ref<deposit>>();
    const total t = co_await other.ask(deposit{m.account, m.cents});
    co_return t.cents;
  }
  void on(const tell_unknown& m) { actor_ref<unknown_there>::assume(m.to).tell(unknown_there{}); }

 private:
  std::map<std::string, long> accounts_;
};

PyObject* guarded_spawn(actor_system& system) {
  try {
    messages_of(system)
        .add<deposit, names, reset, closed, tell_when_closed, pass_on, tell_unknown>();
    return python::new_ref(system.spawn<bank>(spawn_options{.name = "bank"}));
  } catch (const actor_error& e) {
    PyErr_SetString(PyExc_RuntimeError, std::string(e.reason().text()).c_str());
    return nullptr;
  }
}

/// start(system): the bank.
PyObject* start(PyObject*, PyObject* o) {
  actor_system* system = python::system_of(o);
  return system ? guarded_spawn(*system) : nullptr;
}

/// deposit(ref, account, cents): asks an actor of any language and blocks; the new balance.
PyObject* ask_deposit(PyObject*, PyObject* args) {
  PyObject* o = nullptr;
  const char* account = nullptr;
  long cents = 0;
  if (!PyArg_ParseTuple(args, "Osl", &o, &account, &cents)) return nullptr;
  const any_ref ref = python::ref_of(o);
  if (!ref) return nullptr;
  auto typed = ref.as<actor_ref<deposit>>();
  result<total> got = fail(errc::wrong_type, "it takes no deposit");
  PyThreadState* state = PyEval_SaveThread();
  if (typed) got = typed.ask(deposit{account, cents}).within(std::chrono::seconds(5)).result();
  PyEval_RestoreThread(state);
  if (got) return PyLong_FromLong(got->cents);
  PyErr_SetString(PyExc_RuntimeError, (std::string(to_string(got.error().code())) + ": " +
                                       std::string(got.error().text()))
                                          .c_str());
  return nullptr;
}

PyMethodDef functions[] = {
    {"start", &start, METH_O, nullptr}, {"deposit", &ask_deposit, METH_VARARGS, nullptr}, {}};
PyModuleDef definition = {.m_base = PyModuleDef_HEAD_INIT,
                          .m_name = "odeon_test_bank",
                          .m_doc = nullptr,
                          .m_size = 0,
                          .m_methods = functions,
                          .m_slots = nullptr,
                          .m_traverse = nullptr,
                          .m_clear = nullptr,
                          .m_free = nullptr};

}  // namespace

PyMODINIT_FUNC PyInit_odeon_test_bank() { return PyModuleDef_Init(&definition); }
