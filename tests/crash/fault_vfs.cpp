// The shim's file is SQLite's memory: first our head, then the system's own file. Each method does
// its telling and hands on to the method of the same name below.

#include "crash/fault_vfs.hpp"

#include "crash/workload.hpp"

#include <unistd.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <string>

namespace crash {

namespace {

using kind = operation::kind;

std::atomic<vfs_observer*> observer{nullptr};
std::atomic<std::uint64_t> random_seed{0};
std::atomic<std::uint64_t> random_drawn{0};
sqlite3_vfs* base = nullptr;

struct shim_file {
  sqlite3_file head;
  std::string* path;  // owned
  bool folder_waits;  // the first sync also syncs the folder, as the system's VFS does
  sqlite3_file* real() noexcept { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

shim_file& shim(sqlite3_file* f) noexcept { return *reinterpret_cast<shim_file*>(f); }
sqlite3_file* real(sqlite3_file* f) noexcept { return shim(f).real(); }

void tell(operation op) {
  if (auto* who = observer.load()) who->before(op);
}

operation about(sqlite3_file* f, kind what) {
  shim_file& s = shim(f);
  return {.what = what, .path = s.path ? std::string_view(*s.path) : "", .file = s.real()};
}

int close_file(sqlite3_file* f) {
  const int code = real(f)->pMethods ? real(f)->pMethods->xClose(real(f)) : SQLITE_OK;
  delete shim(f).path;
  shim(f).path = nullptr;
  return code;
}
int read_file(sqlite3_file* f, void* to, int n, sqlite3_int64 at) {
  tell(about(f, kind::other));
  return real(f)->pMethods->xRead(real(f), to, n, at);
}
int write_file(sqlite3_file* f, const void* from, int n, sqlite3_int64 at) {
  operation op = about(f, kind::write);
  op.data = {static_cast<const std::byte*>(from), static_cast<std::size_t>(n)};
  op.offset = at;
  tell(op);
  return real(f)->pMethods->xWrite(real(f), from, n, at);
}
int truncate_file(sqlite3_file* f, sqlite3_int64 size) {
  operation op = about(f, kind::truncate);
  op.offset = size;
  tell(op);
  return real(f)->pMethods->xTruncate(real(f), size);
}
int sync_file(sqlite3_file* f, int flags) {
  operation op = about(f, kind::sync);
  op.syncs_folder = shim(f).folder_waits;
  shim(f).folder_waits = false;
  tell(op);
  if (auto* who = observer.load(); who != nullptr && !who->really_syncs()) return SQLITE_OK;
  return real(f)->pMethods->xSync(real(f), flags);
}
int file_size(sqlite3_file* f, sqlite3_int64* out) {
  return real(f)->pMethods->xFileSize(real(f), out);
}
int lock_file(sqlite3_file* f, int level) {
  tell(about(f, kind::other));
  return real(f)->pMethods->xLock(real(f), level);
}
int unlock_file(sqlite3_file* f, int level) {
  tell(about(f, kind::other));
  return real(f)->pMethods->xUnlock(real(f), level);
}
int check_reserved(sqlite3_file* f, int* out) {
  return real(f)->pMethods->xCheckReservedLock(real(f), out);
}
int file_control(sqlite3_file* f, int what, void* arg) {
  return real(f)->pMethods->xFileControl(real(f), what, arg);
}
int sector_size(sqlite3_file* f) { return real(f)->pMethods->xSectorSize(real(f)); }
int characteristics(sqlite3_file* f) { return real(f)->pMethods->xDeviceCharacteristics(real(f)); }
int shm_map(sqlite3_file* f, int region, int size, int extend, volatile void** out) {
  tell(about(f, kind::other));
  return real(f)->pMethods->xShmMap(real(f), region, size, extend, out);
}
int shm_lock(sqlite3_file* f, int offset, int n, int flags) {
  tell(about(f, kind::other));
  return real(f)->pMethods->xShmLock(real(f), offset, n, flags);
}
void shm_barrier(sqlite3_file* f) { real(f)->pMethods->xShmBarrier(real(f)); }
int shm_unmap(sqlite3_file* f, int remove) {
  tell(about(f, kind::other));
  return real(f)->pMethods->xShmUnmap(real(f), remove);
}

// Version 2: without the methods that hand out mapped pages, past which nothing could be seen.
const sqlite3_io_methods methods = [] {
  sqlite3_io_methods m{};
  m.iVersion = 2;
  m.xClose = close_file;
  m.xRead = read_file;
  m.xWrite = write_file;
  m.xTruncate = truncate_file;
  m.xSync = sync_file;
  m.xFileSize = file_size;
  m.xLock = lock_file;
  m.xUnlock = unlock_file;
  m.xCheckReservedLock = check_reserved;
  m.xFileControl = file_control;
  m.xSectorSize = sector_size;
  m.xDeviceCharacteristics = characteristics;
  m.xShmMap = shm_map;
  m.xShmLock = shm_lock;
  m.xShmBarrier = shm_barrier;
  m.xShmUnmap = shm_unmap;
  return m;
}();

int open_file(sqlite3_vfs*, sqlite3_filename name, sqlite3_file* f, int flags, int* out_flags) {
  shim_file& s = shim(f);
  const bool created = name && (flags & SQLITE_OPEN_CREATE) && ::access(name, F_OK) != 0;
  constexpr int folder_synced =
      SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL;
  if (name) tell({.what = kind::open, .path = name, .created = created});
  s.head.pMethods = nullptr;
  s.real()->pMethods = nullptr;
  s.path = nullptr;
  const int code = base->xOpen(base, name, s.real(), flags, out_flags);
  if (code != SQLITE_OK && s.real()->pMethods == nullptr) return code;
  s.path = name ? new std::string(name) : nullptr;
  s.folder_waits = created && (flags & folder_synced) != 0;
  s.head.pMethods = &methods;
  return code;
}

int delete_file(sqlite3_vfs*, const char* name, int sync_folder) {
  tell({.what = kind::remove, .path = name, .syncs_folder = sync_folder != 0});
  auto* who = observer.load();
  const bool really = who == nullptr || who->really_syncs();
  return base->xDelete(base, name, really ? sync_folder : 0);
}

int randomness(sqlite3_vfs*, int n, char* out) {
  const std::uint64_t seed = random_seed.load();
  if (seed == 0) return base->xRandomness(base, n, out);
  for (int k = 0; k < n; ++k) out[k] = static_cast<char>(mix(seed, ++random_drawn));
  return n;
}

class without_syncs final : public vfs_observer {
  void before(const operation&) override {}
  bool really_syncs() override { return false; }
};

}  // namespace

void install_fault_vfs() {
  static sqlite3_vfs shim_vfs = [] {
    base = sqlite3_vfs_find(nullptr);
    sqlite3_vfs v = *base;
    v.pNext = nullptr;
    v.zName = "odeon-fault";
    v.szOsFile = static_cast<int>(sizeof(shim_file)) + base->szOsFile;
    v.xOpen = open_file;
    v.xDelete = delete_file;
    v.xAccess = [](sqlite3_vfs*, const char* n, int f, int* r) {
      return base->xAccess(base, n, f, r);
    };
    v.xFullPathname = [](sqlite3_vfs*, const char* n, int size, char* out) {
      return base->xFullPathname(base, n, size, out);
    };
    v.xRandomness = randomness;
    return v;
  }();
  sqlite3_vfs_register(&shim_vfs, 1);
}

void observe(vfs_observer* who) noexcept { observer.store(who); }

void seed_sqlite(std::uint64_t seed) noexcept {
  random_seed.store(seed);
  random_drawn.store(0);
  sqlite3_randomness(0, nullptr);  // forgets what it had drawn
}

vfs_observer& no_syncs() noexcept {
  static without_syncs one;
  return one;
}

}  // namespace crash
