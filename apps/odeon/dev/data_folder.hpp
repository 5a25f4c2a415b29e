#pragma once

#include "odeon/bank/money.hpp"
#include <odeon/base/error.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace odeon::dev {

/// What a run is about: written down when it begins, so that a later start goes on with the same.
struct run_settings {
  std::string file;            ///< of the transfers; absolute
  std::uint64_t bytes = 0;     ///< of that file
  std::uint64_t content = 0;   ///< a hash of them
  std::uint64_t accounts = 0;  ///< generated ones, besides those that the file names
  bank::cents opening_balance = 0;
  bank::cents balance_limit = 0;

  friend bool operator==(const run_settings&, const run_settings&) = default;
};

/// The folder of one run: its journal, its input when that was generated, and what the supervisor
/// wrote down. One process at a time has it.
class data_folder {
 public:
  /// Makes the folder when it is not there. Empty: a new one in TMPDIR, or else /var/tmp, which
  /// survives a restart of the machine. Errors: `io_failed` with the path and why, such as another
  /// process that has it.
  [[nodiscard]] static result<data_folder> open(const std::string& path);

  data_folder(data_folder&& o) noexcept;
  data_folder& operator=(data_folder&& o) noexcept;
  ~data_folder();

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] bool is_temporary() const noexcept { return temporary_; }
  [[nodiscard]] std::string journal() const { return path_ + "/journal.db"; }
  [[nodiscard]] std::string transfers() const { return path_ + "/transfers.csv"; }
  [[nodiscard]] std::string acknowledgements() const { return path_ + "/acknowledged.txt"; }
  [[nodiscard]] std::string rejections() const { return path_ + "/rejected.txt"; }

  /// Nothing when no run has begun here. Error: `bad_encoding` and its like, with the path.
  [[nodiscard]] result<std::optional<run_settings>> settings() const;
  [[nodiscard]] result<void> save(const run_settings& settings) const;

  /// Cuts a last line off that a killed supervisor did not finish.
  [[nodiscard]] result<void> repair_acknowledgements() const;

  /// Deletes the folder and what is in it, if it is temporary.
  void remove() noexcept;

 private:
  data_folder(std::string path, bool temporary, int lock) noexcept;
  std::string path_;
  bool temporary_ = false;
  int lock_ = -1;
};

/// Size and hash (FNV-1a, 64 bits) of a file. Errors: `not_found`, `io_failed`, with the path.
struct fingerprint {
  std::uint64_t bytes = 0;
  std::uint64_t content = 0;
};
[[nodiscard]] result<fingerprint> fingerprint_of(const std::string& path);

}  // namespace odeon::dev
