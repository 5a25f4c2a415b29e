// The pools of one system, an extension of it.
//
// A call waits in the queue of an executor whose threads may block, at most `queue` of each kind,
// and is carried out on one of its threads: a function there and then, a process by writing to an
// idle worker (or a new one) and waiting for its answer. So the number of threads of the second
// executor bounds the number of worker processes.
//
// The end, in order: (1) `stopping` is set under the lock: calls that have not begun are refused.
// (2) Calls in processes are interrupted: their sockets are shut down, they fail, and their workers
// are ended by the threads that used them. (3) The executors are destroyed, which waits for the
// functions under way. (4) Idle workers are ended.

#include "internal/worker_process.hpp"
#include <odeon/pattern/compute.hpp>

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <mutex>
#include <string_view>
#include <thread>
#include <vector>

namespace odeon {

namespace detail {

namespace {

constinit process_entry* functions = nullptr;  // complete before main

/// In a worker process whose main did not begin with `serve_compute`: it must not live the
/// program's life a second time. Whatever it does, it ends when the hello is overdue.
[[maybe_unused]] const bool limited = [] {
  const char* given = std::getenv(compute_marker);
  if (!given) return false;
  const std::string_view text(given);
  unsigned seconds = 0;
  const auto comma = text.find(',');
  if (comma != std::string_view::npos)
    std::from_chars(text.data() + comma + 1, text.data() + text.size(), seconds);
  ::alarm(std::max(seconds, 1U));
  return true;
}();

/// The same, found out: its own computations would start processes without end.
void refuse_in_forgotten_worker() {
  if (!std::getenv(compute_marker)) return;
  constexpr std::string_view text =
      "odeon: this is a worker process, and its main does not begin with odeon::serve_compute\n";
  (void)!::write(2, text.data(), text.size());
  std::_Exit(70);
}

unsigned or_cores(unsigned n) {
  return n != 0 ? n : std::max(1U, std::thread::hardware_concurrency());
}

class compute_pool {
 public:
  compute_pool(actor_system& system, compute_settings s) : rt_(system.get_runtime()), settings_(s) {
    settings_.threads = or_cores(s.threads);
    settings_.processes = or_cores(s.processes);
  }
  ~compute_pool() { stop(); }
  compute_pool(const compute_pool&) = delete;

  void on_thread(thread_job job) { submit(threads_, "compute", settings_.threads, std::move(job)); }
  void in_process(compute_request request, duration limit, process_done done) {
    submit(processes_, "compute-process", settings_.processes,
           [this, request = std::move(request), limit,
            done = std::move(done)](const error* refused) mutable {
             if (refused)
               done(std::unexpected(*refused));
             else
               run(request, limit, done);
           });
  }
  [[nodiscard]] const compute_settings& settings() const noexcept { return settings_; }
  [[nodiscard]] runtime& rt() const noexcept { return rt_; }

  void stop() {
    std::unique_ptr<executor> threads, processes;
    {
      std::lock_guard guard(mutex_);
      stopping_ = true;
      for (worker_process* w : busy_) w->interrupt();
      threads = std::move(threads_.runs);
      processes = std::move(processes_.runs);
    }
    processes.reset();
    threads.reset();
    idle_.clear();
  }

 private:
  struct lane {
    std::unique_ptr<executor> runs;
    std::size_t waiting = 0;
  };
  struct job final : runnable {
    job(compute_pool& p, lane& l, thread_job w) noexcept
        : runnable(&run_it),
          pool(p),
          in(l),
          work(std::move(w)) {}
    static void run_it(runnable& r) noexcept {
      std::unique_ptr<job> self(&static_cast<job&>(r));
      bool stopping;
      {
        std::lock_guard guard(self->pool.mutex_);
        --self->in.waiting;
        stopping = self->pool.stopping_;
      }
      if (stopping) {
        const error why(errc::system_stopped, "the system ended before the computation began");
        self->work(&why);
      } else {
        self->work(nullptr);
      }
    }
    compute_pool& pool;
    lane& in;
    thread_job work;
  };

  void submit(lane& l, const char* name, unsigned threads, thread_job work) {
    error why(errc::system_stopped);
    {
      std::lock_guard guard(mutex_);
      if (!stopping_ && l.waiting < settings_.queue) {
        if (!l.runs)
          l.runs = rt_.make_executor(
              {.kind = executor_kind::blocking, .name = name, .threads = threads});
        ++l.waiting;
        l.runs->submit(*new job(*this, l, std::move(work)));
        return;
      }
      if (!stopping_)
        why = {errc::mailbox_full, std::to_string(settings_.queue) +
                                       " computations wait already, the bound of the queue"};
    }
    work(&why);
  }

