#pragma once

#include "wire/internal/failure.hpp"
#include "wire/internal/token.hpp"
#include <odeon/wire/codec.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace odeon::wire::internal {

/// One value or key of a JSON text.
struct json_token {
  token type = token::nil;
  bool flag =
      false;  ///< boolean: the value; integer: negative; text: held by the tape, not the input
  std::uint32_t count = 0;  ///< text, real: length; array, map: elements or members
  std::uint64_t where =
      0;  ///< text, real: position; integer: bits; array, map: the token behind it
};

/// A JSON text as a flat run of tokens, parsed and checked by Boost.JSON. It views the input, which
/// must outlive it.
class json_tape {
 public:
  /// False, with `why` set (its offset counts bytes), when the text is not JSON or passes a bound.
  bool parse(std::string_view in, const limits& bounds, failure& why);

  [[nodiscard]] const json_token& at(std::size_t i) const noexcept { return tokens_[i]; }
  [[nodiscard]] std::size_t size() const noexcept { return tokens_.size(); }
  [[nodiscard]] std::string_view text(const json_token& t) const noexcept {
    return (t.flag ? std::string_view(unescaped_) : in_).substr(t.where, t.count);
  }

  /// Where token `i` begins in the input. Reads the input again up to there: for errors only.
  [[nodiscard]] std::size_t offset_of(std::size_t i) const noexcept;

 private:
  friend struct json_handler;

  std::string_view in_;
  std::vector<json_token> tokens_;
  std::string unescaped_;  ///< of the texts that have escapes
};

}  // namespace odeon::wire::internal
