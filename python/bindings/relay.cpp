// `posted_` says that the node is in the host's list, or about to be: whoever sets it posts. The
// host's drain sets it back before it takes the jobs, under the same lock that guards them, so a
// job is either taken by that drain or its poster posts the node again.

#include "relay.hpp"

#include "system.hpp"

namespace odeon::python {

namespace {

/// One for each system.
struct relay_link {
  std::shared_ptr<relay> to;
};

}  // namespace

bool relay::post_job(job j) {
  {
    const std::lock_guard guard(mutex_);
    if (closed_ || jobs_.size() >= pending_max) {
      ++lost_;
      return false;
    }
    jobs_.push_back(std::move(j));
    if (posted_) return true;
    posted_ = true;
    keep_ = shared_from_this();
  }
  post(node_);
  return true;
}

void relay::close() noexcept {
  std::vector<job> dropped;
  const std::lock_guard guard(mutex_);
  closed_ = true;
  dropped.swap(jobs_);
}

std::uint64_t relay::take_lost() noexcept {
  const std::lock_guard guard(mutex_);
  return std::exchange(lost_, 0);
}

void relay::arrived(driver_node&) noexcept {
  std::vector<job> now;
  std::shared_ptr<relay> keep;
  {
    const std::lock_guard guard(mutex_);
    posted_ = false;
    keep.swap(keep_);
    now.swap(jobs_);
  }
  for (job& j : now) j(at_->home());
}

std::shared_ptr<relay> relay_of(interp& in, PyObject* o) {
  actor_system* s = system_in(in, o);
  if (!s) return nullptr;
  auto link = s->find_extension<relay_link>();
  if (!link) {
    const auto& main = reinterpret_cast<system_object*>(o)->main;
    link = std::make_shared<relay_link>(std::make_shared<relay>(main));
    s->add_extension(link);
  }
  return link->to;
}

}  // namespace odeon::python
