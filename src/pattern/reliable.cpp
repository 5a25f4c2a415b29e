#include <odeon/pattern/reliable.hpp>
#include <odeon/runtime/runtime.hpp>

#include <atomic>

namespace odeon::reliable::detail {

std::uint64_t next_session(runtime& rt) noexcept {
  static std::atomic<std::uint64_t> last{0};
  const auto now = static_cast<std::uint64_t>(rt.wall_now().time_since_epoch().count());
  std::uint64_t before = last.load();
  std::uint64_t mine = 0;
  do mine = std::max(before + 1, now);
  while (!last.compare_exchange_weak(before, mine));
  return mine;
}

error at_capacity(const std::string& producer, std::size_t capacity) {
  return {errc::mailbox_full, "the producer '" + producer + "' keeps " + std::to_string(capacity) +
                                  " messages that are not confirmed, its capacity"};
}

void check_loaded(const std::string& producer, std::uint64_t last, std::uint64_t confirmed,
                  std::uint64_t first, std::size_t count) {
  if (last >= confirmed && last - confirmed == count && (count == 0 || first == confirmed + 1))
    return;
  throw actor_error(errc::corrupt_record, "the queue of producer '" + producer +
                                              "' does not fit together: " + std::to_string(count) +
                                              " messages from number " + std::to_string(first) +
                                              ", confirmed up to " + std::to_string(confirmed) +
                                              ", appended up to " + std::to_string(last));
}

void check(const producer_options& o) {
  if (o.capacity == 0 || o.resend_after <= duration::zero())
    throw actor_error(errc::invalid_argument,
                      "a producer's controller has a capacity of at least one message and a "
                      "resend_after above zero");
}

void check(const consumer_options& o) {
  if (o.window == 0 || o.ask_after <= duration::zero())
    throw actor_error(errc::invalid_argument,
                      "a consumer's controller has a window of at least one message and an "
                      "ask_after above zero");
}

}  // namespace odeon::reliable::detail
