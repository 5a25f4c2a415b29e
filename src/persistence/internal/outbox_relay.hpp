#pragma once

#include "persistence/internal/extension.hpp"
#include <odeon/core/actor.hpp>

#include <deque>
#include <map>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

/// @file The actor that hands out what stands in the outbox. See outbox_relay.cpp for its protocol.

namespace odeon::detail {

struct receiver_appeared {
  std::string address;
};
struct outbox_page {
  result<std::vector<outbox_entry>> entries;
};
struct lane_rested {
  std::string lane;
};
struct delivery_ended {
  std::string lane;
  std::uint64_t position = 0;
  result<persistence::delivered> how;
};
struct outbox_noted {
  std::vector<std::uint64_t> positions;
  result<void> how;
};
struct poll_outbox {};

class outbox_relay : public actor<outbox_written, receiver_appeared, outbox_page, lane_rested,
                                  delivery_ended, outbox_noted, poll_outbox> {
 public:
  explicit outbox_relay(persistence_extension* with) : with_(with) {}

  void pre_start();
  void on(outbox_written) { look(); }
  void on(poll_outbox);
  void on(const receiver_appeared& m);
  void on(outbox_page m);
  void on(const lane_rested& m);
  void on(delivery_ended m);
  void on(outbox_noted m);

 private:
  /// The messages of one sender to one receiver.
  struct lane {
    std::string receiver;
    std::deque<outbox_entry> waiting;  // in order
    std::size_t under_way = 0;
    std::uint32_t attempts = 0;         // failed, since one was settled
    std::uint64_t failed_position = 0;  // of the first that failed; 0: none has
    std::uint64_t skip_position = 0;    // given up when it comes again
    error failure{errc::internal};
    bool resting = false;
  };
  using lanes = std::map<std::string, lane>;

  void look();
  void read_on();
  void rescan();
  void sort_in(outbox_entry&& e);
  void pump(const std::string& key, lane& l);
  void hand_over(const std::string& key, lane& l, outbox_entry&& e);
  void rest(lanes::iterator at);
  void note();

  persistence_extension* with_;  // the system keeps it until its last actor has ended
  lanes lanes_;
  std::unordered_set<std::uint64_t> held_;  // positions in lanes, under way, or not yet noted
  std::vector<std::uint64_t> gone_;         // noted while a page was being read
  std::vector<std::uint64_t> settled_;      // to be noted
  std::unordered_set<std::string> absent_;  // receivers whose messages were passed over
  std::unordered_set<std::string> rested_;  // lanes that take part again from the next scan on
  std::uint64_t cursor_ = 0;
  std::size_t buffered_ = 0;  // in lanes
  bool reading_ = false;
  bool look_again_ = false;
  bool scan_again_ = false;
  bool stopped_short_ = false;  // there may be more behind the cursor: the buffer was full
  bool noting_ = false;
};

}  // namespace odeon::detail
