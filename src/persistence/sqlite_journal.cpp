#include "persistence/internal/commit_witness.hpp"
#include "persistence/internal/landing_loader.hpp"
#include "persistence/internal/queued_journal.hpp"
#include "persistence/internal/sqlite_reader.hpp"
#include "persistence/internal/sqlite_writer.hpp"
#include <odeon/persistence/sqlite_journal.hpp>

namespace odeon {

namespace {

constexpr unsigned readers_max = 64;

result<void> check(const sqlite_journal_options& o) {
  const auto bad = [&](const std::string& what) {
    return fail(errc::invalid_argument, o.path + ": " + what);
  };
  if (o.readers < 1 || o.readers > readers_max) return bad("readers must be 1 to 64");
  if (o.landing_bytes == 0 || o.segment_bytes == 0 || o.checkpoint_bytes == 0)
    return bad("landing_bytes, segment_bytes and checkpoint_bytes must not be 0");
  if (o.max_batch_events == 0 || o.max_batch_bytes == 0)
    return bad("max_batch_events and max_batch_bytes must not be 0");
  if (o.busy_timeout < duration::zero()) return bad("busy_timeout must not be negative");
  // What the format's field widths and SQLite's limit on a blob allow.
  if (o.max_payload_bytes > (512u << 20) || o.max_snapshot_bytes > (512u << 20) ||
      o.max_append_bytes > (512u << 20) || o.max_batch_bytes > (512u << 20))
    return bad("no bound on sizes may exceed 512 MiB");
  if (o.max_name_bytes > 1024 || o.max_tags > 32)
    return bad("max_name_bytes is at most 1024, max_tags at most 32");
  return {};
}

/// The writing side of a journal that is only looked at.
class read_only_writer final : public detail::write_backend {
 public:
  explicit read_only_writer(std::string path) : path_(std::move(path)) {}
  tally commit(std::span<detail::write_op> batch, wall_time) override {
    const error why{errc::invalid_argument, path_ + ": is open for reading only"};
    for (auto& op : batch) std::visit([&](auto& call) { call.outcome = std::unexpected(why); }, op);
    return {};
  }

 private:
  std::string path_;
};

// One connection with one read transaction, which lasts as long as the journal.
result<std::unique_ptr<journal>> open_to_read(runtime& rt, const sqlite_journal_options& options) {
  const auto refuse = [](error& e) { return std::unexpected(std::move(e)); };
  auto store = detail::open_store(options, detail::store_access::inspect);
  if (!store) return refuse(store.error());
  if (auto ok = detail::check_witness(*store->db); !ok) return refuse(ok.error());
  if (auto ok = store->db->execute("BEGIN"); !ok) return refuse(ok.error());
  auto state = detail::read_state(*store->db);
  if (!state) return refuse(state.error());
  auto fresh = std::make_shared<detail::landing>(options.landing_bytes, options.segment_bytes);
  {
    auto finder = detail::actor_finder::make(*store->db);
    if (!finder) return refuse(finder.error());
    if (auto ok = detail::load_landing(*store->db, *finder, *state, *fresh); !ok)
      return refuse(ok.error());
  }
  auto reader = detail::sqlite_reader::open(std::move(store->db), fresh, options.max_page_bytes);
  if (!reader) return refuse(reader.error());
  std::vector<std::unique_ptr<detail::read_backend>> readers;
  readers.push_back(std::move(*reader));
  return std::make_unique<detail::queued_journal>(
      rt, options, std::make_unique<read_only_writer>(options.path), std::move(readers));
}

}  // namespace

result<std::unique_ptr<journal>> open_sqlite_journal(runtime& rt, sqlite_journal_options options) {
  const auto refuse = [](error& e) { return std::unexpected(std::move(e)); };
  if (auto ok = check(options); !ok) return refuse(ok.error());
  if (options.read_only) return open_to_read(rt, options);
  auto store = detail::open_store(options, detail::store_access::write);
  if (!store) return refuse(store.error());
  auto fresh = std::make_shared<detail::landing>(options.landing_bytes, options.segment_bytes);
  auto writer =
      detail::sqlite_writer::open(options, std::move(store->db), std::move(*store->owner), fresh);
  if (!writer) return refuse(writer.error());
  std::vector<std::unique_ptr<detail::read_backend>> readers;
  for (unsigned k = 0; k < options.readers; ++k) {
    auto connection = detail::open_store(options, detail::store_access::read);
    if (!connection) return refuse(connection.error());
    auto reader =
        detail::sqlite_reader::open(std::move(connection->db), fresh, options.max_page_bytes);
    if (!reader) return refuse(reader.error());
    readers.push_back(std::move(*reader));
  }
  return std::make_unique<detail::queued_journal>(rt, options, std::move(*writer),
                                                  std::move(readers));
}

}  // namespace odeon
