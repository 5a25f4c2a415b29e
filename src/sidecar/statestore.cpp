#include <odeon/net/crypto.hpp>
#include <odeon/persistence/encryption.hpp>
#include <odeon/persistence/memory_journal.hpp>
#include <odeon/persistence/sqlite_journal.hpp>
#include <odeon/sidecar/statestore.hpp>
#include <odeon/wire/bytes.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace odeon::sidecar {

namespace {

constexpr std::string_view key_variable = "SPAWN_STATESTORE_KEY";
constexpr std::string_view plain_variable = "ODEON_STATESTORE_ACCEPT_PLAIN";
constexpr std::string_view check_id = "sidecar-key-check";
constexpr std::string_view check_text = "odeon-sidecar-key-check";
constexpr int check_rounds = 5;  // of sidecars that begin a store at the same moment
constexpr std::size_t fingerprint_bytes = 6;

// What encryption.hpp says of a sealed payload.
constexpr std::array<std::byte, 4> sealed_magic{std::byte{0xc5}, std::byte{0x4f}, std::byte{0x45},
                                                std::byte{0x31}};
constexpr std::size_t key_id_at = 4;
constexpr std::size_t key_id_bytes = 16;

constexpr environment_variable variables[] = {
    {"PROXY_DATABASE_TYPE", "sqlite, memory, postgres or mariadb; mysql is mariadb"},
    {"PROXY_DATABASE_PATH", "the SQLite file"},
    {"PROXY_DATABASE_HOST", "the server's host"},
    {"PROXY_DATABASE_PORT", "the server's port"},
    {"PROXY_DATABASE_NAME", "the database on the server"},
    {"PROXY_DATABASE_USERNAME", "who logs in there"},
    {"PROXY_DATABASE_SECRET", "the password"},
    {key_variable, "the keys that states are sealed with, the newest last"},
    {plain_variable, "true: read states that were stored before there was a key"},
    {"ODEON_STATESTORE_REVISIONS", "how many revisions of a state stay; 0: all"},
};

/// The id of a key that came without one.
std::string fingerprint(std::span<const std::byte> key) {
  const std::array<const_bytes, 2> pieces{wire::as_bytes(check_text), key};
  const digest hash = sha256(pieces);
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out = "k";
  for (std::size_t k = 0; k < fingerprint_bytes; ++k) {
    const auto b = std::to_integer<unsigned>(hash[k]);
    out += digits[b >> 4U];
    out += digits[b & 15U];
  }
  return out;
}

/// A text of keys, overwritten when it goes.
struct secret_text {
  std::string text;
  secret_text() = default;
  secret_text(const secret_text&) = delete;
  ~secret_text() { wipe(std::as_writable_bytes(std::span(text))); }
};

std::string name_of(const statestore_options& o) {
  if (o.kind == "sqlite") return "the statestore " + o.path;
  if (o.kind == "memory") return "the statestore in memory";
  return "the statestore " + o.kind + " " + o.database + (o.host.empty() ? "" : " on " + o.host);
}

result<std::unique_ptr<journal>> open_journal(runtime& rt, const statestore_options& o,
                                              const statestore_kinds& more) {
  if (o.kind == "memory") return make_memory_journal(rt);
  if (o.kind == "sqlite") {
    sqlite_journal_options options;
    options.path = o.path;
    return open_sqlite_journal(rt, std::move(options));
  }
  if (const auto known = more.find(o.kind); known != more.end()) return known->second(rt, o);
  std::string names = "sqlite, memory";
  for (const auto& [name, opener] : more) names += ", " + name;
  return fail(errc::invalid_argument, "\"" + o.kind +
                                          "\" is no kind of statestore that this program can "
                                          "open: it has " +
                                          names);
}

struct key_record {
  bool there = false;
  bool sealed = false;
  std::string key;  // its id, when it is sealed
};

result<loaded_snapshot> load_check(runtime& rt, journal& j) {
  return wait_for<loaded_snapshot>(rt, [&](auto done) {
    j.load_snapshot({.persistence_id = std::string(check_id)}, std::move(done));
  });
}

result<key_record> look(runtime& rt, journal& plain, const std::string& where) {
  auto loaded = load_check(rt, plain);
  if (!loaded) return std::unexpected(std::move(loaded.error()));
  if (!loaded->snapshot) return key_record{};
  const auto& bytes = loaded->snapshot->payload;
  if (bytes.size() >= sealed_overhead &&
      std::ranges::equal(sealed_magic, std::span(bytes).first(4))) {
    std::string id(wire::as_text(std::span(bytes).subspan(key_id_at, key_id_bytes)));
    id.erase(std::min(id.find('\0'), id.size()));
    return key_record{true, true, std::move(id)};
  }
  if (wire::as_text(bytes) != check_text)
    return fail(errc::corrupt_record, where + ": its record " + std::string(check_id) +
                                          " is neither sealed nor what a sidecar writes");
  return key_record{true, false, {}};
}

result<void> write_check(runtime& rt, journal& j) {
  const std::string id(check_id);
  auto epoch = wait_for<std::uint64_t>(rt, [&](auto done) { j.open_writer(id, std::move(done)); });
  if (!epoch) return std::unexpected(std::move(epoch.error()));
  auto last =
      wait_for<std::uint64_t>(rt, [&](auto done) { j.highest_sequence(id, std::move(done)); });
  if (!last) return std::unexpected(std::move(last.error()));
  append_request r;
  r.persistence_id = id;
  r.epoch = *epoch;
  r.expected_sequence = *last;
  const auto text = wire::as_bytes(check_text);
  r.state = state_record{.manifest = id, .version = 1, .payload = {text.begin(), text.end()}};
  auto ack = wait_for<append_ack>(rt, [&](auto done) { j.append(std::move(r), std::move(done)); });
  if (!ack) return std::unexpected(std::move(ack.error()));
  return {};
}

/// Why these keys are not those of the store; none: they may be.
std::optional<std::string> objection(const key_record& found, const key_ring& keys,
                                     bool accept_plain) {
  const std::string variable(key_variable);
  if (found.sealed && keys.empty())
    return "is sealed with the key \"" + found.key + "\", and no key was given: set " + variable;
  if (found.sealed && keys.find(found.key).empty())
    return "is sealed with the key \"" + found.key + "\", which is not among those of " + variable +
           ": the key is wrong, or an old one was "
           "taken out too early";
  if (found.there && !found.sealed && !keys.empty() && !accept_plain)
    return "holds states that are not sealed, and a key was given: start without " + variable +
           ", or set " + std::string(plain_variable) +
           "=true, and each state is sealed with its next write";
  return std::nullopt;
}

/// Whether these keys are those of the store; sets the record where it is missing or of an older
/// key. `plain` is the journal that lies below `j`.
result<void> compare_keys(runtime& rt, journal& plain, journal& j, const std::string& newest,
                          const std::string& where) {
  const auto found = look(rt, plain, where);
  if (!found) return std::unexpected(found.error());
  if (found->sealed) {
    const auto opened = load_check(rt, j);
    if (!opened && (opened.error() == errc::corrupt_record || opened.error() == errc::not_found))
      return fail(errc::invalid_argument, where + " is sealed with another key than " +
                                              std::string(key_variable) + " has under the name \"" +
                                              found->key + "\": the key is wrong");
    if (!opened) return std::unexpected(opened.error());
  }
  const bool good = found->there && found->sealed == !newest.empty() && found->key == newest;
  return good ? result<void>{} : write_check(rt, j);
}

}  // namespace

