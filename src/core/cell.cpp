// The cell: mailbox and turns.
//
// Who owns what
//   head_      one word that all senders and the runner change: the newest node and three tag bits.
//   tail_, stub_, object_, extension_, the tree links of its children    the runner: whoever has
//   the right to run the
//              actor. The right passes from one thread to the next by the executor's queue.
//   control_   a stack that anyone pushes to and the runner takes whole.
//   flags_     bits that tell senders to take the slow way, and the runner's own state, which
//   others only read.
//
// head_ = pointer to the newest node | idle (1) | control (2) | suspended (4)
//
//   idle        nobody has the right to run. Whoever clears it owes the executor a `submit`.
//   suspended   the same, but the mailbox is not to be taken from: only control messages wake the
//   actor. control     a control message was posted since the runner last cleared the bit. Never
//   together with the others.
//
//   transition                                   by                  owes
//   *      → new node            (exchange)      a sender            idle: submit; else see below
//   h      → h|control, no idle, no suspended    raise_control       submit, when one of the two
//   was set h|control → h                                the runner          to look at control_
//   after it tail   → stub|idle           (CAS)           the runner          nothing: it has let
//   go h      → h|suspended         (CAS)           the runner          nothing: it has let go
//
// A sender's exchange wipes the tag bits and returns them; it is then the one that holds them, and
// puts them back
// (`push_over`): `control` by raise_control, `suspended` by a CAS that gives way to `control`. In
// the window a poster of control may find neither idle nor suspended and submit nothing, but it
// leaves `control` set, and the sender, on putting `suspended` back, sees that and submits. So
// exactly one of them does.
//
// No wake-up is lost: the runner lets go only by a CAS that fails when a node or the control bit
// came since it looked; control_ is pushed before the bit is set (release), and the bit is cleared
// before control_ is taken (acquire).
//
// A push is one exchange and one store: wait-free. Between the two the list has a gap; the runner,
// seeing that there is a newer node but no link yet, waits for the store, which is the sender's
// next instruction. The node taken last stays as `tail_` until the next is taken, because its link
// is where senders continue; when the queue runs empty the stub takes its place in the same CAS
// that sets idle, so an idle actor holds no envelope.
//
// Memory orders on head_: the exchange is acquire-release. Release publishes the envelope to
// whoever follows the chain; acquire makes the last turn's writes visible to the sender that
// submits, and the executor's queue passes them on to the next runner. No store-load pair on
// different words is ordered by it, so seq_cst is not needed.
//
// The end of a cell. `refs_` counts references of users, watchers and the tree; the life of the
// actor itself is one. The runner drops that one after termination. When the count falls to zero,
// whoever made it fall either takes the right to run from an idle cell (CAS idle → no tag) and
// frees it, or raises control so that the runner, which cannot let go then, finds the count at zero
// and frees it. Without references there are no senders, so nothing can come in between. Blocks are
// type stable: `try_ref` may look at the count and the generation of a freed cell.

#include "internal/cell_access.hpp"
#include "internal/side_mailbox.hpp"
#include <odeon/base/assert.hpp>

#include <algorithm>

