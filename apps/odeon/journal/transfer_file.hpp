#pragma once

#include <odeon/persistence/transfer.hpp>

#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>

/// @file The file of an export: `docs/reference/journal-export.md` describes it.

namespace odeon::journal_tool {

inline constexpr int export_format = 1;

/// Writes an export to a stream that stays the caller's; `finish` flushes it. Errors: `io_failed`,
/// `store_full`.
[[nodiscard]] std::unique_ptr<journal_sink> make_export_writer(std::FILE* to);

/// Reads an export line by line, checks it, and hands it to `to`; `to.finish()` comes last, after
/// the end and the counts of the file have been seen. Memory: the longest line.
///
/// Errors: `corrupt_record` (a line's checksum, a line that is missing), `truncated` (no end),
/// `bad_encoding` (no export at all), `newer_version`, `limit_exceeded` (a line longer than 1 GiB),
/// each with the number of the line; and those of `to`.
[[nodiscard]] result<transfer_counts> read_export(
    std::FILE* from, journal_sink& to, std::function<void(const transfer_counts&)> progress = {});

}  // namespace odeon::journal_tool
