#pragma once

#include <odeon/core/actor_system.hpp>
#include <odeon/core/context.hpp>
#include <odeon/persistence/effect.hpp>
#include <odeon/persistence/journal.hpp>
#include <odeon/persistence/receivers.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

/// @file What event-sourced and durable-state actors share and what does not depend on their types.

namespace odeon::detail {

/// What one commit of an actor stores.
struct durable_write {
  std::vector<event_record> events;
  std::optional<state_record> state;
  std::vector<outgoing_message> outgoing;
  std::vector<durable_timer> timers;
  std::vector<std::string> cancelled;
};

class durable_core {
 public:
  /// Throws `errc::invalid_argument` when the system has no journal.
  durable_core(context& ctx, std::string id);
  ~durable_core();

  /// Takes a permit and the writing of the id, then `read`s with it.
  task<recovery_report> recover(recover_request request,
                                std::move_only_function<result<void>(const stored_snapshot&)> on_s,
                                journal::event_visitor on_event);
  /// Recovery has ended well: deliveries may come.
  void ready();

  /// Commits, and counts; `settling` is the delivery whose effect this is, or null. Throws
  /// `actor_error`.
  task<void> commit(durable_write what, const persistence::delivery* settling);

  /// False: it was settled before. `version_conflict`: one before it is missing. Throws when the
  /// store fails.
  task<result<bool>> is_new(const persistence::delivery& what);

  /// Not waited for; a failure is logged.
  void save_snapshot(std::string_view manifest, int version, wire::bytes payload,
                     std::uint32_t keep);

  [[nodiscard]] journal& store() noexcept;
  [[nodiscard]] runtime& rt() noexcept;

  std::string id;
  std::uint64_t sequence = 0;  // of the last event, or the revision of the state

 private:
  /// Numbers of the pairs that this actor is one end of, as of the last commit. Each is a mark in
  /// the journal; here stand those used of late.
  static constexpr std::size_t marks_max = 4096;
  task<std::uint64_t> mark(std::string name);
  void remember(std::string name, std::uint64_t value);

  context* ctx_;
  std::shared_ptr<struct persistence_extension> extension_;
  std::unordered_map<std::string, std::uint64_t> marks_;
  std::uint64_t epoch_ = 0;
};

/// A call that ends in a completion, of a journal or another store, as a future.
template <class T, class Start>
future<T> journal_call(runtime& rt, Start&& start) {
  auto [p, f] = promise<T>::make(rt);
  start([done = std::move(p)](result<T> r) mutable { done.set_result(std::move(r)); });
  return std::move(f);
}

[[noreturn]] void throw_wrong_reply(std::string_view given, std::string_view wanted);

}  // namespace odeon::detail
