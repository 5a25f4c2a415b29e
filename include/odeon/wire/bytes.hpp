#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

/// @file Bytes as values, and the buffer that encoders append to.

namespace odeon::wire {

/// Bytes that someone owns. A field of this type is binary in MessagePack and base64 text in JSON.
using bytes = std::vector<std::byte>;

/// The characters of a text as bytes; a view, valid as long as the text.
[[nodiscard]] inline std::span<const std::byte> as_bytes(std::string_view text) noexcept {
  return std::as_bytes(std::span(text.data(), text.size()));
}

/// Bytes as characters; a view, valid as long as the bytes.
[[nodiscard]] inline std::string_view as_text(std::span<const std::byte> data) noexcept {
  return {reinterpret_cast<const char*>(data.data()), data.size()};
}

/// A growing run of bytes to append to. Cleared and used again it allocates nothing: one buffer a
/// connection, batch or thread is the cheap way to encode. Moves, does not copy. Not shared between
/// threads.
class buffer {
 public:
  buffer() noexcept = default;

  /// Writes into `scratch` first (which must outlive the buffer) and moves to the heap when it is
  /// full.
  explicit buffer(std::span<std::byte> scratch) noexcept
      : data_(scratch.data()),
        capacity_(scratch.size()) {}

  buffer(buffer&& other) noexcept { swap(other); }
  buffer& operator=(buffer&& other) noexcept {
    swap(other);
    return *this;
  }
  ~buffer() = default;

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::span<const std::byte> view() const noexcept { return {data_, size_}; }

  /// A copy of the content, allocated at its exact size.
  [[nodiscard]] bytes to_bytes() const { return {data_, data_ + size_}; }

  /// Forgets the content and keeps the memory.
  void clear() noexcept { size_ = 0; }

  /// Drops everything behind the first `size` bytes. `size` must not be more than there are.
  void truncate(std::size_t size) noexcept { size_ = size; }

  void append(std::span<const std::byte> more) {
    if (!more.empty()) std::memcpy(extend(more.size()), more.data(), more.size());
  }
  void append(std::string_view text) { append(as_bytes(text)); }
  void push_back(std::byte one) { *extend(1) = one; }

  /// Adds `count` bytes of undetermined content and returns where they begin; valid until the next
  /// change.
  std::byte* extend(std::size_t count) {
    if (capacity_ - size_ < count) [[unlikely]]
      grow(count);
    std::byte* at = data_ + size_;
    size_ += count;
    return at;
  }

  /// Room for `count` more bytes: what `extend` gives up to there costs no check.
  void reserve(std::size_t count) {
    if (capacity_ - size_ < count) grow(count);
  }

  void swap(buffer& other) noexcept;

 private:
  void grow(std::size_t count);

  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
  std::unique_ptr<std::byte[]> heap_;
};

}  // namespace odeon::wire
