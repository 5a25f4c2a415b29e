// Runs on a journal: what is written, and how a run finds back to where it was.

#include <odeon/persistence/event_sourced.hpp>
#include <odeon/persistence/journal.hpp>
#include <odeon/workflow/workflow.hpp>

#include <workflow/internal/engine.hpp>

#include <algorithm>

namespace odeon::workflows::detail {

namespace {

constexpr std::string_view id_prefix = "workflow:";
std::string persistence_id(const std::string& id) { return std::string(id_prefix) + id; }

}  // namespace

task<result<void>> run_engine::open() {
  actor_system& system = ctx_->system();
  runtime& rt = system.get_runtime();
  journal_ = request_.options.journal ? request_.options.journal : persistence::installed(system);
  if (!journal_)
    co_return fail(errc::invalid_argument, "the durable run '" + run_id_ +
                                               "' needs a journal: name one in its options, or "
                                               "call persistence::install(system, journal) first");
  for (const step_ptr& s : plan_->g.steps)
    if (!s->out->encode || (s->hidden && !s->in->whole->encode))
      co_return fail(errc::no_codec,
                     "the output of the step '" + s->name + "', of type " +
                         std::string(s->out->name) +
                         ", cannot be recorded: wire does not know how to write it");
  auto lease = run_lease::take(journal_.get(), run_id_);
  if (!lease) co_return std::unexpected(lease.error());
  lease_ = std::move(*lease);
  auto epoch = co_await odeon::detail::journal_call<std::uint64_t>(rt, [&](auto done) {
                 journal_->open_writer(persistence_id(run_id_), std::move(done));
               }).as_result();
  if (!epoch) co_return std::unexpected(epoch.error());
  if (gate_->opened) co_return result<void>();  // given up meanwhile
  epoch_ = *epoch;
  // Shared with the journal's thread, which goes on when this is given up.
  auto all = std::make_shared<std::vector<run_record>>();
  auto report = co_await odeon::detail::journal_call<replay_report>(rt, [&](auto done) {
                  journal_->replay(
                      {.persistence_id = persistence_id(run_id_)},
                      [all](const event_view& e) -> result<void> {
                        auto r = decode_record(e);
                        if (!r) return std::unexpected(r.error());
                        all->push_back(std::move(*r));
                        return {};
                      },
                      std::move(done));
                }).as_result();
  if (!report)
    co_return fail(report.error().code(),
                   "the run '" + run_id_ + "': " + std::string(report.error().text()));
  if (gate_->opened) co_return result<void>();
  sequence_ = report->highest_sequence;
  if (!all->empty()) {
    if (auto ok = replay(*all); !ok)
      co_return fail(ok.error().code(),
                     "the run '" + run_id_ + "': " + std::string(ok.error().text()));
    co_return result<void>();
  }
  auto first = plan_->is_relay(plan_->start)
                   ? fire(*plan_, plan_->start, request_.input)
                   : result<firing>(firing{{{edge_def::nowhere, plan_->start, {}}}, false, {}});
  if (!first) co_return std::unexpected(first.error());
  auto input = record_value(*plan_->g.in, request_.input);
  if (!input) co_return std::unexpected(input.error());
  run_started r;
  r.workflow = plan_->g.name;
  r.workflow_version = plan_->g.version;
  for (const plan::pin& p : plan_->pins) r.pins.push_back({p.name, p.text});
  r.input = std::move(*input);
  r.tokens = tokens_of(*first);
  r.answers = first->answers;
  // Nothing is started before this is written.
  record(r, [this, r] {
    phase_ = phase::running;
    if (r.answers) answer_ = request_.input;
    put_tokens(r.tokens, request_.input);
  });
  co_return result<void>();
}

result<void> run_engine::check_version(const run_started& r) const {
  const graph& g = plan_->g;
  if (r.workflow != g.name)
    return fail(errc::version_conflict, "it was recorded by the workflow '" + r.workflow +
                                            "', and this is '" + g.name + "'");
  std::vector<plan::pin> recorded;
  for (const recorded_pin& p : r.pins) recorded.push_back({p.name, p.text});
  const std::string differs = difference(recorded, plan_->pins);
  if (r.workflow_version == g.version) {
    if (differs.empty()) return {};
    return fail(errc::version_conflict, "it was begun by other code of version " +
                                            std::to_string(g.version) + ": " + differs +
                                            "; give the workflow a new version(…)");
  }
  if (std::ranges::find(g.compatible, r.workflow_version) != g.compatible.end()) return {};
  return fail(errc::version_conflict,
              "it was begun by version " + std::to_string(r.workflow_version) +
                  " of the workflow, and version " + std::to_string(g.version) +
                  " does not say that it is compatible" +
                  (differs.empty() ? std::string() : ": " + differs));
}

result<void> run_engine::resolve(const std::vector<recorded_token>& all) const {
  for (const recorded_token& t : all)
    if (!t.edge.empty() && plan_->edge_named(t.edge) == edge_def::nowhere)
      return fail(errc::version_conflict,
                  "the recorded edge '" + t.edge + "' is not there any more");
  return {};
}

result<void> run_engine::replay(const std::vector<run_record>& all) {
  const auto* begun = std::get_if<run_started>(&all.front());
  if (!begun) return fail(errc::wrong_type, "its record does not begin with a start");
  // A run that has ended is not replayed, whatever the code is now.
  if (const auto* last = std::get_if<run_finished>(&all.back())) {
    if (begun->workflow != plan_->g.name) return check_version(*begun);
    phase_ = phase::running;
    if (last->code != 0) {
      end(fail(static_cast<errc>(last->code), last->text));
      return {};
    }
    auto answer = replay_value(*plan_->g.out, last->answer);
    if (!answer) return std::unexpected(answer.error());
    end(std::move(*answer));
    return {};
  }
  if (auto ok = check_version(*begun); !ok) return ok;
  phase_ = phase::running;
  for (const run_record& r : all)
    if (auto ok = replay_one(r); !ok) return ok;
  if (phase_ == phase::undoing) {
    marking_.clear();
    under_way_.clear();
    // As after the record of the failure.
    self_.tell(run_tick{tick_undo});
  }
  return {};
}

result<void> run_engine::replay_one(const run_record& record) {
  return std::visit([this](const auto& one) { return replay_of(one); }, record);
}

result<void> run_engine::replay_of(const run_started& r) {
  auto input = replay_value(*plan_->g.in, r.input);
  if (!input) return std::unexpected(input.error());
  if (auto ok = resolve(r.tokens); !ok) return ok;
  put_tokens(r.tokens, *input);
  if (r.answers) answer_ = *input;
  return {};
}

result<void> run_engine::replay_of(const step_done& r) {
  const std::uint32_t step = plan_->step_named(r.step);
  if (step == edge_def::nowhere)
    return fail(errc::version_conflict, "the recorded step '" + r.step + "' is not there any more");
  auto output = replay_value(*plan_->step(step).out, r.output);
  if (!output)
    return fail(output.error().code(),
                "the step '" + r.step + "': " + std::string(output.error().text()));
  if (auto ok = resolve(r.tokens); !ok) return ok;
  auto v = marking_.take(step, r.consumed);
  if (!v)
    return fail(errc::version_conflict,
                "the record of the step '" + r.step + "' does not fit the steps before it");
  under_way_.emplace(r.consumed[0], work{.what = std::move(*v)});
  apply_done(r, *output);
  return {};
}

result<void> run_engine::replay_of(const attempt_failed& r) {
  attempts_[r.visit] = {r.attempt, r.next};
  return {};
}

result<void> run_engine::replay_of(const run_failing& r) {
  failure_ = error(static_cast<errc>(r.code), r.text);
  failing_recorded_ = true;
  phase_ = phase::undoing;
  return {};
}

result<void> run_engine::replay_of(const step_undone& r) {
  for (completed& c : completed_)
    if (c.visit == r.visit) c.undone = true;
  if (r.code != 0)
    undo_failures_.push_back("the compensation of '" + r.step + "' failed: " + r.text);
  return {};
}

// Is looked at before anything is replayed.
result<void> run_engine::replay_of(const run_finished&) { return {}; }

void run_engine::record(run_record r, after then) {
  if (!is_durable()) {
    then();
    return;
  }
  auto e = encode_record(r, plan_->g.name);
  if (!e) {
    end(std::unexpected(e.error()));
    return;
  }
  unwritten_.emplace_back(std::move(*e), std::move(then));
  append();
}

void run_engine::append() {
  if (unwritten_.empty() || !writing_.empty()) return;
  append_request request;
  request.persistence_id = persistence_id(run_id_);
  request.epoch = epoch_;
  request.expected_sequence = sequence_;
  for (auto& [e, then] : unwritten_) {
    request.events.push_back(std::move(e));
    writing_.push_back(std::move(then));
  }
  unwritten_.clear();
  odeon::detail::journal_call<append_ack>(ctx_->system().get_runtime(), [&](auto done) {
    journal_->append(std::move(request), std::move(done));
  }).then([this](result<append_ack> ack) { appended(std::move(ack)); });
}

void run_engine::appended(result<append_ack> ack) {
  auto written = std::exchange(writing_, {});
  if (phase_ == phase::ended) return;
  if (!ack) {
    end(fail(ack.error().code(), "the run '" + run_id_ + "' could not be recorded: " +
                                     std::string(ack.error().text())));
    return;
  }
  sequence_ = ack->sequence;
  for (after& then : written)
    if (phase_ != phase::ended) then();
  append();
  if (phase_ != phase::ended) self_.tell(run_tick{tick_pump});
}

}  // namespace odeon::workflows::detail

namespace odeon::workflows {

task<std::vector<std::string>> unfinished_runs(runtime& rt, std::shared_ptr<odeon::journal> store,
                                               std::string workflow_name) {
  constexpr std::size_t page = 1'000;
  std::vector<std::string> begun;
  for (std::uint64_t after = 0;;) {
    const auto events =
        co_await odeon::detail::journal_call<std::vector<stored_event>>(rt, [&](auto done) {
          store->by_tag("workflow:" + workflow_name, after, page, std::move(done));
        });
    if (events.empty()) co_return begun;
    for (const stored_event& e : events) {
      after = e.position;
      if (!e.persistence_id.starts_with(detail::id_prefix)) continue;
      std::string id = e.persistence_id.substr(detail::id_prefix.size());
      if (e.event.manifest == detail::run_started::manifest)
        begun.push_back(std::move(id));
      else
        std::erase(begun, id);
    }
  }
}

}  // namespace odeon::workflows
