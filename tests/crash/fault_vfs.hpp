#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <span>
#include <string_view>

/// @file A shim under SQLite: a VFS that stands before the system's own and tells an observer of
/// every operation on the journal's files before it is carried out.

namespace crash {

struct operation {
  enum class kind : std::uint8_t {
    open,      ///< `created` tells whether the file was not there
    write,     ///< `data` at `offset`
    truncate,  ///< to `offset` bytes
    sync,
    remove,
    other  ///< reads, locks, shared memory: nothing that a disk would keep
  };
  kind what = kind::other;
  std::string_view path;  ///< empty: a temporary file without a name
  std::span<const std::byte> data = {};
  std::int64_t offset = 0;
  bool created = false;
  bool syncs_folder = false;     ///< `sync`: the folder with it; `remove`: likewise
  sqlite3_file* file = nullptr;  ///< the system's own, for who wants to carry out a part of it
};

/// Calls come from whatever threads SQLite is used on.
class vfs_observer {
 public:
  virtual ~vfs_observer() = default;
  virtual void before(const operation& op) = 0;
  /// False: the system's fsync is left out.
  virtual bool really_syncs() { return true; }
};

/// Makes the shim SQLite's default VFS, for good. Before any connection is opened.
void install_fault_vfs();

/// Whom to tell from now on; null: nobody. Before the connections that it concerns are opened,
/// and after they were closed.
void observe(vfs_observer* who) noexcept;

/// Lets SQLite draw its random numbers from here on as the seed says.
void seed_sqlite(std::uint64_t seed) noexcept;

/// Leaves out fsync: for looking at files whose fate is not in question.
vfs_observer& no_syncs() noexcept;

}  // namespace crash
