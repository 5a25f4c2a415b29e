#pragma once

#include <odeon/task/fork.hpp>

#include <cstddef>
#include <exception>

/// @file A nursery: tasks that do not outlive the block which started them.
///
///     task<void> serve(request r) {
///       task_scope s;
///       s.fork(log(r));
///       auto user = s.fork(find_user(r));
///       co_await s.join();               // all have ended; the first failure is thrown here
///       use(user.result());
///     }

namespace odeon {

/// Tasks that end before it does. A local variable of a task; used on its executor. Neither copied
/// nor moved.
class task_scope {
 public:
  /// Throws `invalid_argument` outside of a task.
  task_scope();
  /// Destroys the children that have not ended, where they are suspended: their destructors run,
  /// their handlers do not. Join before the end of the block to let them clean up.
  ~task_scope();
  task_scope(const task_scope&) = delete;
  task_scope& operator=(const task_scope&) = delete;

  /// Starts a child: it runs when its turn comes. Children may be added while `join` waits. After a
  /// failure or `cancel` it is aborted at once.
  template <class T>
  forked<T> fork(task<T> work, fork_options options = {}) {
    auto f = odeon::fork(std::move(work), std::move(options));
    adopt(f.state());
    return f;
  }
  template <class T, class M>
    requires(!std::is_void_v<M>)
  forked<T, M> fork(task<T, M>, fork_options = {}) {
    static_assert(std::is_void_v<M>,
                  "odeon: a scope takes no messages: fork a task that consumes them, or join the "
                  "tasks by all, group or batch");
    return {};
  }

  /// Aborts all children; `join` does not rethrow that.
  void cancel() noexcept;
  /// How many have not ended.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// Awaited: waits until all children have ended, cleaned up and all. The first failure aborts the
  /// others and is rethrown then. When the waiting task is aborted here, the children are as well,
  /// by the same error, and are waited for no longer: the end of the scope ends them.
  [[nodiscard]] auto join() noexcept { return joining(*this); }

 private:
  struct child;
  class joining {
   public:
    using driven_tag = void;
    explicit joining(task_scope& s) noexcept : scope_(&s) {}
    joining(joining&&) = delete;
    ~joining() { scope_->waiting_ = nullptr; }
    bool await_ready() const noexcept { return scope_->size_ == 0; }
    template <class P>
    void await_suspend(std::coroutine_handle<P> h) {
      place_.park(*h.promise().driver(), h);
      scope_->waiting_ = &place_;
    }
    void await_resume() {
      scope_->waiting_ = nullptr;
      scope_->joined(place_.arrived());
    }

   private:
    task_scope* scope_;
    detail::parking place_;
  };

  void adopt(detail::fork_base& f);
  void joined(std::exception_ptr thrown);
  void abort_children(const std::exception_ptr& why) noexcept;

  task_driver* driver_;
  child* children_ = nullptr;
  std::size_t size_ = 0;
  std::exception_ptr failure_;  // the first
  std::exception_ptr ending_;   // what new children are aborted with
  detail::parking* waiting_ = nullptr;
};

}  // namespace odeon
