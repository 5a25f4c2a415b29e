#pragma once

#include "odeon/bank/account.hpp"
#include "odeon/bank/events.hpp"
#include <odeon/persistence/event_sourced.hpp>
#include <odeon/wire/reflect.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace odeon::bank {

/// Coordinators of a bank. Each has the transfers whose reference falls to it, so the number is
/// part of what is stored and does not change.
inline constexpr std::size_t coordinator_count = 256;

/// Which one a reference falls to.
[[nodiscard]] std::size_t coordinator_of(std::string_view reference) noexcept;

/// The accounts by name; does not change while coordinators use it.
using account_directory = std::unordered_map<std::string, account::ref>;

/// How a transfer, or a line that wanted to be one, ended.
enum class ending : std::uint8_t {
  completed = 0,
  refused = 1,    ///< no money has moved
  refunded = 2,   ///< the money has moved and is back
  duplicate = 3,  ///< the reference belongs to another line, or was used for another transfer
};

[[nodiscard]] std::string_view to_string(ending how) noexcept;
[[nodiscard]] std::string_view to_string(refusal why) noexcept;

/// A coordinator's answer, sent after what it says has been committed.
struct verdict {
  std::uint64_t line = 0;
  std::string reference;
  ending how = ending::completed;
  refusal why = refusal::none;
  std::uint64_t first_line = 0;  ///< of a duplicate: the line that has the reference
  bool known_before = false;     ///< it had ended before it was submitted
  bool resumed = false;          ///< it was under way when the coordinator recovered
};

/// A transfer cannot go on now; it stays as it is until the next start.
struct trouble {
  error why = errc::internal;
};

using verdict_sink = actor_ref<verdict, trouble>;

/// Whom to tell, from now on; and goes on with all transfers that were under way. First of all.
struct resume {
  struct reply_type {
    std::uint64_t under_way = 0;  ///< as many verdicts with `resumed` will come
    std::uint64_t ended = 0;
    std::uint64_t replayed = 0;  ///< events that the recovery read
  };
  using reply = reply_type;
  verdict_sink sink;
};

/// Carry it out, unless it was; a verdict follows.
struct submit {
  transfer what;
};

/// Where a transfer stands. Told by the coordinator to itself.
enum class stage : std::uint8_t { withdrawing, depositing, refunding };
struct stepped {
  std::string reference;
  stage at = stage::withdrawing;
  result<refusal> answer = refusal::none;
};

struct pending_transfer {
  transfer what;
  bool refunding = false;
  refusal why = refusal::none;
};
struct ended_transfer {
  std::uint64_t line = 0;     ///< where it stood when it was carried out
  std::uint64_t content = 0;  ///< a hash of from, to and amount
  ending how = ending::completed;
  refusal why = refusal::none;
};

/// Grows with the number of transfers: that a reference is never carried out twice takes a memory
/// of all of them.
struct coordinator_state {
  std::map<std::string, pending_transfer> pending;
  std::map<std::string, ended_transfer> ended;
  std::uint64_t replayed = 0;  ///< events applied since the snapshot; not part of it

  ODEON_REFLECT(coordinator_state, pending, ended)
};

/// Carries out transfers, many at a time, one step after the other (see events.hpp). What it has
/// begun it ends, whatever happens in between: its state says how far each transfer is, each step
/// may be repeated, and no step is taken back but by the refund that it decided on, durably,
/// before.
class coordinator
    : public event_sourced<coordinator_state,
                           events<transfer_started, refund_decided, transfer_completed,
                                  transfer_refused, transfer_refunded>,
                           resume, submit, stepped> {
 public:
  coordinator(std::size_t index, std::shared_ptr<const account_directory> accounts);

  resume::reply_type on(resume m);
  effect on(submit m);
  effect on(const stepped& m);

  static void apply(coordinator_state& s, const transfer_started& e);
  static void apply(coordinator_state& s, const refund_decided& e);
  static void apply(coordinator_state& s, const transfer_completed& e);
  static void apply(coordinator_state& s, const transfer_refused& e);
  static void apply(coordinator_state& s, const transfer_refunded& e);

 private:
  void step(const std::string& reference, stage at);
  template <class Command>
  void ask(const std::string& account, const transfer& what, stage at);
  effect finish(const transfer& what, ending how, refusal why);
  void tell_of_ended(std::uint64_t line, const std::string& reference, bool known_before);

  std::shared_ptr<const account_directory> accounts_;
  verdict_sink sink_;
  std::unordered_set<std::string> resumed_;                // of this recovery, not yet ended
  std::unordered_map<std::string, std::uint64_t> claims_;  // which line has a reference, this time
};

}  // namespace odeon::bank
