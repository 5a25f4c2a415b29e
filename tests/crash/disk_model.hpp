#pragma once

#include "crash/fault_vfs.hpp"
#include "crash/workload.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

/// @file What a disk may hold after a power loss.
///
/// The model is told of every operation on the journal's files. A sync makes durable what was done
/// to its file; until then each write, each change of length and each change of the folder may have
/// reached the disk or not, in any order. docs/reference/crash-testing.md states the model.

namespace crash {

/// Which of what was not synced is in an image.
enum class survival : std::uint8_t {
  nothing,  ///< only what was synced
  all,      ///< as after the death of the process alone
  prefix,   ///< up to some operation, which may be torn
  subset,   ///< each operation by its own chance, whole or torn
  sectors   ///< each sector, each length and each name stands as of some moment of its own
};
inline constexpr unsigned survivals = 5;
[[nodiscard]] const char* name_of(survival s) noexcept;

/// How a disk breaks its promise: for the tests of the test.
struct broken_promises {
  bool syncs = false;         ///< a sync does nothing
  bool folder_syncs = false;  ///< names are never made durable
};

using file_bytes = std::vector<std::byte>;
using disk_image = std::map<std::string, file_bytes>;  ///< by the name in the folder

class disk_model final : public vfs_observer {
 public:
  /// Everything in `start` is durable. `moment` is called before each operation that changes the
  /// disk, when the model has all before it.
  disk_model(disk_image start, broken_promises broken, std::function<void()> moment);

  void before(const operation& op) override;
  bool really_syncs() override { return false; }

  /// What a power loss now may leave.
  [[nodiscard]] disk_image image(survival how, dice& d) const;

  [[nodiscard]] std::uint64_t operations() const noexcept { return number_; }

 private:
  struct change {
    std::uint64_t number = 0;  // in the order of all
    bool is_write = false;     // otherwise a change of length
    std::size_t offset = 0;    // or the new length
    file_bytes data;
  };
  struct inode {
    file_bytes durable;
    std::vector<change> pending;
  };
  struct renaming {
    std::uint64_t number = 0;
    std::string name;
    std::shared_ptr<inode> file;  // null: the name goes
  };
  struct fate;
  using names = std::map<std::string, std::shared_ptr<inode>>;

  static void apply(file_bytes& to, const change& c);
  static file_bytes surviving(const inode& file, const fate& f, dice& d);
  static file_bytes by_sectors(const inode& file, std::size_t sector, dice& d);
  void sync(const std::string& name, bool folder);

  broken_promises broken_;
  std::function<void()> moment_;
  std::uint64_t number_ = 0;
  names now_;
  names durable_;
  std::vector<renaming> renamings_;
};

}  // namespace crash
