#include "internal/cell_access.hpp"
#include "internal/event_hub.hpp"
#include "internal/side_mailbox.hpp"
#include <odeon/base/assert.hpp>
#include <odeon/base/config.hpp>

#include <algorithm>
#include <charconv>

namespace odeon {

namespace detail {

namespace {

/// Anchors are never freed; the list keeps them reachable.
system_anchor& new_anchor() {
  static std::mutex mutex;
  static auto* all = new std::vector<std::unique_ptr<system_anchor>>;
  std::lock_guard guard(mutex);
  all->push_back(std::make_unique<system_anchor>());
  return *all->back();
}

/// The root: it has no messages; its children are the user's top-level actors.
class user_guardian : public actor<> {};

bool valid_name(std::string_view name) noexcept {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-_.:@+=,!~").find(c) != std::string_view::npos;
  });
}

}  // namespace

// -- names ----------------------------------------------------------------------------------------

bool registry::add(const std::string& path, cell& c) {
  shard& s = of(path);
  std::lock_guard guard(s.mutex);
  return s.names.try_emplace(path, entry{&c, c.generation()}).second;
}

void registry::remove(const std::string& path, const cell& c) noexcept {
  shard& s = of(path);
  std::lock_guard guard(s.mutex);
  auto found = s.names.find(path);
  if (found != s.names.end() && found->second.c == &c) s.names.erase(found);
}

any_ref registry::find(std::string_view path) const {
  shard& s = of(path);
  std::lock_guard guard(s.mutex);
  auto found = s.names.find(path);
  if (found == s.names.end() || !cell::try_ref(found->second.c, found->second.generation))
    return {};
  return any_ref::adopt(found->second.c);
}

// -- the core -------------------------------------------------------------------------------------

system_core::system_core(actor_system& f, std::string n, system_options o)
    : face(f),
      name(std::move(n)),
      options(std::move(o)),
      own_runtime(options.runtime ? nullptr : make_threaded_runtime()),
      rt(options.runtime ? *options.runtime : *own_runtime),
      anchor(new_anchor()),
      hub(std::make_shared<event_hub>()),
      stream(hub),
      watcher(*this),
      started(rt.now()) {
  anchor.rt = &rt;
  anchor.ask_timeout = options.ask_timeout;
  anchor.core.store(this);
  anchor.open.store(this);
  default_executor = rt.make_executor({.kind = executor_kind::work_stealing,
                                       .name = name + "-worker",
                                       .threads = options.workers,
                                       .on_idle = &flush_asks});
  for (const auto& d : options.dispatchers) {
    if (executors.contains(d.name) || d.name == "default" || d.name == "pinned")
      throw actor_error(errc::config_invalid, "the dispatcher name \"" + d.name + "\" is taken");
    executors[d.name] = rt.make_executor(
        {.kind = d.kind,
         .name = d.name,
         .threads = d.threads,
         .on_idle = d.kind == executor_kind::work_stealing ? &flush_asks : nullptr});
  }
  guardian = cell_access::make(*this, class_of<user_guardian>::value, *default_executor, nullptr);
  cell_access::construct(*guardian);
  cell_access::release(*guardian);
  cell_extension& x = guardian->extension();
  x.path = "/user";
  x.supervision.otherwise = directive::escalate;
}

system_core::~system_core() {
  guardian->drop_ref();
  watcher.stop();
  {
    // From here on nobody from elsewhere posts to an executor.
    std::unique_lock guard(anchor.gone);
    anchor.open.store(nullptr);
  }
  // Executors first: when they are gone no turn runs. What they still had queued were cells without
  // messages or dead ones; nothing frees them but their references.
  executors.clear();
  pinned.clear();
  default_executor.reset();
  closer.reset();
  extensions.clear();
  anchor.core.store(nullptr);
  anchor.rt = nullptr;
  for (hop_ring* r = rings.load(); r;) {
    hop_ring* next = r->next;
    delete r;
    r = next;
  }
  own_runtime.reset();
}

