#pragma once

#include <odeon/federation/federation.hpp>
#include <odeon/remote/endpoint.hpp>

#include <functional>
#include <span>
#include <string>
#include <string_view>

/// @file What the typed members of `endpoint` and `membership` are made of. A program in C++ uses
/// those: they are templates over the classes of actors and messages. Python has no types to give
/// them, and brings bytes, manifests and references instead, so it calls what is below them.

namespace odeon::python {

using found_taker = std::move_only_function<void(result<any_ref>)>;
using wanted_messages = std::span<const detail::travelling* const>;
using actor_maker = std::function<result<any_ref>(
    actor_system&, spawn_options, std::span<const std::byte>, const wire::context&)>;

namespace opened {

template <class Tag, typename Tag::type Member>
struct door {
  friend typename Tag::type open(Tag) { return Member; }
};

struct resolve {
  using type = void (remote::endpoint::*)(std::string_view, wanted_messages, found_taker);
  friend type open(resolve);
};
template struct door<resolve, &remote::endpoint::resolve_any>;

struct lookup {
  using type = void (remote::endpoint::*)(std::string_view, std::string_view, wanted_messages,
                                          found_taker);
  friend type open(lookup);
};
template struct door<lookup, &remote::endpoint::lookup_any>;

struct spawn {
  using type = void (remote::endpoint::*)(std::string_view, std::string_view, std::string_view,
                                          wire::bytes, wanted_messages, found_taker);
  friend type open(spawn);
};
template struct door<spawn, &remote::endpoint::spawn_any>;

struct register_maker {
  using type = void (remote::endpoint::*)(std::string, actor_maker);
  friend type open(register_maker);
};
template struct door<register_maker, &remote::endpoint::register_maker>;

struct offered {
  using type = void (federation::membership::*)(std::string);
  friend type open(offered);
};
template struct door<offered, &federation::membership::offered>;

struct choose {
  using type = result<std::string> (federation::membership::*)(const federation::placement&,
                                                               std::string_view);
  friend type open(choose);
};
template struct door<choose, &federation::membership::choose>;

}  // namespace opened

}  // namespace odeon::python
