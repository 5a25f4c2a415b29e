#pragma once

#include "cursor.hpp"
#include "messages.hpp"
#include "protocol.hpp"

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

/// @file Names are written out once a connection, and are small numbers after that. The sender
/// numbers them: a definition gives a slot its text, and may give one in use another. So both sides
/// hold the same table without asking each other, and its size is the receiver's choice.
///
/// A reference is a variable number: 0 nothing; 1 a literal: text and extra follow; 2 a definition:
/// slot, text and extra follow; n ≥ 3 what slot n - 3 has. The text is a length and bytes; extra is
/// a variable number: an actor's uid, or version * 256 + format of a type.

namespace odeon::remote::detail {

enum class name_kind : std::uint8_t { actor = 0, type = 1 };

/// What a table holds.
struct name_bounds {
  std::size_t slots = names_least;
  [[nodiscard]] std::size_t text_bytes() const noexcept { return slots * name_bytes_mean; }
};

inline constexpr std::size_t name_parts = 3;  ///< of a message: receiver, sender, type

/// At most this many bytes for one reference, without the text.
inline constexpr std::size_t reference_max = 4 * varint_max;

class name_reader;

/// The sender's side of one connection. Not threadsafe.
class name_writer {
 public:
  explicit name_writer(name_bounds bounds) noexcept : bounds_(bounds) {}

  /// Writes a reference; there must be room for `reference_max` and the text. The texts must be at
  /// most `name_bytes_max` long. About 5 ns for one that was lately used, wherever its text stands
  /// now; else a look-up by text, which allocates when it is new.
  /// `part`: which name of a message it is, of `name_parts`; the same one as last time is found at
  /// once.
  std::byte* put(std::byte* at, name_kind kind, std::string_view text, std::uint64_t extra,
                 std::size_t part) {
    if (text.empty() && extra == 0) return put_varint(at, 0);
    const entry*& last = last_[part];
    if (last != nullptr && is(*last, kind, text, extra)) [[likely]]
      return put_varint(at, last->slot + std::uint64_t{3});
    const entry*& lately = lately_[((sketch(text) ^ extra) * mix) >> lately_shift_];
    if (lately != nullptr && is(*lately, kind, text, extra)) [[likely]] {
      last = lately;
      return put_varint(at, lately->slot + std::uint64_t{3});
    }
    return look_up(at, kind, text, extra, lately);
  }
  [[nodiscard]] std::uint64_t defined() const noexcept { return defined_; }

  // So that what was written, and then not sent, can be read again:
  /// What was written is given out; what comes next is written after it.
  void given_out() noexcept {
    given_.clear();
    given_.swap(fresh_);
  }
  /// What was given out is sent: nobody will ask for it.
  void sent() noexcept { given_.clear(); }
  /// Reads what was written since `given_out`; `given`: what was given out last, and then that.
  [[nodiscard]] name_reader reader(bool given) const;

