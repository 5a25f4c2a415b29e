#include <odeon/stream/compression.hpp>

#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <new>
#include <utility>

namespace odeon::stream::detail {

int checked_level(int level) {
  if (level < 1 || level > 19)
    throw actor_error(errc::invalid_argument,
                      "compress: the level is 1 to 19, not " + std::to_string(level));
  return level;
}
decompress_limits checked_limits(decompress_limits l) {
  if (l.window_log < 10 || l.window_log > 31)
    throw actor_error(errc::invalid_argument,
                      "decompress: window_log is 10 to 31, not " + std::to_string(l.window_log));
  return l;
}

// -- encoder --------------------------------------------------------------------------------------

struct zstd_encoder::context {
  ZSTD_CCtx* z = ZSTD_createCCtx();
  ~context() { ZSTD_freeCCtx(z); }
};

zstd_encoder::zstd_encoder(int level) : context_(std::make_unique<context>()) {
  if (!context_->z) throw std::bad_alloc();
  ZSTD_CCtx_setParameter(context_->z, ZSTD_c_compressionLevel, level);
  ZSTD_CCtx_setParameter(context_->z, ZSTD_c_checksumFlag, 1);
}
zstd_encoder::zstd_encoder(zstd_encoder&&) noexcept = default;
zstd_encoder::~zstd_encoder() = default;

std::string zstd_encoder::run(std::string_view bytes, int directive) {
  ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
  std::string all;
  for (;;) {
    std::size_t left = 0;
    ZSTD_outBuffer out{nullptr, 0, 0};
    const std::size_t before = all.size();
    all.resize_and_overwrite(before + ZSTD_CStreamOutSize(), [&](char* to, std::size_t n) {
      out = {to + before, n - before, 0};
      left =
          ZSTD_compressStream2(context_->z, &out, &in, static_cast<ZSTD_EndDirective>(directive));
      return before + out.pos;
    });
    if (ZSTD_isError(left))
      throw actor_error(errc::internal, std::string("compress: ") + ZSTD_getErrorName(left));
    const bool done = directive == ZSTD_e_continue ? in.pos == in.size : left == 0;
    if (done) return all;
  }
}
std::string zstd_encoder::add(std::string_view bytes) { return run(bytes, ZSTD_e_continue); }
std::string zstd_encoder::flush() { return run({}, ZSTD_e_flush); }
std::string zstd_encoder::finish() { return run({}, ZSTD_e_end); }

// -- decoder --------------------------------------------------------------------------------------

struct zstd_decoder::context {
  ZSTD_DCtx* z = ZSTD_createDCtx();
  ~context() { ZSTD_freeDCtx(z); }
};

zstd_decoder::zstd_decoder(decompress_limits limits)
    : context_(std::make_unique<context>()),
      limits_(limits) {
  if (!context_->z) throw std::bad_alloc();
  ZSTD_DCtx_setParameter(context_->z, ZSTD_d_windowLogMax, static_cast<int>(limits.window_log));
}
zstd_decoder::zstd_decoder(zstd_decoder&&) noexcept = default;
zstd_decoder::~zstd_decoder() = default;

void zstd_decoder::feed(std::string bytes) {
  in_ = std::move(bytes);
  at_ = 0;
  more_ = !in_.empty();
}

std::string zstd_decoder::next() {
  // One byte beyond the limit is enough to know.
  const std::uint64_t left = limits_.bytes - produced_;
  const std::size_t room =
      left < decompressed_piece ? static_cast<std::size_t>(left) + 1 : decompressed_piece;
  ZSTD_inBuffer in{in_.data(), in_.size(), at_};
  ZSTD_outBuffer out{nullptr, 0, 0};
  std::size_t code = 0;
  std::string piece;
  piece.resize_and_overwrite(room, [&](char* to, std::size_t n) {
    out = {to, n, 0};
    code = ZSTD_decompressStream(context_->z, &out, &in);
    return out.pos;
  });
  const std::uint64_t offset = consumed_;
  consumed_ += in.pos - at_;
  at_ = in.pos;
  if (ZSTD_isError(code)) {
    if (ZSTD_getErrorCode(code) == ZSTD_error_frameParameter_windowTooLarge)
      throw actor_error(errc::limit_exceeded, "decompress: the frame at offset " +
                                                  std::to_string(offset) + " needs more than 2^" +
                                                  std::to_string(limits_.window_log) + " bytes");
    throw actor_error(errc::bad_encoding, "decompress: " + std::string(ZSTD_getErrorName(code)) +
                                              ", in the bytes after offset " +
                                              std::to_string(offset));
  }
  produced_ += piece.size();
  if (produced_ > limits_.bytes)
    throw actor_error(errc::limit_exceeded, "decompress: more than " +
                                                std::to_string(limits_.bytes) +
                                                " bytes came out of " + std::to_string(consumed_));
  inside_ = code != 0;
  // A piece that is full may not be all of it.
  more_ = at_ < in_.size() || (inside_ && piece.size() == room);
  return piece;
}

void zstd_decoder::finish() const {
  if (inside_)
    throw actor_error(errc::truncated, "decompress: the bytes end inside a frame, after " +
                                           std::to_string(consumed_));
}

}  // namespace odeon::stream::detail
