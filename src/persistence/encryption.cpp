#include "persistence/internal/backend.hpp"
#include "persistence/internal/seal_places.hpp"
#include <odeon/persistence/encryption.hpp>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

namespace odeon {

namespace {

using detail::place_of;
using detail::place_of_event;
using detail::place_of_snapshot;
using detail::seal_place;

journal_options bounds_of(const journal& inner) {
  journal_options o = inner.options();
  o.max_payload_bytes -= std::min(o.max_payload_bytes, sealed_overhead);
  o.max_snapshot_bytes -= std::min(o.max_snapshot_bytes, sealed_overhead);
  return o;
}

template <class T>
std::unexpected<error> pass(result<T>& r) {
  return std::unexpected(std::move(r.error()));
}

/// What `recover` needs for another attempt.
struct recovery {
  recover_request request;
  recovery_callbacks callbacks;
  std::vector<error> damaged;  // snapshots that did not open
  std::uint64_t bad = 0;       // the one that the present attempt met; 0: none
  std::vector<std::byte> plain;
};

class encrypted_journal final : public journal {
 public:
  encrypted_journal(runtime& rt, std::unique_ptr<journal> inner, key_ring keys,
                    encryption_options options)
      : sealer_(rt, std::move(keys), options.accept_plain),
        options_(bounds_of(*inner)),
        inner_(std::move(inner)) {}
  ~encrypted_journal() override { inner_->close(); }

  // Writing: seals, and passes on.

  void append(append_request r, completion<append_ack> done) override {
    auto ok = detail::check(r, options_);
    if (ok) ok = seal(r);
    if (!ok) return done(pass(ok));
    inner_->append(std::move(r), std::move(done));
  }

  void open_writer(std::string persistence_id, completion<std::uint64_t> done) override {
    inner_->open_writer(std::move(persistence_id), std::move(done));
  }

  void save_snapshot(save_snapshot_request r, completion<void> done) override {
    auto ok = detail::check(r, options_);
    if (ok)
      ok = seal(r.payload, place_of_snapshot(r.persistence_id, r.sequence, r.manifest, r.version));
    if (!ok) return done(pass(ok));
    inner_->save_snapshot(std::move(r), std::move(done));
  }

  void delete_snapshots(snapshot_criteria which, completion<std::uint64_t> done) override {
    inner_->delete_snapshots(std::move(which), std::move(done));
  }

  void acknowledge_outbox(std::vector<std::uint64_t> positions, completion<void> done) override {
    inner_->acknowledge_outbox(std::move(positions), std::move(done));
  }

  void change_timers(std::vector<timer_change> changes, completion<std::uint64_t> done) override {
    auto ok = detail::check(changes, options_);
    for (auto& c : changes)
      if (ok && c.set) ok = seal(c.set->payload, place_of(c.persistence_id, *c.set));
    if (!ok) return done(pass(ok));
    inner_->change_timers(std::move(changes), std::move(done));
  }

  // Reading: opens what comes.

  void recover(recover_request request, recovery_callbacks callbacks) override {
    auto run = std::make_shared<recovery>();
    run->request = std::move(request);
    run->callbacks = std::move(callbacks);
    attempt(std::move(run));
  }

  void replay(replay_request r, event_visitor on_event, completion<replay_report> on_end) override {
    auto visit = [this, id = r.persistence_id, on_event = std::move(on_event),
                  plain = std::vector<std::byte>()](const event_view& e) mutable {
      return show(id, e, plain, on_event);
    };
    inner_->replay(std::move(r), std::move(visit), std::move(on_end));
  }

  void highest_sequence(std::string persistence_id, completion<std::uint64_t> done) override {
    inner_->highest_sequence(std::move(persistence_id), std::move(done));
  }

  void describe(std::string persistence_id, completion<id_info> done) override {
    inner_->describe(std::move(persistence_id), std::move(done));
  }

  void persistence_ids(std::string after, std::size_t max,
                       completion<std::vector<std::string>> done) override {
    inner_->persistence_ids(std::move(after), max, std::move(done));
  }

  void by_tag(std::string tag, std::uint64_t after, std::size_t max,
              completion<std::vector<stored_event>> done) override {
    inner_->by_tag(std::move(tag), after, max, opening(std::move(done), [](stored_event& e) {
                     return std::pair(&e.event.payload,
                                      place_of_event(e.persistence_id, e.sequence, e.event.manifest,
                                                     e.event.version));
                   }));
  }

  void load_snapshot(snapshot_criteria which, completion<loaded_snapshot> done) override {
    load(std::move(which), {}, std::move(done));
  }

