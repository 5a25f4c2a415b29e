#pragma once

#include "carrier.hpp"
#include "peer_core.hpp"
#include <odeon/core/actor_system.hpp>
#include <odeon/runtime/serial_executor.hpp>

#include <array>
#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>

/// @file What all peers of an endpoint share: the ways out and in, the limits over all, the
/// threads.
///
/// The end, in `~hub_handle`: (1) `closing`: nothing is accepted or dialled any more; (2) every
/// peer is sent what waits and a goodbye, within `limits::goodbye`; (3) peers are silenced one by
/// one, each under its delivery lock: the listener is not called any more; (4) links are killed,
/// and waited for: every operation of the transport has its `done` called, and each holds its link;
/// (5) timers are waited for in the same way; (6) the serial executor, the executor and the
/// transport go.

namespace odeon::remote::detail {

/// Incarnations that do not come back. At the bound the oldest are forgotten. Not threadsafe.
class quarantine {
 public:
  explicit quarantine(std::size_t most) noexcept : most_(most) {}
  void add(std::uint64_t incarnation);
  [[nodiscard]] bool has(std::uint64_t incarnation) const noexcept {
    return set_.contains(incarnation);
  }
  [[nodiscard]] std::size_t size() const noexcept { return set_.size(); }

 private:
  std::size_t most_;
  std::unordered_set<std::uint64_t> set_;
  std::deque<std::uint64_t> order_;
};

class hub_core final : public std::enable_shared_from_this<hub_core> {
 public:
  hub_core(actor_system& system, const endpoint_options& options, hub_listener& listener);
  ~hub_core();

  struct entry {
    std::shared_ptr<peer> face;  ///< what others have
    std::shared_ptr<peer_core> core;
  };

  [[nodiscard]] result<void> start();
  void end();

  [[nodiscard]] std::string node() const;
  /// `dials`: a connection is begun when there is none.
  [[nodiscard]] result<std::shared_ptr<peer>> find(std::string_view node, bool dials);
  [[nodiscard]] std::vector<std::shared_ptr<peer>> peers() const;
  [[nodiscard]] endpoint_metrics metrics() const;
  /// The peer of that node, new when it was not known. `limit_exceeded`, `system_stopped`.
  [[nodiscard]] result<entry> entry_of(std::string_view node);
  /// Whether somebody outside has that peer; asked by the peer itself, in a section.
  [[nodiscard]] bool is_held(const peer_core& p) const;

  [[nodiscard]] time_point now() const noexcept { return rt.now(clock_domain::housekeeping); }
  [[nodiscard]] timer_queue& timers() noexcept { return rt.timers(clock_domain::housekeeping); }
  [[nodiscard]] session_options session_for(role side, std::string to, unsigned index,
                                            std::string_view identity);
  /// Whether that node can be dialled at all.
  [[nodiscard]] bool can_dial(const std::string& node) const noexcept;
  void post(std::move_only_function<void()> job);
  void connect(const std::shared_ptr<peer_core>& to, unsigned index, std::uint64_t attempt);
  void reject(rejection why, const std::string& address, const std::string& node,
              const error& reason) noexcept;
  void quarantine_incarnation(std::uint64_t incarnation);
  [[nodiscard]] bool is_quarantined(std::uint64_t incarnation) const;

  // Whatever holds the hub from outside – links, timers, jobs, operations – is counted here, and
  // waited for at the end.
  void enter() noexcept { things_.fetch_add(1); }
  void leave() noexcept;
  [[nodiscard]] bool ended() const noexcept { return ended_.load(); }
  /// Of connections that come. False: it would be one too many.
  [[nodiscard]] bool begin_handshake() noexcept;
  void end_handshake() noexcept { handshakes_.fetch_sub(1); }
  [[nodiscard]] bool host_arrives(const std::string& host);
  void host_leaves(const std::string& host) noexcept;
  /// Links of nobody yet, by address.
  void shake(link* l, bool begins);
  void link_up() noexcept { up_links_.fetch_add(1); }
  void link_down() noexcept;

  runtime& rt;
  event_stream events;
  const endpoint_options options;
  hub_listener& listener;
  const std::uint64_t incarnation;
  std::atomic<bool> closing{false};
  std::unique_ptr<executor> writers;
  std::atomic<std::uint64_t> accepted{0}, attempts{0}, failed_attempts{0}, gone{0};

 private:
  void accept_next();
  void accepted_one(result<std::unique_ptr<connection>> c);
  void sweep(std::vector<entry>& into, bool hard);
  void kill_strangers();
  void wait_for(const std::atomic<std::uint32_t>& none, time_point limit);

  const std::string system_name_;
  std::mutex way_mutex_;              // nothing else is locked under it but a transport's own
  std::unique_ptr<carrier> carrier_;  // under it, from the start to the end
  std::unique_ptr<odeon::listener> listening_;
  std::unique_ptr<serial_executor> serial_;

  mutable std::mutex leaf_;  // nothing else is locked under it
  // Under it.
  std::string node_;
  std::unordered_map<std::string, std::size_t> hosts_;
  std::unordered_set<link*> shaking_;

  mutable std::mutex mutex_;
  // Under the mutex.
  std::map<std::string, entry, std::less<>> peers_;
  std::size_t sweep_at_ = 64;
  traffic past_sent_, past_received_;  // of peers that are forgotten
  quarantine quarantined_;

  std::array<std::atomic<std::uint64_t>, std::size_t(rejection::count)> rejected_{};

  std::atomic<std::uint32_t> things_{0}, up_links_{0};
  std::atomic<std::uint32_t> changed_{0};  // waited on at the end
  std::atomic<bool> ended_{false};
  std::mutex end_mutex_;
  bool finished_ = false;  // under it: the runtime may be gone
  std::atomic<std::size_t> handshakes_{0};
};

void peer_core::call_listener(auto&& f) noexcept {
  if (face_ != nullptr) f(hub_->listener, *face_);
}

}  // namespace odeon::remote::detail
