// How a projection reads.
//
// Protocol. One coroutine, `read`, beside the mailbox: it loads the offset, then takes a page after
// the offset, handles it, and stores the offset, again and again. Messages only set what it looks
// at between two batches (a pause, a rewind) and wake it where it waits. It never ends but by an
// exception, which becomes the actor's failure: `broken` stops it, any other restarts it, and the
// coroutine with it. The handler of a transaction runs on the store's thread, with the event and
// itself held by shares of their own, while this actor waits for the transaction's end: so it is
// used by one thread at a time, and an actor that is stopped meanwhile leaves the transaction
// whole.

#include "projection/internal/projection_actor.hpp"
#include <odeon/persistence/detail/durable_core.hpp>
#include <odeon/persistence/install.hpp>
#include <odeon/runtime/runtime.hpp>
#include <odeon/task/fork.hpp>

#include <algorithm>

namespace odeon::projection::detail {

namespace {

error error_of(const std::exception_ptr& why) {
  try {
    std::rethrow_exception(why);
  } catch (const actor_error& e) {
    return e.reason();
  } catch (const std::exception& e) {
    return {errc::handler_failed, e.what()};
  } catch (...) {
    return {errc::handler_failed, "an exception that is no std::exception"};
  }
}

error at_event(const stored_event& e, const error& why) {
  return {why.code(), "event " + std::to_string(e.sequence) + " of \"" + e.persistence_id +
                          "\", at position " + std::to_string(e.position) + ": " +
                          std::string(why.text())};
}

/// Trouble that no event is to blame for.
bool is_of_the_store(const error& e) noexcept {
  return e == errc::store_full || e == errc::io_failed || e == errc::store_closed;
}

}  // namespace

projection_actor::projection_actor(const start_request& request)
    : with_(request.with),
      store_(request.store),
      transactional_(request.transactional),
      class_(request.handler),
      handler_(request.make()),
      // Not kept in the request, which lives as long as references to this actor.
      from_(request.with.from ? request.with.from : persistence::installed(ctx().system())) {
  counts_.name = with_.name;
}

void projection_actor::pre_start() {
  watch_ = watch_if_announced(*from_, interest_in_tag(with_.tag),
                              [me = self()] { me.tell(look_again{}); });
  if (with_.report_every > duration::zero())
    ctx().send_with_delay(with_.report_every, with_.report_every, report{});
  ctx().pipe_to_self(
      [](projection_actor& me) -> task<reading_ended> {
        try {
          co_await me.read();
        } catch (const broken& e) {
          co_return reading_ended{e.reason(), true};
        } catch (const actor_error& e) {
          co_return reading_ended{e.reason(), false};
        }
        co_return reading_ended{errc::internal, true};
      }(*this),
      [](result<reading_ended> r) {
        return r ? std::move(*r) : reading_ended{std::move(r.error()), false};
      });
}

// -- messages ---------------------------------------------------------------------------------

void projection_actor::on(pause, reply_to<void> done) {
  paused_ = true;
  pausing_.push_back(std::move(done));
  poke();
}

void projection_actor::on(resume) {
  paused_ = false;
  for (auto& p : std::exchange(pausing_, {})) p();
  publish();
  poke();
}

void projection_actor::on(rewind m, reply_to<void> done) {
  rewinds_.push_back({m.to, std::move(done)});
  poke();
}

void projection_actor::on(const reading_ended& m) {
  if (!m.for_good) throw actor_error(m.why);
  log().error("projection \"{}\" stops at offset {}: {}", with_.name, offset_, m.why.to_string());
  ctx().system().events().publish(halted{with_.name, offset_, m.why});
  throw broken(m.why);
}

void projection_actor::on(report) { publish(); }

progress projection_actor::now_at() const {
  progress out = counts_;
  out.offset = offset_;
  out.paused = paused_;
  if (!out.caught_up && out.handled > 0) {
    auto& system = const_cast<projection_actor*>(this)->ctx().system();
    out.lag = std::max(system.get_runtime().wall_now() - last_written_, duration::zero());
  }
  return out;
}

void projection_actor::publish() {
  auto& events = ctx().system().events();
  if (events.wanted<progress>()) events.publish(now_at());
}

// -- reading ----------------------------------------------------------------------------------

void projection_actor::poke() {
  poked_ = true;
  if (waiting_) waiting_.set();
}

/// Until somebody pokes, or for so long.
task<void> projection_actor::wait(std::optional<duration> limit) {
  if (!std::exchange(poked_, false)) {
    auto [p, f] = promise<void>::make(ctx().system().get_runtime());
    waiting_ = std::move(p);
    timer alarm;
    if (limit) alarm = ctx().send_after(*limit, look_again{});
    co_await std::move(f);
    alarm.cancel();
    poked_ = false;
  }
}

task<void> projection_actor::read() {
  runtime& rt = ctx().system().get_runtime();
  offset_ = co_await odeon::detail::journal_call<std::uint64_t>(
      rt, [&](auto done) { store_->load(with_.name, std::move(done)); });
  for (;;) {
    if (!rewinds_.empty()) {
      rewinding r = std::move(rewinds_.front());
      rewinds_.pop_front();
      co_await go_back(std::move(r));
      continue;
    }
    if (paused_) {
      for (auto& p : std::exchange(pausing_, {})) p();
      publish();
      co_await wait(std::nullopt);
      continue;
    }
    if (watch_) watch_->reset();
    auto page = co_await odeon::detail::journal_call<std::vector<stored_event>>(rt, [&](auto done) {
                  from_->by_tag(with_.tag, offset_, with_.batch, std::move(done));
                }).as_result();
    if (!page && page.error() == errc::corrupt_record) throw broken(page.error());
    if (!page) throw actor_error(page.error());
    if (!page->empty()) {
      counts_.caught_up = false;
      co_await handle(std::move(*page));
      continue;
    }
    if (!std::exchange(counts_.caught_up, true)) publish();
    co_await wait(with_.poll);
  }
}

task<void> projection_actor::go_back(rewinding r) {
  runtime& rt = ctx().system().get_runtime();
  const auto hook = class_->rewound;
  auto moved =
      transactional_ == nullptr
          ? co_await odeon::detail::journal_call<void>(
                rt, [&](auto done) { store_->save(with_.name, offset_, r.to, std::move(done)); })
                .as_result()
          : co_await odeon::detail::journal_call<void>(rt, [&](auto done) {
              transactional_->run(
                  with_.name, offset_, r.to,
                  [hook, h = handler_, to = r.to](store_transaction& tx) -> result<void> {
                    if (hook != nullptr) hook(h.get(), to, &tx);
                    return {};
                  },
                  std::move(done));
            }).as_result();
  if (moved && transactional_ == nullptr && hook != nullptr) hook(handler_.get(), r.to, nullptr);
  if (!moved) {
    r.done.fail(moved.error());
    co_return;
  }
  offset_ = r.to;
  counts_.caught_up = false;
  r.done();
}

// -- handling ---------------------------------------------------------------------------------

result<work_item> projection_actor::decoded(stored_event e) {
  work_item out{std::move(e), nullptr, nullptr};
  const auto at = std::ranges::find_if(
      class_->events, [&](const event_type& t) { return t.manifest == out.from.event.manifest; });
  if (at == class_->events.end()) return out;
  auto value = at->decode(out.from);
  if (!value) return std::unexpected(at_event(out.from, value.error()));
  out.type = &*at;
  out.value = std::move(*value);
  return out;
}

task<void> projection_actor::handle(std::vector<stored_event> page) {
  items run;
  for (stored_event& e : page) {
    stored_event copy = {e.persistence_id, e.sequence, e.position, e.epoch, e.written, {}};
    auto item = decoded(std::move(e));
    if (item && item->type != nullptr) {
      run.push_back(std::move(*item));
      continue;
    }
    if (!run.empty()) co_await handle_run(std::exchange(run, {}));
    if (item)
      co_await pass_over(
          copy, with_.unknown,
          at_event(copy, {errc::unknown_manifest, "none of the handler's events has the manifest " +
                                                      item->from.event.manifest}));
    else
      co_await pass_over(copy, with_.poison, item.error());
  }
  if (!run.empty()) co_await handle_run(std::move(run));
}

task<void> projection_actor::handle_run(items run) {
  auto shared = std::make_shared<const items>(std::move(run));
  if (transactional_ != nullptr)
    co_await in_transactions(std::move(shared));
  else
    co_await one_by_one(std::move(shared));
}

void projection_actor::done_with(const work_item& item) {
  ++counts_.handled;
  last_written_ = item.from.written;
}

/// At least once: each event, then the offset.
task<void> projection_actor::one_by_one(std::shared_ptr<const items> run) {
  std::uint64_t last = offset_;
  for (const work_item& item : *run) {
    for (unsigned attempt = 1;; ++attempt) {
      std::exception_ptr why;
      try {
        co_await item.type->handle(handler_.get(), item.value.get(), item.info());
      } catch (const task_exit&) {
        throw;  // this actor is being stopped
      } catch (...) {
        why = std::current_exception();
      }
      if (!why) {
        done_with(item);
        last = item.from.position;
        break;
      }
      const error e = at_event(item.from, error_of(why));
      if (co_await tries_again(attempt, item, e)) continue;
      if (last != offset_) co_await move_to(last);
      co_await pass_over(item.from, with_.poison, e);
      last = offset_;
      break;
    }
  }
  if (last != offset_) co_await move_to(last);
}

/// Exactly once: as many as go together with the offset. Where one is refused, those before it, and
/// then it alone.
task<void> projection_actor::in_transactions(std::shared_ptr<const items> run) {
  std::size_t at = 0;
  while (at < run->size()) {
    std::optional<error> why;
    const std::size_t refused = co_await in_one_transaction(run, at, run->size(), why);
    if (!why) co_return;
    why.reset();
    if (refused > at) co_await in_one_transaction(run, at, refused, why);
    if (!why) at = refused;
    for (; at <= refused; ++at) co_await alone(run, at);
  }
}

task<void> projection_actor::alone(std::shared_ptr<const items> run, std::size_t at) {
  const work_item& item = (*run)[at];
  for (unsigned attempt = 1;; ++attempt) {
    std::optional<error> why;
    co_await in_one_transaction(run, at, at + 1, why);
    if (!why) co_return;
    const error e = at_event(item.from, *why);
    if (co_await tries_again(attempt, item, e)) continue;
    co_return co_await pass_over(item.from, with_.poison, e);
  }
}

task<std::size_t> projection_actor::in_one_transaction(std::shared_ptr<const items> run,
                                                       std::size_t from, std::size_t to,
                                                       std::optional<error>& why) {
  // Written by the store's thread, and read when the transaction has ended.
  auto refused = std::make_shared<std::optional<std::size_t>>();
  const std::uint64_t position = (*run)[to - 1].from.position;
  auto end =
      co_await odeon::detail::journal_call<void>(ctx().system().get_runtime(), [&](auto done) {
        transactional_->run(
            with_.name, offset_, position,
            [run, from, to, refused, h = handler_](store_transaction& tx) -> result<void> {
              for (std::size_t i = from; i < to; ++i) {
                const work_item& item = (*run)[i];
                *refused = i;
                item.type->apply(h.get(), item.value.get(), item.info(), tx);
              }
              refused->reset();
              return {};
            },
            std::move(done));
      }).as_result();
  if (end) {
    offset_ = position;
    for (std::size_t i = from; i < to; ++i) done_with((*run)[i]);
    co_return to;
  }
  if (!*refused && end.error() == errc::version_conflict) throw broken(end.error());
  if (!*refused || is_of_the_store(end.error())) throw actor_error(end.error());
  why = std::move(end.error());
  co_return **refused;
}

/// After a failed attempt: waits, or says that it was the last one.
task<bool> projection_actor::tries_again(unsigned attempt, const work_item& of, const error& why) {
  if (attempt >= with_.attempts) co_return false;
  ++counts_.retries;
  log().warn("projection \"{}\": attempt {} failed at position {}: {}", with_.name, attempt,
             of.from.position, why.to_string());
  co_await sleep(with_.pauses.delay_for(attempt, ctx().system().get_runtime()));
  co_return true;
}

task<void> projection_actor::pass_over(const stored_event& e, policy what, error why) {
  if (what == policy::fail) throw broken(std::move(why));
  co_await move_to(e.position);
  ++counts_.skipped;
  log().warn("projection \"{}\" skips: {}", with_.name, why.to_string());
  auto& events = ctx().system().events();
  if (events.wanted<skipped>())
    events.publish(skipped{with_.name, e.position, e.persistence_id, e.sequence, std::move(why)});
}

task<void> projection_actor::move_to(std::uint64_t position) {
  auto saved =
      co_await odeon::detail::journal_call<void>(ctx().system().get_runtime(), [&](auto done) {
        store_->save(with_.name, offset_, position, std::move(done));
      }).as_result();
  if (!saved && saved.error() == errc::version_conflict) throw broken(saved.error());
  if (!saved) throw actor_error(saved.error());
  offset_ = position;
}

// -- starting ---------------------------------------------------------------------------------

ref start_projection(actor_system& system, start_request request) {
  settings& s = request.with;
  const auto refuse = [&](const std::string& why) {
    throw actor_error(errc::invalid_argument, "projection \"" + s.name + "\": " + why);
  };
  if (s.name.empty()) refuse("it needs a name");
  if (s.tag.empty()) refuse("it needs a tag");
  if (s.batch == 0 || s.attempts == 0) refuse("batch and attempts are at least 1");
  if (s.poll <= duration::zero()) refuse("poll is more than no time");
  if (!request.store) refuse("it needs a store of offsets");
  if (!s.from && !persistence::installed(system))
    refuse("there is no journal: call persistence::install, or set `from`");
  spawn_options options{.name = "projection-" + s.name,
                        .supervision = {.decider = {odeon::on<broken>(directive::stop)},
                                        .otherwise = directive::restart,
                                        .max_retries = s.max_restarts,
                                        .within = std::chrono::minutes(10),
                                        .backoff = s.backoff}};
  return system.spawn<projection_actor>(std::move(options), std::move(request));
}

}  // namespace odeon::projection::detail
