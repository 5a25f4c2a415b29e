#include "wire/internal/failure.hpp"
#include <odeon/wire/registry.hpp>

#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <numeric>
#include <shared_mutex>
#include <unordered_map>
#include <utility>

namespace odeon::wire {

namespace {

// Manifests longer than this are compared by their first part; more than this many are not searched
// for a likeness.
constexpr std::size_t max_compared_length = 128;
constexpr std::size_t max_compared = 2048;

// How many insertions, deletions and replacements turn one text into the other (Wagner and Fischer,
// 1974).
std::size_t edit_distance(std::string_view a, std::string_view b) {
  a = a.substr(0, max_compared_length);
  b = b.substr(0, max_compared_length);
  std::array<std::size_t, max_compared_length + 1> row{};
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t k = 0; k < b.size(); ++k) {
      const std::size_t replaced = diagonal + (a[i] == b[k] ? 0 : 1);
      diagonal = row[k + 1];
      row[k + 1] = std::min({row[k] + 1, row[k + 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

}  // namespace

namespace detail {

error wrong_manifest(std::string_view wanted, std::string_view found) {
  return {errc::wrong_type,
          "the value is a " + internal::quoted(found) + ", not a " + internal::quoted(wanted)};
}

}  // namespace detail

// --- registered --------------------------------------------------------------------------------

result<std::shared_ptr<void>> registered::decode(int version, std::span<const std::byte> in,
                                                 format f, const limits& bounds,
                                                 const context& c) const {
  std::shared_ptr<void> value = entry_.make();
  auto done = entry_.read(value.get(), version, {in, f, bounds, c});
  if (!done) return std::unexpected(std::move(done).error());
  return value;
}

result<void> registered::decode_into(void* storage, int version, std::span<const std::byte> in,
                                     format f, const limits& bounds, const context& c) const {
  struct guard {
    const registered* type;
    void* value;
    ~guard() {
      if (value != nullptr) type->destroy(value);
    }
  };
  entry_.construct(storage);
  guard unfinished{this, storage};  // a codec<T> may throw
  auto done = entry_.read(storage, version, {in, f, bounds, c});
  if (done) unfinished.value = nullptr;
  return done;
}

// --- registry ----------------------------------------------------------------------------------

struct registry::tables {
  mutable std::shared_mutex mutex;
  std::map<std::string, registered, std::less<>> by_manifest;  // nodes stay where they are
  std::unordered_map<std::string_view, const registered*> quick;
  std::unordered_map<const schema*, const registered*> by_type;

  // Empty when nothing is near enough to be a misspelling.
  [[nodiscard]] std::string_view nearest(std::string_view manifest) const {
    std::string_view best;
    std::size_t least = manifest.size() / 2 + 1;
    std::size_t compared = 0;
    for (const auto& [name, entry] : by_manifest) {
      if (++compared > max_compared) break;
      if (const std::size_t d = edit_distance(name, manifest); d < least) {
        least = d;
        best = name;
      }
    }
    return best;
  }
};

registry::registry() : tables_(std::make_unique<tables>()) {}
registry::~registry() = default;

result<const registered*> registry::try_add_entry(const detail::type_entry& entry,
                                                  std::string_view under) {
  const std::unique_lock lock(tables_->mutex);
  auto known = tables_->by_manifest.find(under);
  if (known != tables_->by_manifest.end()) {
    const registered& other = known->second;
    if (&other.type() != entry.type) {
      return fail(errc::name_taken, "the manifest " + internal::quoted(under) + " of " +
                                        std::string(entry.type->name) + " is already that of " +
                                        std::string(other.type().name));
    }
    return &other;
  }
  std::string name(under);
  known = tables_->by_manifest.try_emplace(name, entry, name).first;
  const registered* added = &known->second;
  tables_->quick.emplace(added->manifest(), added);
  // The type's own manifest is the one it is written under, whenever it is added.
  if (under == entry.manifest) tables_->by_type[entry.type] = added;
  return added;
}

void registry::add_or_throw(const detail::type_entry& entry, std::string_view under) {
  auto added = try_add_entry(entry, under);
  if (!added) throw actor_error(std::move(added).error());
}

result<const registered*> registry::find(std::string_view manifest) const {
  const std::shared_lock lock(tables_->mutex);
  if (const auto known = tables_->quick.find(manifest); known != tables_->quick.end()) {
    return known->second;
  }
  std::string text = "no type is registered as " + internal::quoted(manifest);
  if (const std::string_view near = tables_->nearest(manifest); !near.empty()) {
    text += "; the nearest is " + internal::quoted(near);
  }
  return fail(errc::unknown_manifest, std::move(text));
}

result<const registered*> registry::find(const schema& type) const {
  const std::shared_lock lock(tables_->mutex);
  if (const auto known = tables_->by_type.find(&type); known != tables_->by_type.end()) {
    return known->second;
  }
  return fail(errc::no_codec,
              std::string(type.name) + " is not registered: add it to the registry");
}

std::vector<const registered*> registry::all() const {
  const std::shared_lock lock(tables_->mutex);
  std::vector<const registered*> entries;
  entries.reserve(tables_->by_manifest.size());
  for (const auto& [name, entry] : tables_->by_manifest) entries.push_back(&entry);
  return entries;
}

result<tagged> registry::encode(const void* value, const schema& type, format f,
                                const context& c) const {
  auto known = find(type);
  if (!known) return std::unexpected(std::move(known).error());
  buffer out;
  if (auto done = (*known)->encode_to(out, value, f, c); !done) {
    return std::unexpected(std::move(done).error());
  }
  return tagged{std::string((*known)->manifest()), (*known)->version(), f, out.to_bytes()};
}

result<any_value> registry::decode(const tagged_view& from, const limits& bounds,
                                   const context& c) const {
  auto known = find(from.manifest);
  if (!known) return std::unexpected(std::move(known).error());
  auto made = (*known)->decode(from.version, from.payload, from.form, bounds, c);
  if (!made) return std::unexpected(std::move(made).error());
  return any_value{*std::move(made), *known};
}

}  // namespace odeon::wire
