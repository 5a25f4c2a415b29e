#pragma once

/// @file Names of the sidecar's classes.

namespace odeon::sidecar {

struct any;
struct actor_id;
struct invocation;
struct action_call;
struct action_answer;
struct invocation_answer;
struct actor_def;
struct registration;
class host_app;
class state_store;
class elsewhere;
class engine;
class server;

}  // namespace odeon::sidecar
