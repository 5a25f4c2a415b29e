#include <odeon/address/resolver.hpp>
#include <odeon/core/actor_system.hpp>

#include <string>

namespace odeon {

result<address> local_resolver::address_of(const any_ref& ref) const {
  if (!ref || &ref.get()->system() != &system_.anchor()) {
    return fail(errc::invalid_argument, ref.path() + " is no actor of the system \"" +
                                            system_.name() + "\", whose addresses are asked for");
  }
  return address{system_.name(), {}, ref.path(), ref.uid()};
}

result<any_ref> local_resolver::missing(const address& a, std::string_view why) const {
  if (missing_ == when_missing::empty_ref) return any_ref();
  return fail(errc::no_such_actor, a.to_string() + ": " + std::string(why));
}

result<any_ref> local_resolver::resolve(const address& a, wanted_messages /*wanted*/) const {
  if (a.system != system_.name() || !a.node.empty()) {
    return missing(a, "only actors of the system \"" + system_.name() + "\" are known here");
  }
  any_ref found = system_.lookup(a.path);
  if (!found) return missing(a, "no actor of that path lives");
  if (a.uid != 0 && found.uid() != a.uid) {
    return missing(a, "it has ended; a later actor has its path");
  }
  return found;
}

}  // namespace odeon
