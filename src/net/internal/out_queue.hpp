#pragma once

#include <odeon/runtime/transport.hpp>

#include <algorithm>
#include <deque>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

/// @file What a connection is yet to write: pieces that are gathered into one write when the one
/// before is done. A write is of at most `write_max` bytes, so that each one that is done shows
/// that the other side reads. In the connection's section.

namespace odeon::http_detail {

class out_queue {
 public:
  using done_fn = std::move_only_function<void(result<void>)>;
  static constexpr std::size_t join_below = 4 * 1024;  ///< pieces of less are copied together
  static constexpr std::size_t join_up_to = 64 * 1024;
  static constexpr std::size_t pieces_max = 64;  ///< in one write
  static constexpr std::size_t write_max = 256 * 1024;

  /// No empty piece, unless for its `done`.
  void add(std::string bytes, done_fn done = nullptr) {
    unsent_ += bytes.size();
    if (pieces_.size() > going_ && !pieces_.back().done && bytes.size() < join_below &&
        pieces_.back().bytes.size() + bytes.size() < join_up_to) {
      pieces_.back().bytes += bytes;
      pieces_.back().done = std::move(done);
      return;
    }
    pieces_.push_back({std::move(bytes), std::move(done)});
  }
  [[nodiscard]] bool is_idle() const noexcept { return pieces_.empty(); }
  [[nodiscard]] bool is_writing() const noexcept { return going_ > 0; }
  /// What no connection has taken.
  [[nodiscard]] std::size_t unsent() const noexcept { return unsent_; }

  /// Writes what the connection takes now, and tells those whose bytes were in it. False: not all
  /// of what waits was taken; `write` is for the rest. Not beside a write.
  bool write_now(connection& c) {
    gather();
    going_ = 0;
    std::size_t n = c.try_write(spans_);
    std::vector<done_fn> told;
    bool whole = true;
    for (const const_bytes s : spans_) {
      const std::size_t taken = std::min(s.size(), n);
      n -= taken;
      whole = take_off(taken, told);
      if (!whole) break;
    }
    spans_.clear();
    whole = whole && pieces_.empty();
    for (auto& done : told) done({});
    return whole;
  }
  /// Begins a write of what waits; neither beside another, nor of nothing. `done` is to call
  /// `wrote`, and to keep this queue until then.
  void write(connection& c, connection::write_done done) {
    gather();
    c.write(spans_, std::move(done));
  }
  /// The write is done: tells those whose bytes were in it, and after a failure all others too.
  void wrote(const result<void>& r) {
    going_ = 0;
    if (!r) return give_up(r.error());
    std::vector<done_fn> told;
    for (const const_bytes s : spans_)
      if (!take_off(s.size(), told)) break;
    spans_.clear();
    for (auto& done : told) done(r);
  }
  /// Tells all that nothing more will be written. What a write under way refers to stays.
  void give_up(const error& why) {
    std::vector<done_fn> told;
    for (piece& p : pieces_)
      if (p.done) told.push_back(std::exchange(p.done, nullptr));
    while (pieces_.size() > going_) {
      unsent_ -= pieces_.back().bytes.size() - (pieces_.size() == 1 ? offset_ : 0);
      pieces_.pop_back();
    }
    if (pieces_.empty()) offset_ = 0;
    for (auto& done : told) done(std::unexpected(why));
  }

 private:
  void gather() {
    spans_.clear();
    std::size_t room = write_max;
    std::size_t skip = offset_;
    for (going_ = 0; going_ < pieces_.size() && going_ < pieces_max && room > 0; ++going_) {
      const auto all = std::as_bytes(std::span(pieces_[going_].bytes)).subspan(skip);
      skip = 0;
      spans_.push_back(all.first(std::min(all.size(), room)));
      room -= spans_.back().size();
    }
  }
  /// `n` more bytes of the first piece are gone. False: not all of it. Who is to be told is told
  /// when the queue is in order again: it may do anything, even give the connection up.
  bool take_off(std::size_t n, std::vector<done_fn>& told) {
    unsent_ -= n;
    offset_ += n;
    if (offset_ < pieces_.front().bytes.size()) return false;
    offset_ = 0;
    if (pieces_.front().done) told.push_back(std::move(pieces_.front().done));
    pieces_.pop_front();
    return true;
  }

  struct piece {
    std::string bytes;
    done_fn done;
  };
  std::deque<piece> pieces_;
  std::size_t going_ = 0;   // pieces of the write under way
  std::size_t offset_ = 0;  // in the first, what was written before
  std::vector<const_bytes> spans_;
  std::size_t unsent_ = 0;
};

}  // namespace odeon::http_detail
