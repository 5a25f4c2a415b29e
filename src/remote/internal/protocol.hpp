#pragma once

#include <odeon/base/error.hpp>
#include <odeon/remote/options.hpp>
#include <odeon/runtime/transport.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

/// @file The words of the protocol between nodes: its numbers, and what each side says of itself.
/// `docs/reference/remote-protocol.md` has the bytes.

namespace odeon::remote::detail {

inline constexpr std::uint8_t protocol_least = 1;  ///< the oldest version that is spoken
inline constexpr std::uint8_t protocol_most = 1;   ///< the newest

// Bounds of the protocol itself; those of an endpoint are in `remote::limits`.
inline constexpr std::size_t hello_bytes_max = std::size_t{16} << 10U;  ///< of a handshake message
inline constexpr std::size_t hello_text_max = 1024;   ///< of a system's name, a node, a tag, …
inline constexpr std::size_t hello_tags_max = 64;     ///< told to a peer; more are a mistake
inline constexpr std::size_t refusal_text_max = 512;  ///< of what a refusal or a goodbye says
inline constexpr std::size_t name_bytes_max = 2048;   ///< of a path or a manifest
inline constexpr std::size_t name_bytes_mean = 64;    ///< all texts of a table: slots times this
inline constexpr std::size_t small_bytes_max = std::size_t{32} << 10U;  ///< larger: in chunks
inline constexpr std::size_t chunk_bytes_max = std::size_t{32} << 10U;  ///< of one chunk
inline constexpr std::size_t transfers_max = 16;  ///< large messages on their way at a time
inline constexpr std::size_t control_bytes_max = std::size_t{1} << 20U;  ///< of one record
inline constexpr std::size_t control_part_max = std::size_t{32} << 10U;  ///< of it in one frame
inline constexpr std::size_t control_window = std::size_t{1} << 20U;     ///< sent, unacknowledged
inline constexpr std::size_t control_kept_max = std::size_t{64} << 20U;  ///< unacknowledged, bytes
inline constexpr std::size_t frame_target = std::size_t{48} << 10U;      ///< a frame is closed then
inline constexpr std::size_t large_turn = std::size_t{128} << 10U;  ///< of chunks in one `take`
inline constexpr std::size_t frame_bytes_least = std::size_t{96} << 10U;    ///< what a side takes
inline constexpr std::size_t credit_bytes_least = std::size_t{256} << 10U;  ///< what it lets come
inline constexpr std::size_t names_least = 16;
inline constexpr unsigned streams_max = 16;

/// What a frame carries, in the order in which `session::take` gives them.
enum class lane : std::uint8_t { control = 0, ordinary = 1, large = 2 };
inline constexpr std::size_t lane_count = 3;

enum class role : std::uint8_t { dialer = 0, acceptor = 1 };

/// How connections are protected. Both sides must say the same.
enum class protection : std::uint8_t { none = 0, secret = 1, tls = 2 };

/// Why a side ends a connection in good order.
enum class goodbye_reason : std::uint8_t {
  stopping = 1,     ///< this incarnation ends, for good
  idle = 2,         ///< nobody needs it now; the association goes on
  duplicate = 3,    ///< another connection does its work
  quarantined = 4,  ///< this side has given the other's incarnation up
  violation = 5,    ///< the other side sent what no peer sends
  overloaded = 6,   ///< a limit of this side
};

using nonce = std::array<std::byte, 32>;

/// What one side brings to a connection.
struct session_options {
  role side = role::dialer;
  protection protect = protection::none;
  std::string secret;                   ///< with `protection::secret`
  std::vector<std::string> identities;  ///< with `tls`: the names in the peer's certificate
  std::string system;
  std::string node;  ///< how others reach this one; "" when they cannot
  std::uint64_t incarnation = 0;
  std::string version;                      ///< of Odeon
  std::map<std::string, std::string> tags;  ///< at most `hello_tags_max`
  std::string to;         ///< dialer: the node that it means to reach; told to the acceptor
  unsigned stream = 0;    ///< dialer: which connection of the association; control is on 0
  unsigned streams = 1;   ///< how many this side would have; the smaller number counts
  remote::limits limits;  ///< of which those of one connection are looked at
  bool compress = false;
  std::size_t compress_above = 1024;
  nonce fresh{};  ///< random, and never used before
};

/// What the other side has said of itself. Authentic from `session_state::deciding` on.
struct peer_hello {
  peer_info who;
  std::string to;  ///< as `session_options::to`
  unsigned stream = 0;
  unsigned streams = 1;         ///< already the smaller number of the two
  std::uint32_t codecs = 0;     ///< bit n: it reads wire::format n
  bool compress = false;        ///< it can expand zstd
  std::size_t frame_bytes = 0;  ///< what it takes at most …
  std::size_t message_bytes = 0;
  std::size_t credit_bytes = 0;
  std::size_t names = 0;
  duration heartbeat{0};  ///< how often it lets itself be heard
};

}  // namespace odeon::remote::detail
