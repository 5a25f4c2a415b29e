#include "internal/cell_access.hpp"
#include <odeon/core/behavior.hpp>

namespace odeon {

using detail::cell_access;

namespace {

[[noreturn]] void wrong(const char* what) { throw actor_error(errc::invalid_argument, what); }

detail::cell& need(const any_ref& r) {
  if (!r) detail::throw_empty_ref();
  return *r.get();
}

}  // namespace

detail::turn& context::current() const {
  detail::turn* t = detail::this_turn();
  if (!t || t->self != cell_) wrong("a context is used outside its actor's turn");
  return *t;
}

actor_system& context::system() const noexcept { return actor_system::of(cell_->system()); }

any_ref context::sender() const noexcept {
  const detail::turn* t = detail::this_turn();
  if (!t || t->self != cell_) return {};
  detail::cell* from = nullptr;
  std::uint32_t generation = 0;
  if (t->call && t->call->asker) {
    from = t->call->asker;
    generation = t->call->asker_generation;
  } else if (t->current && !t->current->ask()) {
    from = static_cast<detail::cell*>(t->current->from);
    generation = t->current->generation;
  }
  return from && detail::cell::try_ref(from, generation) ? any_ref::adopt(from) : any_ref();
}

any_ref context::parent() const noexcept { return any_ref::share(cell_->parent()); }

std::vector<any_ref> context::children() const {
  return cell_->extension_if() ? cell_access::core(*cell_).children_of(*cell_)
                               : std::vector<any_ref>();
}

any_ref context::child(std::string_view name) const {
  return cell_access::core(*cell_).names.find(cell_->path() + "/" + std::string(name));
}

exit_kind context::stopping_as() const noexcept {
  const auto* x = cell_->extension_if();
  return x ? x->reason.kind : exit_kind::stopped;
}

std::uint64_t context::trace() const noexcept {
  const detail::turn* t = detail::this_turn();
  return t ? t->trace : 0;
}

void context::stop() { detail::send_stop(*cell_, false); }
void context::stop(const any_ref& ref) { detail::send_stop(need(ref), false); }
void context::kill(const any_ref& ref) { detail::send_stop(need(ref), true); }

void context::watch(const any_ref& ref) {
  detail::cell& target = need(ref);
  auto& x = cell_->extension();
  for (const any_ref& w : x.watching)
    if (w == ref) return;
  x.watching.push_back(ref);
  detail::send_watch(target, self());
}

void context::unwatch(const any_ref& ref) {
  auto* x = cell_->extension_if();
  if (!x) return;
  const bool watched = std::erase(x->watching, ref) > 0;
  // A signal that has come already, and waits behind the message in hand, is taken back.
  detail::envelope_list kept;
  while (detail::envelope* e = x->front.pop_front()) {
    if (e->type == &detail::message_type_of<terminated> &&
        static_cast<terminated*>(e->payload())->ref == ref) {
      detail::destroy_payload(*e);
      detail::free_block(*e);
    } else {
      kept.push_back(*e);
    }
  }
  x->front = std::move(kept);
  if (watched) detail::send_unwatch(*ref.get(), self());
}

void context::link(const any_ref& ref) {
  detail::cell& target = need(ref);
  auto& links = cell_->extension().links;
  for (const any_ref& l : links)
    if (l == ref) return;
  links.push_back(ref);
  detail::send_link(target, self());
}

void context::unlink(const any_ref& ref) {
  auto* x = cell_->extension_if();
  if (x && std::erase(x->links, ref)) detail::send_unlink(*ref.get(), self());
}

void context::trap_exits(bool on) { cell_->extension().trap_exits = on; }

void context::unstash_all() {
  if (auto* x = cell_->extension_if()) x->front.prepend(x->stash);
}

std::size_t context::stash_size() const noexcept {
  const auto* x = cell_->extension_if();
  return x ? x->stash.size.load() : 0;
}

void context::forward(const any_ref& to) {
  detail::forward_current(current(), need(to), nullptr, nullptr, nullptr);
}

void context::unbecome() {
  auto* x = cell_->extension_if();
  if (!x || x->behaviors.empty()) return;
  // A handler of it may be the one that runs now, or be suspended: it is destroyed when none is.
  x->retired.push_back(x->behaviors.back());
  x->behaviors.pop_back();
  cell_->post_control(
      *new detail::control_message([](detail::cell& c, detail::turn&, detail::control_message&) {
        auto& x = c.extension();
        if (!x.executions) cell_access::drop_retired(x);
      }));
}

void context::receive_timeout(duration d) { cell_access::set_receive_timeout(*cell_, d); }

void context::branch(task<void> work) { current().branch(std::move(work)); }

namespace detail {

void push_behavior(cell& c, behavior_entry b) { c.extension().behaviors.push_back(b); }

namespace {

/// The message in hand in a block of its own.
envelope* take_current(turn& t, void (*give_back)(void*, void*), void* from,
                       const message_type* type) {
  envelope* e = t.current;
  // A coroutine handler may give its message back until it first waits.
  execution* x = t.first_step;
  if (!e || (e->flags & envelope::hollow) || ((e->flags & envelope::kept) && (!x || x->kept != e)))
    wrong(
        "there is no message in hand: stash and forward belong into a handler, before its "
        "first co_await");
  if (give_back) {
    if (e->type != type) wrong("the message given back is not the one in hand");
    give_back(e->payload(), from);
  } else if (e->flags & envelope::taken) {
    wrong(
        "the handler took its message by value: take it by const reference, or give it back: "
        "stash(std::move(msg))");
  }
  if ((e->flags & envelope::kept) && x->ask) {
    e->from = std::exchange(x->ask, nullptr);
    e->flags |= envelope::is_ask;
  }
  e->flags &= static_cast<std::uint8_t>(~envelope::taken);
  t.call = nullptr;
  return relocate(*e);
}

}  // namespace

void stash_current(cell& c, turn& t, void (*give_back)(void*, void*), void* from,
                   const message_type* type) {
  auto& x = c.extension();
  if (x.stash.size >= x.stash_capacity)
    throw actor_error(errc::stash_full,
                      "the stash of " + c.path() + " holds " + std::to_string(x.stash.size));
  envelope* e = take_current(t, give_back, from, type);
  if (ask_state_base* ask = e->ask()) ask->set_aside.store(true);
  x.stash.push_back(*e);
}

void forward_current(turn& t, cell& to, void (*give_back)(void*, void*), void* from,
                     const message_type* type) {
  envelope* e = take_current(t, give_back, from, type);
  e->cause = t.hop;
  if (ask_state_base* ask = e->ask()) ask->retarget(to);
  to.deliver(*e);
}

}  // namespace detail

}  // namespace odeon
