#include <odeon/base/detail/spin.hpp>
#include <odeon/persistence/event_sourced.hpp>

#include <deque>

namespace odeon {

namespace detail {

/// What a system keeps for its event-sourced actors: the journal, and who may recover now.
struct persistence_extension {
  std::shared_ptr<journal> store;
  runtime* rt = nullptr;

  /// Fulfilled when a permit is there.
  future<void> permit() {
    auto [p, f] = promise<void>::make(*rt);
    spin_guard guard(lock);
    if (taken < recovery_permits) {
      ++taken;
      p.set();
    } else {
      waiting.push_back(std::move(p));
    }
    return std::move(f);
  }
  void give_back() noexcept {
    for (;;) {
      promise<void> next;
      {
        spin_guard guard(lock);
        if (waiting.empty()) {
          --taken;
          return;
        }
        next = std::move(waiting.front());
        waiting.pop_front();
      }
      if (next.set()) return;  // else that actor has gone: the permit goes to the one behind it
    }
  }

  spin_lock lock;
  std::size_t taken = 0;
  std::deque<promise<void>> waiting;
};

namespace {

/// A call of the journal as a future.
template <class T, class Start>
future<T> call(runtime& rt, Start&& start) {
  auto [p, f] = promise<T>::make(rt);
  start([done = std::move(p)](result<T> r) mutable { done.set_result(std::move(r)); });
  return std::move(f);
}

}  // namespace

event_sourced_core::event_sourced_core(context& ctx, std::string name, event_sourced_options o)
    : id(std::move(name)),
      options(std::move(o)),
      ctx_(&ctx),
      extension_(ctx.system().find_extension<persistence_extension>()) {
  if (!extension_)
    throw actor_error(
        errc::invalid_argument,
        "an event-sourced actor needs a journal: call persistence::install(system, journal) first");
}

journal& event_sourced_core::store() { return *extension_->store; }

task<void> event_sourced_core::recover(
    std::move_only_function<result<void>(const stored_snapshot&)> on_snapshot,
    journal::event_visitor on_event) {
  auto extension = extension_;
  co_await extension->permit();
  struct permit {
    persistence_extension& from;
    ~permit() { from.give_back(); }
  } held{*extension};
  runtime& rt = *extension->rt;
  epoch_ = co_await call<std::uint64_t>(
      rt, [&](auto done) { store().open_writer(id, std::move(done)); });
  // The visitors and the report are shared with the journal's thread: a recovery that is given up
  // (the actor was killed) goes on there without anyone waiting.
  const auto report = co_await call<recovery_report>(rt, [&](auto done) {
    store().recover({.persistence_id = id}, {.on_snapshot = std::move(on_snapshot),
                                             .on_event = std::move(on_event),
                                             .on_end = std::move(done)});
  });
  for (const error& e : report.damaged_snapshots)
    ctx_->log().warn("a snapshot was passed over: {}", e.to_string());
  sequence = report.highest_sequence;
  last_snapshot = report.snapshot_sequence;
}

task<void> event_sourced_core::commit(std::vector<event_record> events) {
  append_request request;
  request.persistence_id = id;
  request.epoch = epoch_;
  request.expected_sequence = sequence;
  request.events = std::move(events);
  const append_ack ack = co_await call<append_ack>(
      *extension_->rt, [&](auto done) { store().append(std::move(request), std::move(done)); });
  sequence = ack.sequence;
}

bool event_sourced_core::snapshot_is_due() const noexcept {
  return options.snapshot_every > 0 && sequence - last_snapshot >= options.snapshot_every;
}

void event_sourced_core::save_snapshot(std::string_view manifest, int version,
                                       wire::bytes payload) {
  last_snapshot = sequence;
  store().save_snapshot({.persistence_id = id,
                         .epoch = epoch_,
                         .sequence = sequence,
                         .manifest = std::string(manifest),
                         .version = static_cast<std::uint32_t>(version),
                         .payload = std::move(payload),
                         .keep = options.keep_snapshots},
                        [log = ctx_->log()](result<void> r) {
                          if (!r) log.warn("a snapshot was not saved: {}", r.error().to_string());
                        });
}

void throw_wrong_reply(std::string_view given, std::string_view wanted) {
  throw actor_error(errc::wrong_type, "then_reply gave a value of type " + std::string(given) +
                                          ", but the request's reply type is " +
                                          std::string(wanted));
}

}  // namespace detail

namespace persistence {

void install(actor_system& system, std::shared_ptr<journal> store) {
  auto extension = std::make_shared<detail::persistence_extension>();
  extension->store = std::move(store);
  extension->rt = &system.get_runtime();
  system.add_extension(std::move(extension));
}

std::shared_ptr<journal> installed(const actor_system& system) {
  auto extension = system.find_extension<detail::persistence_extension>();
  return extension ? extension->store : nullptr;
}

}  // namespace persistence

}  // namespace odeon
