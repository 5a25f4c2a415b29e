// The core's half of routing: stand-ins, pull sources, and what a router asks of a cell. The
// protocol of the tables stands in src/pattern/router_state.cpp.
//
// Counting. With `counting_flag` every sender takes the slow way, which adds one to `counted` and
// marks the envelope; whoever takes a marked envelope off the queue subtracts one again. What was
// queued before the flag was set is not marked, and not counted.

#include "internal/cell_access.hpp"
#include "internal/side_mailbox.hpp"
#include <odeon/core/detail/routing.hpp>

#include <algorithm>

namespace odeon::detail {

namespace {

/// Work for a cell's next turn.
struct turn_work final : driver_node {
  explicit turn_work(std::function<void(cell&, turn&)> w) : work(std::move(w)) {
    arrive = [](driver_node& node) {
      auto& self = static_cast<turn_work&>(node);
      turn& t = *this_turn();
      self.work(*t.self, t);
      delete &self;
    };
  }
  std::function<void(cell&, turn&)> work;
};

/// False: its system is gone, and nobody will act.
bool post_work(cell& to, std::function<void(cell&, turn&)> work) {
  core_use core(to.system());
  if (!core) return false;
  to.post_control(*new turn_work(std::move(work)));
  return true;
}

}  // namespace

// -- making ---------------------------------------------------------------------------------------

actor_recipe actor_recipe::of(const spawn_request& request) {
  actor_recipe out{request.what, nullptr};
  if (!request.keep_args) return out;
  if (!request.what->copy_args)
    throw actor_error(errc::invalid_argument,
                      "the constructor's arguments of " + std::string(request.what->name) +
                          " cannot be copied, and each actor of a pool is made of its own copy: "
                          "pass a std::shared_ptr");
  const std::size_t bytes = request.what->size - request.what->args_offset;
  void* place = ::operator new(bytes, std::align_val_t(pool_granule));
  try {
    request.keep_args(place, request.args);
  } catch (...) {
    ::operator delete(place, std::align_val_t(pool_granule));
    throw;
  }
  out.args = std::shared_ptr<void>(place, [cls = request.what](void* p) {
    if (cls->destroy_args) cls->destroy_args(p);
    ::operator delete(p, std::align_val_t(pool_granule));
  });
  return out;
}

cell* actor_recipe::spawn(cell& parent, spawn_options& options) const {
  spawn_request request{what, &options, &parent};
  if (args) {
    request.args = args.get();
    request.keep_args = what->copy_args;
  }
  return spawn_cell(parent.system(), request);
}

cell* spawn_stand_in(system_anchor& system, const spawn_request& request,
                     std::shared_ptr<stand_in> in_place) {
  core_use core(system);
  if (!core) throw actor_error(errc::system_stopped, "the actor system is gone");
  return core->spawn(request, std::move(in_place));
}

stand_in* stand_in_of(const cell& c) noexcept {
  const auto* x = c.extension_if();
  return x ? x->stands_in.get() : nullptr;
}

// -- actors elsewhere -----------------------------------------------------------------------------

namespace {

// The class of a cell that never has an object.
constexpr handler_entry no_handler{};
constexpr actor_class far_class{
    .name = "far actor",
    .size = 0,
    .args_offset = 0,
    .handlers = {&no_handler, 0},
    .construct = nullptr,
    .destroy = nullptr,
    .destroy_args = nullptr,
    .copy_args = nullptr,
    .run_hook = nullptr,
    .context_in = nullptr,
    .hooks = 0,
    .reentrant = false,
};

}  // namespace

cell* make_far_cell(system_anchor& system, std::string path, std::shared_ptr<far_target> target) {
  core_use core(system);
  if (!core) throw actor_error(errc::system_stopped, "the actor system is gone");
  cell* c = cell_access::make(*core, far_class, *core->default_executor, nullptr);
  try {
    cell_extension& x = c->extension();
    x.path = std::move(path);
    x.stands_in = std::move(target);
  } catch (...) {
    cell_access::discard(*c);
    throw;
  }
  cell_access::set_flag(*c, cell::remote_flag | cell::far_flag);
  // Nothing of it lives here: the caller's reference alone keeps it.
  cell_access::release(*c);
  c->drop_ref();
  return c;
}

far_target* far_target_of(const cell& c) noexcept {
  if (!(cell_access::flags(c) & cell::far_flag)) return nullptr;
  return static_cast<far_target*>(c.extension_if()->stands_in.get());
}

void far_cell_ended(cell& c) noexcept { cell_access::set_flag(c, cell::terminated_flag); }

void tell_terminated_of(cell& watcher, any_ref who, const exit_reason& reason) noexcept {
  tell_terminated(watcher, std::move(who), reason);
}
void tell_exit_of(cell& linked, any_ref who, const exit_reason& reason) noexcept {
  tell_exit(linked, std::move(who), reason);
}
void watch_for(cell& target, any_ref watcher) { send_watch(target, std::move(watcher)); }
void unwatch_for(cell& target, any_ref watcher) { send_unwatch(target, std::move(watcher)); }
void link_for(cell& target, any_ref other) { send_link(target, std::move(other)); }
void unlink_for(cell& target, any_ref other) { send_unlink(target, std::move(other)); }

// -- looking --------------------------------------------------------------------------------------

void count_waiting(cell& c) {
  if (cell_access::flags(c) & (cell::counting_flag | cell::side_mailbox_flag | cell::remote_flag))
    return;
  // The extension is there before the flag: senders look there. Making it is for the cell's turn.
  if (c.extension_if()) {
    cell_access::set_flag(c, cell::counting_flag);
    return;
  }
  post_work(c, [](cell& c, turn&) {
    (void)c.extension();
    cell_access::set_flag(c, cell::counting_flag);
  });
}

std::size_t waiting_in(const cell& c) noexcept {
  if (!(cell_access::flags(c) & cell::counting_flag)) return cell_access::depth(c);
  return c.extension_if()->counted.load(std::memory_order_relaxed);
}

runtime* runtime_of(const system_anchor& system) noexcept { return system.rt; }

duration ask_timeout_of(const system_anchor& system) noexcept { return system.ask_timeout; }

bool tell_may_wait(const cell& c) noexcept {
  const auto* x = c.extension_if();
  return x && x->mailbox && x->mailbox->options().overflow == overflow::block;
}

bool is_idle(const cell& c) noexcept {
  return cell_access::is_idle(cell_access::head(c)) &&
         !(cell_access::flags(c) & (cell::closed_mask | cell::terminated_flag));
}

bool wake_if_idle(cell& c) noexcept {
  if (c.is_terminated()) return false;
  return cell_access::wake_if_idle(c);
}

// -- acting ---------------------------------------------------------------------------------------

void attach_source(cell& c, std::shared_ptr<pull_source> source) {
  post_work(c, [source = std::move(source)](cell& c, turn& t) {
    if (t.ended)
      source->left(c);
    else
      c.extension().source = source;
  });
}

void dismiss(cell& c) {
  post_work(c, [](cell& c, turn& t) {
    if (!t.ended) c.extension().dismissed = true;
  });
}

void run_on_turn(cell& c, std::function<void()> work) {
  post_work(c, [work = std::move(work)](cell&, turn& t) {
    if (!t.ended) work();
  });
}

envelope* copy_envelope(const envelope& from) {
  if (!from.type->copy) return nullptr;
  auto& e = const_cast<envelope&>(from);
  const envelope_extra* extra = e.extra();
  envelope* copy;
  if (e.type->in_line) {
    copy = static_cast<envelope*>(pool_get(pool_kind::envelope, e.cls));
    copy->next.store(nullptr, std::memory_order_relaxed);
    copy->type = e.type;
    copy->cls = e.cls;
    copy->flags = 0;
    if (extra) {
      copy->flags = envelope::has_extra;
      std::construct_at(copy->extra());
    }
  } else {
    copy = new_large_envelope(*e.type, extra != nullptr);
  }
  if (extra) {
    *copy->extra() = *extra;
    copy->extra()->timer = nullptr;
  }
  const ask_state_base* ask = e.ask();
  copy->from = ask ? ask->asker : e.from;
  copy->generation = ask ? ask->asker_generation : e.generation;
  copy->trace = e.trace;
  copy->cause = e.cause;
  try {
    e.type->copy(copy->payload(), e.payload());
  } catch (...) {
    if (!e.type->in_line) ::operator delete(copy->payload(), std::align_val_t(e.type->align));
    free_block(*copy);
    throw;
  }
  return copy;
}

void unhandled_here(turn& t, envelope& e) noexcept { cell_access::note_unhandled(*t.self, t, e); }

void lose(cell& to, envelope& e, const error& why) noexcept {
  if (core_use core(to.system()); core)
    core->lost(to, e, why.code(), false, why.text());
  else
    settle_lost(e, why.code());
  free_block(e);
}

void note_lost(system_anchor& system, const dead_letter& letter) noexcept {
  core_use core(system);
  if (!core) return;
  core->counters.dead_letters.fetch_add(1, std::memory_order_relaxed);
  try {
    core->event<dead_letter>([&] { return letter; });
    core->letters.add(letter);
  } catch (...) {
    // No memory to tell it: the counter has it.
  }
}

}  // namespace odeon::detail
