#include "odeon/bank/reconcile.hpp"

#include "odeon/bank/events.hpp"
#include "odeon/bank/ledger.hpp"
#include "odeon/bank/transfer_file.hpp"
#include <odeon/wire/codec.hpp>
#include <odeon/wire/manifest.hpp>

#include <optional>
#include <utility>
#include <variant>

namespace odeon::bank {

namespace {

constexpr std::size_t ids_per_page = 10'000;
constexpr std::uint64_t progress_every = 500;

// Decodes an event as one of `Es` and hands it to `to`.
template <class... Es, class F>
result<void> read_event(const event_view& e, F&& to) {
  result<void> done =
      fail(errc::unknown_manifest, "event " + std::to_string(e.sequence) + " has the manifest " +
                                       std::string(e.manifest) + ", which is none of a bank's");
  const auto attempt = [&]<class E>(std::type_identity<E>) {
    if (e.manifest != wire::manifest<E>) return false;
    auto value = wire::decode_version<E>(static_cast<int>(e.version), e.payload);
    if (value) {
      to(*value);
      done = {};
    } else {
      done = fail(value.error().code(),
                  "event " + std::to_string(e.sequence) + ": " + std::string(value.error().text()));
    }
    return true;
  };
  (void)(attempt(std::type_identity<Es>()) || ...);
  return done;
}

result<void> replay(runtime& rt, journal& from, const std::string& id,
                    journal::event_visitor visit) {
  auto end = wait_for<replay_report>(rt, [&](auto done) {
    from.replay({.persistence_id = id}, std::move(visit), std::move(done));
  });
  if (end) return {};
  const std::string why(end.error().text());
  return fail(end.error().code(), why.find(id) == std::string::npos ? id + ": " + why : why);
}

result<std::vector<std::string>> all_ids(runtime& rt, journal& from) {
  std::vector<std::string> ids;
  for (;;) {
    auto page = wait_for<std::vector<std::string>>(rt, [&](auto done) {
      from.persistence_ids(ids.empty() ? std::string() : ids.back(), ids_per_page, std::move(done));
    });
    if (!page) return std::unexpected(std::move(page).error());
    if (page->empty()) return ids;
    std::ranges::move(*page, std::back_inserter(ids));
  }
}

result<void> read_journal(runtime& rt, journal& from, const reconcile_options& options,
                          ledger& to) {
  const auto ids = all_ids(rt, from);
  if (!ids) return std::unexpected(ids.error());
  for (std::uint64_t i = 0; i < ids->size(); ++i) {
    const std::string& id = (*ids)[i];
    result<void> read;
    if (id.starts_with(account_prefix)) {
      const auto account = to.open_page(id.substr(account_prefix.size()));
      read = replay(rt, from, id, [&](const event_view& e) {
        return read_event<account_opened, withdrawn, deposited, refunded>(
            e, [&](const auto& event) { to.book(account, event); });
      });
      to.close_page(account);
    } else if (id.starts_with(coordinator_prefix)) {
      read = replay(rt, from, id, [&](const event_view& e) {
        return read_event<transfer_started, refund_decided, transfer_completed, transfer_refused,
                          transfer_refunded>(e, [&](const auto& event) { to.note(event); });
      });
    } else {
      read = fail(errc::wrong_type, "the journal has the id " + id + ", which is none of a bank's");
    }
    if (!read) return read;
    if (options.progress && (i % progress_every == 0 || i + 1 == ids->size()))
      options.progress(i + 1, ids->size());
  }
  return {};
}

result<void> read_transfers(const std::string& path, ledger& to) {
  auto file = transfer_file::open(path);
  if (!file) return std::unexpected(file.error());
  for (;;) {
    auto next = file->next();
    if (!next) return std::unexpected(next.error());
    if (!*next) return {};
    if (const auto* t = std::get_if<transfer>(&**next))
      to.expect(*t);
    else
      to.expect(std::get<rejected_line>(**next));
  }
}

std::optional<ending> ending_named(std::string_view name) {
  for (const ending how : {ending::completed, ending::refused, ending::refunded})
    if (name == to_string(how)) return how;
  return std::nullopt;
}

result<void> read_acknowledgements(const std::string& path, ledger& to) {
  auto lines = line_reader::open(path);
  if (!lines) return std::unexpected(lines.error());
  for (;;) {
    auto line = lines->next();
    if (!line) return std::unexpected(line.error());
    if (!*line) return {};
    const std::string_view text = (*line)->text;
    const auto blank = std::min(text.find(' '), text.size());
    const auto how = ending_named(text.substr(0, blank));
    if (!how || blank == text.size())
      return fail(errc::bad_encoding,
                  path + ", line " + std::to_string((*line)->number) + ": not an acknowledgement");
    to.acknowledge(text.substr(blank + 1), *how);
  }
}

}  // namespace

std::string acknowledgement_line(ending how, std::string_view reference) {
  return std::string(to_string(how)) + " " + std::string(reference);
}

result<reconciliation> reconcile(runtime& rt, journal& from, const reconcile_options& options) {
  ledger book;
  if (auto read = read_transfers(options.transfers, book); !read)
    return std::unexpected(read.error());
  if (auto read = read_journal(rt, from, options, book); !read)
    return std::unexpected(read.error());
  if (!options.acknowledgements.empty())
    if (auto read = read_acknowledgements(options.acknowledgements, book); !read)
      return std::unexpected(read.error());
  return book.close(options.complete);
}

}  // namespace odeon::bank
