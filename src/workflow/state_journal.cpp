// The state store in a journal: one event for each commit, with the keys that it changed, and a
// snapshot of the whole table now and then. Opening it takes over the writing of its id.

#include <odeon/persistence/journal.hpp>
#include <odeon/wire/codec.hpp>

#include <workflow/internal/state_core.hpp>

namespace odeon::workflows {

namespace detail {

namespace {

constexpr std::string_view change_manifest = "odeon.workflow.state_change";
constexpr std::string_view table_manifest = "odeon.workflow.state";
constexpr std::uint64_t commits_between_snapshots = 256;
constexpr std::uint32_t snapshots_kept = 2;

struct change_event {
  int schema = 1;
  state_changes changes;
};
struct whole_table {
  int schema = 1;
  state_table values;
};

error in_place(const std::string& id, const error& e) {
  return {e.code(), "the state \"" + id + "\": " + std::string(e.text())};
}

class journal_disk final : public state_disk {
 public:
  journal_disk(runtime& rt, std::shared_ptr<journal> store, std::string id) noexcept
      : rt_(rt),
        store_(std::move(store)),
        id_(std::move(id)) {}

  /// The schema of what is there; nothing: nothing is.
  result<std::optional<int>> read(state_table& all) {
    auto epoch =
        wait_for<std::uint64_t>(rt_, [&](auto done) { store_->open_writer(id_, std::move(done)); });
    if (!epoch) return std::unexpected(in_place(id_, epoch.error()));
    epoch_ = *epoch;
    std::optional<int> schema;
    auto end = wait_for<recovery_report>(rt_, [&](auto done) {
      recovery_callbacks calls;
      calls.on_snapshot = [&](const stored_snapshot& s) -> result<void> {
        auto table = wire::decode<whole_table>(s.payload);
        if (!table) return std::unexpected(std::move(table).error());
        schema = table->schema;
        all = std::move(table->values);
        return {};
      };
      calls.on_event = [&](const event_view& e) -> result<void> {
        if (e.manifest != change_manifest)
          return fail(errc::wrong_type, "event " + std::to_string(e.sequence) + " is a " +
                                            std::string(e.manifest) + ", not of a state store");
        auto change = wire::decode<change_event>(e.payload);
        if (!change) return std::unexpected(std::move(change).error());
        schema = change->schema;
        for (auto& [key, value] : change->changes) {
          if (value)
            all.insert_or_assign(key, std::move(*value));
          else
            all.erase(key);
        }
        return {};
      };
      calls.on_end = std::move(done);
      store_->recover({.persistence_id = id_}, std::move(calls));
    });
    if (!end) return std::unexpected(in_place(id_, end.error()));
    sequence_ = end->highest_sequence;
    return schema;
  }

  [[nodiscard]] bool writes_all() const noexcept override {
    return (sequence_ + 1) % commits_between_snapshots == 0;
  }
  result<void> write(const state_changes& changes, const state_table& all, int schema) override {
    auto event = wire::try_encode(change_event{schema, changes});
    if (!event) return std::unexpected(std::move(event).error());
    append_request request;
    request.persistence_id = id_;
    request.epoch = epoch_;
    request.expected_sequence = sequence_;
    request.events.push_back({std::string(change_manifest), 1, std::move(*event), {}});
    const bool whole = writes_all();
    auto ack = wait_for<append_ack>(
        rt_, [&](auto done) { store_->append(std::move(request), std::move(done)); });
    if (!ack) return std::unexpected(in_place(id_, ack.error()));
    sequence_ = ack->sequence;
    if (!whole) return {};
    // A snapshot is a shortcut: the commit stands without it.
    if (auto table = wire::try_encode(whole_table{schema, all}); table)
      store_->save_snapshot({.persistence_id = id_,
                             .epoch = epoch_,
                             .sequence = sequence_,
                             .manifest = std::string(table_manifest),
                             .version = 1,
                             .payload = std::move(*table),
                             .keep = snapshots_kept},
                            [](const result<void>&) {});
    return {};
  }

 private:
  runtime& rt_;
  std::shared_ptr<journal> store_;
  std::string id_;
  std::uint64_t epoch_ = 0;
  std::uint64_t sequence_ = 0;
};

}  // namespace

}  // namespace detail

result<std::shared_ptr<state_store>> open_journal_state(runtime& rt, std::shared_ptr<journal> store,
                                                        std::string name, state_options options) {
  const std::string id = "state:" + name;
  auto disk = std::make_unique<detail::journal_disk>(rt, std::move(store), id);
  detail::state_table all;
  auto schema = disk->read(all);
  if (!schema) return std::unexpected(schema.error());
  const bool is_new = !*schema;
  const int found = schema->value_or(options.schema_version);
  auto core = std::make_shared<detail::state_core>(rt, std::move(options));
  core->disk = std::move(disk);
  if (auto ok = core->load(std::move(all), found, is_new, id); !ok)
    return std::unexpected(ok.error());
  core->writer = rt.make_serial("state");
  return std::make_shared<state_store>(std::move(core));
}

}  // namespace odeon::workflows
