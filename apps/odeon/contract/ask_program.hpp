#pragma once

#include <odeon/base/error.hpp>
#include <odeon/wire/contract.hpp>

#include <chrono>
#include <string>

namespace odeon::contracts {

/// A program that has not answered by then does not know the question.
inline constexpr std::chrono::seconds answer_limit{30};

/// Starts the program with `--odeon-contract` and returns what it prints on stdout, once it has
/// ended. It is killed when that takes longer than `limit` or is more than
/// `wire::contract::max_bytes`. Errors: `not_found`, `io_failed` (it cannot be started, or ended
/// with an error), `ask_timeout`, `limit_exceeded`. Blocks.
[[nodiscard]] result<std::string> ask_program(const std::string& program,
                                              std::chrono::milliseconds limit = answer_limit);

/// The contract in a file: a document, or, where the file is a program, what that answers. Errors
/// as `ask_program` and `wire::contract::from_json`, with the file's name.
[[nodiscard]] result<wire::contract> read_contract(const std::string& path);

}  // namespace odeon::contracts
