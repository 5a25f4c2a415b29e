#include "persistence/internal/seal_places.hpp"
#include <odeon/persistence/transfer.hpp>

#include <utility>

namespace odeon {

namespace {

using detail::place_of;

class sealing_sink final : public journal_sink {
 public:
  sealing_sink(runtime& rt, std::unique_ptr<journal_sink> to, key_ring keys)
      : sealer_(rt, std::move(keys), false),
        to_(std::move(to)) {}

  result<void> begin_id(const std::string& persistence_id, const id_info& info) override {
    id_ = persistence_id;
    return to_->begin_id(persistence_id, info);
  }

  result<void> event(const event_view& e) override {
    auto sealed =
        sealer_.seal(e.payload, detail::place_of_event(id_, e.sequence, e.manifest, e.version));
    if (!sealed) return std::unexpected(std::move(sealed.error()));
    event_view copy = e;
    copy.payload = *sealed;
    return to_->event(copy);
  }

  result<void> snapshot(const stored_snapshot& s) override {
    stored_snapshot copy{s.sequence, s.written, s.manifest, s.version, {}};
    return pass(s.payload, copy.payload,
                detail::place_of_snapshot(id_, s.sequence, s.manifest, s.version),
                [&] { return to_->snapshot(copy); });
  }

  result<void> timer(const timer_record& t) override {
    timer_record copy = t;
    return pass(t.payload, copy.payload, place_of(id_, t), [&] { return to_->timer(copy); });
  }

  result<void> mark(const mark_record& m) override { return to_->mark(m); }

  result<void> outbox(const outbox_entry& e) override {
    outbox_entry copy = e;
    return pass(e.message.payload, copy.message.payload,
                place_of(e.persistence_id, e.sequence, e.message),
                [&] { return to_->outbox(copy); });
  }

  result<void> finish() override { return to_->finish(); }

 private:
  template <class Then>
  result<void> pass(const std::vector<std::byte>& plain, std::vector<std::byte>& into,
                    const detail::seal_place& place, Then then) {
    auto sealed = sealer_.seal(plain, place);
    if (!sealed) return std::unexpected(std::move(sealed.error()));
    into = std::move(*sealed);
    return then();
  }

  detail::sealer sealer_;
  std::unique_ptr<journal_sink> to_;
  std::string id_;
};

}  // namespace

std::unique_ptr<journal_sink> encrypt(runtime& rt, std::unique_ptr<journal_sink> to,
                                      key_ring keys) {
  return std::make_unique<sealing_sink>(rt, std::move(to), std::move(keys));
}

}  // namespace odeon
