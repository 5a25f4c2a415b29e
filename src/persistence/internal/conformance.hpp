#pragma once

#include <odeon/persistence/testing/journal_conformance.hpp>

#include <span>
#include <string>
#include <string_view>
#include <vector>

/// @file What the conformance checks are written with.

/// Ends the check unless `condition` holds.
#define ODEON_EXPECT(condition)                                                          \
  do {                                                                                   \
    if (!(condition)) return ::odeon::testing::not_held(#condition, __FILE__, __LINE__); \
  } while (false)

/// Ends the check unless the result is an error with that code.
#define ODEON_EXPECT_ERROR(outcome, code_)                                       \
  do {                                                                           \
    const auto& odeon_outcome = (outcome);                                       \
    if (odeon_outcome.has_value() || odeon_outcome.error() != (code_))           \
      return ::odeon::testing::not_held(                                         \
          (std::string(#outcome " fails with " #code_ ", but: ") +               \
           (odeon_outcome ? "it succeeded" : odeon_outcome.error().to_string())) \
              .c_str(),                                                          \
          __FILE__, __LINE__);                                                   \
  } while (false)

/// `name` is the value of a result that must be one.
#define ODEON_VALUE(name, outcome)                                                         \
  auto odeon_##name = (outcome);                                                           \
  if (!odeon_##name)                                                                       \
    return ::odeon::testing::not_held(                                                     \
        (std::string(#outcome ": ") + odeon_##name.error().to_string()).c_str(), __FILE__, \
        __LINE__);                                                                         \
  auto& name = *odeon_##name

namespace odeon::testing {

[[nodiscard]] std::unexpected<error> not_held(const char* what, const char* file, int line);

[[nodiscard]] std::vector<std::byte> bytes_of(std::string_view text);
[[nodiscard]] std::string text_of(std::span<const std::byte> bytes);
[[nodiscard]] event_record event_of(std::string_view text, std::vector<std::string> tags = {});
[[nodiscard]] timer_record timer_of(std::string_view id, std::int64_t due_seconds);

/// A journal with calls that wait.
class waiting_journal {
 public:
  waiting_journal(runtime& rt, std::unique_ptr<journal> j) : rt_(&rt), j_(std::move(j)) {}

  journal* operator->() const noexcept { return j_.get(); }
  [[nodiscard]] journal& get() const noexcept { return *j_; }
  [[nodiscard]] runtime& rt() const noexcept { return *rt_; }

  result<std::uint64_t> open_writer(std::string id);
  result<append_ack> append(append_request request);
  result<append_ack> append(std::string id, std::uint64_t epoch, std::uint64_t expected,
                            std::vector<event_record> events);
  result<void> save_snapshot(save_snapshot_request request);
  result<std::uint64_t> delete_snapshots(snapshot_criteria which);
  result<void> acknowledge(std::vector<std::uint64_t> positions);
  result<std::uint64_t> change(std::vector<timer_change> changes);
  result<std::vector<stored_event>> events(replay_request request);
  result<std::vector<stored_event>> events(std::string id) {
    return events({.persistence_id = std::move(id)});
  }
  result<std::uint64_t> highest(std::string id);
  result<id_info> describe(std::string id);
  result<std::vector<std::string>> ids(std::string after = {}, std::size_t max = 1000);
  result<std::vector<stored_event>> by_tag(std::string tag, std::uint64_t after = 0,
                                           std::size_t max = 1000);
  result<loaded_snapshot> snapshot(snapshot_criteria which);
  result<std::vector<snapshot_info>> snapshots(snapshot_criteria which, std::size_t max = 1000);
  result<std::uint64_t> mark(std::string id, std::string name);
  result<std::vector<mark_record>> marks(std::string id, std::string after = {},
                                         std::size_t max = 1000);
  result<std::vector<stored_timer>> due(wall_time until, timer_cursor after = {},
                                        std::size_t max = 1000);
  result<std::vector<timer_record>> timers_of(std::string id);
  result<std::vector<outbox_entry>> outbox(std::uint64_t after = 0, std::size_t max = 1000);

  /// A recovery written down: "snapshot 3 s3", "event 4 e4", … and the report.
  struct recovery {
    std::vector<std::string> steps;
    result<recovery_report> end{};
  };
  recovery recover(recover_request request);

 private:
  runtime* rt_;
  std::unique_ptr<journal> j_;
};

[[nodiscard]] result<waiting_journal> open(journal_fixture& on, journal_options bounds = {});

/// The sentences of a list of events' payloads: "a b c".
[[nodiscard]] std::string payloads(const std::vector<stored_event>& events);

// The checks, by subject.
[[nodiscard]] std::span<const journal_check> append_checks();
[[nodiscard]] std::span<const journal_check> bound_checks();
[[nodiscard]] std::span<const journal_check> read_checks();
[[nodiscard]] std::span<const journal_check> snapshot_checks();
[[nodiscard]] std::span<const journal_check> state_checks();
[[nodiscard]] std::span<const journal_check> timer_checks();
[[nodiscard]] std::span<const journal_check> life_checks();

}  // namespace odeon::testing