executor& system_core::find_executor(const std::string& which) {
  if (which.empty() || which == "default") return *default_executor;
  std::lock_guard guard(mutex);
  if (which == "pinned") {
    pinned.push_back(rt.make_executor({.kind = executor_kind::pinned, .name = name + "-pinned"}));
    return *pinned.back();
  }
  if (auto found = executors.find(which); found != executors.end()) return *found->second;
  if (which == "blocking")
    return *(executors[which] =
                 rt.make_executor({.kind = executor_kind::blocking, .name = name + "-blocking"}));
  std::string known = "default, pinned, blocking";
  for (const auto& [n, e] : executors)
    if (n != "blocking") known += ", " + n;
  throw actor_error(errc::invalid_argument,
                    "no dispatcher named \"" + which + "\"; there are: " + known);
}

hop_ring* system_core::ring_for_this_thread() {
  // A thread that changes between systems gets its ring of this one back.
  struct owned {
    system_anchor* system;
    hop_ring* ring;
  };
  thread_local std::vector<owned> mine;
  for (const auto& o : mine)
    if (o.system == &anchor) return o.ring;
  auto* r = new hop_ring{};
  r->system = &anchor;
  r->next = rings.load(std::memory_order_relaxed);
  while (!rings.compare_exchange_weak(r->next, r, std::memory_order_release)) {
  }
  std::erase_if(mine, [](const owned& o) { return o.system->core.load() == nullptr; });
  mine.push_back({&anchor, r});
  return r;
}

// -- spawn ----------------------------------------------------------------------------------------

cell* system_core::spawn(const spawn_request& request, std::shared_ptr<stand_in> in_place) {
  if (terminating.load(std::memory_order_relaxed))
    throw actor_error(errc::system_stopped, "the actor system " + name + " is terminating");
  cell* parent = request.parent ? request.parent : guardian;
  if (request.parent) {
    const auto* px = parent->extension_if();
    if (parent->is_terminated() || (px && px->step == life_step::stop_hook))
      throw actor_error(errc::actor_stopped,
                        parent->path() + " is ending: its children have been stopped already");
  }
  const spawn_options* o = request.options;
  if (o && !o->name.empty() && !valid_name(o->name))
    throw actor_error(errc::invalid_argument,
                      "\"" + o->name + "\" is no actor name: use letters, digits and -_.:@+=,!~");
  if (o && o->mailbox.kind == mailbox_kind::bounded && o->mailbox.capacity == 0)
    throw actor_error(errc::invalid_argument, "a bounded mailbox holds at least one message");
  executor& where = request.where ? *request.where
                    : o           ? find_executor(o->dispatcher)
                                  : *default_executor;
  cell* c = cell_access::make(*this, *request.what, where, parent);
  if (request.keep_args) request.keep_args(cell_access::args_place(*c), request.args);
  bool named = false;
  auto link = [&] {
    spin_guard guard(tree_lock(parent));
    cell_extension& px = parent->extension();
    cell_access::prev_sibling(*c) = px.last_child;
    (px.last_child ? cell_access::next_sibling(*px.last_child) : px.first_child) = c;
    px.last_child = c;
    ++px.children;
  };
  auto undo = [&] {
    if (named) names.remove(c->extension().path, *c);
    const auto* x = c->extension_if();
    if (x && x->first_child) {
      // Its constructor made children before it threw: it ends as an actor does, after them.
      c->extension().name.clear();
      link();
      counters.spawned.fetch_add(1, std::memory_order_relaxed);
      send_stop(*c, false);
      cell_access::release(*c);
      c->drop_ref();
    } else {
      cell_access::discard(*c);
    }
  };
  try {
    if (o) {
      cell_extension& x = c->extension();
      x.supervision = o->supervision;
      x.tags = o->tags;
      x.stash_capacity = o->stash_capacity;
      x.receive_timeout = o->receive_timeout;
      x.high_water = o->mailbox.high_water;
      x.cycle_policy = o->call_cycle;
      if (in_place) {
        x.stands_in = std::move(in_place);
        cell_access::set_flag(*c, cell::remote_flag);
      }
      if (!o->name.empty()) {
        x.name = o->name;
        x.path = parent->path() + "/" + o->name;
        if (!(named = names.add(x.path, *c)))
          throw actor_error(errc::name_taken, "a live actor has the path " + x.path);
      }
      if (o->mailbox.kind != mailbox_kind::unbounded) {
        x.mailbox = std::make_unique<side_mailbox>(o->mailbox);
        cell_access::set_flag(*c, cell::side_mailbox_flag);
      }
    }
    try {
      cell_access::construct(*c);
    } catch (const std::exception& e) {
      throw actor_error(
          errc::spawn_failed,
          "the constructor of " + std::string(request.what->name) + " threw: " + e.what());
    } catch (...) {
      throw actor_error(
          errc::spawn_failed,
          "the constructor of " + std::string(request.what->name) + " threw an unknown exception");
    }
  } catch (...) {
    undo();
    throw;
  }
  link();
  counters.spawned.fetch_add(1, std::memory_order_relaxed);
  event<actor_started>(
      [&] { return actor_started{any_ref::share(c), c->path(), request.what->name}; });
  if (o && o->receive_timeout > duration::zero())
    cell_access::set_receive_timeout(*c, o->receive_timeout);
  if (request.what->has(hook::pre_start)) {
    cell_access::set_flag(*c, cell::starting);
    c->post_control(
        *new control_message([](cell& c, turn& t, control_message&) { cell_access::start(c, t); }));
  }
  cell_access::release(*c);
  // The system began to end meanwhile: its guardian may have listed its children before this one
  // was there.
  if (terminating.load() && !request.parent) send_stop(*c, false);
  return c;
}

