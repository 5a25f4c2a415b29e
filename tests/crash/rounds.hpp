#pragma once

#include "crash/workload.hpp"

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <new>
#include <string>

/// @file How the crash tests are run: seeds, numbers of rounds, folders and child processes.

namespace crash {

/// `ODEON_TEST_SEED`, or a fresh one.
[[nodiscard]] std::uint64_t base_seed();

/// The number that the environment has under `name`, or `usual`.
[[nodiscard]] std::uint64_t setting(const char* name, std::uint64_t usual);

/// A folder of one's own, in memory where the system has that; removed with all in it.
class scratch_folder {
 public:
  scratch_folder();
  ~scratch_folder();
  scratch_folder(const scratch_folder&) = delete;
  scratch_folder& operator=(const scratch_folder&) = delete;
  [[nodiscard]] std::string file(const char* name) const { return (path_ / name).string(); }
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  /// Removes what is in it.
  void empty() const;

 private:
  std::filesystem::path path_;
};

[[nodiscard]] void* map_shared(std::size_t bytes);
void unmap_shared(void* at, std::size_t bytes) noexcept;

/// A `T` of plain numbers that a process shares with its children, and that outlives these.
template <class T>
class shared {
 public:
  shared() : at_(new(map_shared(sizeof(T))) T()) {}
  ~shared() { unmap_shared(at_, sizeof(T)); }
  shared(const shared&) = delete;
  shared& operator=(const shared&) = delete;
  T& operator*() const noexcept { return *at_; }
  T* operator->() const noexcept { return at_; }

 private:
  T* at_;
};
/// How a child of this process ended.
struct death {
  bool by_sigkill = false;
  int status = 0;  ///< as `waitpid` gives it
};

/// Runs `body` in a copy of this process, which has one thread, and kills it with SIGKILL: when
/// `enough` says so, after so many microseconds more. It is also let die by itself; a child that
/// neither dies nor does enough within a minute is killed as `stuck`.
struct child_run {
  std::function<void()> body;
  std::function<bool()> enough;
  std::int64_t microseconds_more = 0;
};
[[nodiscard]] death run_and_kill(const child_run& run, bool& stuck);

}  // namespace crash
