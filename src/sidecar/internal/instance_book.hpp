#pragma once

#include <odeon/core/actor.hpp>
#include <odeon/sidecar/state_store.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

/// @file The actor that keeps which template an instance is of, so that it is known after a restart
/// of the sidecar whose apps stayed up. See instance_book.cpp.

namespace odeon::sidecar::detail {

class engine_core;

/// Who spawned instances, and waits for their records: told when the last who has it lets it go.
/// @threadsafe
class spawn_wait {
 public:
  /// `done` may be null.
  explicit spawn_wait(std::move_only_function<void(result<void>)> done) : done_(std::move(done)) {}
  spawn_wait(const spawn_wait&) = delete;
  ~spawn_wait();
  void one_more() noexcept;
  void one_kept() noexcept;
  /// The first error is the one that is told.
  void fail(const error& why);

 private:
  std::move_only_function<void(result<void>)> done_;
  std::mutex mutex_;  // guards what follows
  std::size_t left_ = 0;
  result<void> how_ = {};
};
using spawn_wait_ptr = std::shared_ptr<spawn_wait>;

struct note_instance {
  actor_id who;
  spawn_wait_ptr then;  // null: nobody waits
};
/// Somebody wants a name that nobody knows. `then` is given its template's name, or "".
struct find_instance {
  actor_id who;
  std::move_only_function<void(const std::string&)> then;
};
struct book_read {
  std::string key;
  result<std::optional<stored_state>> how;
};
struct book_opened {
  std::string key;
  result<opened_state> how;
};
struct book_written {
  std::string key;
  result<state_lease> how;
};

using instance_book_ref =
    actor_ref<note_instance, find_instance, book_read, book_opened, book_written>;

class instance_book
    : public actor<note_instance, find_instance, book_read, book_opened, book_written> {
 public:
  explicit instance_book(const std::weak_ptr<engine_core>& core) : core_(core) {}

  void post_stop();
  void on(note_instance m);
  void on(find_instance m);
  void on(book_read m);
  void on(book_opened m);
  void on(book_written m);

 private:
  /// What is under way for one name.
  struct entry {
    actor_id who;
    actor_id record = {};      // where it is kept
    std::string parent = {};   // to be kept; empty: only asked for
    std::string writing = {};  // being written
    std::vector<spawn_wait_ptr> then = {};
    std::vector<find_instance> asked = {};
  };
  entry& begin(const actor_id& who, bool& fresh);
  void read(const std::string& key, const entry& e);
  void write(const std::string& key, entry& e, state_lease with);
  void end(const std::string& key, const char* trouble = nullptr, const error* why = nullptr);
  static void answer(entry& e, const std::string& parent);

  std::weak_ptr<engine_core> core_;
  std::unordered_map<std::string, entry> under_way_;
};

}  // namespace odeon::sidecar::detail