void system_core::unlink_child(cell& child) noexcept {
  cell& parent = *child.parent();
  bool tell = false;
  {
    spin_guard guard(tree_lock(&parent));
    cell_extension& px = *parent.extension_if();
    cell* next = cell_access::next_sibling(child);
    cell* prev = cell_access::prev_sibling(child);
    (prev ? cell_access::next_sibling(*prev) : px.first_child) = next;
    (next ? cell_access::prev_sibling(*next) : px.last_child) = prev;
    cell_access::next_sibling(child) = cell_access::prev_sibling(child) = nullptr;
    --px.children;
    if (px.awaits_children && !px.first_child) {
      px.awaits_children = false;
      tell = true;
    }
  }
  if (tell)
    parent.post_control(*new control_message(
        [](cell& c, turn& t, control_message&) { cell_access::children_gone(c, t); }));
}

std::vector<any_ref> system_core::children_of(cell& c) {
  std::vector<any_ref> out;
  auto* x = c.extension_if();
  if (!x) return out;
  std::size_t room = 0;
  for (;;) {
    {
      spin_guard guard(tree_lock(&c));
      if (x->children <= out.capacity()) {
        for (cell* child = x->first_child; child; child = cell_access::next_sibling(*child))
          out.push_back(any_ref::share(child));
        return out;
      }
      room = x->children;
    }
    out.reserve(room + room / 8 + 8);  // without the lock
  }
}

// -- what nobody takes ----------------------------------------------------------------------------

void system_core::lost(const cell& to, envelope& e, errc why, bool was_ask,
                       std::string_view text) noexcept {
  if (e.flags & envelope::hollow) return;
  if (!e.type->signal) counters.dead_letters.fetch_add(1, std::memory_order_relaxed);
  try {
    std::string from;
    ask_state_base* ask = e.ask();
    cell* sender = ask ? ask->asker : static_cast<cell*>(e.from);
    const std::uint32_t generation = ask ? ask->asker_generation : e.generation;
    if (sender && cell::try_ref(sender, generation)) from = any_ref::adopt(sender).path();
    dead_letter letter{why,     e.type->name,  to.path(),     std::move(from),
                       e.trace, rt.wall_now(), was_ask || ask};
    if (!e.type->signal) {
      // News of a loss that is lost itself is kept and counted, and not published: subscribers
      // without room would tell each other of it for ever.
      const bool is_news =
          e.type == &message_type_of<dead_letter> || e.type == &message_type_of<late_reply>;
      if (!is_news) event<dead_letter>([&] { return letter; });
      letters.add(std::move(letter));
    }
  } catch (...) {
    // No memory to tell it: the counter has it.
  }
  if (ask_state_base* ask = take_ask(e)) {
    if (ask->is_open())
      ask->fail({why, std::string(e.type->name) + " to " + to.path() + ": " +
                          std::string(text.empty() ? error(why).text() : text)});
    ask->drop_ref();
  }
  if (e.flags & envelope::is_timer) timer_forget(e);
  destroy_payload(e);
  e.flags |= envelope::hollow;
}

