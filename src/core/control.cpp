// Watching, linking, stopping from outside, admission of a call chain: messages of the control
// lane.

#include "internal/cell_access.hpp"
#include "internal/side_mailbox.hpp"
#include <odeon/core/detail/routing.hpp>

#include <algorithm>

namespace odeon::detail {

namespace {

bool add(std::vector<any_ref>& to, const any_ref& r) {
  if (std::ranges::find(to, r) != to.end()) return false;
  to.push_back(r);
  return true;
}
bool take(std::vector<any_ref>& from, const any_ref& r) { return std::erase(from, r) > 0; }

/// False: its system is gone, and nobody will act.
bool post(cell& to, any_ref who, void (*act)(cell&, turn&, control_message&),
          exit_reason reason = {}) {
  core_use core(to.system());
  if (!core) return false;
  auto* m = new control_message(act);
  m->who = std::move(who);
  m->reason = std::move(reason);
  to.post_control(*m);
  return true;
}

exit_reason of_a_gone_system() { return {exit_kind::no_such_actor, "its system is gone"}; }

exit_reason reason_of(cell& c) {
  const auto* x = c.extension_if();
  return x ? x->reason : exit_reason{};
}

template <class S>
void signal(cell& c, turn& t, S s) {
  envelope* e = make_envelope<S>(false, std::move(s));
  e->from = nullptr;
  e->trace = t.trace ? t.trace : next_id();
  e->cause = t.hop;
  cell_access::deliver_signal(c, t, e);
}

}  // namespace

// -- watch ----------------------------------------------------------------------------------------

void tell_terminated(cell& watcher, any_ref who, const exit_reason& reason) {
  if (far_target* far = far_target_of(watcher)) return far->terminated(watcher, who, reason);
  post(
      watcher, std::move(who),
      [](cell& c, turn& t, control_message& m) {
        if (t.ended) return;
        auto& x = c.extension();
        if (!take(x.watching, m.who)) return;  // unwatched since
        signal(c, t, terminated{std::move(m.who), std::move(m.reason)});
      },
      reason);
}

void send_watch(cell& target, any_ref watcher) {
  if (far_target* far = far_target_of(target)) return far->watch(target, std::move(watcher));
  const bool posted = post(target, watcher, [](cell& c, turn& t, control_message& m) {
    if (t.ended)
      tell_terminated(*m.who.get(), any_ref::share(&c), reason_of(c));
    else
      add(c.extension().watchers, m.who);
  });
  if (!posted) tell_terminated(*watcher.get(), any_ref::share(&target), of_a_gone_system());
}

void send_unwatch(cell& target, any_ref watcher) {
  if (far_target* far = far_target_of(target)) return far->unwatch(target, std::move(watcher));
  post(target, std::move(watcher), [](cell& c, turn&, control_message& m) {
    if (auto* x = c.extension_if()) take(x->watchers, m.who);
  });
}

// -- link -----------------------------------------------------------------------------------------

void tell_exit(cell& linked, any_ref who, const exit_reason& reason) {
  if (far_target* far = far_target_of(linked)) return far->exited(linked, who, reason);
  post(
      linked, std::move(who),
      [](cell& c, turn& t, control_message& m) {
        if (t.ended) return;
        auto& x = c.extension();
        if (!take(x.links, m.who)) return;
        if (x.trap_exits) {
          signal(c, t, exit_signal{std::move(m.who), std::move(m.reason)});
        } else {
          cell_access::begin_stop(
              c, t, {exit_kind::linked, m.who.path() + " ended (" + to_string(m.reason) + ")"},
              false);
        }
      },
      reason);
}

void send_link(cell& target, any_ref from) {
  if (far_target* far = far_target_of(target)) return far->link(target, std::move(from));
  const bool posted = post(target, from, [](cell& c, turn& t, control_message& m) {
    if (t.ended)
      tell_exit(*m.who.get(), any_ref::share(&c), reason_of(c));
    else
      add(c.extension().links, m.who);
  });
  if (!posted) tell_exit(*from.get(), any_ref::share(&target), of_a_gone_system());
}

void send_unlink(cell& target, any_ref from) {
  if (far_target* far = far_target_of(target)) return far->unlink(target, std::move(from));
  post(target, std::move(from), [](cell& c, turn&, control_message& m) {
    if (auto* x = c.extension_if()) take(x->links, m.who);
  });
}

// -- stop and kill --------------------------------------------------------------------------------

void send_stop(cell& target, bool kill) {
  if (far_target* far = far_target_of(target)) return far->stop(target, kill);
  core_use core(target.system());
  if (!core) return;
  auto* m = new control_message([](cell& c, turn& t, control_message& m) {
    cell_access::begin_stop(c, t, {m.flag ? exit_kind::killed : exit_kind::stopped, {}}, m.flag);
  });
  m->flag = kill;
  target.post_control(*m);
}

// -- asks -----------------------------------------------------------------------------------------

// The asker has given up: a suspended handler of its request is asked to stop.
void send_cancel(cell& target, ask_state_base& ask) {
  core_use core(target.system());
  if (!core) return;
  auto* m = new control_message([](cell& c, turn&, control_message& m) {
    if (auto* x = c.extension_if())
      for (execution* e = x->executions; e; e = e->next)
        if (e->ask == m.ask || e->chain == m.ask) e->request_stop();
    m.ask->drop_ref();
  });
  ask.add_ref();
  m->ask = &ask;
  target.post_control(*m);
}

// A request of the call chain that the target's suspended handler belongs to is let in beside it.
void send_admit(cell& target, ask_state_base& ask) {
  if (far_target_of(target)) return;  // its actor's own system sees to that
  core_use core(target.system());
  if (!core) return;
  auto* m = new control_message([](cell& c, turn& t, control_message& m) {
    cell_access::admit(c, t, *m.ask);
    m.ask->drop_ref();
  });
  ask.add_ref();
  m->ask = &ask;
  target.post_control(*m);
}

// Everything that waits in the queue moves to the front list, in order; the one asked for is
// handled now.
void cell_access::admit(cell& c, turn& t, ask_state_base& ask) noexcept {
  if (t.ended) return;
  cell_extension& x = c.extension();
  x.mark = nullptr;
  envelope* wanted = nullptr;
  envelope_list others;
  auto sort = [&](envelope& e) {
    if (e.ask() == &ask)
      wanted = &e;
    else
      others.push_back(e);
  };
  while (envelope* e = x.front.pop_front()) sort(*e);
  if (x.mailbox)
    while (envelope* e = x.mailbox->pop(c)) sort(*e);
  for (;;) {
    mailbox_node* tail = c.tail_.load(std::memory_order_relaxed);
    if (tail == cell::node_of(c.head_.load(std::memory_order_acquire))) break;
    mailbox_node* next;
    while (!(next = tail->next.load(std::memory_order_acquire))) cpu_pause();
    retire(c, tail);
    c.tail_.store(next, std::memory_order_relaxed);
    // The node stays as the queue's last; its contents move to a block of their own.
    auto& e = *static_cast<envelope*>(next);
    envelope* moved = relocate(e);
    sort(*moved);
  }
  x.front = std::move(others);
  if (!wanted) return;
  // Handled beside the suspended one: the lane's state is the same afterwards, unless the handler
  // changed it.
  handle(c, t, *wanted);
  if (wanted->flags & envelope::kept)
    wanted->flags |= envelope::orphan;
  else
    free_block(*wanted);
}

envelope* relocate(envelope& e) {
  const std::size_t bytes = (std::size_t{e.cls} + 1) * pool_granule;
  auto* copy = static_cast<envelope*>(pool_get(pool_kind::envelope, e.cls));
  copy->next.store(nullptr, std::memory_order_relaxed);
  copy->type = e.type;
  copy->from = e.from;
  copy->generation = e.generation;
  copy->cls = e.cls;
  copy->flags = static_cast<std::uint8_t>(
      e.flags & (envelope::is_ask | envelope::has_extra | envelope::is_timer | envelope::counted));
  copy->trace = e.trace;
  copy->cause = e.cause;
  if (e.extra())
    ::new (reinterpret_cast<char*>(copy) + bytes - sizeof(envelope_extra))
        envelope_extra(*e.extra());
  if (e.type->in_line)
    e.type->relocate(copy + 1, &e + 1);
  else
    *reinterpret_cast<void**>(copy + 1) = *reinterpret_cast<void**>(&e + 1);
  e.flags = static_cast<std::uint8_t>(
      (e.flags & ~(envelope::is_ask | envelope::is_timer | envelope::counted)) | envelope::hollow);
  return copy;
}

}  // namespace odeon::detail
