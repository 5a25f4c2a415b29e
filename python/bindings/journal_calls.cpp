/// @file The calls of a journal, each of which gives an `Ask`.

#include "ask.hpp"
#include "journal.hpp"
#include "journal_values.hpp"

#include <optional>

namespace odeon::python {

namespace {

journal_object& as_journal(PyObject* o) noexcept { return *reinterpret_cast<journal_object*>(o); }

/// Starts `call(journal, completion)` and gives its `Ask`; `make(T&)` makes the value of it.
template <class T, class Call, class Make>
PyObject* start(PyObject* o, Call&& call, Make make) noexcept {
  const entry in_layer;
  interp& in = *as_journal(o).in;
  return guarded(in, [&]() -> PyObject* {
    const auto to = journal_in(in, o);
    if (!to) return nullptr;
    auto made = make_awaitable(in, runtime_of_journals());
    if (!made.ask) return nullptr;
    call(*to, [done = std::move(made.done),
               make = std::optional<Make>(std::move(make))](result<T> r) mutable {
      if (!r) {
        done.set([e = std::move(r.error())](interp& i) { return raise_of_store(i, e); });
      } else if constexpr (std::is_void_v<T>) {
        make.reset();
        done.set([](interp&) { return Py_NewRef(Py_None); });
      } else {
        auto value = std::make_shared<T>(std::move(*r));
        done.set([value, m = *make](interp&) -> PyObject* { return m(*value); });
      }
    });
    return made.ask;
  });
}
template <class T, class Call>
PyObject* start(PyObject* o, Call&& call) noexcept {
  return start<T>(o, std::forward<Call>(call), [](const auto& v) { return to_object(v); });
}

/// The arguments of a call, read into `fields`; then `go()`.
template <class Go, class... Fs>
PyObject* with_args(PyObject* o, PyObject* const* args, Py_ssize_t n, Go go,
                    Fs&... fields) noexcept {
  const entry in_layer;
  return guarded(*as_journal(o).in, [&]() -> PyObject* {
    if (n != static_cast<Py_ssize_t>(sizeof...(Fs))) {
      PyErr_Format(PyExc_TypeError, "%zu arguments are expected", sizeof...(Fs));
      return nullptr;
    }
    Py_ssize_t i = 0;
    if (!(read_value(args[i++], fields) && ...)) return nullptr;
    return go();
  });
}

using arguments = PyObject* const*;

// -- writing -------------------------------------------------------------------------------------

PyObject* do_append(PyObject* o, arguments args, Py_ssize_t n) {
  append_request r;
  return with_args(
      o, args, n,
      [&] {
        return start<append_ack>(
            o, [&](journal& j, auto done) { j.append(std::move(r), std::move(done)); });
      },
      r.persistence_id, r.epoch, r.expected_sequence, r.events, r.state, r.outbox, r.change_timers,
      r.cancel_timers, r.set_timers, r.marks);
}
PyObject* do_open_writer(PyObject* o, arguments args, Py_ssize_t n) {
  std::string id;
  return with_args(
      o, args, n,
      [&] {
        return start<std::uint64_t>(
            o, [&](journal& j, auto done) { j.open_writer(std::move(id), std::move(done)); });
      },
      id);
}
PyObject* do_save_snapshot(PyObject* o, arguments args, Py_ssize_t n) {
  save_snapshot_request r;
  return with_args(
      o, args, n,
      [&] {
        return start<void>(
            o, [&](journal& j, auto done) { j.save_snapshot(std::move(r), std::move(done)); });
      },
      r.persistence_id, r.epoch, r.sequence, r.manifest, r.version, r.payload, r.keep);
}
PyObject* do_delete_snapshots(PyObject* o, arguments args, Py_ssize_t n) {
  snapshot_criteria c;
  return with_args(
      o, args, n,
      [&] {
        return start<std::uint64_t>(
            o, [&](journal& j, auto done) { j.delete_snapshots(std::move(c), std::move(done)); });
      },
      c.persistence_id, c.min_sequence, c.max_sequence);
}
PyObject* do_acknowledge(PyObject* o, arguments args, Py_ssize_t n) {
  std::vector<std::uint64_t> positions;
  return with_args(
      o, args, n,
      [&] {
        return start<void>(o, [&](journal& j, auto done) {
          j.acknowledge_outbox(std::move(positions), std::move(done));
        });
      },
      positions);
}
PyObject* do_change_timers(PyObject* o, arguments args, Py_ssize_t n) {
  std::vector<timer_change> changes;
  return with_args(
      o, args, n,
      [&] {
        return start<std::uint64_t>(o, [&](journal& j, auto done) {
          j.change_timers(std::move(changes), std::move(done));
        });
      },
      changes);
}

// -- reading -------------------------------------------------------------------------------------

PyObject* do_read_events(PyObject* o, arguments args, Py_ssize_t n) {
  replay_request r;
  return with_args(
      o, args, n,
      [&] {
        return start<std::vector<stored_event>>(
            o, [&](journal& j, auto done) { read_events(j, std::move(r), std::move(done)); });
      },
      r.persistence_id, r.from_sequence, r.to_sequence, r.max_events);
}
PyObject* do_highest(PyObject* o, arguments args, Py_ssize_t n) {
  std::string id;
  return with_args(
      o, args, n,
      [&] {
        return start<std::uint64_t>(
            o, [&](journal& j, auto done) { j.highest_sequence(std::move(id), std::move(done)); });
      },
      id);
}
PyObject* do_describe(PyObject* o, arguments args, Py_ssize_t n) {
  std::string id;
  return with_args(
      o, args, n,
      [&] {
        return start<id_info>(
            o, [&](journal& j, auto done) { j.describe(std::move(id), std::move(done)); },
            [](const id_info& v) {
              return record_of("IdInfo", v.epoch, v.highest_sequence, v.keeps_states);
            });
      },
      id);
}
PyObject* do_ids(PyObject* o, arguments args, Py_ssize_t n) {
  std::string after;
  std::uint64_t max = 0;
  return with_args(
      o, args, n,
      [&] {
        return start<std::vector<std::string>>(o, [&](journal& j, auto done) {
          j.persistence_ids(std::move(after), max, std::move(done));
        });
      },
      after, max);
}
PyObject* do_by_tag(PyObject* o, arguments args, Py_ssize_t n) {
  std::string tag;
  std::uint64_t after = 0, max = 0;
  return with_args(
      o, args, n,
      [&] {
        return start<std::vector<stored_event>>(o, [&](journal& j, auto done) {
          j.by_tag(std::move(tag), after, max, std::move(done));
        });
      },
      tag, after, max);
}
PyObject* do_load_snapshot(PyObject* o, arguments args, Py_ssize_t n) {
  snapshot_criteria c;
  return with_args(
      o, args, n,
      [&] {
        return start<loaded_snapshot>(
            o, [&](journal& j, auto done) { j.load_snapshot(std::move(c), std::move(done)); });
      },
      c.persistence_id, c.min_sequence, c.max_sequence);
}
PyObject* do_snapshots_of(PyObject* o, arguments args, Py_ssize_t n) {
  snapshot_criteria c;
  std::uint64_t max = 0;
  return with_args(
      o, args, n,
      [&] {
        return start<std::vector<snapshot_info>>(
            o, [&](journal& j, auto done) { j.snapshots_of(std::move(c), max, std::move(done)); });
      },
      c.persistence_id, c.min_sequence, c.max_sequence, max);
}
PyObject* do_read_mark(PyObject* o, arguments args, Py_ssize_t n) {
  std::string id, name;
  return with_args(
      o, args, n,
      [&] {
        return start<std::uint64_t>(o, [&](journal& j, auto done) {
          j.read_mark(std::move(id), std::move(name), std::move(done));
        });
      },
      id, name);
}
PyObject* do_marks_of(PyObject* o, arguments args, Py_ssize_t n) {
  std::string id, after;
  std::uint64_t max = 0;
  return with_args(
      o, args, n,
      [&] {
        return start<std::vector<mark_record>>(o, [&](journal& j, auto done) {
          j.marks_of(std::move(id), std::move(after), max, std::move(done));
        });
      },
      id, after, max);
}
PyObject* do_timers_due(PyObject* o, arguments args, Py_ssize_t n) {
  wall_time until;
  std::optional<timer_cursor> after;
  std::uint64_t max = 0;
  return with_args(
      o, args, n,
      [&] {
        return start<std::vector<stored_timer>>(o, [&](journal& j, auto done) {
          j.timers_due(until, after ? std::move(*after) : timer_cursor(), max, std::move(done));
        });
      },
      until, after, max);
}
PyObject* do_timers_of(PyObject* o, arguments args, Py_ssize_t n) {
  std::string id;
  return with_args(
      o, args, n,
      [&] {
        return start<std::vector<timer_record>>(
            o, [&](journal& j, auto done) { j.timers_of(std::move(id), std::move(done)); });
      },
      id);
}
PyObject* do_take_outbox(PyObject* o, arguments args, Py_ssize_t n) {
  std::uint64_t after = 0, max = 0;
  return with_args(
      o, args, n,
      [&] {
        return start<std::vector<outbox_entry>>(
            o, [&](journal& j, auto done) { j.take_outbox(after, max, std::move(done)); });
      },
      after, max);
}

const PyMethodDef methods[] = {
    {"_append", fn(&do_append), METH_FASTCALL, nullptr},
    {"_open_writer", fn(&do_open_writer), METH_FASTCALL, nullptr},
    {"_save_snapshot", fn(&do_save_snapshot), METH_FASTCALL, nullptr},
    {"_delete_snapshots", fn(&do_delete_snapshots), METH_FASTCALL, nullptr},
    {"_acknowledge_outbox", fn(&do_acknowledge), METH_FASTCALL, nullptr},
    {"_change_timers", fn(&do_change_timers), METH_FASTCALL, nullptr},
    {"_read_events", fn(&do_read_events), METH_FASTCALL, nullptr},
    {"_highest_sequence", fn(&do_highest), METH_FASTCALL, nullptr},
    {"_describe", fn(&do_describe), METH_FASTCALL, nullptr},
    {"_persistence_ids", fn(&do_ids), METH_FASTCALL, nullptr},
    {"_by_tag", fn(&do_by_tag), METH_FASTCALL, nullptr},
    {"_load_snapshot", fn(&do_load_snapshot), METH_FASTCALL, nullptr},
    {"_snapshots_of", fn(&do_snapshots_of), METH_FASTCALL, nullptr},
    {"_read_mark", fn(&do_read_mark), METH_FASTCALL, nullptr},
    {"_marks_of", fn(&do_marks_of), METH_FASTCALL, nullptr},
    {"_timers_due", fn(&do_timers_due), METH_FASTCALL, nullptr},
    {"_timers_of", fn(&do_timers_of), METH_FASTCALL, nullptr},
    {"_take_outbox", fn(&do_take_outbox), METH_FASTCALL, nullptr},
};

}  // namespace

std::span<const PyMethodDef> journal_calls() noexcept { return methods; }

}  // namespace odeon::python
