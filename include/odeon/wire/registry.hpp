#pragma once

#include <odeon/wire/tagged.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

/// @file From a manifest to a type, at run time: how bytes that name their type become a value.
///
/// A system has one registry. What arrives is looked up in it by name and never imported, loaded or
/// executed; a name that is not there is an error.

namespace odeon::wire {

namespace detail {

struct older_version {
  int version;
  const schema* type;
};

// The versions from which upcasts lead to T, the newest first.
template <class T>
consteval auto versions_before() {
  if constexpr (upcastable<T>) {
    constexpr auto rest = versions_before<previous_version<T>>();
    std::array<older_version, rest.size() + 1> all{};
    all[0] = {version<previous_version<T>>, &schema_of<previous_version<T>>};
    for (std::size_t i = 0; i < rest.size(); ++i) all[i + 1] = rest[i];
    return all;
  } else {
    return std::array<older_version, 0>{};
  }
}

template <class T>
inline constexpr auto older_versions = versions_before<T>();

// What a registry keeps of a type: a constant table.
struct type_entry {
  const schema* type;
  std::string_view manifest;
  int version;
  std::span<const older_version> older;
  result<void> (*read)(void* value, int found, const source& from);
  std::shared_ptr<void> (*make)();
  void (*construct)(void* storage);
  void (*destroy)(void* value) noexcept;
};

template <class T>
struct entry_of {
  static result<void> read(void* value, int found, const source& from) {
    return read_version(*static_cast<T*>(value), found, from);
  }
  static std::shared_ptr<void> make() { return std::make_shared<T>(blank<T>()); }
  static void construct(void* storage) { ::new (storage) T(blank<T>()); }
  static void destroy(void* value) noexcept { static_cast<T*>(value)->~T(); }

  static constexpr type_entry table{&schema_of<T>, manifest<T>, version<T>, older_versions<T>,
                                    &read,         &make,       &construct, &destroy};
};

}  // namespace detail

/// One type of a registry, with the type erased. Lives as long as the registry; immutable.
/// @threadsafe
class registered {
 public:
  registered(const detail::type_entry& entry, std::string manifest) noexcept
      : entry_(entry),
        manifest_(std::move(manifest)) {}

  /// The name it is registered under.
  [[nodiscard]] std::string_view manifest() const noexcept { return manifest_; }
  /// The name that values of the type are written under: another one when this is an alias.
  [[nodiscard]] std::string_view written_as() const noexcept { return entry_.manifest; }
  /// Earlier versions that can be read, the newest first; constants.
  [[nodiscard]] std::span<const detail::older_version> older() const noexcept {
    return entry_.older;
  }
  /// The type's present version, which is what is written.
  [[nodiscard]] int version() const noexcept { return entry_.version; }
  /// The type; `&type() == &schema_of<T>` asks whether it is T.
  [[nodiscard]] const schema& type() const noexcept { return *entry_.type; }

  /// Appends the value at `value`, which must be of this type. Errors as `try_encode_to`.
  [[nodiscard]] result<void> encode_to(buffer& out, const void* value, format f = format::msgpack,
                                       const context& c = {}) const {
    return detail::write(out, *entry_.type, value, f, c);
  }

  /// A new value of this type, from bytes of any version it knows. Errors as `decode_version`.
  [[nodiscard]] result<std::shared_ptr<void>> decode(int version, std::span<const std::byte> in,
                                                     format f = format::msgpack,
                                                     const limits& bounds = {},
                                                     const context& c = {}) const;

  /// The same into raw storage of `type().size` bytes, aligned to `type().align`. After a success a
  /// value lives there, which the caller destroys with `destroy`; after a failure nothing does.
  [[nodiscard]] result<void> decode_into(void* storage, int version, std::span<const std::byte> in,
                                         format f = format::msgpack, const limits& bounds = {},
                                         const context& c = {}) const;

  /// Ends the life of a value of this type; its storage stays the caller's.
  void destroy(void* value) const noexcept { entry_.destroy(value); }

 private:
  const detail::type_entry& entry_;
  std::string manifest_;
};

/// A decoded value whose type was found by its manifest.
struct any_value {
  std::shared_ptr<void> value;
  const registered* type = nullptr;

  /// The value when it is a T, else null.
  template <class T>
  [[nodiscard]] const T* as() const noexcept {
    return &type->type() == &schema_of<T> ? static_cast<const T*>(value.get()) : nullptr;
  }
};

/// Manifests and their types. Adding and finding may happen at the same time, from any threads.
/// @threadsafe
class registry {
 public:
  registry();
  ~registry();
  registry(const registry&) = delete;
  registry& operator=(const registry&) = delete;

  /// Registers each type under its manifest. Doing so again changes nothing. Throws `actor_error`
  /// with `errc::name_taken` when another type has the manifest.
  template <class... T>
  void add() {
    (add_or_throw(describe<T>(), manifest<T>), ...);
  }

  /// Registers T under a further manifest, one that it had before: values are read under both names
  /// and written under the one of `add`. Errors as `add`.
  template <class T>
  void add_alias(std::string_view earlier_manifest) {
    add_or_throw(describe<T>(), earlier_manifest);
  }

  /// `add` or `add_alias` as a result.
  template <class T>
  [[nodiscard]] result<const registered*> try_add(std::string_view under = manifest<T>) {
    return try_add_entry(describe<T>(), under);
  }

  /// The type of that manifest; `errc::unknown_manifest`, with the nearest registered one, when
  /// there is none. One hash look-up under a shared lock.
  [[nodiscard]] result<const registered*> find(std::string_view manifest) const;

  /// The entry of a type, under its own manifest; `errc::no_codec` when it was not added.
  [[nodiscard]] result<const registered*> find(const schema& type) const;
  template <class T>
  [[nodiscard]] result<const registered*> find() const {
    return find(schema_of<T>);
  }

  /// All entries, by manifest. For tools.
  [[nodiscard]] std::vector<const registered*> all() const;

  /// `value` under the manifest of its type: `errc::no_codec` when that was not added, else as
  /// `try_encode_to`.
  [[nodiscard]] result<tagged> encode(const void* value, const schema& type,
                                      format f = format::msgpack, const context& c = {}) const;
  template <class T>
  [[nodiscard]] result<tagged> encode(const T& value, format f = format::msgpack,
                                      const context& c = {}) const {
    require_encodable<T>();
    return encode(&value, schema_of<T>, f, c);
  }

  /// A value of whatever type the manifest names. Errors as `find` and `decode_version`.
  [[nodiscard]] result<any_value> decode(const tagged_view& from, const limits& bounds = {},
                                         const context& c = {}) const;

 private:
  struct tables;

  template <class T>
  static const detail::type_entry& describe() {
    static_assert(std::same_as<T, std::remove_cvref_t<T>>,
                  "register a type without const or reference");
    require_decodable<T>();
    return detail::entry_of<T>::table;
  }

  void add_or_throw(const detail::type_entry& entry, std::string_view under);
  result<const registered*> try_add_entry(const detail::type_entry& entry, std::string_view under);

  std::unique_ptr<tables> tables_;
};

}  // namespace odeon::wire
