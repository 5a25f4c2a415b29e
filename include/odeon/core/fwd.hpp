#pragma once

#include <odeon/task/fwd.hpp>

/// @file Forward declarations of `core`: actors, references, systems.

namespace odeon {

template <class... Ms>
class actor;
template <class... Ms>
class actor_ref;
class any_ref;
class context;
class actor_system;
class event_stream;
class timer;
class logger;
template <class R>
class reply_to;
template <class State, class... Handlers>
struct behavior_of;

struct spawn_options;
struct tell_options;
struct failure;
struct terminated;
struct exit_signal;
struct receive_timeout;
struct unhandled;

namespace detail {

class cell;
struct cell_extension;
struct envelope;
struct turn;
class ask_state_base;
struct actor_class;
class system_core;
struct system_anchor;

}  // namespace detail

}  // namespace odeon
