#include "persistence/internal/extension.hpp"
#include <odeon/persistence/detail/durable_core.hpp>
#include <odeon/persistence/durable_timers.hpp>

#include <algorithm>

namespace odeon::detail {

namespace {

// The marks of an id: how many messages it has sent to a receiver, and taken from a sender.
std::string sent_to(const std::string& receiver) { return "out:" + receiver; }
std::string taken_from(const std::string& sender) { return "in:" + sender; }

}  // namespace

durable_core::durable_core(context& ctx, std::string name)
    : id(std::move(name)),
      ctx_(&ctx),
      extension_(ctx.system().find_extension<persistence_extension>()) {
  if (!extension_)
    throw actor_error(
        errc::invalid_argument,
        "a durable actor needs a journal: call persistence::install(system, journal) first");
}

durable_core::~durable_core() { extension_->receivers->remove(id, ctx_->self()); }

journal& durable_core::store() noexcept { return *extension_->store; }
runtime& durable_core::rt() noexcept { return *extension_->rt; }

task<recovery_report> durable_core::recover(
    recover_request request,
    std::move_only_function<result<void>(const stored_snapshot&)> on_snapshot,
    journal::event_visitor on_event) {
  auto extension = extension_;
  co_await extension->permit();
  struct permit {
    persistence_extension& from;
    ~permit() { from.give_back(); }
  } held{*extension};
  epoch_ = co_await journal_call<std::uint64_t>(
      rt(), [&](auto done) { store().open_writer(id, std::move(done)); });
  // The visitors and the report are shared with the journal's thread: a recovery that is given up
  // (the actor was killed) goes on there without anyone waiting.
  recovery_report report = co_await journal_call<recovery_report>(rt(), [&](auto done) {
    store().recover(std::move(request), {.on_snapshot = std::move(on_snapshot),
                                         .on_event = std::move(on_event),
                                         .on_end = std::move(done)});
  });
  for (const error& e : report.damaged_snapshots)
    ctx_->log().warn("a snapshot was passed over: {}", e.to_string());
  sequence = report.highest_sequence;
  co_return report;
}

void durable_core::ready() {
  extension_->receivers->add(id, {ctx_->self()});
  extension_->receiver_is_ready();
}

task<std::uint64_t> durable_core::mark(std::string name) {
  if (const auto known = marks_.find(name); known != marks_.end()) co_return known->second;
  const std::uint64_t value = co_await journal_call<std::uint64_t>(
      rt(), [&](auto done) { store().read_mark(id, name, std::move(done)); });
  remember(std::move(name), value);
  co_return value;
}

void durable_core::remember(std::string name, std::uint64_t value) {
  if (marks_.size() >= marks_max) marks_.clear();
  marks_.insert_or_assign(std::move(name), value);
}

task<result<bool>> durable_core::is_new(const persistence::delivery& what) {
  // A timer's next round has another due time; that it is still due is looked at by who fires it.
  if (what.number == 0) co_return true;
  const std::uint64_t last = co_await mark(taken_from(what.sender));
  if (what.number <= last) co_return false;
  if (what.number == last + 1) co_return true;
  co_return fail(errc::version_conflict, "\"" + id + "\" has had message " + std::to_string(last) +
                                             " of \"" + what.sender + "\", and this is number " +
                                             std::to_string(what.number));
}

task<void> durable_core::commit(durable_write what, const persistence::delivery* settling) {
  append_request request;
  request.persistence_id = id;
  request.epoch = epoch_;
  request.expected_sequence = sequence;
  request.events = std::move(what.events);
  request.state = std::move(what.state);
  for (outgoing_message& m : what.outgoing) {
    std::string address =
        m.address.empty() ? extension_->receivers->address_of(m.actor) : std::move(m.address);
    if (address.empty())
      throw actor_error(errc::invalid_argument,
                        m.actor.path() +
                            " is no durable receiver: make it one with "
                            "persistence::receive, or send to a durable_ref");
    const std::string name = sent_to(address);
    auto marked = request.marks.begin();
    while (marked != request.marks.end() && marked->name != name) ++marked;
    if (marked == request.marks.end())
      marked = request.marks.insert(marked, {name, co_await mark(name)});
    request.outbox.push_back({std::to_string(++marked->value), std::move(address),
                              std::move(m.manifest), m.version, std::move(m.payload)});
  }
  request.cancel_timers = std::move(what.cancelled);
  for (const durable_timer& t : what.timers) {
    auto record = t.to_record(rt().wall_now());
    if (!record) throw actor_error(std::move(record).error());
    request.set_timers.push_back(std::move(*record));
  }
  if (settling != nullptr && settling->number > 0)
    request.marks.push_back({taken_from(settling->sender), settling->number});
  // Only the round that was handled: what has been set under that id meanwhile, or is set by this
  // handler, stays.
  if (settling != nullptr && !settling->timer.empty())
    request.change_timers.push_back({.persistence_id = id,
                                     .timer_id = settling->timer,
                                     .only_if_due = settling->due,
                                     .set = settling->again});
  const bool sends = !request.outbox.empty();
  wall_time first_due = wall_time::max();
  for (const timer_record& t : request.set_timers) first_due = std::min(first_due, t.due);
  const std::vector<mark_record> marks = request.marks;
  const append_ack ack = co_await journal_call<append_ack>(
      rt(), [&](auto done) { store().append(std::move(request), std::move(done)); });
  sequence = ack.sequence;
  for (const mark_record& m : marks) remember(m.name, m.value);
  if (sends) extension_->wrote_outbox();
  if (first_due != wall_time::max()) timer_was_set(ctx_->system(), first_due);
}

void durable_core::save_snapshot(std::string_view manifest, int version, wire::bytes payload,
                                 std::uint32_t keep) {
  store().save_snapshot({.persistence_id = id,
                         .epoch = epoch_,
                         .sequence = sequence,
                         .manifest = std::string(manifest),
                         .version = static_cast<std::uint32_t>(version),
                         .payload = std::move(payload),
                         .keep = keep},
                        [log = ctx_->log()](result<void> r) {
                          if (!r) log.warn("a snapshot was not saved: {}", r.error().to_string());
                        });
}

void throw_wrong_reply(std::string_view given, std::string_view wanted) {
  throw actor_error(errc::wrong_type, "then_reply gave a value of type " + std::string(given) +
                                          ", but the request's reply type is " +
                                          std::string(wanted));
}

}  // namespace odeon::detail
