#pragma once

#include "control_lane.hpp"
#include "messages.hpp"
#include "protocol.hpp"
#include <odeon/base/time.hpp>
#include <odeon/wire/bytes.hpp>

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

/// @file One connection in the terms of the protocol, without I/O: bytes go in, messages come out;
/// messages go in, bytes come out. Nothing here waits, reads a clock or draws a random number.
///
/// Life of a connection:
///
///     session s{options};                       // dialer: `take` gives its hello at once
///     auto into = s.room();                     // the transport reads into it …
///     auto ok = s.receive(n, now, handler, f);  // … n bytes; in any portions
///     s.apply(f);                               // what came for the write half
///     s.take(out);  out.pieces(…)               // what is to be written, in one gather write
///
/// | state | means | ends by |
/// |---|---|---|
/// | handshake | hellos and proofs are exchanged | `receive` |
/// | deciding | acceptor: the dialer is authentic, its words are in `peer()` | `accept` or `refuse`
/// | | open | messages travel | `goodbye`, the peer's goodbye, or an error of `receive` | | closed
/// | nothing more is read; what `take` still gives (a refusal) may be written | |
///
/// A `receive` that makes the state `deciding` or `open` returns at once, and may leave bytes of
/// frames untouched: after `accept` and `attach`, call `receive(0, …)`.
///
/// After an error of `receive` nothing more is delivered; the connection is to be closed once what
/// `take` gives was written: during the handshake a refusal that the peer can read, and after it
/// the goodbye (`violation`) that the owner asks for.
///
/// Threads. Until the state is `open`, one thread at a time. Then the two halves are independent:
/// one thread at a time in the read half, one in the write half, and both at the same time. What
/// the read half has to tell the other one is collected in a `feedback`, which is handed over by
/// the owner under its own lock.

namespace odeon::remote::detail {

class frame_filler;  // send_queue.hpp

enum class session_state : std::uint8_t { handshake, deciding, open, closed };

/// Who is told what comes. Called by `receive`, in the order of the bytes. Views live for the call.
class session_handler {
 public:
  virtual void on_message(const user_message& m) noexcept = 0;
  /// Each exactly once and in order; see control_lane.hpp. On stream 0 only.
  virtual void on_control(std::span<const std::byte> record) noexcept = 0;
  /// The last call.
  virtual void on_goodbye(goodbye_reason why, std::string_view text) noexcept = 0;

 protected:
  ~session_handler() = default;
};

/// What came for the write half. Collects over several `receive`; small, and bounded.
struct feedback {
  std::array<std::uint64_t, lane_count> credit{};  ///< the peer lets so many more bytes come
  std::array<std::uint64_t, lane_count> grant{};   ///< this side does; to be told
  std::optional<std::uint64_t> acknowledged;       ///< of this side's control records
  std::optional<std::uint64_t> acknowledge;        ///< of the peer's; to be told
  std::optional<std::uint64_t> pong;               ///< a heartbeat to be answered
  std::optional<duration> round_trip;              ///< of this side's last answered heartbeat
  [[nodiscard]] bool empty() const noexcept;       ///< nothing for `apply`
};

/// What is to be written, in this order. Cleared and used again, it allocates nothing.
struct output {
  wire::buffer first;         ///< handshake and control
  std::size_t handshake = 0;  ///< how many bytes of it are no frames
  wire::buffer ordinary;
  wire::buffer large;
  [[nodiscard]] bool empty() const noexcept {
    return first.empty() && ordinary.empty() && large.empty();
  }
  [[nodiscard]] std::size_t size() const noexcept {
    return first.size() + ordinary.size() + large.size();
  }
  /// The pieces that are not empty; how many of the array are used.
  std::size_t pieces(std::array<const_bytes, 3>& into) const noexcept;
  void clear() noexcept { first.clear(), ordinary.clear(), large.clear(), handshake = 0; }
  /// Lets go of memory that is kept for the next time.
  void trim() noexcept { first = {}, ordinary = {}, large = {}, handshake = 0; }
};

/// Of one half of one connection; plain counts, read by the thread that uses that half.
struct half_counters {
  std::uint64_t bytes = 0;  ///< on the wire
  std::uint64_t frames = 0;
  std::uint64_t messages = 0;         ///< user messages, whole ones
  std::uint64_t records = 0;          ///< control
  std::uint64_t names_defined = 0;    ///< in the connection's table
  std::uint64_t compressed_from = 0;  ///< payload bytes before …
  std::uint64_t compressed_to = 0;    ///< … and after compression
};

class session {
 public:
  /// Limits below the protocol's least (`frame_bytes_least`, …) count as those.
  explicit session(session_options options);
  session(session&&) noexcept;
  session& operator=(session&&) noexcept;
  ~session();  ///< keys are wiped

