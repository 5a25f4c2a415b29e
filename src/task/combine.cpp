#include <odeon/task/combine.hpp>

#include <utility>

namespace odeon::detail {

gathering::gathering(std::vector<fork_base*> forks, until when) : when_(when), left_(0) {
  places_.resize(forks.size());
  for (std::size_t i = 0; i < forks.size(); ++i) {
    places_[i].finished = &told;
    places_[i].of = this;
    places_[i].fork = forks[i];
  }
}

gathering::~gathering() {
  for (auto& p : places_)
    if (p.fork->status() != task_status::finished) p.fork->remove_joiner(p);
}

void gathering::told(fork_base::joiner& j) noexcept {
  auto& p = static_cast<place&>(j);
  gathering& self = *p.of;
  --self.left_;
  if (self.decided_ < 0 && (self.when_ == until::first || p.fork->failed()))
    self.decided_ = &p - self.places_.data();
  if (self.is_over()) self.parking_.unpark();
}

bool gathering::is_over() const noexcept { return left_ == 0 || decided_ >= 0; }

bool gathering::begin(task_driver& d, std::coroutine_handle<> h) {
  for (auto& p : places_) p.fork->prepare_join(d);
  left_ = places_.size();
  for (auto& p : places_) {
    if (p.fork->status() == task_status::finished) {
      p.fork->look();
      told(p);
    } else {
      p.fork->add_joiner(p);
    }
  }
  if (is_over()) return false;
  parking_.park(d, h);
  return true;
}

void gathering::abort_others(const std::exception_ptr& why) noexcept {
  for (auto& p : places_)
    if (p.fork->status() != task_status::finished) {
      p.fork->remove_joiner(p);
      p.fork->conclude(why);
    }
}

std::size_t gathering::await_resume() {
  if (const auto thrown = parking_.arrived()) {
    abort_others(thrown);
    std::rethrow_exception(thrown);
  }
  if (when_ == until::all && decided_ >= 0) {
    const std::exception_ptr failure = places_[static_cast<std::size_t>(decided_)].fork->failure();
    abort_others(failure);
    std::rethrow_exception(failure);
  }
  if (when_ == until::first) abort_others(aborted());
  return decided_ < 0 ? 0 : static_cast<std::size_t>(decided_);
}

}  // namespace odeon::detail
