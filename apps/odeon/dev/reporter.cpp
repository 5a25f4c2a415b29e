#include "odeon/dev/reporter.hpp"

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <span>
#include <utility>

namespace odeon::dev {

namespace {

using namespace std::chrono_literals;

constexpr duration flush_every = 20ms;
constexpr unsigned ticks_per_sample = 5;

}  // namespace

report_pipe::~report_pipe() { ::close(fd_); }

void report_pipe::send(const report& r) noexcept {
  const std::vector<std::byte> frame = encode_frame(r);
  for (std::span rest(frame); !rest.empty();) {
    const ssize_t sent = ::write(fd_, rest.data(), rest.size());
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return;
    rest = rest.subspan(static_cast<std::size_t>(sent));
  }
}

reporter::reporter(std::shared_ptr<report_pipe> pipe, std::function<counters()> sample)
    : pipe_(std::move(pipe)),
      sample_(std::move(sample)) {}

void reporter::pre_start() { ctx().send_with_delay(flush_every, flush_every, report_tick{}); }

void reporter::on(acknowledgement m) {
  acknowledged_.all.push_back(std::move(m));
  if (acknowledged_.all.size() >= max_batch) flush();
}

void reporter::on(bank::rejected_line m) {
  rejected_.all.push_back(std::move(m));
  if (rejected_.all.size() >= max_batch) flush();
}

void reporter::on(const phase_report& m) {
  flush();
  pipe_->send(m);
}

bool reporter::on(flush_reports) {
  flush();
  pipe_->send(sample_());  // what came after the last tick counts as well
  return true;
}

void reporter::on(report_tick) {
  flush();
  if (++ticks_ % ticks_per_sample == 0) pipe_->send(sample_());
}

void reporter::flush() {
  if (!acknowledged_.all.empty()) pipe_->send(std::exchange(acknowledged_, {}));
  if (!rejected_.all.empty()) pipe_->send(std::exchange(rejected_, {}));
}

}  // namespace odeon::dev
