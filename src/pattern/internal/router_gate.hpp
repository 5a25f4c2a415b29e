#pragma once

#include <odeon/base/detail/spin.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

/// @file Who reads the table of a router now. The protocol stands in src/pattern/router_gate.cpp.

namespace odeon::detail {

class router_gate {
 public:
  /// What is done when no reader can hold any more what was taken away.
  class departure {
   public:
    virtual ~departure() = default;
    /// On whatever thread was the last to leave, without locks held.
    virtual void gone() noexcept = 0;
  };

  router_gate() = default;
  router_gate(const router_gate&) = delete;

  /// Inside: what the table pointed to at any moment since then stays alive. Wait-free.
  class pass {
   public:
    explicit pass(router_gate& g) noexcept;
    pass(const pass&) = delete;
    ~pass();

   private:
    router_gate& gate_;
    std::atomic<std::uint64_t>& word_;
  };

  /// After the new table was published (seq_cst): `d` is told when the readers of the old one have
  /// left. @threadsafe
  void retire(std::unique_ptr<departure> d) noexcept;

  /// Passes so far.
  [[nodiscard]] std::uint64_t entries() const noexcept;

 private:
  static constexpr std::size_t slots = 16;
  static constexpr std::uint64_t entry = std::uint64_t{1} << 20;
  static constexpr std::uint64_t inside = entry - 1;
  struct alignas(64) slot {
    std::atomic<std::uint64_t> words[2]{};  // readers inside; from bit 20 on: how many ever
  };
  static std::size_t my_slot() noexcept;
  void advance() noexcept;

  std::array<slot, slots> slots_;
  std::atomic<std::uint32_t> side_{0};
  std::atomic<bool> awaited_{false};

  spin_lock lock_;  // of what follows
  std::vector<std::unique_ptr<departure>> next_;
  std::vector<std::unique_ptr<departure>> current_;
  enum class stage : std::uint8_t { none, other_side, this_side } stage_ = stage::none;
  std::uint32_t left_ = 0;  // a bit for each slot still to be seen empty
};

}  // namespace odeon::detail
