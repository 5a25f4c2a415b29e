#include "odeon/dev/worker_watch.hpp"

#include "odeon/bank/reconcile.hpp"
#include "odeon/dev/view.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <system_error>
#include <utility>
#include <variant>

namespace odeon::dev {

namespace {

using namespace std::chrono_literals;

constexpr int poll_ms = 50;
constexpr duration live_every = 100ms;
constexpr duration plain_every = 1s;
constexpr std::uint64_t told_rejections_max = 5;
constexpr std::size_t piece_bytes = 64U << 10U;

std::unexpected<error> not_written(int why) {
  return fail(why == ENOSPC ? errc::store_full : errc::io_failed,
              "the run's notes cannot be written: " + std::generic_category().message(why));
}

// How far a recovery is, opening, recovering and resuming taken for a third each.
double recovery_share(const phase_report& p) {
  const double part = p.all == 0 ? 0 : static_cast<double>(p.done) / static_cast<double>(p.all);
  return (static_cast<double>(p.what) + part) / static_cast<double>(phase::transferring);
}

}  // namespace

result<std::unique_ptr<worker_watch>> worker_watch::make(runtime& rt, screen& out, tally& counts,
                                                         const data_folder& folder,
                                                         worker_options worker,
                                                         std::vector<kill_point> plan) {
  if (auto fine = folder.repair_acknowledgements(); !fine) return std::unexpected(fine.error());
  const auto open = [](const std::string& path, const char* mode) {
    return file(std::fopen(path.c_str(), mode), &std::fclose);
  };
  file acknowledgements = open(folder.acknowledgements(), "abe");
  if (!acknowledgements) return not_written(errno);
  file rejections = open(folder.rejections(), "wbe");
  if (!rejections) return not_written(errno);
  return std::unique_ptr<worker_watch>(
      new worker_watch(rt, out, counts, std::move(worker), std::move(plan),
                       std::move(acknowledgements), std::move(rejections)));
}

worker_watch::worker_watch(runtime& rt, screen& out, tally& counts, worker_options worker,
                           std::vector<kill_point> plan, file acknowledgements, file rejections)
    : rt_(rt),
      out_(out),
      counts_(counts),
      worker_(std::move(worker)),
      plan_(std::move(plan)),
      acknowledgements_(std::move(acknowledgements)),
      rejections_(std::move(rejections)) {
  worker_.report_fd = child_process::pipe_fd;
  worker_.supervisor = ::getpid();
}

result<bool> worker_watch::run() {
  for (;;) {
    const auto status = live();
    out_.clear();
    if (!status) return std::unexpected(status.error());
    if (failed_) return std::unexpected(*failed_);
    if (finished_) return !finished_->interrupted;
    if (killed_) {
      ++kills_;
      out_.say(
          fmt::format("killed with SIGKILL {}at {:.1f} %, {} transfers in flight, {} acknowledged",
                      counts_.phase().what < phase::transferring ? "while recovering " : "",
                      counts_.share() * 100, grouped(counts_.total().in_flight),
                      grouped(counts_.acknowledged())));
    } else if (signals_.count() > 0) {
      return false;
    } else if (status->signal == SIGKILL && ++unplanned_ <= max_unplanned_restarts) {
      out_.say("somebody else killed the worker");
    } else {
      return fail(errc::internal, "the worker ended with " + to_string(*status));
    }
  }
}

result<exit_status> worker_watch::live() {
  auto worker = child_process::start(to_arguments(worker_));
  if (!worker) return std::unexpected(worker.error());
  out_.say(fmt::format("worker {} started", worker->pid()));
  killed_ = false;
  frames_ = {};
  counts_.worker_started(rt_.now());
  for (;;) {
    pollfd waiting{.fd = worker->reader(), .events = POLLIN};
    const int ready = ::poll(&waiting, 1, poll_ms);
    heed_signals(*worker);
    if (ready > 0) {
      const auto more = take_reports(*worker);
      if (!more) return std::unexpected(more.error());
      if (!*more) return worker->wait();
      kill_as_planned(*worker);
    }
    draw();
  }
}

result<bool> worker_watch::take_reports(const child_process& worker) {
  std::array<std::byte, piece_bytes> piece;
  const ssize_t got = ::read(worker.reader(), piece.data(), piece.size());
  if (got < 0) return errno == EINTR;
  if (got == 0) return false;
  frames_.add(std::span(piece).first(static_cast<std::size_t>(got)));
  for (;;) {
    auto next = frames_.next();
    if (!next) return std::unexpected(next.error());
    if (!*next) return true;
    if (auto taken = take(**next); !taken) return std::unexpected(taken.error());
  }
}

result<void> worker_watch::take(const report& r) {
  const phase_report before = counts_.phase();
  const auto acknowledged = counts_.add(r, rt_.now());
  if (std::holds_alternative<phase_report>(r)) tell_phase(before);
  if (const auto* done = std::get_if<finished>(&r)) finished_ = *done;
  if (const auto* wrong = std::get_if<failed>(&r)) failed_ = wrong->why;
  if (auto written = write_down(acknowledged); !written) return written;
  return report_rejections();
}

void worker_watch::tell_phase(const phase_report& before) {
  const phase_report& now = counts_.phase();
  const incarnation& life = counts_.incarnations().back();
  if (now.what == phase::opening && now.done == now.all && now.new_accounts > 0)
    out_.say(fmt::format("opened {} accounts with {} each", grouped(now.new_accounts),
                         bank::show_amount(worker_.opening_balance)));
  if (now.what == phase::transferring && before.what != now.what &&
      (life.replayed > 0 && life.replayed != now.new_accounts))
    out_.say(recovery_line(life));
}

result<void> worker_watch::write_down(const std::vector<acknowledgement>& acknowledged) {
  if (acknowledged.empty()) return {};
  std::string text;
  for (const auto& a : acknowledged) text += bank::acknowledgement_line(a.how, a.reference) + "\n";
  const bool written =
      std::fwrite(text.data(), 1, text.size(), acknowledgements_.get()) == text.size() &&
      std::fflush(acknowledgements_.get()) == 0;
  if (!written) return not_written(errno);
  return {};
}

result<void> worker_watch::report_rejections() {
  const auto rejected = counts_.take_new_rejections();
  for (const auto& l : rejected) {
    const std::string text = "line " + std::to_string(l.line) + ": " + l.reason;
    if (std::fprintf(rejections_.get(), "%s\n", text.c_str()) < 0) return not_written(errno);
    if (++told_rejections_ > told_rejections_max) continue;
    out_.say("skipped " + text);
    if (told_rejections_ == told_rejections_max)
      out_.say("further bad lines go to rejected.txt only");
  }
  if (!rejected.empty() && std::fflush(rejections_.get()) != 0) return not_written(errno);
  return {};
}

void worker_watch::heed_signals(const child_process& worker) {
  const unsigned count = signals_.count();
  if (count == heeded_) return;
  heeded_ = count;
  if (count == 1) out_.say("stopping: what is under way ends; once more to kill the worker");
  worker.send_signal(count == 1 ? SIGTERM : SIGKILL);
}

void worker_watch::kill_as_planned(const child_process& worker) {
  if (killed_ || finished_ || failed_ || heeded_ > 0 || kills_ >= plan_.size()) return;
  const kill_point& next = plan_[kills_];
  const bool recovering = counts_.phase().what < phase::transferring;
  const bool due = next.in_recovery ? !recovering || recovery_share(counts_.phase()) >= next.share
                                    : !recovering && counts_.share() >= next.share;
  if (!due) return;
  worker.send_signal(SIGKILL);
  killed_ = true;
}

void worker_watch::draw() {
  const time_point now = rt_.now();
  if (now - drawn_ < (out_.is_live() ? live_every : plain_every)) return;
  drawn_ = now;
  if (out_.is_live())
    out_.show(live_block(counts_, kills_));
  else
    out_.say(plain_line(counts_, kills_));
}

}  // namespace odeon::dev
