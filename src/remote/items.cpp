#include "remote/internal/items.hpp"

#include <zstd.h>

#include <limits>
#include <new>

namespace odeon::remote::detail {

namespace {

constexpr unsigned kind_bits = 7;
constexpr unsigned has_limit = 8;
constexpr unsigned has_trace = 16;
constexpr unsigned has_key = 32;
constexpr unsigned has_priority = 64;
constexpr unsigned is_packed = 128;

constexpr int level = 1;                                 // of zstd: fast
constexpr std::size_t kept_room = std::size_t{1} << 20;  // larger buffers are given back

/// What a type's name carries beside its text.
std::uint64_t extra_of(const wire::tagged_view& m) noexcept {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(m.version)) << 8U |
         static_cast<std::uint64_t>(m.form);
}

}  // namespace

std::byte* put_head(std::byte* at, const user_message& m, const payload_sizes& sizes,
                    name_writer& names) {
  const unsigned flags = (m.limit.count() > 0 ? has_limit : 0U) | (m.trace != 0 ? has_trace : 0U) |
                         (m.key != 0 ? has_key : 0U) | (m.priority != 0 ? has_priority : 0U) |
                         (sizes.expanded != 0 ? is_packed : 0U);
  *at++ = std::byte(flags | (static_cast<unsigned>(m.kind) + 1));
  at = names.put(at, name_kind::actor, m.to.path, m.to.uid, 0);
  at = names.put(at, name_kind::actor, m.from.path, m.from.uid, 1);
  if (m.kind != user_kind::tell) at = put_varint(at, m.ask);
  if ((flags & has_limit) != 0) at = put_varint(at, static_cast<std::uint64_t>(m.limit.count()));
  if ((flags & has_trace) != 0) at = put_word(at, m.trace);
  if ((flags & has_key) != 0) at = put_word(at, m.key);
  if ((flags & has_priority) != 0) at = put_varint(at, zigzag(m.priority));
  at = m.message.manifest.empty()
           ? put_varint(at, 0)
           : names.put(at, name_kind::type, m.message.manifest, extra_of(m.message), 2);
  at = put_varint(at, sizes.wire_size);
  return sizes.expanded != 0 ? put_varint(at, sizes.expanded) : at;
}

payload_sizes get_head(cursor& in, user_message& m, name_reader& names) {
  const auto first = in.word<std::uint8_t>();
  const unsigned kind = first & kind_bits;
  if (kind == 0 || kind > static_cast<unsigned>(user_kind::cancel) + 1) in.fail();
  m.kind = static_cast<user_kind>(kind - 1);
  const read_name to = names.get(in, name_kind::actor);
  const read_name from = names.get(in, name_kind::actor);
  m.to = {to.text, to.extra};
  m.from = {from.text, from.extra};
  m.to_serial = to.serial;
  m.from_serial = from.serial;
  if (m.kind != user_kind::tell) m.ask = in.varint();
  if ((first & has_limit) != 0) {
    const std::uint64_t limit = in.varint();
    if (limit > static_cast<std::uint64_t>(duration::max().count())) in.fail();
    m.limit = duration(static_cast<duration::rep>(limit));
  }
  if ((first & has_trace) != 0) m.trace = in.word<std::uint64_t>();
  if ((first & has_key) != 0) m.key = in.word<std::uint64_t>();
  if ((first & has_priority) != 0) {
    const std::int64_t priority = unzigzag(in.varint());
    if (priority != static_cast<std::int32_t>(priority)) in.fail();
    m.priority = static_cast<std::int32_t>(priority);
  }
  const read_name type = names.get(in, name_kind::type);
  const std::uint64_t form = type.extra & 0xff;
  const std::uint64_t version = type.extra >> 8U;
  if (!type.text.empty()) {
    if (form < 1 || form > 5 || version > std::numeric_limits<int>::max()) in.fail();
    m.message.manifest = type.text;
    m.message.version = static_cast<int>(version);
    m.message.form = static_cast<wire::format>(form);
    m.type_serial = type.serial;
  }
  payload_sizes sizes;
  sizes.wire_size = static_cast<std::size_t>(in.varint());
  if ((first & is_packed) != 0) {
    sizes.expanded = static_cast<std::size_t>(in.varint());
    if (sizes.expanded < sizes.wire_size || sizes.expanded == 0) in.fail();
  }
  return sizes;
}

struct packer::contexts {
  ZSTD_CCtx* pack = nullptr;
  ZSTD_DCtx* expand = nullptr;
  contexts() = default;
  contexts(const contexts&) = delete;
  ~contexts() {
    ZSTD_freeCCtx(pack);
    ZSTD_freeDCtx(expand);
  }
};

packer::packer() = default;
packer::packer(packer&&) noexcept = default;
packer& packer::operator=(packer&&) noexcept = default;
packer::~packer() = default;

std::byte* packer::room(std::size_t size) {
  if (room_size_ < size || room_size_ > kept_room) {
    room_ = std::make_unique_for_overwrite<std::byte[]>(size);
    room_size_ = size;
  }
  return room_.get();
}

std::span<const std::byte> packer::pack(std::span<const std::byte> payload) {
  if (!z_) z_ = std::make_unique<contexts>();
  if (z_->pack == nullptr && (z_->pack = ZSTD_createCCtx()) == nullptr) throw std::bad_alloc();
  // What would not be smaller does not fit, and is given up early.
  const std::size_t most = payload.size() - payload.size() / 8;
  std::byte* into = room(most);
  const std::size_t size =
      ZSTD_compressCCtx(z_->pack, into, most, payload.data(), payload.size(), level);
  return ZSTD_isError(size) != 0 ? std::span<const std::byte>() : std::span(into, size);
}

result<std::span<const std::byte>> packer::expand(std::span<const std::byte> packed,
                                                  std::size_t expanded) {
  if (!z_) z_ = std::make_unique<contexts>();
  if (z_->expand == nullptr && (z_->expand = ZSTD_createDCtx()) == nullptr) throw std::bad_alloc();
  std::byte* into = room(expanded);
  const std::size_t size =
      ZSTD_decompressDCtx(z_->expand, into, expanded, packed.data(), packed.size());
  if (ZSTD_isError(size) != 0 || size != expanded)
    return fail(errc::protocol_violation, "a packed payload does not expand to the " +
                                              std::to_string(expanded) + " bytes it claims");
  return std::span<const std::byte>(into, size);
}

}  // namespace odeon::remote::detail
