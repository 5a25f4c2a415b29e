#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <span>
#include <vector>

/// @file The landing: the newest events of a SQLite journal, in memory, by actor.
///
/// Events are committed in the order they come, as rows of the log: that is fast. They are read by
/// actor, which wants them side by side. The landing is what lies between: it holds each actor's
/// events that are in the log and not yet in a segment, and hands them out as whole segments, so
/// that one row is written for many events. This is the log-structured merge of O'Neil et al.
/// (1996), with one level. When a journal is opened, the log fills it again.
///
/// The writer's thread is the only one that changes it, after a commit; readers copy under the
/// lock. Members that take no lock are for the writer's thread.

namespace odeon::detail {

class landing {
 public:
  /// Encoded records of consecutive events of one actor.
  struct tail {
    std::uint64_t first = 0;  ///< sequence numbers
    std::uint64_t last = 0;
    std::vector<std::byte> records;
  };

  /// Which tails the present transaction turns into segments. Valid until `stored` or the next
  /// `add`.
  struct plan {
    std::vector<std::uint32_t> actors;
    std::uint32_t cursor = 0;
    bool sweep_ends = false;
  };

  /// `limit`: bytes that may stay. `heavy`: a tail of this size is stored with the next commit.
  landing(std::size_t limit, std::size_t heavy) noexcept : limit_(limit), heavy_size_(heavy) {}

  // Readers.

  /// False: the actor has no tail.
  [[nodiscard]] bool copy_tail(std::uint32_t actor, tail& out) const;

  /// The sequence number of the actor's last event here; 0: none is.
  [[nodiscard]] std::uint64_t last_of(std::uint32_t actor) const;

  /// Copies the record of one event. False: it is not here.
  [[nodiscard]] bool copy_event(std::uint32_t actor, std::uint64_t sequence,
                                std::vector<std::byte>& out) const;

  /// Everything committed before was added: queries by position look no further.
  [[nodiscard]] std::uint64_t next_position() const;

  // The writer.

  /// A committed event, the next after the actor's last one.
  struct addition {
    std::uint32_t actor = 0;
    std::uint64_t sequence = 0;
    std::span<const std::byte> record;
  };
  void add(std::span<const addition> events, std::uint64_t next_position);

  /// Null: none.
  [[nodiscard]] const tail* find(std::uint32_t actor) const noexcept;

  /// What to store with a transaction that adds `incoming` bytes: heavy tails; then a sweep in the
  /// order of actors, which goes on where the last plan ended (so that neighbours in the segments'
  /// tree are written together), as far as the limit demands. A log that has grown by the limit
  /// since the sweep began moves it on as well, for only its end allows to trim the log.
  [[nodiscard]] plan make_plan(std::size_t incoming) const;

  /// All of it.
  [[nodiscard]] plan plan_of_all() const;

  /// The plan was committed, with `incoming` bytes more in the log. `log_next`: the number of the
  /// next log row. Returns below which number all log rows are in segments.
  std::uint64_t stored(const plan& p, std::size_t incoming, std::uint64_t log_next);

  /// The first sweep: the log holds `bytes` in the rows below `log_next`.
  void start_sweep(std::uint64_t log_next, std::size_t bytes) noexcept {
    sweep_mark_ = log_next;
    since_mark_ = bytes;
  }

  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

 private:
  static constexpr std::size_t tail_overhead = 128;  // of a map node and a vector, counted as bytes
  [[nodiscard]] static std::size_t cost(const tail& t) noexcept {
    return t.records.size() + tail_overhead;
  }

  const std::size_t limit_;
  const std::size_t heavy_size_;
  mutable std::mutex mutex_;
  std::map<std::uint32_t, tail> tails_;
  std::uint64_t next_position_ = 0;

  std::size_t bytes_ = 0;
  std::vector<std::uint32_t> heavy_;
  std::uint32_t cursor_ = 0;      // the sweep has done the actors below
  std::size_t since_mark_ = 0;    // bytes the log got since the sweep began
  std::uint64_t sweep_mark_ = 0;  // log rows below were in the landing when the sweep began
  std::uint64_t safe_below_ = 0;  // log rows below are in segments
};

}  // namespace odeon::detail
