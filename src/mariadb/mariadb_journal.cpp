#include "mariadb/internal/links.hpp"
#include <odeon/mariadb/mariadb_journal.hpp>

#include <algorithm>

namespace odeon {

namespace {

constexpr unsigned readers_max = 64;
constexpr std::size_t bytes_max = 512u << 20;       // what a server can be told to take is 1 GiB
constexpr std::size_t prefix_max = 48;              // a table's name has 64
constexpr std::size_t packet_overhead = 64u << 10;  // names, tags and numbers around a payload
constexpr std::string_view prefix_letters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

result<void> check(const mariadb_journal_options& o) {
  const auto bad = [&](const std::string& what) {
    return fail(errc::invalid_argument, "mariadb: " + what);
  };
  if (o.database.empty()) return bad("database is empty");
  if (o.table_prefix.size() > prefix_max ||
      o.table_prefix.find_first_not_of(prefix_letters) != std::string::npos)
    return bad("table_prefix may have 48 letters, digits and '_'");
  if (o.readers < 1 || o.readers > readers_max) return bad("readers must be 1 to 64");
  if (o.max_batch_events == 0 || o.max_batch_bytes == 0)
    return bad("max_batch_events and max_batch_bytes must not be 0");
  if (std::max({o.max_payload_bytes, o.max_snapshot_bytes, o.max_append_bytes, o.max_batch_bytes}) >
      bytes_max)
    return bad("no bound on sizes may exceed 512 MiB");
  if (o.max_name_bytes > 1024 || o.max_tags > 32)
    return bad("max_name_bytes is at most 1024, max_tags at most 32");
  if (o.connect_timeout <= duration::zero() || o.statement_timeout <= duration::zero())
    return bad("connect_timeout and statement_timeout must be more than 0");
  if (o.reconnect_patience < duration::zero() || o.reconnect_delay_max <= duration::zero())
    return bad("reconnect_patience must not be negative, reconnect_delay_max must be more than 0");
  return {};
}

}  // namespace

result<std::unique_ptr<journal>> open_mariadb_journal(runtime& rt,
                                                      mariadb_journal_options options) {
  const auto refuse = [](error& e) { return std::unexpected(std::move(e)); };
  if (auto ok = check(options); !ok) return refuse(ok.error());
  const detail::my_origin origin{options, detail::place_of(options)};
  const store::reconnect_options reconnect{.patience = options.reconnect_patience,
                                           .max_delay = options.reconnect_delay_max};
  auto writer = std::make_unique<detail::my_writer_link>(origin);
  if (auto ok = writer->connect(); !ok) return refuse(ok.error());
  const std::size_t packet = writer->max_packet();
  if (packet < 4 * packet_overhead)
    return fail(errc::io_failed, origin.place + ": max_allowed_packet = " + std::to_string(packet) +
                                     " is too small for a journal");
  for (std::size_t* bound : {&options.max_payload_bytes, &options.max_snapshot_bytes})
    *bound = std::min(*bound, packet - packet_overhead);
  std::vector<std::unique_ptr<store::read_backend>> readers;
  for (unsigned k = 0; k < options.readers; ++k) {
    auto reader = std::make_unique<detail::my_reader_link>(origin);
    if (auto ok = reader->connect(); !ok) return refuse(ok.error());
    readers.push_back(
        store::make_table_reader(rt, std::move(reader), reconnect, options.max_page_bytes));
  }
  return store::make_queued_journal(
      rt, options, store::make_table_writer(rt, std::move(writer), reconnect), std::move(readers));
}

}  // namespace odeon
