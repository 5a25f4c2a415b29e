// The outbox's way out.
//
// Protocol. Entries are read in the order of their positions, up to `cursor_`, and sorted into
// lanes, one for each pair of sender and receiver. A lane hands over in its order, some at a time;
// a receiver refuses a number whose predecessor it has not settled, so what overtakes a failed
// delivery fails as well. When one has failed, the lane waits for those under way, forgets what it
// holds, and rests. Only a scan from the beginning of the outbox brings it back: the first entry it
// then gets is its oldest. The same goes for entries of receivers that are not known: they are
// passed over, and a scan begins when the receiver appears. A lane or receiver that is let in again
// is let in when a scan begins, never in the middle, where older entries have been passed over.
//
// `held_` has the positions that a scan must not take again: those in lanes, and those settled
// whose removal from the store has not been seen by a page. Everything runs on this actor's turns.

#include "persistence/internal/outbox_relay.hpp"

#include <algorithm>
#include <charconv>

namespace odeon::detail {

namespace {

constexpr std::size_t page_entries = 512;
constexpr std::size_t window = 64;          // deliveries of a lane under way
constexpr std::size_t absent_max = 10'000;  // receivers remembered one by one
constexpr std::size_t notes_max = 4096;     // positions of one removal
constexpr duration first_rest = std::chrono::milliseconds(100);
constexpr duration longest_rest = std::chrono::seconds(30);

std::string key_of(const outbox_entry& e) {
  return std::to_string(e.persistence_id.size()) + ":" + e.persistence_id + e.message.target;
}

std::uint64_t number_of(const outbox_message& m) {
  std::uint64_t n = 0;
  std::from_chars(m.id.data(), m.id.data() + m.id.size(), n);
  return n;
}

}  // namespace

void outbox_relay::pre_start() {
  // An actor that was restarted has lost its lanes, and the store still has all of it.
  const auto me = self();
  with_->receivers->on_added(
      [me](const std::string& address) { me.tell(receiver_appeared{address}); });
  if (with_->options.outbox_poll > duration::zero())
    ctx().send_with_delay(with_->options.outbox_poll, with_->options.outbox_poll, poll_outbox{});
  look();
}

void outbox_relay::on(poll_outbox) {
  if (!absent_.empty()) scan_again_ = true;
  look();
}

void outbox_relay::on(const receiver_appeared& m) {
  if (!absent_.contains(m.address) && absent_.size() < absent_max) return;
  scan_again_ = true;
  look();
}

void outbox_relay::look() {
  if (reading_)
    look_again_ = true;
  else
    read_on();
}

void outbox_relay::rescan() {
  scan_again_ = false;
  cursor_ = 0;
  absent_.clear();
  for (const auto& key : std::exchange(rested_, {}))
    if (const auto at = lanes_.find(key); at != lanes_.end()) at->second.resting = false;
}

void outbox_relay::read_on() {
  stopped_short_ = buffered_ >= persistence::outbox_buffer;
  if (stopped_short_) return;
  if (scan_again_) rescan();
  reading_ = true;
  look_again_ = false;
  with_->store->take_outbox(
      cursor_, page_entries,
      [me = self()](result<std::vector<outbox_entry>> r) { me.tell(outbox_page{std::move(r)}); });
}

void outbox_relay::on(outbox_page m) {
  reading_ = false;
  if (!m.entries) {
    if (m.entries.error() == errc::store_closed) return;
    log().warn("the outbox cannot be read: {}", m.entries.error().to_string());
    ctx().send_after(longest_rest, outbox_written{});
    return;
  }
  for (outbox_entry& e : *m.entries) {
    cursor_ = e.position;
    if (!held_.contains(e.position)) sort_in(std::move(e));
  }
  for (const auto position : std::exchange(gone_, {})) held_.erase(position);
  for (auto& [key, l] : lanes_) pump(key, l);
  if (!m.entries->empty() || look_again_ || scan_again_) read_on();
}

void outbox_relay::sort_in(outbox_entry&& e) {
  const std::string key = key_of(e);
  if (absent_.contains(e.message.target)) return;
  auto at = lanes_.find(key);
  if (at != lanes_.end() && (at->second.resting || at->second.failed_position != 0)) return;
  if (at == lanes_.end()) {
    if (!with_->receivers->knows(e.message.target)) {
      if (absent_.size() < absent_max) absent_.insert(e.message.target);
      return;
    }
    at = lanes_.try_emplace(key).first;
    at->second.receiver = e.message.target;
  }
  held_.insert(e.position);
  ++buffered_;
  at->second.waiting.push_back(std::move(e));
}

void outbox_relay::pump(const std::string& key, lane& l) {
  while (l.failed_position == 0 && l.under_way < window && !l.waiting.empty()) {
    outbox_entry e = std::move(l.waiting.front());
    l.waiting.pop_front();
    ++l.under_way;
    hand_over(key, l, std::move(e));
  }
}

void outbox_relay::hand_over(const std::string& key, lane& l, outbox_entry&& e) {
  persistence::delivery d;
  d.sender = std::move(e.persistence_id);
  d.number = number_of(e.message);
  d.manifest = std::move(e.message.manifest);
  d.version = e.message.version;
  d.payload = std::move(e.message.payload);
  d.skip = e.position == l.skip_position;
  if (d.skip) {
    log().error("gives up message {} of \"{}\" to \"{}\" after {} attempts: {}", d.number, d.sender,
                l.receiver, l.attempts, l.failure.to_string());
    ctx().system().events().publish(
        persistence::message_abandoned{d.sender, l.receiver, d.number, l.failure});
  }
  ctx().pipe_to_self(with_->receivers->deliver(l.receiver, std::move(d)),
                     [key, position = e.position](result<result<persistence::delivered>> r) {
                       result<persistence::delivered> how =
                           r ? std::move(*r)
                             : result<persistence::delivered>(std::unexpected<error>(r.error()));
                       return delivery_ended{key, position, std::move(how)};
                     });
}

void outbox_relay::on(delivery_ended m) {
  const auto at = lanes_.find(m.lane);
  if (at == lanes_.end()) return;
  lane& l = at->second;
  --l.under_way;
  --buffered_;
  if (m.how) {
    settled_.push_back(m.position);
    l.attempts = 0;
    note();
  } else {
    held_.erase(m.position);
    if (l.failed_position == 0 || m.position < l.failed_position) {
      l.failed_position = m.position;
      l.failure = m.how.error();
    }
  }
  if (l.failed_position != 0) {
    if (l.under_way == 0) rest(at);
  } else if (l.waiting.empty() && l.under_way == 0) {
    lanes_.erase(at);
  } else {
    pump(at->first, l);
  }
  if (stopped_short_ && buffered_ < persistence::outbox_buffer / 2) look();
}

void outbox_relay::rest(lanes::iterator at) {
  lane& l = at->second;
  for (const outbox_entry& e : l.waiting) held_.erase(e.position);
  buffered_ -= l.waiting.size();
  l.waiting.clear();
  ++l.attempts;
  // 1, 2, 4, 8, …; that an activator was called is no trouble yet.
  const bool told = (l.attempts & (l.attempts - 1)) == 0;
  if (told && (l.attempts > 1 || l.failure != errc::no_such_actor))
    log().warn("a message to \"{}\" was not settled, attempt {}: {}", l.receiver, l.attempts,
               l.failure.to_string());
  const auto most = with_->options.max_delivery_attempts;
  if (most > 0 && l.attempts >= most) l.skip_position = l.failed_position;
  const duration pause =
      std::min(first_rest * (1 << std::min<std::uint32_t>(l.attempts - 1, 9)), longest_rest);
  l.failed_position = 0;
  l.resting = true;
  ctx().send_after(pause, lane_rested{at->first});
}

void outbox_relay::on(const lane_rested& m) {
  rested_.insert(m.lane);
  scan_again_ = true;
  look();
}

void outbox_relay::note() {
  if (noting_ || settled_.empty()) return;
  noting_ = true;
  std::vector<std::uint64_t> positions;
  if (settled_.size() > notes_max) {
    positions.assign(settled_.end() - notes_max, settled_.end());
    settled_.resize(settled_.size() - notes_max);
  } else {
    positions = std::exchange(settled_, {});
  }
  auto copy = positions;
  with_->store->acknowledge_outbox(
      std::move(copy), [me = self(), positions = std::move(positions)](result<void> r) mutable {
        me.tell(outbox_noted{std::move(positions), std::move(r)});
      });
}

void outbox_relay::on(outbox_noted m) {
  noting_ = false;
  if (m.how) {
    if (reading_)
      gone_.insert(gone_.end(), m.positions.begin(), m.positions.end());
    else
      for (const auto position : m.positions) held_.erase(position);
  } else {
    // They are settled all the same: at worst they are delivered again after a restart, as
    // duplicates.
    if (m.how.error() == errc::store_closed) return;
    log().warn("settled messages were not removed from the outbox: {}", m.how.error().to_string());
    settled_.insert(settled_.end(), m.positions.begin(), m.positions.end());
    return;  // with the next one that is settled
  }
  note();
}

outbox_ref spawn_outbox_relay(persistence_extension& with) {
  return with.system->spawn<outbox_relay>(
      spawn_options{.name = "odeon-outbox", .supervision = {.otherwise = directive::restart}},
      &with);
}

}  // namespace odeon::detail
