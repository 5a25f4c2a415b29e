#pragma once

#include <odeon/sidecar/state_store.hpp>

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

/// @file What apps have registered, kept in the statestore: an app that stays up while its sidecar
/// is started again does not register again, and need not.

namespace odeon::sidecar {

/// One app's registration, as it came.
struct kept_app {
  std::string system;
  std::string address;  ///< where the app is called back
  std::string message;  ///< its RegistrationRequest
  bool operator==(const kept_app&) const = default;
};

inline constexpr std::size_t kept_apps_bytes = 32 * 1024 * 1024;  ///< all of a node, together

/// The registrations of one node, as one state, in the order in which they were made. An app is
/// known by its system and its address. `recall` is done before the first `keep`.
/// @threadsafe
class kept_apps : public std::enable_shared_from_this<kept_apps> {
 public:
  using recalled_fn = std::move_only_function<void(result<std::vector<kept_app>>)>;
  using kept_fn = std::move_only_function<void(result<void>)>;

  /// `node` tells apart those who share a store.
  kept_apps(std::shared_ptr<state_store> store, std::string node);

  /// Takes over what is stored. Errors: those of the store; `corrupt_record`.
  void recall(recalled_fn done);
  /// In place of that app's last one, and of those of other addresses in its system whose actors it
  /// has all: the app has moved. Durable when it completes. What is kept already is not written
  /// again. Errors: those of the store; `limit_exceeded`.
  void keep(kept_app app, kept_fn done);

 private:
  void write();
  void wrote(result<state_lease> r, std::vector<kept_fn> waiting);

  const std::shared_ptr<state_store> store_;
  const actor_id id_;
  std::mutex mutex_;  // guards what follows
  std::vector<kept_app> apps_;
  state_lease lease_;
  bool writing_ = false;
  bool stored_ = true;            // by the last write
  std::vector<kept_fn> waiting_;  // for the next write
};

}  // namespace odeon::sidecar
