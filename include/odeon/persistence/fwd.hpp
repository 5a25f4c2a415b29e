#pragma once

/// @file Forward declarations of `persistence`: journals, snapshots, and the actors that live on
/// them.

namespace odeon {

struct event_record;
struct event_view;
struct stored_event;
struct outbox_message;
struct outbox_entry;
struct timer_record;
struct stored_timer;
struct timer_cursor;
struct timer_change;
struct mark_record;
struct state_record;
struct append_request;
struct append_ack;

struct save_snapshot_request;
struct stored_snapshot;
struct snapshot_criteria;
struct loaded_snapshot;
struct snapshot_info;

struct replay_request;
struct id_info;
struct replay_report;
struct recover_request;
struct recovery_report;
struct recovery_callbacks;

struct journal_options;
struct journal_stats;
class journal;

class memory_store;
struct sqlite_journal_options;

}  // namespace odeon
