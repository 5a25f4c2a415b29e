#include "internal/contract_book.hpp"
#include <odeon/base/type_name.hpp>
#include <odeon/wire/contract.hpp>
#include <odeon/wire/contract_diff.hpp>

namespace odeon::remote::detail {

namespace {

message_contract contract_of(const odeon::detail::travelling& type) {
  if (!type.describe) return {};
  wire::registry both;
  type.describe(both);
  wire::contract document;
  document.formats = {wire::format::msgpack};
  document.add(both, wire::contract_use::messages);
  // They are named by what they are for, and not aliases of their manifests.
  for (auto& [name, entry] : document.entries) entry.alias_of.clear();
  message_contract made{document.to_json(), 0};
  made.hash = fnv1a(made.json);
  return made;
}

}  // namespace

const message_contract& contract_book::of(const odeon::detail::travelling& type) {
  {
    const std::lock_guard guard(mutex_);
    if (const auto found = known_.find(&type); found != known_.end()) return found->second;
  }
  message_contract made = contract_of(type);
  const std::lock_guard guard(mutex_);
  return known_.try_emplace(&type, std::move(made)).first->second;  // nodes of a map stay in place
}

std::vector<records::claim> contract_book::claims(
    std::span<const odeon::detail::travelling* const> types) {
  std::vector<records::claim> out;
  out.reserve(types.size());
  for (const auto* t : types) out.push_back({std::string(t->manifest), of(*t).hash});
  return out;
}

result<void> bridge(std::string_view manifest, const message_contract& ours,
                    std::string_view theirs) {
  const auto mine = wire::contract::from_json(ours.json);
  const auto other = wire::contract::from_json(theirs);
  if (!mine) return std::unexpected(mine.error());
  if (!other) return std::unexpected(other.error());
  for (const wire::contract_change& c : wire::compare(*mine, *other)) {
    if (!c.breaks.wire) continue;
    std::string text(manifest);
    text += c.manifest == "reply" ? ", its reply" : "";
    text += c.where.empty() ? "" : ", field " + c.where;
    return fail(errc::contract_changed, text + ": " + c.text);
  }
  return {};
}

}  // namespace odeon::remote::detail
