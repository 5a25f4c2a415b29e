#pragma once

#include <odeon/base/assert.hpp>

#include <array>
#include <cstddef>

/// @file What a `codec<T>` may need beside the value: the system a reference belongs to, a table, a
/// key.

namespace odeon::wire {

namespace detail {
template <class T>
inline constexpr char context_key = 0;
}  // namespace detail

/// A few objects by their type, handed to every `codec<T>` of one encode or decode. Holds pointers;
/// owns nothing.
class context {
 public:
  static constexpr std::size_t max_things = 4;

  /// Makes `thing` findable by its type; replaces one of the same type. At most `max_things`.
  template <class T>
  context& with(T& thing) {
    for (entry& e : things_) {
      if (e.key == nullptr || e.key == &detail::context_key<T>) {
        e = {&detail::context_key<T>, const_cast<void*>(static_cast<const void*>(&thing))};
        return *this;
      }
    }
    ODEON_ASSERT(false, "a wire::context holds at most four things");
    return *this;
  }

  /// The object of type T, or null.
  template <class T>
  [[nodiscard]] T* find() const noexcept {
    for (const entry& e : things_) {
      if (e.key == &detail::context_key<T>) return static_cast<T*>(e.thing);
    }
    return nullptr;
  }

 private:
  struct entry {
    const void* key = nullptr;
    void* thing = nullptr;
  };
  std::array<entry, max_things> things_{};
};

}  // namespace odeon::wire