 private:
  /// What a slot had before it was given another text.
  struct replaced {
    std::string text;
    std::uint64_t extra;
    std::uint32_t slot;
    name_kind kind;
  };
  struct entry {
    std::string text;
    std::uint64_t extra = 0;
    std::uint32_t slot = 0;
    name_kind kind = name_kind::actor;
  };
  struct key {
    std::string_view text;
    std::uint64_t extra;
    name_kind kind;
    friend bool operator==(const key&, const key&) = default;
  };
  struct key_hash {
    std::size_t operator()(const key& k) const noexcept {
      return std::hash<std::string_view>{}(k.text) ^
             ((k.extra * 2 + static_cast<std::size_t>(k.kind)) * 0x9e3779b97f4a7c15U);
    }
  };
  /// A quick hash: the length and the end, where names differ most; actors differ by their uid.
  static std::uint64_t sketch(std::string_view text) noexcept {
    std::uint64_t end = 0;
    if (text.size() >= sizeof end)
      std::memcpy(&end, text.data() + text.size() - sizeof end, sizeof end);
    else
      for (const char c : text) end = end << 8U | static_cast<unsigned char>(c);
    return end * mix + text.size();
  }
  static bool is(const entry& e, name_kind kind, std::string_view text,
                 std::uint64_t extra) noexcept {
    return e.extra == extra && e.kind == kind && same(e.text, text);
  }
  /// Most names are short: a call takes longer than comparing them.
  static bool same(std::string_view a, std::string_view b) noexcept {
    constexpr std::size_t word = sizeof(std::uint64_t);
    const std::size_t n = a.size();
    if (n != b.size()) return false;
    if (n < word || n > 3 * word) return a == b;
    const auto differ = [&](std::size_t at) {
      std::uint64_t x;
      std::uint64_t y;
      std::memcpy(&x, a.data() + at, word);
      std::memcpy(&y, b.data() + at, word);
      return x != y;
    };
    if (differ(0) || differ(n - word)) return false;
    return n <= 2 * word || !differ(word);
  }
  std::byte* look_up(std::byte* at, name_kind kind, std::string_view text, std::uint64_t extra,
                     const entry*& lately);
  /// A slot that the text may have; null: there is no room for it now.
  entry* slot_for(std::size_t size);

  static constexpr std::uint64_t mix = 0x9e3779b97f4a7c15U;  // Knuth's multiplicative hash
  static constexpr std::size_t lately_least = 64;
  static constexpr std::size_t lately_most = 4096;

  name_bounds bounds_;
  std::array<const entry*, name_parts> last_{};
  // By sketch and extra: four times as many places as there are entries, up to a bound.
  std::vector<const entry*> lately_ = std::vector<const entry*>(lately_least);
  unsigned lately_shift_ = 64 - std::countr_zero(lately_least);
  std::deque<entry> entries_;
  std::unordered_map<key, entry*, key_hash> known_;
  std::size_t text_bytes_ = 0;
  std::size_t hand_ = 0;  // the next slot to be given another text
  std::uint64_t defined_ = 0;
  // In the order in which that was done. As large as the table and what was written together.
  std::vector<replaced> fresh_, given_;
};

/// A name that has come.
struct read_name {
  std::string_view text;
  std::uint64_t extra = 0;
  name_serial serial = 0;
};

/// The receiver's side of one connection. Not threadsafe.
class name_reader {
 public:
  explicit name_reader(name_bounds bounds) noexcept : bounds_(bounds) {}

  /// Reads a reference. Fails the cursor when it is malformed, of another kind, of an empty slot,
  /// or beyond a bound. The text lives until `settle`, also when its slot gets another meanwhile; a
  /// literal's as long as the frame.
  read_name get(cursor& in, name_kind kind) {
    const std::uint64_t r = in.varint();
    if (r - 3 < entries_.size()) [[likely]] {
      const entry& e = *entries_[static_cast<std::size_t>(r - 3)];
      if (e.kind != kind) in.fail();
      return {e.text, e.extra, e.serial};
    }
    return r == 0 ? read_name() : get_new(in, kind, r);
  }
  /// After each message: names that were replaced are forgotten.
  void settle() noexcept {
    if (!replaced_.empty()) [[unlikely]]
      replaced_.clear();
  }
  [[nodiscard]] std::uint64_t defined() const noexcept { return defined_; }
  [[nodiscard]] std::size_t text_bytes() const noexcept { return text_bytes_; }
  /// What a slot has, without a serial; slots that are left out below it have nothing.
  void assume(std::uint32_t slot, name_kind kind, std::string_view text, std::uint64_t extra);

 private:
  struct entry {
    std::string text;
    std::uint64_t extra;
    name_serial serial;
    name_kind kind;
  };
  read_name get_new(cursor& in, name_kind kind, std::uint64_t r);

  name_bounds bounds_;
  std::vector<std::unique_ptr<entry>> entries_;
  std::vector<std::unique_ptr<entry>> replaced_;
  std::size_t text_bytes_ = 0;
  std::uint64_t defined_ = 0;
};

}  // namespace odeon::remote::detail
