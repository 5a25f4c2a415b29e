#pragma once

#include <odeon/address/messages.hpp>
#include <odeon/core/fwd.hpp>

#include <string>

/// @file How messages of Python travel to and from other nodes: as the bytes of `encoded.hpp`,
/// which no table of types knows.

namespace odeon::python {

/// From now on what that system's table does not know travels so. @threadsafe
void let_python_travel(actor_system& system);

/// What another node is asked about a message that an actor must take: its name alone. Lives as
/// long as the program; null: there are too many. @threadsafe
[[nodiscard]] const detail::travelling* named_message(const std::string& manifest);

}  // namespace odeon::python
