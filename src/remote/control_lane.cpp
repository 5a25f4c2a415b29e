#include "remote/internal/control_lane.hpp"

#include <algorithm>

namespace odeon::remote::detail {

result<void> control_outbox::add(wire::bytes record) {
  if (record.size() > control_bytes_max)
    return fail(errc::limit_exceeded, "a control record of " + std::to_string(record.size()) +
                                          " bytes; at most " + std::to_string(control_bytes_max));
  const std::size_t parts =
      std::max<std::size_t>(1, (record.size() + control_part_max - 1) / control_part_max);
  if (kept_.size() + parts > bound_)
    return fail(errc::limit_exceeded, std::to_string(kept_.size()) +
                                          " control records wait for their acknowledgement; no "
                                          "more are kept (remote.control_records)");
  if (bytes_ + record.size() > control_kept_max)
    return fail(errc::limit_exceeded, std::to_string(bytes_) +
                                          " bytes of control records wait for their "
                                          "acknowledgement; at most " +
                                          std::to_string(control_kept_max) + " are kept");
  bytes_ += record.size();
  if (parts == 1) {
    kept_.push_back({std::move(record), true});
    return {};
  }
  for (std::span<const std::byte> left = record; !left.empty();) {
    const auto part = left.first(std::min(left.size(), control_part_max));
    left = left.subspan(part.size());
    kept_.push_back({wire::bytes(part.begin(), part.end()), left.empty()});
  }
  return {};
}

bool control_outbox::ready() const noexcept {
  return next_ < kept_.size() &&
         (flying_ == 0 || flying_ + kept_[next_].bytes.size() <= control_window);
}

std::optional<control_outbox::part> control_outbox::next() noexcept {
  if (!ready()) return std::nullopt;
  const kept& k = kept_[next_];
  const part p{first_ + next_, k.last, k.bytes};
  flying_ += k.bytes.size();
  ++next_;
  sent_ = std::max(sent_, next_);
  return p;
}

result<void> control_outbox::acknowledge(std::uint64_t number) {
  if (number + 1 < first_)
    return fail(errc::protocol_violation,
                "the peer has forgotten control records that it had acknowledged");
  const std::uint64_t count = number + 1 - first_;
  if (count > sent_)
    return fail(errc::protocol_violation, "the peer acknowledges control record " +
                                              std::to_string(number) + ", which was not sent yet");
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::size_t size = kept_.front().bytes.size();
    bytes_ -= size;
    if (next_ > 0) {
      --next_;
      flying_ -= size;
    }
    kept_.pop_front();
  }
  sent_ -= static_cast<std::size_t>(count);
  first_ += count;
  return {};
}

result<std::optional<std::span<const std::byte>>> control_inbox::take(
    std::uint64_t number, bool last, std::span<const std::byte> part) {
  using record = std::optional<std::span<const std::byte>>;
  if (number <= received_) return record();  // sent again after a break
  if (number != received_ + 1)
    return fail(errc::protocol_violation, "control record " + std::to_string(number) +
                                              " came where " + std::to_string(received_ + 1) +
                                              " should");
  if (parts_.size() + part.size() > control_bytes_max)
    return fail(errc::limit_exceeded,
                "a control record of more than " + std::to_string(control_bytes_max) + " bytes");
  if (!last && part.empty())  // it could go on like that for ever
    return fail(errc::protocol_violation, "a part of a control record that holds nothing");
  received_ = number;
  if (last && parts_.empty()) return record(part);
  parts_.insert(parts_.end(), part.begin(), part.end());
  if (!last) return record();
  whole_ = std::exchange(parts_, {});
  return record(whole_);
}

}  // namespace odeon::remote::detail
