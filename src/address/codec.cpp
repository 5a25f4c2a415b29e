#include <odeon/address/codec.hpp>

#include <string>
#include <utility>

namespace odeon::detail {

namespace {

result<const address_resolver*> resolver_in(const wire::context& c) {
  if (const auto* found = c.find<const address_resolver>()) return found;
  return fail(errc::invalid_argument,
              "a reference to an actor travels only with an address_resolver in the wire::context");
}

}  // namespace

result<std::string> write_reference(const any_ref& ref, const wire::context& c) {
  if (!ref) return std::string();
  auto resolver = resolver_in(c);
  if (!resolver) return std::unexpected(std::move(resolver).error());
  auto where = (*resolver)->address_of(ref);
  if (!where) return std::unexpected(std::move(where).error());
  return wire::codec<address>::to_wire(*where);
}

result<any_ref> read_reference(std::string_view text, wanted_messages wanted,
                               const wire::context& c) {
  if (text.empty()) return any_ref();
  auto resolver = resolver_in(c);
  if (!resolver) return std::unexpected(std::move(resolver).error());
  const auto where = address::parse(text);
  if (!where) return std::unexpected(where.error());
  auto found = (*resolver)->resolve(*where, wanted);
  if (!found || !*found) return found;
  for (const message_type* m : wanted) {
    if (!found->get()->accepts(*m)) {
      return fail(errc::wrong_type,
                  std::string(text) + " has no handler for " + std::string(m->name));
    }
  }
  return found;
}

}  // namespace odeon::detail