  void run(const compute_request& request, duration limit, process_done& done) {
    auto worker = take_worker();
    if (!worker) {
      done(std::unexpected(std::move(worker).error()));
      return;
    }
    auto outcome = (*worker)->call(request, limit);
    bool keep = false;
    {
      std::lock_guard guard(mutex_);
      std::erase(busy_, worker->get());
      keep = outcome.usable && !stopping_;
      if (keep) idle_.push_back(std::move(*worker));
    }
    done(std::move(outcome.value));  // told before its process is ended, which may take its time
  }
  result<std::unique_ptr<worker_process>> take_worker() {
    // Those that died while they were idle are nobody's failure; they are ended outside the lock.
    std::vector<std::unique_ptr<worker_process>> dead;
    {
      std::lock_guard guard(mutex_);
      if (stopping_) return fail(errc::system_stopped, "the system has ended");
      while (!idle_.empty()) {
        auto w = std::move(idle_.back());
        idle_.pop_back();
        if (w->is_alive()) {
          busy_.push_back(w.get());
          return w;
        }
        dead.push_back(std::move(w));
      }
    }
    auto made = worker_process::start(rt_, settings_);
    if (!made) return made;
    std::lock_guard guard(mutex_);
    if (stopping_) return fail(errc::system_stopped, "the system has ended");
    busy_.push_back(made->get());
    return made;
  }

  runtime& rt_;
  compute_settings settings_;
  std::mutex mutex_;
  bool stopping_ = false;
  lane threads_, processes_;
  std::vector<std::unique_ptr<worker_process>> idle_;
  std::vector<worker_process*> busy_;
};

std::shared_ptr<compute_pool> add_pool(actor_system& system, const compute_settings& s) {
  refuse_in_forgotten_worker();
  auto pool = std::make_shared<compute_pool>(system, s);
  system.add_extension(pool);
  system.on_shutdown(actor_system::phase::after_actors, "computations",
                     [weak = std::weak_ptr(pool)] {
                       if (auto p = weak.lock()) p->stop();
                     });
  return pool;
}

std::shared_ptr<compute_pool> pool_of(actor_system& system) {
  for (;;) {
    if (auto p = system.find_extension<compute_pool>()) return p;
    try {
      return add_pool(system, {});
    } catch (const actor_error& e) {
      if (e.which() != errc::name_taken) throw;  // else another thread was faster
    }
  }
}

}  // namespace

void add_process_function(process_entry& e, std::string_view name, serve_fn serve) noexcept {
  e = {name, serve, functions};
  functions = &e;
}

result<serve_fn> find_process_function(std::string_view name) {
  const process_entry* found = nullptr;
  for (process_entry* e = functions; e; e = e->next) {
    if (e->name != name) continue;
    if (found)
      return fail(errc::invalid_argument,
                  "two process functions have the name '" + std::string(name) + "'");
    found = e;
  }
  if (!found)
    return fail(errc::not_found, "this program has no process function '" + std::string(name) +
                                     "' that is a constant of namespace scope");
  return found->serve;
}

void compute_on_thread(actor_system& system, thread_job job) {
  pool_of(system)->on_thread(std::move(job));
}

void compute_in_process(actor_system& system, std::string_view name, duration limit,
                        result<wire::bytes> arguments, process_done done) {
  const auto pool = pool_of(system);
  const auto refuse = [&](error why) { done(std::unexpected(std::move(why))); };
  if (pool->rt().is_simulated())
    return refuse({errc::invalid_argument,
                   "a simulated runtime has no processes: compute on a thread in tests"});
  if (!arguments) return refuse(std::move(arguments).error());
  if (auto known = find_process_function(name); !known) return refuse(std::move(known).error());
  if (arguments->size() > pool->settings().max_frame)
    return refuse({errc::limit_exceeded, "the arguments of '" + std::string(name) + "' have " +
                                             std::to_string(arguments->size()) +
                                             " bytes, more than the bound of " +
                                             std::to_string(pool->settings().max_frame)});
  pool->in_process({std::string(name), *std::move(arguments)}, limit, std::move(done));
}

}  // namespace detail

void configure_compute(actor_system& system, compute_settings settings) {
  if (settings.queue == 0 || settings.start_limit <= duration::zero())
    throw actor_error(errc::invalid_argument,
                      "computations need a queue of at least one call and a start_limit above "
                      "zero");
  detail::add_pool(system, settings);
}

}  // namespace odeon
