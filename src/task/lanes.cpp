#include <odeon/task/detail/lanes.hpp>

#include <mutex>
#include <utility>

namespace odeon::detail {

void lanes::push(driver_node& node) noexcept {
  std::lock_guard guard(lock_);
  node.next = nullptr;
  (tail_ ? tail_->next : head_) = &node;
  tail_ = &node;
}

driver_node* lanes::pop() noexcept {
  std::lock_guard guard(lock_);
  driver_node* n = head_;
  if (n && !(head_ = n->next)) tail_ = nullptr;
  return n;
}

bool lanes::are_over() noexcept {
  // Both are looked at: the end of the first lets the other end.
  const bool root_over = root_.is_over();
  return beside_.is_over() && root_over;
}

void lanes::lane::begin(task<void> work) noexcept {
  work_ = work.release();
  work_.promise().set_driver(this);
}

void lanes::lane::resume() noexcept {
  driving now(*this);
  work_.resume();
}

void lanes::lane::arrive(driver_node& n) noexcept {
  if (!work_) --late_;
  driving now(*this);
  n.arrive(n);
}

bool lanes::lane::is_over() noexcept {
  if (work_ && work_.done()) {
    work_.promise().take();
    std::exchange(work_, nullptr).destroy();
    retire();
  }
  return !work_ && late_ == 0;
}

void lanes::lane::post(driver_node& node) noexcept {
  node.to = this;
  home_.post(node);
}

void lanes::lane::accompany(task<void> work) {
  home_.beside_.begin(std::move(work));
  home_.beside_.resume();
}

}  // namespace odeon::detail
