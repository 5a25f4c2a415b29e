#pragma once

#include "records.hpp"
#include <odeon/address/messages.hpp>

#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

/// @file Whether two nodes mean the same by a message.

namespace odeon::remote::detail {

/// The contract of a message and its reply as the document of wire/contract.hpp, under the names
/// "message" and "reply".
struct message_contract {
  std::string json;
  std::uint64_t hash = 0;  ///< FNV-1a of the document; 0: it is not known
};

/// Contracts are made when they are first asked for. @threadsafe
class contract_book {
 public:
  [[nodiscard]] const message_contract& of(const odeon::detail::travelling& type);
  [[nodiscard]] std::vector<records::claim> claims(
      std::span<const odeon::detail::travelling* const> types);

 private:
  std::mutex mutex_;
  std::unordered_map<const odeon::detail::travelling*, message_contract> known_;
};

/// Whether a program with `ours` and one with `theirs` can send it to each other, and its reply
/// back. `contract_changed` with the first thing that breaks; as `contract::from_json` for a text
/// that is none.
[[nodiscard]] result<void> bridge(std::string_view manifest, const message_contract& ours,
                                  std::string_view theirs);

}  // namespace odeon::remote::detail