  void snapshots_of(snapshot_criteria which, std::size_t max,
                    completion<std::vector<snapshot_info>> done) override {
    inner_->snapshots_of(std::move(which), max,
                         [done = std::move(done)](result<std::vector<snapshot_info>> list) mutable {
                           if (list)
                             for (auto& s : *list)
                               s.bytes -= std::min<std::uint64_t>(s.bytes, sealed_overhead);
                           done(std::move(list));
                         });
  }

  void read_mark(std::string persistence_id, std::string name,
                 completion<std::uint64_t> done) override {
    inner_->read_mark(std::move(persistence_id), std::move(name), std::move(done));
  }

  void marks_of(std::string persistence_id, std::string after, std::size_t max,
                completion<std::vector<mark_record>> done) override {
    inner_->marks_of(std::move(persistence_id), std::move(after), max, std::move(done));
  }

  void timers_due(wall_time until, timer_cursor after, std::size_t max,
                  completion<std::vector<stored_timer>> done) override {
    inner_->timers_due(until, std::move(after), max, opening(std::move(done), [](stored_timer& t) {
                         return std::pair(&t.timer.payload, place_of(t.persistence_id, t.timer));
                       }));
  }

  void timers_of(std::string id, completion<std::vector<timer_record>> done) override {
    auto opened = opening(std::move(done),
                          [id](timer_record& t) { return std::pair(&t.payload, place_of(id, t)); });
    inner_->timers_of(std::move(id), std::move(opened));
  }

  void take_outbox(std::uint64_t after, std::size_t max,
                   completion<std::vector<outbox_entry>> done) override {
    inner_->take_outbox(after, max, opening(std::move(done), [](outbox_entry& e) {
                          return std::pair(&e.message.payload,
                                           place_of(e.persistence_id, e.sequence, e.message));
                        }));
  }

  void close() override { inner_->close(); }
  [[nodiscard]] journal_stats stats() const override { return inner_->stats(); }
  [[nodiscard]] const journal_options& options() const noexcept override { return options_; }

 private:
  [[nodiscard]] result<void> seal(std::vector<std::byte>& payload, const seal_place& place) {
    auto sealed = sealer_.seal(payload, place);
    if (!sealed) return pass(sealed);
    payload = std::move(*sealed);
    return {};
  }

  [[nodiscard]] result<void> open(std::vector<std::byte>& payload, const seal_place& place) const {
    std::vector<std::byte> plain;
    auto ok = sealer_.open(payload, place, plain);
    if (ok) payload = std::move(plain);
    return ok;
  }

  // An append that is acknowledged got just these sequence numbers.
  [[nodiscard]] result<void> seal(append_request& r) {
    const std::string& id = r.persistence_id;
    std::uint64_t sequence = r.expected_sequence;
    for (auto& e : r.events)
      if (auto ok = seal(e.payload, place_of_event(id, ++sequence, e.manifest, e.version)); !ok)
        return ok;
    if (r.state) {
      state_record& s = *r.state;
      if (auto ok = seal(s.payload, place_of_snapshot(id, ++sequence, s.manifest, s.version)); !ok)
        return ok;
    }
    for (auto& m : r.outbox)
      if (auto ok = seal(m.payload, place_of(id, sequence, m)); !ok) return ok;
    for (auto& c : r.change_timers)
      if (c.set)
        if (auto ok = seal(c.set->payload, place_of(id, *c.set)); !ok) return ok;
    for (auto& t : r.set_timers)
      if (auto ok = seal(t.payload, place_of(id, t)); !ok) return ok;
    return {};
  }

  /// A completion that opens each item of a list; `where` gives its payload and its place.
  template <class Item, class Where>
  completion<std::vector<Item>> opening(completion<std::vector<Item>> done, Where where) {
    return [this, done = std::move(done),
            where = std::move(where)](result<std::vector<Item>> list) mutable {
      if (!list) return done(std::move(list));
      for (auto& item : *list) {
        const auto [payload, place] = where(item);
        if (auto ok = open(*payload, place); !ok) return done(pass(ok));
      }
      done(std::move(list));
    };
  }

  [[nodiscard]] result<void> show(const std::string& id, const event_view& e,
                                  std::vector<std::byte>& plain, event_visitor& on_event) const {
    const auto place = place_of_event(id, e.sequence, e.manifest, e.version);
    if (auto ok = sealer_.open(e.payload, place, plain); !ok) return ok;
    event_view opened = e;
    opened.payload = plain;
    return on_event ? on_event(opened) : result<void>{};
  }