  /// Either half may ask.
  [[nodiscard]] session_state state() const noexcept;
  /// What the peer has said; null before its hello. Does not change from `deciding`/`open` on.
  [[nodiscard]] const peer_hello* peer() const noexcept;

  // --- Handshake
  // -----------------------------------------------------------------------------------

  /// In `deciding`: the connection stands for this side as soon as what `take` gives is written.
  void accept();
  /// In `handshake` and `deciding`: the peer gets `why` in words, and its `receive` gives that code
  /// (see `refusal_codes` in the reference; any other arrives as `refused`).
  void refuse(const error& why);

  /// In `open`, before anything else is sent: the control records of the association. Without it,
  /// records that come are a violation; so for streams other than 0. Both must outlive the session
  /// or be detached by null pointers. Either half is quiet meanwhile.
  void attach(control_outbox* out, control_inbox* in);

  // --- Read half
  // -----------------------------------------------------------------------------------

  /// Where the next bytes are to be read into; never empty. Begins with 4 KiB and grows with what
  /// comes, never with what a length claims; at most to two frames. Valid until `receive`.
  [[nodiscard]] std::span<std::byte> room();
  /// `count` bytes of `room()` have been filled; 0: only what is there already is looked at, after
  /// `accept`. Errors, each with what to do:
  /// `incompatible_peer` (no common version; the peer demands more protection than this side has),
  /// `authentication_failed` (wrong secret, less protection than demanded, a certificate for
  /// another name), `protocol_violation`, `limit_exceeded`, and what the peer's refusal says.
  /// Allocates nothing when frames fit the buffer. About 40 ns a small message.
  [[nodiscard]] result<void> receive(std::size_t count, time_point now, session_handler& handler,
                                     feedback& f);
  [[nodiscard]] const half_counters& received() const noexcept;

  // --- Write half
  // ----------------------------------------------------------------------------------

  /// Takes a message, whose bytes are copied. False: the ordinary lane's credit is used up, or the
  /// session is not open; ask again after `apply`, with this one first: what comes later must not
  /// overtake it. A message above `small_bytes_max` is always taken, and is then sent in
  /// chunks between the others; what follows it for the same pair of actors follows it, and is
  /// taken as well (see `held_bytes`). Errors, the message being the only thing lost:
  /// `limit_exceeded` (above the peer's `message_bytes`, or a name above `name_bytes_max`),
  /// `no_codec` (the peer does not read that format). About 50 ns.
  [[nodiscard]] result<bool> add(const user_message& m);
  /// A heartbeat with the time; the peer answers it (`feedback::round_trip`). Also lets go of
  /// memory that frames needed lately.
  void heartbeat(time_point now);
  /// The last thing that is sent, behind what was added; chunks that wait are not sent any more
  /// (`drain`). What comes is still read. In `handshake` and `deciding`: nothing, see `refuse`.
  void goodbye(goodbye_reason why, std::string_view text);
  /// What the read half has collected. `protocol_violation`: an acknowledgement of what was not
  /// sent, credit beyond all bounds.
  [[nodiscard]] result<void> apply(feedback& f);

  /// Whether `take` would give something: messages, control records in the attached outbox,
  /// acknowledgements, chunks that have credit.
  [[nodiscard]] bool has_output() const noexcept;
  /// Makes frames of what was added, with their counters and checks. `out` must be empty: what one
  /// call gives is written before the next is made. Swaps buffers instead of copying. At most
  /// `large_turn` bytes of chunks and `control_window` of records at a time: ask `has_output`
  /// again. It is `gather`, then `seal`.
  void take(output& out);
  /// Frames without counters and checks.
  void gather(output& out);
  /// Those, once, in the order of the gathering. Touches nothing that `frames` does.
  void seal(output& out);

  /// Messages as `add` takes them, but for large ones and those to be compressed, for a queue whose
  /// lock guards the write half while it is set there. Lives as long as the session.
  [[nodiscard]] frame_filler& frames() noexcept;

  /// Large messages and what must follow them, taken and not wholly given out: their bytes.
  [[nodiscard]] std::size_t held_bytes() const noexcept;
  /// What the last `take` gave is written: nobody will ask for it any more.
  void written() noexcept;
  /// At the end of a connection: each message of which the peer cannot know, oldest first within a
  /// pair; forgotten then. `out` is what the last `take` gave, of which `taken` bytes were written;
  /// after `written`, or without a `take`, it is empty. A message counts as written with the last
  /// byte of its frame, without which the peer does not look at it. Views live for the call.
  void drain(const output& out, std::size_t taken,
             const std::function<void(const user_message&)>& unsent);
  [[nodiscard]] const half_counters& sent() const noexcept;

 private:
  struct shared;
  struct read_half;
  struct write_half;
  void open_halves();
  std::unique_ptr<shared> shared_;
  std::unique_ptr<read_half> read_;
  std::unique_ptr<write_half> write_;
};

}  // namespace odeon::remote::detail
