#include "internal/cell_access.hpp"
#include "internal/side_mailbox.hpp"

#include <iterator>

namespace odeon::detail {

// -- envelopes that do not fit a block ------------------------------------------------------------

envelope* new_large_envelope(const message_type& type, bool extra) {
  void* payload = ::operator new(type.size, std::align_val_t(type.align));
  const std::size_t bytes =
      sizeof(envelope) + sizeof(void*) + (extra ? sizeof(envelope_extra) + 8 : 0);
  const auto cls = static_cast<std::uint8_t>(pool_class(bytes));
  envelope* e;
  try {
    e = static_cast<envelope*>(pool_get(pool_kind::envelope, cls));
  } catch (...) {
    ::operator delete(payload, std::align_val_t(type.align));
    throw;
  }
  e->next.store(nullptr, std::memory_order_relaxed);
  e->type = &type;
  e->cls = cls;
  e->flags = 0;
  *reinterpret_cast<void**>(e + 1) = payload;
  if (extra) {
    e->flags = envelope::has_extra;
    std::construct_at(e->extra());
  }
  return e;
}

void destroy_large_payload(envelope& e) noexcept {
  void* p = e.payload();
  if (e.type->destroy) e.type->destroy(p);
  ::operator delete(p, std::align_val_t(e.type->align));
}

// -- bounds and priorities ------------------------------------------------------------------------

side_mailbox::~side_mailbox() = default;

void side_mailbox::insert(envelope& e) {
  const int priority =
      options_.kind == mailbox_kind::priority && e.extra() ? e.extra()->priority : 0;
  queues_[priority].push_back(&e);
  ++size_;
}

side_mailbox::outcome side_mailbox::push(envelope& e, envelope*& dropped) {
  spin_guard guard(lock_);
  dropped = nullptr;
  if (!full() && waiting_.empty()) {
    insert(e);
    return outcome::taken;
  }
  switch (options_.overflow) {
    case overflow::drop_oldest: {
      // The one that came first among the least urgent.
      auto least = std::prev(queues_.end());
      dropped = least->second.front();
      least->second.pop_front();
      if (least->second.empty()) queues_.erase(least);
      --size_;
      insert(e);
      return outcome::dropped_oldest;
    }
    case overflow::drop_newest: dropped = &e; return outcome::dropped_newest;
    case overflow::fail:
    case overflow::dead_letter: dropped = &e; return outcome::refused;
    case overflow::block: return outcome::must_wait;
  }
  return outcome::refused;
}

envelope* side_mailbox::pop(cell& c) noexcept {
  envelope* e = nullptr;
  promise<void> done;
  bool room = false;
  {
    spin_guard guard(lock_);
    if (size_ == 0) return nullptr;
    auto first = queues_.begin();
    e = first->second.front();
    first->second.pop_front();
    if (first->second.empty() && options_.kind == mailbox_kind::priority) queues_.erase(first);
    --size_;
    if (options_.overflow == overflow::block) {
      room = true;
      if (!waiting_.empty()) {
        insert(*waiting_.front().e);
        done = std::move(waiting_.front().done);
        waiting_.pop_front();
        room = false;
      }
    }
  }
  if (done) done.set();
  if (room) {
    room_.fetch_add(1);
    c.system().rt->wake(room_);
  }
  return e;
}

std::size_t side_mailbox::size() const noexcept {
  spin_guard guard(lock_);
  return size_;
}

std::optional<std::size_t> side_mailbox::before(const ask_state_base& ask) const noexcept {
  spin_guard guard(lock_);
  std::size_t n = 0;
  for (const auto& [priority, queue] : queues_) {
    for (const envelope* e : queue) {
      if (e->ask() == &ask) return n;
      ++n;
    }
  }
  return std::nullopt;
}

void side_mailbox::push_when_room(envelope& e, cell& c, promise<void> done) {
  {
    spin_guard guard(lock_);
    if (full() || !waiting_.empty()) {
      waiting_.push_back({&e, std::move(done)});
      return;
    }
    insert(e);
  }
  done.set();
  cell_access::raise_control(c);
}

void side_mailbox::close(cell& c) noexcept {
  std::deque<waiting> left;
  {
    spin_guard guard(lock_);
    left.swap(waiting_);
  }
  for (auto& w : left) {
    cell_access::core(c).lost(c, *w.e, errc::actor_stopped);
    free_block(*w.e);
    w.done.fail({errc::actor_stopped, c.path() + " has stopped"});
  }
  room_.fetch_add(1);
  c.system().rt->wake(room_);
}

// -- delivering the slow way ----------------------------------------------------------------------

void settle_lost(envelope& e, errc why) noexcept {
  if (ask_state_base* ask = take_ask(e)) {
    ask->fail(why);
    ask->drop_ref();
  }
  if (e.flags & envelope::is_timer) timer_forget(e);
  destroy_payload(e);
  e.flags |= envelope::hollow;
}

namespace {

void lose(cell& to, envelope& e, errc why) noexcept {
  if (core_use core(to.system()); core)
    core->lost(to, e, why);
  else
    settle_lost(e, why);
  free_block(e);
}

/// May wait, for `overflow::block` outside of actors.
result<void> put_aside(cell& to, envelope& e, bool may_wait) {
  auto& box = *to.extension_if()->mailbox;
  for (;;) {
    const std::uint32_t room = box.room_word().load();
    envelope* dropped = nullptr;
    const std::string_view name = e.type->name;
    auto what = box.push(e, dropped);
    if (what == side_mailbox::outcome::must_wait) {
      if (may_wait && !this_ambient && !to.is_terminated()) {
        to.system().rt->wait(box.room_word(), room, time_point::max());
        if (!to.is_terminated()) continue;
        lose(to, e, errc::actor_stopped);
        return fail(errc::actor_stopped, to.path() + " has stopped");
      }
      dropped = &e;
      what = side_mailbox::outcome::refused;
    }
    if (dropped) {
      system_core& core = cell_access::core(to);
      if (box.options().overflow != overflow::dead_letter) {
        core.counters.overflows.fetch_add(1, std::memory_order_relaxed);
        core.event<mailbox_overflow>([&] {
          return mailbox_overflow{any_ref::share(&to), to.path(), name, box.options().capacity};
        });
      }
      lose(to, *dropped, errc::mailbox_full);
    }
    if (what == side_mailbox::outcome::taken || what == side_mailbox::outcome::dropped_oldest)
      cell_access::raise_control(to);
    cell_access::note_depth(to, box.size());
    if (what == side_mailbox::outcome::refused)
      return fail(errc::mailbox_full, "the mailbox of " + to.path() + " is full (" +
                                          std::to_string(box.options().capacity) + ")");
    return {};
  }
}

}  // namespace

void cell::deliver_slow(envelope& e) noexcept {
  const std::uint32_t flags = flags_.load(std::memory_order_acquire);
  if (flags & terminated_flag) {
    lose(*this, e, errc::actor_stopped);
    return;
  }
  if (flags & remote_flag) {
    if (class_->handlers.find(e.type))
      push(e);
    else
      (void)extension_if()->stands_in->route(*this, e, true);
    return;
  }
  if (!(flags & side_mailbox_flag)) {
    // Before the push: the runner takes it off again. Relaxed: a number to compare.
    extension_if()->counted.fetch_add(1, std::memory_order_relaxed);
    e.flags |= envelope::counted;
    push(e);
    return;
  }
  try {
    (void)put_aside(*this, e, true);
  } catch (...) {
    lose(*this, e, errc::mailbox_full);  // no memory to queue it
  }
}

result<void> try_deliver(cell& to, envelope& e) {
  const std::uint32_t flags = cell_access::flags(to);
  if (flags & cell::terminated_flag) {
    lose(to, e, errc::actor_stopped);
    return fail(errc::actor_stopped, to.path() + " has stopped");
  }
  if (flags & cell::side_mailbox_flag) return put_aside(to, e, false);
  if ((flags & cell::remote_flag) && !to.get_class().handlers.find(e.type))
    return stand_in_of(to)->route(to, e, false);
  to.deliver(e);
  return {};
}

future<void> deliver_wait(cell& to, envelope& e) {
  auto [done, out] = promise<void>::make(*to.system().rt);
  const std::uint32_t flags = cell_access::flags(to);
  if (flags & cell::terminated_flag) {
    lose(to, e, errc::actor_stopped);
    done.fail({errc::actor_stopped, to.path() + " has stopped"});
  } else if ((flags & cell::remote_flag) && !to.get_class().handlers.find(e.type)) {
    return stand_in_of(to)->route_wait(to, e);
  } else if ((flags & cell::side_mailbox_flag) &&
             to.extension_if()->mailbox->options().overflow == overflow::block) {
    to.extension_if()->mailbox->push_when_room(e, to, std::move(done));
  } else {
    done.set_result(try_deliver(to, e));
  }
  return std::move(out);
}

void set_options(envelope& e, cell& to, const tell_options& options) noexcept {
  envelope_extra& x = *e.extra();
  x.key = options.key;
  x.priority = options.priority;
  if (options.ttl > duration::zero()) {
    if (core_use core(to.system()); core) x.deadline = core->rt.now() + options.ttl;
  }
}

}  // namespace odeon::detail
