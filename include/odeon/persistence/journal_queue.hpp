#pragma once

#include <odeon/pattern/reliable_queue.hpp>
#include <odeon/persistence/detail/durable_core.hpp>
#include <odeon/persistence/journal.hpp>
#include <odeon/wire/codec.hpp>
#include <odeon/wire/manifest.hpp>

#include <memory>
#include <string>
#include <utility>

/// @file The queue of a reliable producer in a journal: what it has accepted survives the process.

namespace odeon::reliable {

/// A `durable_queue` under the persistence id "queue:" + name: message n is event n, and how far
/// the consumer has confirmed is a mark beside them. `load` takes the id over, so an older
/// controller of that name fails its next append with `errc::fenced`. For one controller at a time.
/// `rt` must outlive it.
template <class T>
class journal_queue final : public durable_queue<T> {
 public:
  journal_queue(runtime& rt, std::shared_ptr<journal> store, std::string name)
      : rt_(&rt),
        store_(std::move(store)),
        id_("queue:" + std::move(name)) {}

  [[nodiscard]] task<result<queue_state<T>>> load() override {
    auto epoch = co_await detail::journal_call<std::uint64_t>(*rt_, [&](auto done) {
                   store_->open_writer(id_, std::move(done));
                 }).as_result();
    if (!epoch) co_return std::unexpected<error>(epoch.error());
    epoch_ = *epoch;
    auto confirmed = co_await detail::journal_call<std::uint64_t>(*rt_, [&](auto done) {
                       store_->read_mark(id_, mark, std::move(done));
                     }).as_result();
    if (!confirmed) co_return std::unexpected<error>(confirmed.error());
    // Shared with the journal's thread, which may outlast this coroutine.
    auto state = std::make_shared<queue_state<T>>();
    state->confirmed = *confirmed;
    auto end = co_await detail::journal_call<replay_report>(*rt_, [&](auto done) {
                 store_->replay(
                     {.persistence_id = id_, .from_sequence = *confirmed + 1},
                     [state](const event_view& e) { return read(e, *state); }, std::move(done));
               }).as_result();
    if (!end) co_return std::unexpected<error>(end.error());
    sequence_ = state->last = end->highest_sequence;
    co_return std::move(*state);
  }

  [[nodiscard]] task<result<void>> append(std::uint64_t number, T message) override {
    if (number != sequence_ + 1)
      co_return fail(errc::version_conflict, "\"" + id_ + "\": message " + std::to_string(number) +
                                                 " does not follow " + std::to_string(sequence_));
    auto payload = wire::try_encode(message);
    if (!payload) co_return std::unexpected<error>(std::move(payload).error());
    append_request request = next();
    request.events.push_back({std::string(wire::manifest<T>),
                              static_cast<std::uint32_t>(wire::version<T>),
                              std::move(*payload),
                              {}});
    auto ack = co_await detail::journal_call<append_ack>(*rt_, [&](auto done) {
                 store_->append(std::move(request), std::move(done));
               }).as_result();
    if (!ack) co_return std::unexpected<error>(ack.error());
    sequence_ = ack->sequence;
    co_return result<void>();
  }

  [[nodiscard]] task<result<void>> confirm(std::uint64_t number) override {
    append_request request = next();
    request.marks.push_back({mark, number});
    auto ack = co_await detail::journal_call<append_ack>(*rt_, [&](auto done) {
                 store_->append(std::move(request), std::move(done));
               }).as_result();
    if (!ack) co_return std::unexpected<error>(ack.error());
    co_return result<void>();
  }

 private:
  static constexpr const char* mark = "confirmed";

  [[nodiscard]] append_request next() const {
    append_request request;
    request.persistence_id = id_;
    request.epoch = epoch_;
    request.expected_sequence = sequence_;
    return request;
  }
  static result<void> read(const event_view& e, queue_state<T>& state) {
    if (e.manifest != wire::manifest<T>)
      return fail(errc::wrong_type, "message " + std::to_string(e.sequence) + " is a " +
                                        std::string(e.manifest) + ", and this queue's are " +
                                        std::string(wire::manifest<T>));
    auto value = wire::decode_version<T>(static_cast<int>(e.version), e.payload);
    if (!value) return std::unexpected(std::move(value).error());
    state.unconfirmed.emplace_back(e.sequence, std::move(*value));
    return {};
  }

  runtime* rt_;
  std::shared_ptr<journal> store_;
  std::string id_;
  std::uint64_t epoch_ = 0;
  std::uint64_t sequence_ = 0;
};

template <class T>
[[nodiscard]] std::shared_ptr<durable_queue<T>> make_journal_queue(runtime& rt,
                                                                   std::shared_ptr<journal> store,
                                                                   std::string name) {
  wire::require_decodable<T>();
  return std::make_shared<journal_queue<T>>(rt, std::move(store), std::move(name));
}

}  // namespace odeon::reliable
