#include "odeon/dev/feeder.hpp"

#include <odeon/core/actor_system.hpp>

#include <chrono>
#include <utility>
#include <variant>

namespace odeon::dev {

feeder::feeder(feeder_options options) : options_(std::move(options)) {}

void feeder::on(await_resumed m, reply_to<std::uint64_t> answer) {
  under_way_ = m.under_way;
  if (trouble_) {
    answer.fail(*trouble_);
  } else if (resumed_ >= under_way_) {
    answer(resumed_);
  } else {
    all_resumed_ = std::move(answer);
  }
}

void feeder::on(feed, reply_to<bool> answer) {
  all_fed_ = std::move(answer);
  if (trouble_) return give_up(*trouble_);
  auto file = bank::transfer_file::open(options_.file);
  if (!file) return give_up(file.error());
  file_ = *std::move(file);
  pump();
}

void feeder::on(drain) {
  stopping_ = true;
  pump();
}

void feeder::on(const bank::verdict& m) {
  if (m.how == bank::ending::duplicate) {
    options_.report.tell(bank::rejected_line{
        m.line,
        "the reference " + m.reference + " is that of line " + std::to_string(m.first_line)});
  } else {
    acknowledgement a{m.line, m.reference, m.how, m.why, !m.known_before};
    if (const auto since = in_flight_.find(m.line); since != in_flight_.end() && !m.resumed) {
      const duration took = ctx().system().get_runtime().now() - since->second;
      a.latency_us = static_cast<std::uint64_t>(
          std::chrono::duration_cast<std::chrono::microseconds>(took).count());
    }
    options_.report.tell(std::move(a));
  }
  if (m.resumed) {
    ++resumed_;
    options_.report.tell(
        phase_report{.what = phase::resuming, .done = resumed_, .all = under_way_});
    if (resumed_ == under_way_) all_resumed_(resumed_);
    return;
  }
  in_flight_.erase(m.line);
  pump();
}

void feeder::on(const bank::trouble& m) { give_up(m.why); }

void feeder::pump() {
  while (file_ && !stopping_ && in_flight_.size() < options_.window) {
    auto next = file_->next();
    if (!next) return give_up(next.error());
    if (!*next) {
      file_.reset();
    } else if (auto* rejected = std::get_if<bank::rejected_line>(&**next)) {
      options_.report.tell(std::move(*rejected));
    } else {
      auto& t = std::get<bank::transfer>(**next);
      in_flight_.emplace(t.line, ctx().system().get_runtime().now());
      options_.coordinators[bank::coordinator_of(t.reference)].tell(bank::submit{std::move(t)});
    }
  }
  options_.gauge->in_flight.store(in_flight_.size(), std::memory_order_relaxed);
  if (in_flight_.empty() && (stopping_ || !file_)) all_fed_(!file_);
}

void feeder::give_up(const error& why) {
  if (!trouble_) trouble_ = why;
  stopping_ = true;
  all_resumed_.fail(*trouble_);
  all_fed_.fail(*trouble_);
}

}  // namespace odeon::dev
