#pragma once

#include <odeon/persistence/journal.hpp>
#include <odeon/wire/tagged.hpp>

#include <workflow/internal/plan.hpp>

#include <string>
#include <variant>
#include <vector>

/// @file What a durable run writes down. Steps and edges stand there by name, values with their
/// manifests.

namespace odeon::workflows::detail {

struct recorded_pin {
  std::string name = {};
  std::string text = {};
};

struct recorded_token {
  std::uint64_t id = 0;
  std::string edge = {};  // empty: the input of the run
  std::int64_t due = 0;   // wall clock, ns
};

struct run_started {
  static constexpr auto manifest = "odeon.workflow.started";
  std::string workflow = {};
  int workflow_version = 1;
  std::vector<recorded_pin> pins = {};
  wire::tagged input = {};
  std::vector<recorded_token> tokens = {};
  bool answers = false;
};

struct step_done {
  static constexpr auto manifest = "odeon.workflow.step_done";
  std::string step = {};
  std::vector<std::uint64_t> consumed = {};
  unsigned attempts = 1;
  wire::tagged output = {};
  std::vector<recorded_token> tokens = {};
  bool answers = false;
};

struct attempt_failed {
  static constexpr auto manifest = "odeon.workflow.attempt_failed";
  std::string step = {};
  std::uint64_t visit = 0;
  unsigned attempt = 0;
  int code = 0;
  std::string text = {};
  std::int64_t next = 0;  // wall clock, ns
};

struct run_failing {
  static constexpr auto manifest = "odeon.workflow.failing";
  int code = 0;
  std::string text = {};
};

struct step_undone {
  static constexpr auto manifest = "odeon.workflow.step_undone";
  std::string step = {};
  std::uint64_t visit = 0;
  int code = 0;  // 0: it went well
  std::string text = {};
};

struct run_finished {
  static constexpr auto manifest = "odeon.workflow.finished";
  int code = 0;  // 0: it has an answer
  std::string text = {};
  wire::tagged answer = {};
};

using run_record =
    std::variant<run_started, step_done, attempt_failed, run_failing, step_undone, run_finished>;

[[nodiscard]] result<event_record> encode_record(const run_record& r, std::string_view workflow);
[[nodiscard]] result<run_record> decode_record(const event_view& e);

/// A value as it is recorded. `errc::no_codec`, which names the type, when it cannot be.
[[nodiscard]] result<wire::tagged> record_value(const value_type& t, const value_ptr& v);
[[nodiscard]] result<value_ptr> replay_value(const value_type& t, const wire::tagged& r);

/// One run of an id at a time in this process: held by the run, given back when destroyed.
class run_lease {
 public:
  [[nodiscard]] static result<run_lease> take(const void* journal, std::string id);
  run_lease() noexcept = default;
  run_lease(run_lease&& o) noexcept
      : journal_(std::exchange(o.journal_, nullptr)),
        id_(std::move(o.id_)) {}
  run_lease& operator=(run_lease&& o) noexcept {
    std::swap(journal_, o.journal_);
    std::swap(id_, o.id_);
    return *this;
  }
  ~run_lease();

 private:
  run_lease(const void* journal, std::string id) : journal_(journal), id_(std::move(id)) {}
  const void* journal_ = nullptr;
  std::string id_;
};

}  // namespace odeon::workflows::detail