  // A snapshot that does not open is passed over where the store would pass over a damaged one:
  // when it is a shortcut to events, or an older state. What is it? A state has no event of its
  // number. Calls `next(true)` when it may be passed over.
  void judge(const std::string& id, std::uint64_t sequence,
             std::move_only_function<void(result<bool>)> next) {
    auto seen = std::make_shared<bool>(false);
    inner_->replay(
        {.persistence_id = id, .from_sequence = sequence, .to_sequence = sequence},
        [seen](const event_view&) -> result<void> {
          *seen = true;
          return {};
        },
        [seen, sequence, next = std::move(next)](result<replay_report> r) mutable {
          if (!r && r.error() != errc::corrupt_record) return next(pass(r));
          // Where the event cannot be read, there is one.
          next(!r || *seen || r->highest_sequence > sequence);
        });
  }

  void load(snapshot_criteria which, std::vector<error> damaged, completion<loaded_snapshot> done) {
    auto ask = which;
    inner_->load_snapshot(
        std::move(ask), [this, which = std::move(which), damaged = std::move(damaged),
                         done = std::move(done)](result<loaded_snapshot> r) mutable {
          if (!r) return done(std::move(r));
          for (auto& e : r->damaged) damaged.push_back(std::move(e));
          r->damaged = std::move(damaged);
          if (!r->snapshot) return done(std::move(r));
          stored_snapshot& s = *r->snapshot;
          auto ok = open(s.payload, place_of_snapshot(which.persistence_id, s.sequence, s.manifest,
                                                      s.version));
          if (ok) return done(std::move(r));
          if (ok.error() != errc::corrupt_record) return done(pass(ok));
          pass_over(std::move(which), s.sequence, std::move(ok.error()), std::move(r->damaged),
                    std::move(done));
        });
  }

  void pass_over(snapshot_criteria which, std::uint64_t bad, error why, std::vector<error> damaged,
                 completion<loaded_snapshot> done) {
    const std::string id = which.persistence_id;
    judge(id, bad,
          [this, which = std::move(which), bad, why = std::move(why), damaged = std::move(damaged),
           done = std::move(done)](result<bool> may) mutable {
            if (!may) return done(pass(may));
            if (!*may) return done(std::unexpected(std::move(why)));
            damaged.push_back(std::move(why));
            if (bad <= which.min_sequence)
              return done(loaded_snapshot{.snapshot = {}, .damaged = std::move(damaged)});
            which.max_sequence = bad - 1;
            load(std::move(which), std::move(damaged), std::move(done));
          });
  }

  void attempt(std::shared_ptr<recovery> run) {
    run->bad = 0;
    recovery_callbacks callbacks;
    callbacks.on_snapshot = [this, run](const stored_snapshot& s) { return snapshot_of(*run, s); };
    callbacks.on_event = [this, run](const event_view& e) {
      return show(run->request.persistence_id, e, run->plain, run->callbacks.on_event);
    };
    callbacks.on_end = [this, run](result<recovery_report> r) { ended(run, std::move(r)); };
    recover_request request = run->request;
    inner_->recover(std::move(request), std::move(callbacks));
  }

  result<void> snapshot_of(recovery& run, const stored_snapshot& s) {
    const auto place =
        place_of_snapshot(run.request.persistence_id, s.sequence, s.manifest, s.version);
    auto ok = sealer_.open(s.payload, place, run.plain);
    if (!ok) {
      if (ok.error() == errc::corrupt_record) run.bad = s.sequence;
      return ok;
    }
    if (!run.callbacks.on_snapshot) return {};
    stored_snapshot opened{s.sequence, s.written, s.manifest, s.version, {}};
    opened.payload.swap(run.plain);
    return run.callbacks.on_snapshot(opened);
  }

  void ended(const std::shared_ptr<recovery>& run, result<recovery_report> r) {
    if (run->bad == 0) {
      if (r) {
        auto& damaged = r->damaged_snapshots;
        damaged.insert(damaged.begin(), run->damaged.begin(), run->damaged.end());
      }
      return run->callbacks.on_end(std::move(r));
    }
    judge(run->request.persistence_id, run->bad,
          [this, run, why = std::move(r.error())](result<bool> may) mutable {
            if (!may) return run->callbacks.on_end(pass(may));
            if (!*may) return run->callbacks.on_end(std::unexpected(std::move(why)));
            run->damaged.push_back(std::move(why));
            run->request.max_snapshot_sequence = run->bad - 1;
            attempt(run);
          });
  }

  detail::sealer sealer_;
  const journal_options options_;
  std::unique_ptr<journal> inner_;  // last: its end waits for what still opens payloads
};

}  // namespace

std::unique_ptr<journal> encrypt(runtime& rt, std::unique_ptr<journal> inner, key_ring keys,
                                 encryption_options options) {
  return std::make_unique<encrypted_journal>(rt, std::move(inner), std::move(keys), options);
}

}  // namespace odeon