std::span<const environment_variable> statestore_variables() noexcept { return variables; }

result<statestore_options> statestore_from_environment(
    const std::function<std::optional<std::string>(const std::string&)>& get) {
  statestore_options o;
  std::optional<std::string> wrong;
  const auto text = [&](const char* name, std::string& into) {
    if (auto v = get(name); v && !v->empty()) into = std::move(*v);
  };
  const auto number = [&](const char* name, auto& into) {
    std::string v;
    text(name, v);
    if (v.empty()) return;
    const auto read = std::from_chars(v.data(), v.data() + v.size(), into);
    if (read.ec != std::errc() || read.ptr != v.data() + v.size())
      wrong = std::string(name) + " is \"" + v + "\" and takes a number";
  };
  text("PROXY_DATABASE_TYPE", o.kind);
  if (o.kind == "mysql") o.kind = "mariadb";
  if (o.kind == "postgresql") o.kind = "postgres";
  text("PROXY_DATABASE_PATH", o.path);
  text("PROXY_DATABASE_HOST", o.host);
  number("PROXY_DATABASE_PORT", o.port);
  text("PROXY_DATABASE_NAME", o.database);
  text("PROXY_DATABASE_USERNAME", o.user);
  text("PROXY_DATABASE_SECRET", o.password);
  text("SPAWN_STATESTORE_KEY", o.keys);
  number("ODEON_STATESTORE_REVISIONS", o.states.keep_revisions);
  std::string plain;
  text("ODEON_STATESTORE_ACCEPT_PLAIN", plain);
  o.accept_plain = plain == "true";
  if (!plain.empty() && plain != "true" && plain != "false")
    wrong = std::string(plain_variable) + " is \"" + plain + "\" and takes true or false";
  if (wrong) return fail(errc::config_invalid, *wrong);
  return o;
}

