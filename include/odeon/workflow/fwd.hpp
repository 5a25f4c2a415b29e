#pragma once

/// @file Forward declarations of `workflow`: steps, edges between them, and their runs.

namespace odeon::workflows {

class step_context;
template <class In, class Out>
class step_of;
template <class In, class Out>
class chain;
template <class In, class Out>
class workflow;
template <class In, class Out>
class durable_workflow;

class state_store;
class state_transaction;
class state_lock;

}  // namespace odeon::workflows

namespace odeon {
using workflows::workflow;
}
