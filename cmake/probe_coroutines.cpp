/// @file Run at configure time: does this compiler destroy each temporary of a co_await expression
/// exactly once?
///
/// Exit 0: yes. Exit 1: no, and stdout names the form that went wrong. Some compilers (g++ 12.2
/// among them) copy the bytes of an aggregate or of a lambda's captures into the coroutine frame
/// and destroy both: a double free later.

#include <coroutine>
#include <cstdio>
#include <exception>
#include <utility>

namespace {

/// Counts constructions against destructions, and is not trivial to move, as std::string is not.
struct counted {
  static inline int alive = 0;
  counted() noexcept : self(this) { ++alive; }
  counted(const counted&) noexcept : self(this) { ++alive; }
  counted(counted&&) noexcept : self(this) { ++alive; }
  counted& operator=(const counted&) = default;
  counted& operator=(counted&&) = default;
  ~counted() {
    --alive;
    if (self != this) moved_bytes = true;
  }
  counted* self;
  static inline bool moved_bytes = false;
};

struct coroutine {
  struct promise_type {
    coroutine get_return_object() noexcept {
      return {std::coroutine_handle<promise_type>::from_promise(*this)};
    }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    void unhandled_exception() noexcept { std::terminate(); }
  };
  std::coroutine_handle<promise_type> handle;
};

template <class T>
struct holding {
  T value;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<>) const noexcept {}
  int await_resume() const noexcept { return 1; }
};

struct aggregate {
  counted member;
  int number = 0;
};

struct empty_suspend {
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<>) const noexcept {}
  int await_resume() const noexcept { return 1; }
};

template <class T>
holding<T> take(T value) {
  return {std::move(value)};
}

template <class T>
empty_suspend look(const T&) {
  return {};
}

coroutine awaits_aggregate(int& sum) { sum += co_await take(aggregate{counted{}, 1}); }
coroutine awaits_designated(int& sum) {
  sum += co_await look(aggregate{.member = {}, .number = 2});
}
coroutine awaits_aggregate_directly(int& sum) {
  sum += co_await holding<aggregate>{{counted{}, 3}};
}
coroutine awaits_lambda(int& sum) {
  counted local;
  sum += co_await take([local, extra = counted{}] { return &local == &extra; });
}
coroutine awaits_lambda_by_reference(int& sum) {
  counted local;
  sum += co_await look([local] { return local.self; });
}

bool right(const char* form, coroutine (*start)(int&)) {
  int sum = 0;
  counted::moved_bytes = false;
  auto run = start(sum);
  while (!run.handle.done()) run.handle.resume();
  run.handle.destroy();
  const bool ok = counted::alive == 0 && !counted::moved_bytes && sum == 1;
  if (!ok) std::printf("%s", form);
  counted::alive = 0;
  return ok;
}

}  // namespace

int main() {
  const bool ok = right("an aggregate argument", awaits_aggregate) &&
                  right("a designated aggregate argument", awaits_designated) &&
                  right("an aggregate awaitable", awaits_aggregate_directly) &&
                  right("a lambda argument", awaits_lambda) &&
                  right("a lambda bound to a reference", awaits_lambda_by_reference);
  return ok ? 0 : 1;
}
