// An entry is removed by the destructor of its far_actor, under the lock of its part: so whoever
// holds the lock may read the entries' addresses, and finds dead cells only by their count, which
// is zero.

#include "internal/far_table.hpp"

#include <odeon/base/type_name.hpp>

namespace odeon::remote::detail {

std::size_t far_table::hash_of(std::string_view node, std::string_view path,
                               std::uint64_t uid) noexcept {
  return static_cast<std::size_t>((fnv1a(node) * 31 + fnv1a(path)) ^ uid * 0x9e3779b97f4a7c15ULL);
}

any_ref far_table::find_in(part& p, std::size_t hash, std::string_view node, std::string_view path,
                           std::uint64_t uid) {
  const auto [begin, end] = p.all.equal_range(hash);
  for (auto i = begin; i != end; ++i) {
    const far_actor& f = *i->second;
    const address& a = f.where();
    if (a.uid != uid || a.path != path || a.node != node) continue;
    if (odeon::detail::cell::try_ref(f.local, f.generation)) return any_ref::adopt(f.local);
  }
  return {};
}

any_ref far_table::find(std::string_view node, std::string_view path, std::uint64_t uid) {
  const std::size_t hash = hash_of(node, path, uid);
  part& p = parts_[hash % part_count];
  const std::lock_guard guard(p.mutex);
  return find_in(p, hash, node, path, uid);
}

any_ref far_table::find_or_add(const address& where,
                               const std::function<std::shared_ptr<far_actor>()>& make,
                               odeon::detail::system_anchor& system) {
  const std::size_t hash = hash_of(where.node, where.path, where.uid);
  part& p = parts_[hash % part_count];
  std::shared_ptr<far_actor> made;  // dropped without the lock, when another was faster
  {
    const std::lock_guard guard(p.mutex);
    if (any_ref found = find_in(p, hash, where.node, where.path, where.uid)) return found;
  }
  made = make();
  any_ref own = any_ref::adopt(odeon::detail::make_far_cell(system, where.to_string(), made));
  any_ref found;
  {
    const std::lock_guard guard(p.mutex);
    found = find_in(p, hash, where.node, where.path, where.uid);
    if (!found) {
      p.all.emplace(hash, made.get());
      made->local = own.get();
      made->generation = own.get()->generation();
    }
  }
  return found ? found : own;
}

void far_table::forget(const far_actor& gone) noexcept {
  part& p = parts_[gone.hash() % part_count];
  const std::lock_guard guard(p.mutex);
  const auto [begin, end] = p.all.equal_range(gone.hash());
  for (auto i = begin; i != end; ++i) {
    if (i->second != &gone) continue;
    p.all.erase(i);
    return;
  }
}

std::size_t far_table::size() const {
  std::size_t n = 0;
  for (const part& p : parts_) {
    const std::lock_guard guard(p.mutex);
    n += p.all.size();
  }
  return n;
}

}  // namespace odeon::remote::detail
