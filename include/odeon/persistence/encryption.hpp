#pragma once

#include <odeon/persistence/fwd.hpp>
#include <odeon/persistence/journal.hpp>
#include <odeon/persistence/key_ring.hpp>
#include <odeon/runtime/fwd.hpp>

#include <cstddef>
#include <memory>

/// @file Encryption at rest: a journal whose payloads are sealed before they reach the store.
///
///     auto keys = odeon::key_ring::from_environment("BANK_KEYS");
///     auto j = odeon::open_sqlite_journal(*rt, {.path = "bank.db"});
///     auto sealed = odeon::encrypt(*rt, std::move(*j), std::move(*keys));
///
/// **What is sealed**: the payloads of events, snapshots, states, outbox messages and timers, with
/// AES-256-GCM (NIST SP 800-38D). Each is bound to its place – persistence id, kind, sequence
/// number or id, target, due time, manifest, version – so that a payload that was moved or
/// relabelled is damage like a changed one.
///
/// **What is not**: persistence ids, manifests, versions, tags, the ids of timers and messages,
/// targets, marks, sequence numbers, positions, times, and how large each payload is. Whoever has
/// the file can also put back an old copy of all of it, or leave out the newest records of an id
/// where the store's checksums allow it: that needs a copy elsewhere to find. Nor is the memory of
/// the process protected.
///
/// **How a sealed payload lies in the store** (`sealed_overhead` bytes more than the plain one):
///
///     offset size
///          0    4  c5 4f 45 31
///          4   16  the key's id, filled up with zeros
///         20   12  nonce, random
///         32       ciphertext
///        end   16  tag
///
/// The associated data are bytes 0 – 19, then one byte for the kind ('e', 's', 'm', 't') and what
/// it belongs to: texts as their length in 8 bytes and their bytes, numbers as 8 bytes,
/// little-endian:
///
///     e  event: persistence id, sequence, manifest, version
///     s  snapshot or state: persistence id, sequence, manifest, version
///     m  message: persistence id, sequence, id, target, manifest, version
///     t  timer: persistence id, id, due in nanoseconds, manifest, version
///
/// Nonces of 96 random bits are good for 2³² records of one key: add a new key before that.

namespace odeon {

/// What sealing adds to a payload.
inline constexpr std::size_t sealed_overhead = 48;

struct encryption_options {
  /// Hands out payloads that are not sealed, as they were written before encryption began, instead
  /// of refusing them. Whoever can write to the store can then put in what he likes: leave it off
  /// where nothing is left to read from before.
  bool accept_plain = false;
};

/// `inner` with all payloads sealed with the newest key of `keys`, and opened with any of them.
/// `keys` must not be empty (a broken invariant). `rt` supplies the nonces, and must outlive the
/// journal; under a simulated runtime they are the seed's: such a journal keeps no secrets.
///
/// The contract is that of `journal`, with these differences:
///
/// - `options()` has the bounds of `inner` with `max_payload_bytes` and `max_snapshot_bytes` lower
///   by `sealed_overhead`.
/// - What does not open – another key of the same id, a changed byte, another place – is
///   `errc::corrupt_record` with its place, and never handed out. A snapshot of events that does
///   not open is passed over like a damaged one.
/// - A payload whose key is not among `keys` is `errc::not_found`, naming the key's id.
/// - `snapshots_of` tells the plain size; of a snapshot that is not sealed, `sealed_overhead` bytes
///   too few.
///
/// Cost: sealing is done on the caller's thread and opening on the journal's, some 1 to 3 GB/s and
/// about a microsecond each.
[[nodiscard]] std::unique_ptr<journal> encrypt(runtime& rt, std::unique_ptr<journal> inner,
                                               key_ring keys, encryption_options options = {});

}  // namespace odeon
