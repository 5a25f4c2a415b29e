#include <odeon/wire/bytes.hpp>

#include <algorithm>
#include <utility>

namespace odeon::wire {

namespace {
constexpr std::size_t first_allocation = 256;
}  // namespace

void buffer::swap(buffer& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(capacity_, other.capacity_);
  std::swap(heap_, other.heap_);
}

void buffer::grow(std::size_t count) {
  const std::size_t wanted = std::max({size_ + count, capacity_ * 2, first_allocation});
  auto bigger = std::make_unique_for_overwrite<std::byte[]>(wanted);
  if (size_ != 0) std::memcpy(bigger.get(), data_, size_);
  heap_ = std::move(bigger);
  data_ = heap_.get();
  capacity_ = wanted;
}

}  // namespace odeon::wire
