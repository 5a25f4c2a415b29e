#pragma once

#include <odeon/base/detail/pool.hpp>
#include <odeon/core/detail/dispatch.hpp>

#include <coroutine>
#include <memory>
#include <stop_token>

namespace odeon::detail {

/// A coroutine that an actor drives: a handler, a hook, or work beside the mailbox. Lives on the
/// actor's turns; only `post` is called from elsewhere.
struct execution final : task_driver {
  enum class kind : std::uint8_t { handler, hook, branch };

  execution(cell& c, kind k, std::coroutine_handle<> r) noexcept : self(c), what(k), root(r) {}
  static void* operator new(std::size_t bytes) { return frame_alloc(bytes); }
  static void operator delete(void* p, std::size_t bytes) noexcept { frame_free(p, bytes); }

  ~execution() {
    if (chain) chain->drop_ref();
  }

  // The node may be taken, and with it the actor may end, before the poster is done with the cell.
  void post(driver_node& node) noexcept override {
    node.to = this;
    cell& c = self;
    c.add_ref();
    c.post_control(node);
    c.drop_ref();
  }
  // The node holds the cell until it has arrived.
  void expect_late_node() noexcept override {
    ++late;
    self.add_ref();
  }
  [[nodiscard]] bool stop_requested() const noexcept override { return stopped; }
  [[nodiscard]] std::stop_token stop_token() override {
    if (!source) {
      source = std::make_unique<std::stop_source>();
      if (stopped) source->request_stop();
    }
    return source->get_token();
  }
  [[nodiscard]] runtime& get_runtime() const noexcept override;
  void accompany(task<void> work) override;
  void unhandled(const unhandled_task_error& e) noexcept override;
  using task_driver::retire;

  void request_stop() {
    stopped = true;
    if (source) source->request_stop();
  }

  cell& self;
  kind what;
  hook which_hook = hook::pre_start;
  bool stopped = false;
  bool gone = false;  // the coroutine is destroyed; only late nodes keep this
  std::uint32_t late = 0;
  std::coroutine_handle<> root;
  const coroutine_finish* how = nullptr;
  ask_state_base* ask = nullptr;    // to be settled
  ask_state_base* chain = nullptr;  // that a `reply_to` in the frame settles; with a reference
  envelope* kept = nullptr;         // whose payload the handler uses
  std::string_view message;
  std::uint64_t hop = 0;
  std::uint64_t trace = 0;
  time_point since{};
  std::unique_ptr<std::stop_source> source;
  execution* next = nullptr;  // of the extension's list
  execution* prev = nullptr;
};

}  // namespace odeon::detail
