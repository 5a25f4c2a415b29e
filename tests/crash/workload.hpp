#pragma once

#include <odeon/persistence/journal.hpp>

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

/// @file What the crash tests write, as a function of the id and of how many appends it has had.
///
/// Each id goes through steps 0, 1, 2, …; a step is one append. Its content follows from the id
/// and the step alone, so whoever looks at a journal later can tell what must be in it. Each step
/// leaves its number twice, as the due time of the timer "step" and as the mark "step": they tell
/// how far an id has come, and everything else that it has stored must say the same.

namespace crash {

inline constexpr std::uint32_t ids_max = 64;

/// Splitmix64 of the parts (Steele et al. 2014): a number that looks like chance and is not.
[[nodiscard]] std::uint64_t mix(std::uint64_t a, std::uint64_t b, std::uint64_t c = 0) noexcept;

/// A generator over `mix`, the same everywhere.
class dice {
 public:
  explicit dice(std::uint64_t seed) noexcept : seed_(seed) {}
  std::uint64_t next() noexcept { return mix(seed_, ++drawn_); }
  /// 0 … bound − 1. @pre bound > 0
  std::uint64_t below(std::uint64_t bound) noexcept { return next() % bound; }
  bool one_in(std::uint64_t n) noexcept { return below(n) == 0; }

 private:
  std::uint64_t seed_;
  std::uint64_t drawn_ = 0;
};

[[nodiscard]] std::string id_of(std::uint32_t id);

/// Every eighth id keeps states, the others events.
[[nodiscard]] constexpr bool keeps_states(std::uint32_t id) noexcept { return id % 8 == 5; }

/// Bytes that tell whose they are: `length` of them, at most some 60,000, and at least enough.
[[nodiscard]] std::vector<std::byte> content(std::uint32_t id, std::uint64_t number,
                                             std::size_t length);

/// The step of an id; epoch and expected sequence are left to the caller.
[[nodiscard]] odeon::append_request request_of(std::uint32_t id, std::uint64_t step);

/// The snapshot of an id with events, as of a sequence number.
[[nodiscard]] odeon::save_snapshot_request snapshot_of(std::uint32_t id, std::uint64_t sequence);

/// What one id has stored after some steps.
struct expected {
  std::uint64_t step = 0;
  std::uint64_t sequence = 0;  ///< of the last event or state
  std::vector<odeon::event_record> events;
  odeon::state_record state;  ///< the last one
  std::map<std::string, odeon::timer_record> timers;
  std::map<std::string, std::uint64_t> marks;
  /// With the step that sent each, and the sequence it was sent at.
  struct sent {
    std::uint64_t step = 0;
    std::uint64_t sequence = 0;
    odeon::outbox_message message;
  };
  std::vector<sent> outbox;

  void advance(std::uint32_t id);
};

[[nodiscard]] expected expected_after(std::uint32_t id, std::uint64_t steps);

/// How far each id has come, as the writer was told. Plain numbers, in memory that outlives it;
/// they are read and written with `std::atomic_ref`.
struct claim {
  std::uint64_t issued = 0;          ///< steps begun
  std::uint64_t acked = 0;           ///< steps acknowledged
  std::uint64_t epoch = 0;           ///< the newest acknowledged
  std::uint64_t snapshot_asked = 0;  ///< the sequence of the newest
  std::uint64_t snapshot = 0;        ///< acknowledged
  std::uint64_t removal = 0;         ///< outbox messages of the steps below were to be removed
  std::uint64_t removed = 0;         ///< and have been
  std::uint64_t service_asked = 0;   ///< due time of the timer that another service has set
  std::uint64_t service = 0;
};

struct claims {
  std::uint32_t ids = 0;
  std::array<claim, ids_max> of{};
  std::uint64_t acknowledgements = 0;  ///< of all kinds
  std::array<char, 400> fault{};       ///< the writer's own complaint; empty: none
};

}  // namespace crash
