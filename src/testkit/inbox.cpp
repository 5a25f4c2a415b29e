#include <odeon/testkit/detail/inbox.hpp>

#include <mutex>

namespace odeon::testkit::detail {

void inbox::add(received item) {
  runtime& rt = *rt_;
  {
    std::lock_guard guard(lock_);
    items_.push_back(std::move(item));
    arrivals_.fetch_add(1);
  }
  rt.wake(arrivals_);
}

std::optional<received> inbox::take() {
  std::lock_guard guard(lock_);
  if (items_.empty()) return std::nullopt;
  received out = std::move(items_.front());
  items_.pop_front();
  return out;
}

std::size_t inbox::size() const {
  std::lock_guard guard(lock_);
  return items_.size();
}

void inbox::clear() {
  std::deque<received> old;  // destroyed without the lock: a dropped reply may send
  std::lock_guard guard(lock_);
  old.swap(items_);
}

}  // namespace odeon::testkit::detail
