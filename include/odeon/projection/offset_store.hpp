#pragma once

#include <odeon/base/error.hpp>
#include <odeon/projection/fwd.hpp>
#include <odeon/runtime/fwd.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

/// @file Where projections keep how far they have read.
///
/// A store holds one number, the position of the last event handled, under the name of each
/// projection. It is moved from a known value to another one, so that of two projections that run
/// under one name at the same time the slower one is told.
///
/// A back end derives from `offset_store`, or, when a handler's own rows can be written in the same
/// transaction, from `transactional_store`; for that it also names its transactions by
/// `using transaction = …`, a class derived from `store_transaction`, which is what handlers take.

namespace odeon::projection {

struct stored_offset {
  std::string projection;
  std::uint64_t position = 0;
};

/// @threadsafe: any member may be called from any thread. None of them waits: a call ends in
/// exactly one call of its completion, on a thread of the store, where it must be short and must
/// not throw. Calls complete in the order they were made. Errors: `version_conflict` (the offset is
/// another one than `from`; the text has both), `store_full`, `io_failed`, `store_closed`.
class offset_store {
 public:
  template <class T>
  using completion = std::move_only_function<void(result<T>)>;

  virtual ~offset_store() = default;
  offset_store(const offset_store&) = delete;
  offset_store& operator=(const offset_store&) = delete;

  /// 0: the projection has handled nothing.
  virtual void load(std::string projection, completion<std::uint64_t> done) = 0;

  /// Moves the offset from `from` to `to`, which may be less. Durable when it completes.
  virtual void save(std::string projection, std::uint64_t from, std::uint64_t to,
                    completion<void> done) = 0;

  /// All of them, by name.
  virtual void list(completion<std::vector<stored_offset>> done) = 0;

 protected:
  offset_store() = default;
};

/// A transaction that is open, as a handler gets it: valid during the call, on its thread.
class store_transaction {
 public:
  virtual ~store_transaction() = default;
  store_transaction(const store_transaction&) = delete;
  store_transaction& operator=(const store_transaction&) = delete;

 protected:
  store_transaction() = default;
};

/// A store that other things can be written to in the transaction of an offset.
class transactional_store : public offset_store {
 public:
  /// What is done in a transaction. It runs on a thread of the store, which may block. An error or
  /// an exception of it undoes all.
  using work = std::move_only_function<result<void>(store_transaction& tx)>;

  /// Begins a transaction, moves the offset from `from` to `to`, calls `what`, and commits. All of
  /// it or nothing is there afterwards; it completes with the first error, and with
  /// `errc::handler_failed` when `what` throws anything but an `actor_error`.
  virtual void run(std::string projection, std::uint64_t from, std::uint64_t to, work what,
                   completion<void> done) = 0;
};

/// Offsets in memory, for tests and for projections that begin anew with each process.
[[nodiscard]] std::shared_ptr<offset_store> make_memory_offsets();

}  // namespace odeon::projection