result<key_ring> parse_statestore_keys(std::string_view text) {
  constexpr std::string_view between = " \t\r\n,";
  secret_text with_ids;
  with_ids.text.reserve(2 * text.size() + 64);  // no copies are left behind by growing
  while (!text.empty()) {
    if (text.front() == '#') {
      text.remove_prefix(std::min(text.find('\n'), text.size()));
      continue;
    }
    if (between.find(text.front()) != std::string_view::npos) {
      text.remove_prefix(1);
      continue;
    }
    const auto entry = text.substr(0, text.find_first_of(" \t\r\n,#"));
    text.remove_prefix(entry.size());
    if (with_ids.text.size() + entry.size() + 2 * key_id_bytes > with_ids.text.capacity())
      with_ids.text.reserve(2 * with_ids.text.capacity());
    if (entry.find(':') == std::string_view::npos) {
      secret_text alone;
      alone.text.reserve(entry.size() + 2);
      alone.text.append("k:").append(entry);
      const auto one = key_ring::parse(alone.text, key_variable);
      // What is no key keeps its place, and is refused with its number below.
      with_ids.text.append(one ? fingerprint(one->find("k")) : "k").append(":");
    }
    with_ids.text.append(entry).append(" ");
  }
  return key_ring::parse(with_ids.text, key_variable);
}

result<std::unique_ptr<state_store>> open_statestore(runtime& rt, const statestore_options& options,
                                                     const statestore_kinds& more) {
  key_ring keys;
  if (!options.keys.empty()) {
    auto read = parse_statestore_keys(options.keys);
    if (!read) return fail(errc::invalid_argument, std::string(read.error().text()));
    keys = std::move(*read);
  }
  auto opened = open_journal(rt, options, more);
  if (!opened) return std::unexpected(std::move(opened.error()));
  std::unique_ptr<journal> j = std::move(*opened);
  const std::string where = name_of(options);
  const std::string newest(keys.newest());
  const auto found = look(rt, *j, where);
  if (!found) return std::unexpected(found.error());
  if (const auto why = objection(*found, keys, options.accept_plain))
    return fail(errc::invalid_argument, where + " " + *why);
  journal* const below = j.get();
  if (!keys.empty())
    j = encrypt(rt, std::move(j), std::move(keys), {.accept_plain = options.accept_plain});
  auto compared = compare_keys(rt, *below, *j, newest, where);
  // Another sidecar wrote the record in between: what it wrote is what counts.
  for (int k = 1; k < check_rounds && !compared &&
                  (compared.error() == errc::fenced || compared.error() == errc::version_conflict);
       ++k)
    compared = compare_keys(rt, *below, *j, newest, where);
  if (!compared) return std::unexpected(std::move(compared.error()));
  return make_state_store(rt, std::move(j), options.states);
}

}  // namespace odeon::sidecar
