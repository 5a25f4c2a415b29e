#include "remote/internal/chunks.hpp"

#include "remote/internal/frame.hpp"

#include <algorithm>
#include <utility>

namespace odeon::remote::detail {

namespace {

constexpr std::uint8_t item_begin = 1;
constexpr std::uint8_t item_more = 2;
constexpr std::uint8_t item_more_packed = 3;

/// Makes the texts of `m` those in `texts`, which gets copies of them.
void own_texts(user_message& m, std::string& texts) {
  texts.reserve(m.to.path.size() + m.from.path.size() + m.message.manifest.size());
  texts.append(m.to.path).append(m.from.path).append(m.message.manifest);
  const std::string_view all(texts);
  const std::size_t to = m.to.path.size();
  const std::size_t from = m.from.path.size();
  m.to.path = all.substr(0, to);
  m.from.path = all.substr(to, from);
  m.message.manifest = all.substr(to + from);
}

bool answers(user_kind k) noexcept { return k == user_kind::reply || k == user_kind::failure; }

std::unexpected<error> violation(std::string text) {
  return fail(errc::protocol_violation, std::move(text));
}

}  // namespace

// --- sending -------------------------------------------------------------------------------------

chunk_sender::held::held(const user_message& m)
    : payload(m.message.payload.begin(), m.message.payload.end()),
      message(m) {
  own_texts(message, texts);
  message.message.payload = payload;
}

chunk_sender::flow::flow(const user_message& first)
    : texts(std::string(first.to.path).append(first.from.path)),
      to(std::string_view(texts).substr(0, first.to.path.size()), first.to.uid),
      from(std::string_view(texts).substr(first.to.path.size()), first.from.uid),
      ordered(!answers(first.kind)) {}

chunk_sender::flow* chunk_sender::flow_of(const user_message& m) const noexcept {
  if (answers(m.kind)) return nullptr;
  const auto is_cancelled = [&](const std::unique_ptr<held>& h) {
    return h->message.kind == user_kind::ask && h->message.ask == m.ask;
  };
  for (const auto* flows : {&active_, &waiting_})
    for (const flow_ptr& f : *flows)
      if (m.kind == user_kind::cancel ? std::ranges::any_of(f->queue, is_cancelled)
                                      : f->ordered && f->to == m.to && f->from == m.from)
        return f.get();
  return nullptr;
}

void chunk_sender::add(const user_message& m) {
  auto h = std::make_unique<held>(m);
  held_bytes_ += h->size();
  flow* f = flow_of(m);
  if (f == nullptr) f = waiting_.emplace_back(std::make_unique<flow>(m)).get();
  f->queue.push_back(std::move(h));
}

void chunk_sender::activate() {
  while (active_.size() < transfers_max && !waiting_.empty()) {
    const std::size_t more = waiting_.front()->queue.front()->gathered();
    if (gathered_ + more > together_ && gathered_ != 0) return;
    gathered_ += more;
    active_.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
    const auto free = std::ranges::find(used_, false);
    *free = true;
    active_.back()->transfer = static_cast<unsigned>(free - used_.begin());
  }
}

bool chunk_sender::write(wire::buffer& out, name_writer& names, packer* pack,
                         std::size_t pack_above) {
  activate();
  flow_ptr f = std::move(active_.front());
  active_.pop_front();
  held& h = *f->queue.front();

  const auto left = std::span<const std::byte>(h.payload).subspan(h.sent);
  const auto raw = left.first(std::min(left.size(), chunk_bytes_max));
  std::span<const std::byte> packed;
  if (pack != nullptr && raw.size() >= pack_above) packed = pack->pack(raw);
  const auto sent = packed.empty() ? raw : packed;
  const payload_sizes sizes{sent.size(), packed.empty() ? 0 : raw.size()};

  const std::size_t begun = out.size();
  std::byte* const first = out.extend(large_item_max);
  std::byte* at = first;
  if (!std::exchange(h.begun, true)) {
    *at++ = std::byte{item_begin};
    at = put_varint(at, f->transfer);
    at = put_varint(at, h.payload.size());
    at = put_head(at, h.message, sizes, names);
  } else {
    *at++ = std::byte{packed.empty() ? item_more : item_more_packed};
    at = put_varint(at, f->transfer);
    at = put_varint(at, sizes.wire_size);
    if (!packed.empty()) at = put_varint(at, sizes.expanded);
  }
  at = put_bytes(at, sent);
  out.truncate(begun + static_cast<std::size_t>(at - first));

  h.sent += raw.size();
  if (h.sent < h.payload.size()) {
    active_.push_back(std::move(f));
    return false;
  }
  // The flow's next message begins like any other: behind those that wait.
  gathered_ -= h.gathered();
  held_bytes_ -= h.size();
  used_[f->transfer] = false;
  written_.emplace_back(std::move(f->queue.front()), out.size());
  f->queue.pop_front();
  if (!f->queue.empty()) waiting_.push_back(std::move(f));
  return true;
}

void chunk_sender::drain(std::span<const std::byte> given, std::size_t taken,
                         std::size_t check_size,
                         const std::function<void(const user_message&)>& unsent) {
  auto next = written_.begin();
  each_frame(given, check_size, [&](const_bytes /*items*/, std::size_t end) {
    for (; next != written_.end() && next->end <= end; ++next)
      if (end > taken) unsent(next->what->message);
  });
  written_.clear();
  for (auto* flows : {&active_, &waiting_}) {
    for (const flow_ptr& f : *flows)
      for (const auto& h : f->queue) unsent(h->message);
    flows->clear();
  }
  used_ = {};
  gathered_ = held_bytes_ = 0;
}

// --- receiving -----------------------------------------------------------------------------------

std::size_t chunk_receiver::held_bytes() const noexcept {
  std::size_t bytes = 0;
  for (const auto& t : open_) bytes += t ? t->payload.size() : 0;
  return bytes;
}

result<std::span<const std::byte>> chunk_receiver::chunk(cursor& in, const payload_sizes& sizes,
                                                         std::size_t left, packer& pack) const {
  const auto bytes = in.bytes(sizes.wire_size);
  const std::size_t size = sizes.expanded != 0 ? sizes.expanded : sizes.wire_size;
  if (in.bad()) return violation("a chunk is malformed");
  if (size > chunk_bytes_max || size > left)
    return violation("a chunk of " + std::to_string(size) + " bytes, where at most " +
                     std::to_string(std::min(left, chunk_bytes_max)) + " may come");
  return sizes.expanded != 0 ? pack.expand(bytes, sizes.expanded) : bytes;
}

result<bool> chunk_receiver::read(cursor& in, user_message& into, name_reader& names,
                                  packer& pack) {
  const auto what = in.word<std::uint8_t>();
  const std::uint64_t number = in.varint();
  if (in.bad() || what < item_begin || what > item_more_packed || number >= transfers_max)
    return violation("an item of the large lane is malformed");
  auto& t = open_[static_cast<std::size_t>(number)];
  if (what == item_begin) {
    const std::uint64_t total = in.varint();
    user_message m;
    const payload_sizes sizes = get_head(in, m, names);
    if (in.bad()) return violation("the beginning of a large message is malformed");
    if (t != nullptr) return violation("a transfer begins whose number is in use");
    if (total > bound_)
      return violation("a message of " + std::to_string(total) + " bytes; at most " +
                       std::to_string(bound_) + " are taken (remote.message_bytes)");
    auto first = chunk(in, sizes, static_cast<std::size_t>(total), pack);
    if (!first) return std::unexpected(std::move(first).error());
    if (first->size() == total) {
      m.message.payload = *first;
      into = m;
      return true;
    }
    if (first->empty()) return violation("an empty chunk");
    if (total > bound_ - promised_)
      return violation("large messages of more than " + std::to_string(bound_) +
                       " bytes together (remote.message_bytes)");
    t = std::make_unique<transfer>();
    own_texts(m, t->texts);
    t->message = m;
    t->total = static_cast<std::size_t>(total);
    t->payload.assign(first->begin(), first->end());
    promised_ += t->total;
    return false;
  }
  payload_sizes sizes;
  sizes.wire_size = static_cast<std::size_t>(in.varint());
  if (what == item_more_packed) sizes.expanded = static_cast<std::size_t>(in.varint());
  if (t == nullptr) return violation("a chunk of a transfer that is not open");
  auto more = chunk(in, sizes, t->total - t->payload.size(), pack);
  if (!more) return std::unexpected(std::move(more).error());
  if (more->empty()) return violation("an empty chunk");
  if (t->payload.size() + more->size() > t->payload.capacity())
    t->payload.reserve(std::min(t->total, 2 * t->payload.capacity() + chunk_bytes_max));
  t->payload.insert(t->payload.end(), more->begin(), more->end());
  if (t->payload.size() < t->total) return false;
  promised_ -= t->total;
  complete_ = std::move(t);
  into = complete_->message;
  into.message.payload = complete_->payload;
  return true;
}

}  // namespace odeon::remote::detail
