#include <odeon/base/detail/exceptions.hpp>

#include <workflow/internal/engine.hpp>

#include <algorithm>

namespace odeon::workflows::detail {

using odeon::detail::error_of;

namespace {

class task_host : public actor<host_work> {
 public:
  task<result<value_ptr>> on(host_work m) {
    std::exception_ptr thrown;
    try {
      co_return co_await m.make();
    } catch (...) {
      thrown = std::current_exception();
    }
    co_return std::unexpected(error_of(thrown));
  }
};

}  // namespace

spawn_options run_actor_options(const run_options& options) {
  spawn_options out;
  out.name = options.name;
  out.dispatcher = options.dispatcher;
  out.supervision.otherwise = directive::stop;
  return out;
}

run_core::run_core(context& ctx, run_request request)
    : engine_(std::make_unique<run_engine>(ctx, std::move(request))) {}
run_core::~run_core() = default;
task<result<value_ptr>> run_core::run(actor_ref<run_tick> self, std::stop_token stop) {
  return engine_->run(std::move(self), std::move(stop));
}
void run_core::tick(std::uint64_t what) { engine_->tick(what); }

run_engine::run_engine(context& ctx, run_request request)
    : ctx_(&ctx),
      request_(std::move(request)),
      plan_(request_.of),
      marking_(*plan_),
      run_id_(is_durable() ? request_.id : ctx.path()) {}
run_engine::~run_engine() {
  for (auto& [id, w] : under_way_)
    if (w.info) w.info->given_up = true;
  if (undo_.info) undo_.info->given_up = true;
}

std::int64_t run_engine::now() const {
  runtime& rt = ctx_->system().get_runtime();
  return is_durable() ? rt.wall_now().time_since_epoch().count()
                      : rt.now().time_since_epoch().count();
}

std::string run_engine::check_targets() const {
  for (const step_ptr& s : plan_->g.steps)
    if (s->kind == step_kind::actor && &s->target.get()->system() != &ctx_->system().anchor())
      return "the step '" + s->name + "' asks " + s->target.path() +
             ", which lives in another actor system";
  return {};
}

task<result<value_ptr>> run_engine::run(actor_ref<run_tick> self, std::stop_token stop) {
  self_ = std::move(self);
  runtime& rt = ctx_->system().get_runtime();
  if (auto trouble = check_targets(); !trouble.empty())
    co_return fail(errc::invalid_argument, std::move(trouble));
  if (!request_.options.state) request_.options.state = make_memory_state(rt);
  auto [p, answer] = promise<value_ptr>::make(rt);
  gate_ = std::make_shared<gate>();
  gate_->to = std::move(p);
  const auto cancel = [g = gate_] { g->open(fail(errc::cancelled, "the run was given up")); };
  const std::stop_callback on_stop(std::move(stop), cancel);

  if (is_durable()) {
    if (auto ok = co_await open(); !ok) {
      lease_ = {};
      co_return std::unexpected(ok.error());
    }
    if (phase_ != phase::ended) self_.tell(run_tick{tick_pump});
  } else {
    auto first = plan_->is_relay(plan_->start)
                     ? fire(*plan_, plan_->start, request_.input)
                     : result<firing>(firing{{{edge_def::nowhere, plan_->start, {}}}, false, {}});
    if (!first) co_return std::unexpected(first.error());
    if (first->answers) answer_ = request_.input;
    put_tokens(tokens_of(*first), request_.input);
    phase_ = phase::running;
  }
  // It goes on with the tick that follows its start, on a turn of its own: the time that the asker
  // leaves bounds the run, and not its steps, which would seem to fail when it is over.
  auto out = co_await std::move(answer).as_result();
  if (!out) end(out);
  co_return out;
}

void run_engine::tick(std::uint64_t what) {
  if (what == tick_pump) {
    told_to_pump_ = false;
  } else if (what == tick_due) {
    armed_ = 0;
  } else if (phase_ == phase::undoing) {
    if (what == tick_undo)
      next_undo();
    else if (undo_.waits && what - tick_first == undo_.what.consumed[0])
      undo_attempt();
    return;
  } else if (const auto at = under_way_.find(what - tick_first);
             at != under_way_.end() && at->second.waits) {
    at->second.waits = false;
    attempt(at->first);
  }
  pump();
}

void run_engine::wake_at(std::int64_t when) {
  if (armed_ != 0 && armed_ <= when) return;
  armed_ = when;
  ctx_->send_after(std::max(duration(when - now()), duration(std::chrono::milliseconds(1))),
                   run_tick{tick_due});
}

void run_engine::pump() {
  if (gate_->opened) return;
  if (pumping_ || phase_ == phase::opening || phase_ == phase::ended) return;
  pumping_ = true;
  if (phase_ == phase::running) start_ready();
  pumping_ = false;
  if (gate_->opened || told_to_pump_ || !under_way_.empty()) return;
  if (phase_ == phase::draining) {
    begin_undo();
  } else if (phase_ == phase::running && unwritten_.empty() && writing_.empty()) {
    if (!marking_.empty()) {
      // Delayed values alone; one may have become due since they were looked at.
      const auto due = marking_.next_due(now());
      wake_at(due ? *due : now());
      return;
    }
    if (!answer_) {
      fail_run(no_answer());
      return;
    }
    if (!is_durable()) {
      end(answer_);
      return;
    }
    auto value = record_value(*plan_->g.out, answer_);
    if (!value) {
      fail_run(value.error());
      return;
    }
    phase_ = phase::undoing;  // nothing more is started
    record(run_finished{0, {}, std::move(*value)}, [this] { end(answer_); });
  }
}

void run_engine::start_ready() {
  for (unsigned i = 0; phase_ == phase::running && !gate_->opened; ++i) {
    if (i == pump_budget) {
      told_to_pump_ = true;
      self_.tell(run_tick{tick_pump});
      return;
    }
    auto next = marking_.next(now());
    if (!next) {
      fail_run(next.error());
      return;
    }
    if (!*next) break;
    begin(std::move(**next));
  }
  if (phase_ != phase::running) return;
  if (const auto due = marking_.next_due(now())) wake_at(*due);
}

void run_engine::begin(visit v) {
  const std::uint64_t id = v.consumed[0];
  work w{.what = std::move(v)};
  if (const auto before = attempts_.find(id); before != attempts_.end()) {
    const unsigned all = plan_->step(w.what.step).options.retry.attempts;
    w.attempt = std::min(before->second.count + 1, all);
    w.retry_at = before->second.next;
  }
  const std::int64_t wait = w.retry_at - now();
  w.waits = wait > 0;
  under_way_.emplace(id, std::move(w));
  if (wait > 0)
    ctx_->send_after(duration(wait), run_tick{tick_first + id});
  else
    attempt(id);
}

void run_engine::attempt(std::uint64_t id) {
  work& w = under_way_.at(id);
  const step_def& s = plan_->step(w.what.step);
  w.info = std::make_shared<step_info>();
  w.info->run_id = run_id_;
  w.info->step = s.name;
  w.info->key = run_id_ + "/" + s.name + "/" + std::to_string(id);
  w.info->attempt = w.attempt;
  w.info->state = request_.options.state;
  w.info->system = &ctx_->system();
  if (s.kind != step_kind::function) {
    start_outside(id, s);
    return;
  }
  result<value_ptr> r = std::unexpected<error>(errc::internal);
  try {
    r = s.call(w.what.input, step_context(w.info));
  } catch (...) {
    r = std::unexpected(error_of(std::current_exception()));
  }
  arrived(id, std::move(r));
}

void run_engine::start_outside(std::uint64_t id, const step_def& s) {
  work& w = under_way_.at(id);
  try {
    if (s.kind == step_kind::task) {
      run_in_host(false, w, s.options.timeout,
                  [make = s.make_task, in = w.what.input, ctx = step_context(w.info)] {
                    return make(in, ctx);
                  });
      return;
    }
    any_ref to = s.target;
    if (s.kind == step_kind::spawned) {
      any_ref& mine = spawned_[w.what.step];
      if (!mine || mine.is_terminated()) mine = s.spawn(*ctx_);
      to = mine;
    }
    s.ask(to, w.what.input, s.options.timeout, [this, id](result<value_ptr> r) {
      arrived(id, std::move(r));
      pump();
    });
  } catch (...) {
    arrived(id, std::unexpected(error_of(std::current_exception())));
  }
}

void run_engine::run_in_host(bool undo, work& w, duration limit,
                             std::function<task<result<value_ptr>>()> make) {
  spawn_options options;
  options.supervision.otherwise = directive::stop;
  auto host = ctx_->spawn<task_host>(options);
  w.host = host;
  host.ask(host_work{std::move(make)})
      .within(limit)
      .then([this, undo, id = w.what.consumed[0], n = w.attempt, limit](result<value_ptr> r) {
        if (!r && r.error() == errc::ask_timeout && limit > duration::zero())
          r = fail(errc::ask_timeout, "no end within " + to_string(limit));
        if (!undo)
          arrived(id, std::move(r));
        else if (!undo_.what.consumed.empty() && undo_.what.consumed[0] == id && undo_.attempt == n)
          undo_arrived(std::move(r));
        pump();
      });
}

void run_engine::give_up(work& w) {
  if (w.info) w.info->given_up = true;
  if (w.host) ctx_->kill(std::exchange(w.host, {}));
}

void run_engine::let_go(work& w, bool went_well) {
  if (went_well && w.host) ctx_->stop(std::exchange(w.host, {}));
  give_up(w);
}

void run_engine::arrived(std::uint64_t id, result<value_ptr> r) {
  const auto at = under_way_.find(id);
  if (at == under_way_.end() || at->second.recording || at->second.waits) return;  // given up
  let_go(at->second, r.has_value());
  if (r)
    completed_step(id, std::move(*r));
  else
    failed_step(id, std::move(r).error());
}

std::vector<recorded_token> run_engine::tokens_of(const firing& f) {
  std::vector<recorded_token> out;
  for (const auto& t : f.targets)
    out.push_back({marking_.new_id(),
                   t.edge == edge_def::nowhere ? std::string() : plan_->edge_keys[t.edge],
                   t.delay > duration::zero() ? now() + t.delay.count() : 0});
  return out;
}

void run_engine::put_tokens(const std::vector<recorded_token>& all, const value_ptr& value) {
  for (const recorded_token& t : all) {
    const std::uint32_t edge = t.edge.empty() ? edge_def::nowhere : plan_->edge_named(t.edge);
    const std::uint32_t to = edge == edge_def::nowhere ? plan_->start : plan_->g.edges[edge].to;
    marking_.put({t.id, edge, to, t.due, value});
  }
}

void run_engine::completed_step(std::uint64_t id, value_ptr output) {
  work& w = under_way_.at(id);
  w.recording = true;
  step_done r;
  r.step = plan_->name_of(w.what.step);
  r.consumed = w.what.consumed;
  r.attempts = w.attempt;
  std::optional<error> wrong;
  if (phase_ == phase::running) {
    if (auto f = fire(*plan_, w.what.step, output)) {
      r.tokens = tokens_of(*f);
      r.answers = f->answers;
      ends_.insert(ends_.end(), f->ends.begin(), f->ends.end());
    } else {
      wrong = std::move(f).error();
    }
  }
  if (is_durable()) {
    auto value = record_value(*plan_->step(w.what.step).out, output);
    if (!value) {
      w.recording = false;
      failed_step(id, std::move(value).error());
      return;
    }
    r.output = std::move(*value);
  }
  // The record is what is applied: a replay does the same.
  record(r, [this, r, output = std::move(output), wrong = std::move(wrong)]() mutable {
    apply_done(r, output);
    if (wrong) fail_run(std::move(*wrong));
  });
}

void run_engine::apply_done(const step_done& r, const value_ptr& output) {
  const auto at = under_way_.find(r.consumed[0]);
  const work w = std::move(at->second);
  under_way_.erase(at);
  marking_.finished(w.what.step);
  attempts_.erase(r.consumed[0]);
  if (plan_->step(w.what.step).undo)
    completed_.push_back({r.consumed[0], w.what.step, w.what.input, output});
  if (phase_ == phase::draining || phase_ == phase::undoing) return;
  put_tokens(r.tokens, output);
  if (r.answers) answer_ = output;
}

void run_engine::failed_step(std::uint64_t id, error why) {
  work& w = under_way_.at(id);
  const step_def& s = plan_->step(w.what.step);
  const bool again = phase_ == phase::running && w.attempt < s.options.retry.attempts &&
                     !(why == errc::refused) && !(why == errc::no_codec);
  if (!again) {
    std::string text = "the step '" + s.name + "' failed";
    if (w.attempt > 1) text += " after " + std::to_string(w.attempt) + " attempts";
    text += ": " + std::string(why.text());
    marking_.given_up(w.what.step);
    under_way_.erase(id);
    fail_run({why.code(), std::move(text)});
    return;
  }
  duration wait = s.options.retry.min;
  for (unsigned i = 1; i < w.attempt && wait < s.options.retry.max; ++i) wait *= 2;
  wait = std::min(wait, s.options.retry.max);
  w.recording = true;
  record(attempt_failed{s.name, id, w.attempt, static_cast<int>(why.code()),
                        std::string(why.text()), now() + wait.count()},
         [this, id] {
           const auto at = under_way_.find(id);
           if (at == under_way_.end()) return;
           work& again = at->second;
           again.recording = false;
           if (phase_ != phase::running) {
             marking_.given_up(again.what.step);
             under_way_.erase(at);
             return;
           }
           // From the record's acknowledgement, so that it never comes early.
           ++again.attempt;
           again.waits = true;
           const retry_options& o = plan_->step(again.what.step).options.retry;
           duration pause = o.min;
           for (unsigned i = 2; i < again.attempt && pause < o.max; ++i) pause *= 2;
           ctx_->send_after(std::min(pause, o.max), run_tick{tick_first + id});
         });
}

error run_engine::no_answer() const {
  std::string text = "the run of '" + plan_->g.name + "' ended without an answer: its end '" +
                     plan_->name_of(plan_->end) + "' gave none";
  for (std::size_t i = 0; i < ends_.size() && i < 10; ++i)
    text += (i ? ", '" : "; no edge went on from '") + ends_[i] + "'";
  return {errc::no_reply, std::move(text)};
}

void run_engine::end(result<value_ptr> r) {
  if (phase_ == phase::ended) return;
  phase_ = phase::ended;
  lease_ = {};  // who is told may begin it again at once
  for (auto& [id, w] : under_way_) give_up(w);
  give_up(undo_);
  under_way_.clear();
  marking_.clear();
  gate_->open(std::move(r));
}

}  // namespace odeon::workflows::detail
