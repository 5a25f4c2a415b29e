#pragma once

#include <odeon/stream/pipe.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

/// @file Bytes made smaller on their way, and back: zstd frames (RFC 8878), as the `zstd` program
/// writes and reads them. Bytes are `std::string`s, cut anywhere.

namespace odeon::stream {

struct decompress_limits {
  std::uint64_t bytes = std::uint64_t(1) << 30;  ///< that come out of one stream
  unsigned window_log = 23;  ///< 2 to the power of it is the memory a frame may need: 10 to 31
};

inline constexpr std::size_t decompressed_piece = 64 * 1024;  ///< bytes at a time, at most

namespace detail {

/// src/stream/compression.cpp
class zstd_encoder {
 public:
  explicit zstd_encoder(int level);
  zstd_encoder(zstd_encoder&&) noexcept;
  ~zstd_encoder();
  /// What is ready of the frame, with these bytes in it; may be nothing.
  std::string add(std::string_view bytes);
  /// All of it up to here; the frame goes on.
  std::string flush();
  /// All of it, and its end.
  std::string finish();

 private:
  std::string run(std::string_view bytes, int directive);
  struct context;
  std::unique_ptr<context> context_;
};

class zstd_decoder {
 public:
  explicit zstd_decoder(decompress_limits limits);
  zstd_decoder(zstd_decoder&&) noexcept;
  ~zstd_decoder();
  /// When `has_more` says no.
  void feed(std::string bytes);
  [[nodiscard]] bool has_more() const noexcept { return more_; }
  /// The next piece; may be nothing. Throws `actor_error`.
  std::string next();
  /// At the end of the bytes. Throws `actor_error` inside a frame.
  void finish() const;

 private:
  struct context;
  std::unique_ptr<context> context_;
  decompress_limits limits_;
  std::string in_;
  std::size_t at_ = 0;
  std::uint64_t consumed_ = 0, produced_ = 0;
  bool more_ = false, inside_ = false;
};

template <class Up>
class compress_stage : public linear<Up> {
  static_assert(std::is_convertible_v<typename Up::value_type, std::string_view>,
                "odeon: compress takes pieces of bytes as std::string");

 public:
  using value_type = std::string;
  compress_stage(Up up, int level) : linear<Up>(std::move(up)), encoder_(level) {}
  polled<std::string> next(island& in) {
    if (over_) return ended;
    for (;;) {
      auto p = this->up_.next(in);
      std::string out;
      if (p) {
        out = encoder_.add(*p);
        held_ = true;
        if (out.empty()) continue;
      } else if (p.has_ended()) {
        over_ = true;
        out = encoder_.finish();
      } else {
        if (!std::exchange(held_, false)) return pending;
        out = encoder_.flush();
      }
      return polled<std::string>(std::move(out));
    }
  }
  void drive(island& in) {
    if (!over_) this->up_.drive(in);
  }

 private:
  zstd_encoder encoder_;
  bool held_ = false, over_ = false;
};

template <class Up>
class decompress_stage : public linear<Up> {
  static_assert(std::is_convertible_v<typename Up::value_type, std::string>,
                "odeon: decompress takes pieces of bytes as std::string");

 public:
  using value_type = std::string;
  decompress_stage(Up up, decompress_limits l) : linear<Up>(std::move(up)), decoder_(l) {}
  polled<std::string> next(island& in) {
    while (!over_) {
      if (decoder_.has_more()) {
        if (!in.spend()) return pending;  // a few bytes may become very many
        std::string out = decoder_.next();
        if (!out.empty()) return polled<std::string>(std::move(out));
        continue;
      }
      auto p = this->up_.next(in);
      if (p) {
        decoder_.feed(std::move(*p));
      } else if (p.has_ended()) {
        over_ = true;
        decoder_.finish();
      } else {
        return pending;
      }
    }
    return ended;
  }
  void drive(island& in) {
    if (!over_) this->up_.drive(in);
  }

 private:
  zstd_decoder decoder_;
  bool over_ = false;
};

int checked_level(int level);
decompress_limits checked_limits(decompress_limits l);

}  // namespace detail

/// Compresses to one zstd frame; level 1 (fast) to 19 (small). When the stage before has nothing at
/// the moment, what was compressed so far is sent on, so nothing is held back from a peer that
/// waits for it. How the frame is cut depends on that; what it contains does not.
[[nodiscard]] inline auto compress(int level = 3) {
  return detail::plain_flow_with<detail::compress_stage>(detail::checked_level(level));
}
/// The other way: zstd frames, one after the other, in pieces of at most `decompressed_piece`
/// bytes, each when it is asked for. For bytes from anywhere: bytes that are no zstd frame fail the
/// stream with `errc::bad_encoding` and their offset, an end inside a frame with `errc::truncated`,
/// and more than `limits` with `errc::limit_exceeded`, before the memory is used.
[[nodiscard]] inline auto decompress(decompress_limits limits = {}) {
  return detail::plain_flow_with<detail::decompress_stage>(detail::checked_limits(limits));
}

}  // namespace odeon::stream