namespace odeon::detail {

constinit thread_local cell* constructing = nullptr;
constinit thread_local thread_state this_thread_state{};

namespace {

constexpr int budget_per_turn = 256;
constexpr std::size_t depth_max = 100'000;

void spin_until_linked(unsigned& spins) noexcept {
  cpu_pause();
  if (++spins % 128 == 0) yield_thread();  // the sender lost its core between two instructions
}

}  // namespace

void number_this_thread() noexcept {
  static std::atomic<std::uint64_t> threads{1};
  this_thread_state.next_id = (threads.fetch_add(1, std::memory_order_relaxed) << 40) | 1;
}

cell& constructing_cell() {
  if (!constructing)
    throw actor_error(errc::invalid_argument,
                      "an actor is made by spawn, not by its constructor alone");
  return *constructing;
}

void throw_empty_ref() {
  throw actor_error(errc::invalid_argument, "a message through an empty reference");
}

// -- turn -----------------------------------------------------------------------------------------

bool turn::may_block() const noexcept { return self->where().may_block(); }

const char* turn::describe() const noexcept {
  thread_local std::string text;
  text = "actor " + self->path();
  return text.c_str();
}

context& context_of(turn& t) noexcept { return t.self->get_class().context_in(t.self->object()); }

// -- the senders' side ----------------------------------------------------------------------------

void cell::push_over(std::uintptr_t before) noexcept {
  if (before & control) raise_control();
  if (!(before & suspended)) {
    note_send();
    return;
  }
  if (auto* x = extension_if()) {
    // Nobody takes messages now, so the senders look at the mark.
    const std::size_t n = x->pushed_while_closed.fetch_add(1, std::memory_order_relaxed) + 1;
    if (n % std::clamp<std::size_t>(x->high_water / 8, 1, 1024) == 0 && !x->over_high_water.load())
      cell_access::note_depth(*this, cell_access::depth(*this));
  }
  std::uintptr_t h = head_.load(std::memory_order_relaxed);
  for (;;) {
    if (h & control) {
      executor_->submit(*this);
      return;
    }
    if (head_.compare_exchange_weak(h, h | suspended, std::memory_order_acq_rel)) return;
  }
}

void cell::raise_control() noexcept {
  std::uintptr_t h = head_.load(std::memory_order_relaxed);
  while (!head_.compare_exchange_weak(h, (h | control) & ~(idle | suspended),
                                      std::memory_order_acq_rel)) {
  }
  if (h & (idle | suspended)) executor_->submit(*this);
}

void cell::post_control(driver_node& node) noexcept {
  driver_node* top = control_.load(std::memory_order_relaxed);
  do {
    node.next = top;
  } while (!control_.compare_exchange_weak(top, &node, std::memory_order_release,
                                           std::memory_order_relaxed));
  raise_control();
}

bool cell::try_ref(cell* c, std::uint32_t generation) noexcept {
  std::uint32_t n = c->refs().load(std::memory_order_relaxed);
  while (n != 0) {
    // Acquire: with the count, the generation that its maker wrote before.
    if (!c->refs().compare_exchange_weak(n, n + 1, std::memory_order_acquire)) continue;
    if (c->generation() == generation) return true;
    c->drop_ref();
    return false;
  }
  return false;
}

void cell::unreferenced() noexcept {
  std::uintptr_t h = head_.load(std::memory_order_acquire);
  while (h & (idle | suspended)) {
    if (head_.compare_exchange_weak(h, h & ~tag_mask, std::memory_order_acq_rel)) {
      cell_access::destroy(*this);
      return;
    }
  }
  raise_control();
}

bool cell::accepts(const message_type& type) const noexcept {
  if (class_->handlers.find(&type)) return true;
  const stand_in* s = stand_in_of(*this);
  return s && s->accepts(type);
}

cell_extension& cell::extension() {
  auto* x = extension_.load(std::memory_order_relaxed);
  if (!x) {
    x = new cell_extension;
    extension_.store(x, std::memory_order_release);
  }
  return *x;
}

std::string cell::path() const {
  if (const auto* x = extension_if(); x && !x->path.empty()) return x->path;
  static constexpr char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
  std::string tail;
  for (std::uint64_t n = uid(); n; n /= 36) tail.insert(tail.begin(), digits[n % 36]);
  return (parent_ ? parent_->path() : std::string()) + "/$" + tail;
}

// -- make and destroy -----------------------------------------------------------------------------

cell::cell(run_fn run, const actor_class& cls, executor& where, system_anchor& system,
           cell* parent) noexcept
    : runnable(run),
      head_(reinterpret_cast<std::uintptr_t>(&stub_)),  // its maker has the right to run it
      class_(&cls),
      executor_(&where),
      flags_(0),
      system_(&system),
      tail_(&stub_),
      control_(nullptr),
      extension_(nullptr),
      parent_(parent),
      next_sibling_(nullptr),
      prev_sibling_(nullptr) {}

cell* cell_access::make(system_core& core, const actor_class& cls, executor& where, cell* parent) {
  const bool separate = sizeof(cell) + cls.size > pool_block_max;
  const auto size_class = pool_class(separate ? sizeof(cell) : sizeof(cell) + cls.size);
  void* object = separate ? ::operator new(cls.size, std::align_val_t(pool_granule)) : nullptr;
  void* block = pool_get(pool_kind::cell, size_class);
  // The count stays 0 while the cell is made, so nobody takes a reference.
  auto* c = ::new (block) cell(&run, cls, where, core.anchor, parent);
  c->cls_ = static_cast<std::uint8_t>(size_class);
  c->separate_ = separate;
  c->object_ = separate ? object : static_cast<char*>(block) + sizeof(cell);
  if (parent) parent->add_ref();
  std::atomic_ref generation(c->generation_);
  generation.store(generation.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  c->refs().store(2, std::memory_order_release);  // the life, and the caller's
  return c;
}

void cell_access::construct(cell& c) {
  cell* outer = std::exchange(constructing, &c);
  struct restore {
    cell* outer;
    ~restore() { constructing = outer; }
  } guard{outer};
  c.class_->construct(c.object_, args_place(c));
  c.has_object_ = true;
}

void cell_access::destroy_object(cell& c) noexcept {
  if (std::exchange(c.has_object_, false)) c.class_->destroy(c.object_);
}

// Without references: nothing can reach it any more.
void cell_access::destroy(cell& c) noexcept {
  {
    turn t(c);
    drop_all(c, t);
  }
  mailbox_node* tail = c.tail_.load(std::memory_order_relaxed);
  if (tail != &c.stub_) free_block(*static_cast<envelope*>(tail));
  destroy_object(c);
  if (c.class_->destroy_args) c.class_->destroy_args(args_place(c));
  delete c.extension_.load(std::memory_order_relaxed);
  if (c.separate_) ::operator delete(c.object_, std::align_val_t(pool_granule));
  cell* parent = c.parent_;
  pool_put(pool_kind::cell, c.cls_, &c);
  if (parent) parent->drop_ref();
}

// -- turns ----------------------------------------------------------------------------------------

void cell_access::run(runnable& r) noexcept {
  cell& c = static_cast<cell&>(r);
  turn t(c);
  ambient* outer = std::exchange(this_ambient, &t);
  run_turn(c, t);
  this_ambient = outer;
}

// The node stays the block of a suspended handler, or is free.
void cell_access::retire(cell& c, mailbox_node* n) noexcept {
  if (n == &c.stub_) return;
  auto& e = *static_cast<envelope*>(n);
  if (e.flags & envelope::kept)
    e.flags |= envelope::orphan;
  else
    free_block(e);
}

// `tail` is the newest node. The stub takes its place, so that an idle actor holds no envelope.
bool cell_access::go_idle(cell& c, mailbox_node* tail) noexcept {
  std::uintptr_t expected = reinterpret_cast<std::uintptr_t>(tail);
  if (tail == &c.stub_) {
    // Release: the next runner sees this turn's writes, through the sender that schedules it.
    return c.head_.compare_exchange_strong(expected, expected | cell::idle,
                                           std::memory_order_acq_rel);
  }
  c.stub_.next.store(nullptr, std::memory_order_relaxed);
  c.tail_.store(&c.stub_, std::memory_order_relaxed);
  // A block that a suspended handler uses becomes the handler's, which must be marked before
  // another can run the actor.
  auto& e = *static_cast<envelope*>(tail);
  const bool kept = e.flags & envelope::kept;
  if (kept) e.flags |= envelope::orphan;
  if (c.head_.compare_exchange_strong(expected,
                                      reinterpret_cast<std::uintptr_t>(&c.stub_) | cell::idle,
                                      std::memory_order_acq_rel)) {
    if (!kept) free_block(e);  // the cell is another's now; the block is still ours
    return true;
  }
  if (kept) e.flags &= static_cast<std::uint8_t>(~envelope::orphan);
  c.tail_.store(tail, std::memory_order_relaxed);
  return false;
}

bool cell_access::park(cell& c) noexcept {
  std::uintptr_t h = c.head_.load(std::memory_order_acquire);
  for (;;) {
    if (h & cell::control) return false;
    if (c.head_.compare_exchange_weak(h, h | cell::suspended, std::memory_order_acq_rel))
      return true;
  }
}

void cell_access::drain_control(cell& c, turn& t) noexcept {
  c.head_.fetch_and(~cell::control, std::memory_order_acquire);
  driver_node* newest = c.control_.exchange(nullptr, std::memory_order_acquire);
  driver_node* in_order = nullptr;
  while (newest) {
    driver_node* rest = newest->next;
    newest->next = in_order;
    in_order = newest;
    newest = rest;
  }
  while (in_order) {
    driver_node& n = *in_order;
    in_order = n.next;
    if (n.to)
      resume(c, t, static_cast<execution&>(*n.to), n);
    else
      n.arrive(n);
  }
}

envelope* cell_access::take_aside(cell& c, cell_extension& x) noexcept {
  if (envelope* e = x.front.pop_front()) return e;
  return x.mailbox ? x.mailbox->pop(c) : nullptr;
}

namespace {

inline void record_hop(const cell& c, turn& t, const envelope& e, thread_state& here) noexcept {
  if (here.next_id == 0) [[unlikely]]
    number_this_thread();
  t.hop = here.next_id++;
  t.trace = e.trace;
  hop_ring& ring = *here.ring;
  const std::uint64_t n = ring.written.load(std::memory_order_relaxed);
  hop_record& r = ring.hops[n % hop_ring::capacity];
  r.id.store(t.hop, std::memory_order_relaxed);
  r.cause.store(e.cause, std::memory_order_relaxed);
  r.trace.store(e.trace, std::memory_order_relaxed);
  r.actor.store(c.uid(), std::memory_order_relaxed);
  r.type.store(e.type, std::memory_order_relaxed);
  r.time.store(here.coarse_now, std::memory_order_relaxed);
  // Release: a reader that sees the count sees the record, unless it was overwritten meanwhile; it
  // checks for that.
  ring.written.store(n + 1, std::memory_order_release);
}

}  // namespace

void cell_access::handle(cell& c, turn& t, envelope& e) noexcept {
  handle_here(c, t, e, this_thread_state);
}

// The way of a message from the queue to its handler; `here` is the thread's own.
inline void cell_access::handle_here(cell& c, turn& t, envelope& e, thread_state& here) noexcept {
  if ((e.flags & (envelope::is_ask | envelope::has_extra | envelope::counted)) || t.ended)
      [[unlikely]] {
    if (refuse(c, t, e)) return;
  }
  const handler_table* table = &c.class_->handlers;
  void* object = c.object_;
  auto* x = c.extension_.load(std::memory_order_relaxed);
  if (x && !x->behaviors.empty()) [[unlikely]] {
    table = x->behaviors.back().table;
    object = x->behaviors.back().object;
  }
  record_hop(c, t, e, here);
  const handler_entry* h = table->find(e.type);
  if (!h) [[unlikely]] {
    note_unhandled(c, t, e);
    return;
  }
  if (x && x->idle) [[unlikely]]
    x->idle->last = cell_access::core(c).rt.now();
  t.current = &e;
  t.call = e.ask();
  try {
    h->invoke(t, object, e);
  } catch (...) {
    handler_threw(c, t, e);
    return;
  }
  t.current = nullptr;
  t.call = nullptr;
  if (t.orphan) [[unlikely]] {  // its exception was caught inside the handler
    t.orphan->fail(errc::no_reply);
    std::exchange(t.orphan, nullptr)->drop_ref();
  }
  if (e.flags & (envelope::kept | envelope::hollow)) [[unlikely]]
    return;
  destroy_payload(e);
}

// Before a cell that pulls, or that was dismissed, goes idle. True: there was something to do.
[[gnu::cold]] bool cell_access::work_at_rest(cell& c, turn& t, cell_extension& x) noexcept {
  if (x.dismissed) {
    if (x.stash.size || x.executions || (x.source && x.source->awaits(c))) return false;
    begin_stop(c, t, {exit_kind::stopped, "dismissed"}, false);
    return true;
  }
  envelope* e = x.source->pull(c);
  if (!e) return false;
  handle(c, t, *e);
  if (e->flags & envelope::kept)
    e->flags |= envelope::orphan;
  else
    free_block(*e);
  return true;
}

// Lets go of the cell, and then has its source look: what came in between found the cell busy.
template <class LetGo>
bool cell_access::rest(cell& c, turn& t, LetGo let_go) noexcept {
  std::shared_ptr<pull_source> source;
  // Once the cell has let go it is another's, and may be gone.
  if (auto* x = c.extension_.load(std::memory_order_relaxed); x && !t.ended) source = x->source;
  if (!let_go()) return false;
  if (source) [[unlikely]]
    source->rested();
  return true;
}

void cell_access::run_turn(cell& c, turn& t) noexcept {
  system_core& core = cell_access::core(c);
  thread_state& here = this_thread_state;
  if (here.ring_of != c.system_) [[unlikely]] {
    here.ring = core.ring_for_this_thread();
    here.ring_of = c.system_;
    here.coarse_now = 0;  // another system, perhaps another clock
  }
  hop_ring& ring = *here.ring;
  if ((++here.turns & 63) == 0 || here.coarse_now == 0) [[unlikely]]
    here.coarse_now = core.rt.now().time_since_epoch().count();
  core.watcher.wake();
  ring.running_gen.store(c.generation(), std::memory_order_relaxed);
  ring.running.store(&c, std::memory_order_relaxed);

  const std::uint32_t flags = c.flags_.load(std::memory_order_relaxed);
  t.closed = flags & cell::closed_mask;
  t.ended = flags & cell::terminated_flag;
  unsigned spins = 0;
  int budget = budget_per_turn;
  // The newest node as of now. Up to it every link is (nearly) written, so the line that senders
  // are writing at this moment is left alone.
  std::uintptr_t seen = c.head_.load(std::memory_order_acquire);
  const mailbox_node* last = cell::node_of(seen);
  const mailbox_node* mark = nullptr;  // see note_backlog
  // Control messages may empty the queue: what was seen of it is forgotten.
  auto drain = [&] {
    drain_control(c, t);
    last = c.tail_.load(std::memory_order_relaxed);
    const auto* x = c.extension_.load(std::memory_order_relaxed);
    mark = x ? x->mark : nullptr;
  };
  if (seen & cell::control) drain();
  if (auto* x = c.extension_.load(std::memory_order_relaxed)) [[unlikely]] {
    mark = x->mark;
    // A mark that a single turn could pass unseen is looked at here.
    if (x->high_water < budget_per_turn && !x->mailbox) note_depth(c, depth(c));
  }

  for (;;) {
    if (c.control_.load(std::memory_order_relaxed)) [[unlikely]]
      drain();
    if (t.closed && !t.ended) [[unlikely]] {
      if (rest(c, t, [&] { return park(c); })) break;
      drain();
      continue;
    }
    if (auto* x = c.extension_.load(std::memory_order_relaxed); x && (x->front.head || x->mailbox))
        [[unlikely]] {
      if (budget <= 0 || t.spent) {
        c.executor_->submit_last(c);
        break;
      }
      if (envelope* e = take_aside(c, *x)) {
        --budget;
        handle(c, t, *e);
        if (t.ended) last = c.tail_.load(std::memory_order_relaxed);
        if (e->flags & envelope::kept)
          e->flags |= envelope::orphan;
        else
          free_block(*e);
        continue;
      }
    }
    mailbox_node* tail = c.tail_.load(std::memory_order_relaxed);
    if (tail == last) {
      seen = c.head_.load(std::memory_order_acquire);
      last = cell::node_of(seen);
      if (seen & cell::control) [[unlikely]] {
        drain();
        continue;
      }
      if (tail == last) {
        if (t.ended && c.refs().load(std::memory_order_acquire) == 0) {
          ring.running.store(nullptr, std::memory_order_relaxed);
          destroy(c);
          return;
        }
        if (auto* x = c.extension_.load(std::memory_order_relaxed);
            x && (x->source || x->dismissed) && !t.ended) [[unlikely]] {
          if (budget <= 0 || t.spent) {
            c.executor_->submit_last(c);
            break;
          }
          if (work_at_rest(c, t, *x)) {
            --budget;
            if (t.ended) last = c.tail_.load(std::memory_order_relaxed);
            continue;
          }
          if (rest(c, t, [&] { return go_idle(c, tail); })) break;
          continue;
        }
        if (go_idle(c, tail)) break;
        continue;
      }
    }
    if (budget <= 0 || t.spent) [[unlikely]] {
      if (!t.ended)
        note_backlog(c, c.extension(), static_cast<std::size_t>(budget_per_turn - budget));
      c.executor_->submit_last(c);
      break;
    }
    mailbox_node* next;
    while (!(next = tail->next.load(std::memory_order_acquire))) spin_until_linked(spins);
    // The one after it comes from another core's cache, most likely, while this one is handled.
    __builtin_prefetch(next->next.load(std::memory_order_relaxed), 1);
    retire(c, tail);
    c.tail_.store(next, std::memory_order_relaxed);
    --budget;
    if (next == mark) [[unlikely]] {
      cell_extension& x = *c.extension_.load(std::memory_order_relaxed);
      note_depth(c, x.behind + static_cast<std::size_t>(budget_per_turn - budget));
      x.mark = mark = nullptr;
    }
    handle_here(c, t, *static_cast<envelope*>(next), here);
    // A failure may have ended the actor in there, and emptied the queue past what was seen of it.
    if (t.ended) [[unlikely]]
      last = c.tail_.load(std::memory_order_relaxed);
  }
  ring.running.store(nullptr, std::memory_order_relaxed);
}

// Messages that are not to be handled any more. True: settled.
bool cell_access::refuse(cell& c, turn& t, envelope& e) noexcept {
  system_core& core = cell_access::core(c);
  if (e.flags & envelope::counted) {
    e.flags &= static_cast<std::uint8_t>(~envelope::counted);
    // Relaxed: a number to compare, which orders nothing.
    c.extension_if()->counted.fetch_sub(1, std::memory_order_relaxed);
  }
  if (t.ended) {
    core.lost(c, e, errc::actor_stopped);
    return true;
  }
  if (envelope_extra* x = e.extra()) {
    if (x->timer && !timer_take(e)) {
      destroy_payload(e);
      return true;
    }
    if (x->deadline != time_point{} && core.rt.now() > x->deadline) {
      core.lost(c, e, errc::expired);
      return true;
    }
  }
  if (ask_state_base* ask = e.ask()) {
    if (!ask->is_open()) {
      core.lost(c, e, ask->was_dropped() ? errc::cancelled : errc::expired);
      return true;
    }
    if (ask->set_aside.load(std::memory_order_relaxed)) ask->set_aside.store(false);
  }
  return false;
}

error handler_error(const cell& c, const std::exception_ptr& p, std::string_view message) {
  return {errc::handler_failed,
          what_of(p) + " (in " + c.path() + ", handling " + std::string(message) + ")"};
}

// In the handler's catch: the message is lost, its ask fails, and the actor with it.
[[gnu::cold]] void cell_access::handler_threw(cell& c, turn& t, envelope& e) noexcept {
  t.current = nullptr;
  auto p = std::current_exception();
  const std::string_view message = e.type->name;
  ask_state_base* ask = take_ask(e);
  if (!ask) ask = std::exchange(t.orphan, nullptr);
  const bool was_ask = ask;
  if (ask) {
    ask->fail(handler_error(c, p, message));
    ask->drop_ref();
  }
  if (auto* x = c.extension_.load(std::memory_order_relaxed);
      x && x->source && x->source->keeps(c)) {
    destroy_payload(e);
    e.flags |= envelope::hollow;
  } else {
    core(c).lost(c, e, errc::handler_failed, was_ask);
  }
  t.call = nullptr;
  fail(c, t, std::move(p), message, "handler");
}

void cell_access::deliver_signal(cell& c, turn& t, envelope* e) noexcept {
  // Without an object, too: a restart that waits for its backoff makes a new one.
  if (!t.ended) {
    const handler_table* table = &c.class_->handlers;
    if (auto* x = c.extension_.load(std::memory_order_relaxed); x && !x->behaviors.empty())
      table = x->behaviors.back().table;
    // While a handler is suspended the signal waits its turn, before all messages.
    if (table->find(e->type)) {
      c.extension().front.push_back(*e);
      return;
    }
  }
  destroy_payload(*e);
  free_block(*e);
}

void cell_access::note_unhandled(cell& c, turn& t, envelope& e) noexcept {
  system_core& core = cell_access::core(c);
  const std::string_view name = e.type->name;
  any_ref from = !e.ask() && e.from && cell::try_ref(static_cast<cell*>(e.from), e.generation)
                     ? any_ref::adopt(static_cast<cell*>(e.from))
                     : any_ref();
  core.lost(c, e, errc::unhandled);
  if (e.type == &message_type_of<unhandled>) return;
  envelope* note = make_envelope<unhandled>(false, unhandled{name, std::move(from)});
  stamp(*note);
  deliver_signal(c, t, note);
}

// Everything that waits becomes a dead letter. For an actor that has ended.
void cell_access::drop_all(cell& c, turn& t) noexcept {
  t.ended = true;
  auto drop = [&](envelope& e) {
    if (core_use core(*c.system_); core)
      core->lost(c, e, errc::actor_stopped);
    else
      settle_lost(e, errc::actor_stopped);
  };
  if (auto* x = c.extension_.load(std::memory_order_relaxed)) {
    for (envelope_list* list : {&x->stash, &x->front}) {
      while (envelope* e = list->pop_front()) {
        drop(*e);
        free_block(*e);
      }
    }
    if (x->mailbox) {
      while (envelope* e = x->mailbox->pop(c)) {
        drop(*e);
        free_block(*e);
      }
    }
  }
  if (auto* x = c.extension_.load(std::memory_order_relaxed)) x->mark = nullptr;
  unsigned spins = 0;
  for (;;) {
    mailbox_node* tail = c.tail_.load(std::memory_order_relaxed);
    if (tail == cell::node_of(c.head_.load(std::memory_order_acquire))) return;
    mailbox_node* next;
    while (!(next = tail->next.load(std::memory_order_acquire))) spin_until_linked(spins);
    retire(c, tail);
    c.tail_.store(next, std::memory_order_relaxed);
    drop(*static_cast<envelope*>(next));
  }
}

// How many wait, or how many wait before `until`. Exact for an actor that does not run; for one
// that does, the walk may stray into another actor's envelopes (blocks are type stable), and ends
// at the bound.
std::size_t cell_access::depth(const cell& c, const ask_state_base* until, bool* found) noexcept {
  std::size_t n = 0;
  const mailbox_node* at = tail(c);
  while (n < depth_max && (at = at->next.load(std::memory_order_acquire))) {
    if (until) {
      // The header's words are written before the node is linked; a stale block's are of an
      // envelope too.
      const auto* e = static_cast<const envelope*>(at);
      if (envelope_is_of(*e, until)) {
        *found = true;
        return n;
      }
    }
    ++n;
  }
  if (auto* x = c.extension_if(); x && x->mailbox) {
    if (until) {
      if (const auto before = x->mailbox->before(*until)) {
        *found = true;
        return *before;
      }
    }
    n += x->mailbox->size();
  }
  return n;
}

// The mark is crossed once: again only after half of it was seen. By any thread.
void cell_access::note_depth(cell& c, std::size_t waiting) noexcept {
  auto* x = c.extension_if();
  const std::size_t limit = x ? x->high_water : default_high_water;
  if (waiting < limit) {
    if (x && waiting < limit / 2) x->over_high_water.store(false, std::memory_order_relaxed);
    return;
  }
  if (!x || x->over_high_water.exchange(true)) return;
  system_core& core = cell_access::core(c);
  core.counters.high_water.fetch_add(1, std::memory_order_relaxed);
  core.event<mailbox_high_water>(
      [&] { return mailbox_high_water{any_ref::share(&c), c.path(), waiting, limit}; });
}

// At the end of a turn that used up its budget, or its time. A walk over the queue would cost a
// cache miss a message, so the newest node of some full turn is marked, and what is taken until it
// comes up is counted: that was the depth then.
void cell_access::note_backlog(cell& c, cell_extension& x, std::size_t taken) noexcept {
  if (!x.mark) {
    x.mark = cell::node_of(c.head_.load(std::memory_order_relaxed));
    x.behind = 0;
    return;
  }
  x.behind += taken;
  if (x.behind >= x.high_water) note_depth(c, x.behind);
}

}  // namespace odeon::detail
