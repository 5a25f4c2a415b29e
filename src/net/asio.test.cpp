// Tasks and Asio's coroutines, each awaited by the other: values, exceptions, cancelling, and where
// each goes on.

#include <odeon/net/asio.hpp>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <doctest/doctest.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace odeon;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

task<std::string> late(std::string s) {
  co_await sleep(1ms);
  co_return s + "!";
}
task<int> fails() {
  co_await sleep(1ms);
  throw std::runtime_error("as told");
}
task<std::unique_ptr<int>> unique(int n) { co_return std::make_unique<int>(n); }

asio::awaitable<std::string> after(std::string s, duration d) {
  asio::steady_timer timer(co_await asio::this_coro::executor, d);
  co_await timer.async_wait(asio::use_awaitable);
  co_return s + "?";
}
asio::awaitable<void> forever(std::atomic<bool>& cancelled) {
  asio::steady_timer timer(co_await asio::this_coro::executor,
                           asio::steady_timer::time_point::max());
  try {
    co_await timer.async_wait(asio::use_awaitable);
  } catch (const boost::system::system_error& e) {
    cancelled = e.code() == asio::error::operation_aborted;
    throw;
  }
}

/// Runs a coroutine of Asio in a context of its own, to its end.
template <class F>
void in_context(F f) {
  asio::io_context context(1);
  std::exception_ptr why;
  bool over = false;
  asio::co_spawn(context, f(), [&](std::exception_ptr e) {
    why = std::move(e);
    over = true;
  });
  context.run();  // ends when nothing is left: what it waits for is its work
  REQUIRE(over);
  if (why) std::rethrow_exception(why);
}

/// A context that a thread runs meanwhile.
struct running_context {
  asio::thread_pool pool{1};
  ~running_context() { pool.join(); }
};

}  // namespace

TEST_CASE("a coroutine of Asio awaits tasks and futures, on its own executor") {
  in_context([]() -> asio::awaitable<void> {
    const auto here = std::this_thread::get_id();
    CHECK(co_await as_awaitable(late("hello")) == "hello!");
    CHECK(std::this_thread::get_id() == here);
    CHECK(*co_await as_awaitable(unique(7)) == 7);
    co_await as_awaitable([](auto at) -> task<void> {
      co_await sleep(1ms);
      CHECK(std::this_thread::get_id() == at);  // the task as well
      // What it forks too.
      auto f = co_await fork(late("forked"));
      CHECK(co_await f.join() == "forked!");
      CHECK(std::this_thread::get_id() == at);
    }(here));
    auto rt = make_threaded_runtime();
    auto [p, f] = promise<int>::make(*rt);
    std::thread other([kept = std::move(p)]() mutable { kept.set(3); });
    CHECK(co_await as_awaitable(*rt, std::move(f)) == 3);
    CHECK(std::this_thread::get_id() == here);
    other.join();
  });
}

TEST_CASE("what a task throws is thrown to the coroutine of Asio that awaits it") {
  in_context([]() -> asio::awaitable<void> {
    try {
      (void)co_await as_awaitable(fails());
      FAIL("it did not throw");
    } catch (const std::runtime_error& e) {
      CHECK(std::string(e.what()) == "as told");
    }
    auto rt = make_threaded_runtime();
    auto [p, f] = promise<int>::make(*rt);
    p.fail(error(errc::refused, "no"));
    try {
      (void)co_await as_awaitable(*rt, std::move(f));
      FAIL("it did not throw");
    } catch (const actor_error& e) {
      CHECK(e.which() == errc::refused);
    }
  });
}

TEST_CASE("cancelling the coroutine of Asio aborts its task, which may still clean up") {
  using namespace asio::experimental::awaitable_operators;
  std::vector<std::string> log;
  in_context([&]() -> asio::awaitable<void> {
    // The first to end cancels the other.
    auto first = co_await (after("timer", 5ms) ||
                           as_awaitable([](std::vector<std::string>& to) -> task<std::string> {
                             const auto stop = co_await this_stop_token();
                             try {
                               co_await sleep(1h);
                             } catch (const actor_error& e) {
                               to.push_back(e.which() == errc::cancelled ? "aborted" : "?");
                               to.push_back(stop.stop_requested() ? "stop" : "no stop");
                             }
                             co_await sleep(1ms);
                             to.emplace_back("cleaned up");
                             co_return "late";
                           }(log)));
    CHECK(first.index() == 0);
  });
  CHECK(log == std::vector<std::string>{"aborted", "stop", "cleaned up"});
}

TEST_CASE("a task awaits a coroutine of Asio, and goes on where it was") {
  running_context c;
  auto rt = make_threaded_runtime();
  const auto here = std::this_thread::get_id();
  const auto got = run(*rt, [](auto& at, auto here) -> task<std::string> {
    auto s = co_await as_task(at.pool.get_executor(), after("a", 1ms));
    CHECK(std::this_thread::get_id() == here);
    co_await as_task(at.pool.get_executor(), [](auto here) -> asio::awaitable<void> {
      CHECK(std::this_thread::get_id() != here);
      co_return;
    }(here));
    // Any operation, with the token that makes it a coroutine.
    asio::steady_timer timer(at.pool, 1ms);
    co_await as_task(at.pool.get_executor(), timer.async_wait(asio::use_awaitable));
    co_return s;
  }(c, here));
  CHECK(got == "a?");
}

TEST_CASE("what a coroutine of Asio throws is thrown to the task that awaits it") {
  auto rt = make_threaded_runtime();
  running_context c;
  CHECK_THROWS_WITH_AS((void)run(*rt, as_task(c.pool.get_executor(),
                                              []() -> asio::awaitable<int> {
                                                throw std::runtime_error("as told");
                                                co_return 1;
                                              }())),
                       "as told", std::runtime_error);
}

TEST_CASE("a task that is asked to stop, or aborted, cancels the coroutine of Asio it awaits") {
  auto rt = make_threaded_runtime();
  std::atomic<bool> stopped{false}, aborted{false};
  running_context c;
  std::stop_source stop;
  try {
    run(
        *rt,
        [](auto& c, auto& cancelled, auto& stop) -> task<void> {
          auto f = co_await fork(as_task(c.pool.get_executor(), forever(cancelled)));
          co_await sleep(1ms);
          stop.request_stop();
          co_await f.join();
        }(c, stopped, stop),
        run_options{.stop = stop.get_token()});
    FAIL("it did not throw");
  } catch (const boost::system::system_error& e) {
    CHECK(e.code() == asio::error::operation_aborted);
  }
  CHECK(stopped);
  run(*rt, [](auto& c, auto& cancelled) -> task<void> {
    auto f = co_await fork(as_task(c.pool.get_executor(), forever(cancelled)));
    co_await sleep(1ms);
    f.abort();
    try {
      co_await f.join();
      FAIL("it did not throw");
    } catch (const actor_error& e) {
      CHECK(e.which() == errc::cancelled);
    }
  }(c, aborted));
  c.pool.join();  // the coroutine ends by itself
  CHECK(aborted);
}