cell* spawn_cell(system_anchor& system, const spawn_request& request) {
  core_use core(system);
  if (!core) throw actor_error(errc::system_stopped, "the actor system is gone");
  if (request.options && request.options->router)
    return request.options->router.spec()->spawn(system, request);
  return core->spawn(request);
}

}  // namespace detail

// -- the face -------------------------------------------------------------------------------------

const configuration& actor_system::config() const noexcept {
  static const configuration none;
  return core_->options.config ? *core_->options.config : none;
}

actor_system::actor_system(std::string name, system_options options)
    : core_(std::make_unique<detail::system_core>(*this, std::move(name), std::move(options))) {}

const std::string& actor_system::name() const noexcept { return core_->name; }
event_stream& actor_system::events() noexcept { return core_->stream; }
std::vector<dead_letter> actor_system::dead_letters() const { return core_->letters.all(); }
std::vector<late_reply> actor_system::late_replies() const { return core_->late.all(); }
executor& actor_system::scheduler() noexcept { return *core_->default_executor; }
runtime& actor_system::get_runtime() noexcept { return core_->rt; }
detail::system_anchor& actor_system::anchor() const noexcept { return core_->anchor; }
actor_system& actor_system::of(detail::system_anchor& anchor) noexcept {
  return anchor.core.load()->face;
}

any_ref actor_system::lookup(std::string_view what) const {
  std::string path = what.starts_with('/') ? std::string(what) : "/user/" + std::string(what);
  if (path == "/user") return any_ref::share(core_->guardian);
  if (any_ref found = core_->names.find(path)) return found;
  // A generated name: looked for among its parent's children, O(their number).
  const auto slash = path.rfind('/');
  if (slash == 0 || slash + 1 >= path.size() || path[slash + 1] != '$') return {};
  const any_ref parent = lookup(path.substr(0, slash));
  if (!parent) return {};
  std::uint64_t uid = 0;
  const char* end = path.data() + path.size();
  if (std::from_chars(path.data() + slash + 2, end, uid, 36).ptr != end) return {};
  for (const any_ref& child : core_->children_of(*parent.get()))
    if (child.uid() == uid) return child;
  return {};
}

void actor_system::add_dispatcher(std::string name, std::shared_ptr<executor> where) {
  std::lock_guard guard(core_->mutex);
  if (name.empty() || name == "default" || name == "pinned" || core_->executors.contains(name))
    throw actor_error(errc::name_taken, "the dispatcher name \"" + name + "\" is taken");
  core_->executors.emplace(std::move(name), std::move(where));
}

void actor_system::add_extension(const void* key, std::shared_ptr<void> extension) {
  std::lock_guard guard(core_->mutex);
  if (!core_->extensions.try_emplace(key, std::move(extension)).second)
    throw actor_error(errc::name_taken, "the system has an extension of that type already");
}

std::shared_ptr<void> actor_system::find_extension(const void* key) const {
  std::lock_guard guard(core_->mutex);
  auto found = core_->extensions.find(key);
  return found == core_->extensions.end() ? nullptr : found->second;
}

void actor_system::stop(const any_ref& ref) {
  if (!ref) detail::throw_empty_ref();
  detail::send_stop(*ref.get(), false);
}
void actor_system::kill(const any_ref& ref) {
  if (!ref) detail::throw_empty_ref();
  detail::send_stop(*ref.get(), true);
}

}  // namespace odeon
