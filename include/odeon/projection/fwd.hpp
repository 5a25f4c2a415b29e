#pragma once

/// @file Forward declarations of `projection`: queries of journals, and what is made of them.

namespace odeon::projection {

class announcing_journal;
class offset_store;
class transactional_store;
class store_transaction;
class sqlite_offsets;
class sqlite_transaction;
struct event_info;
struct settings;

}  // namespace odeon::projection
