#include <odeon/task/task_scope.hpp>

#include <utility>

namespace odeon {

/// One child, until it has ended.
struct task_scope::child : detail::fork_base::joiner {
  task_scope* of = nullptr;
  detail::fork_base* fork = nullptr;  // with a reference
  child* next_child = nullptr;
  child* prev_child = nullptr;

  static void* operator new(std::size_t bytes) { return detail::frame_alloc(bytes); }
  static void operator delete(void* p, std::size_t bytes) noexcept { detail::frame_free(p, bytes); }

  child(task_scope& s, detail::fork_base& f) noexcept : of(&s), fork(&f), next_child(s.children_) {
    finished = &ended;
    if (next_child) next_child->prev_child = this;
    s.children_ = this;
    ++s.size_;
    f.add_ref();
  }
  ~child() {
    (prev_child ? prev_child->next_child : of->children_) = next_child;
    if (next_child) next_child->prev_child = prev_child;
    --of->size_;
    fork->drop_ref();
  }

  static void ended(joiner& j) noexcept {
    auto& self = static_cast<child&>(j);
    task_scope& s = *self.of;
    const std::exception_ptr failure = self.fork->failure();
    delete &self;
    if (failure && !s.ending_) {
      s.failure_ = s.ending_ = failure;
      s.abort_children(failure);
    }
    if (s.size_ == 0 && s.waiting_) s.waiting_->unpark();
  }
};

task_scope::task_scope() : driver_(detail::this_driver) {
  if (!driver_)
    throw actor_error(errc::invalid_argument, "a scope is made in a task, while it runs");
}

task_scope::~task_scope() {
  ending_ = detail::aborted();
  while (children_) {
    detail::fork_base& f = *children_->fork;
    f.remove_joiner(*children_);
    f.look();
    f.add_ref();
    delete children_;
    f.destroy();
    f.drop_ref();
  }
}

void task_scope::adopt(detail::fork_base& f) {
  f.activate(*driver_);
  f.add_joiner(*new child(*this, f));
  if (ending_) f.conclude(ending_);
}

void task_scope::abort_children(const std::exception_ptr& why) noexcept {
  // Concluding one may end others; those that stay are concluded once.
  std::size_t left = size_;
  while (left-- > 0 && children_) {
    child* c = children_;
    while (c && c->fork->is_concluded()) c = c->next_child;
    if (!c) return;
    c->fork->conclude(why);
  }
}

void task_scope::cancel() noexcept {
  if (!ending_) ending_ = detail::aborted();
  abort_children(ending_);
}

void task_scope::joined(std::exception_ptr thrown) {
  if (thrown) {
    if (!ending_) ending_ = thrown;
    abort_children(thrown);
    std::rethrow_exception(thrown);
  }
  ending_ = nullptr;
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

}  // namespace odeon
