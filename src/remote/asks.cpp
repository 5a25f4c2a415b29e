// A number is generation (32 bits) | index (28) | part (4).

#include "internal/asks.hpp"

namespace odeon::remote::detail {

namespace core = odeon::detail;

ask_table::~ask_table() {
  for (const pending_ask& a : take_all(nullptr)) a.ask->drop_ref();
}

std::size_t ask_table::hash_of(const void* ask) noexcept {
  const auto at = reinterpret_cast<std::uintptr_t>(ask);
  return static_cast<std::size_t>((at >> 5U) * 0x9e3779b97f4a7c15ULL >> 32U);
}

std::uint32_t& ask_table::chain_of(part& p, const void* ask) noexcept {
  return p.chains[hash_of(ask) / part_count & (p.chains.size() - 1)];
}

void ask_table::grow(part& p) {
  const std::size_t before = p.slots.size();
  const std::size_t now = before == 0 ? 16 : before * 2;
  std::vector<std::uint32_t> chains(now, none);
  p.slots.resize(now);
  p.chains = std::move(chains);
  for (std::size_t i = 0; i < now; ++i) {
    slot& s = p.slots[i];
    std::uint32_t& chain = i < before ? chain_of(p, s.held.ask) : p.free;
    s.next = chain;
    chain = static_cast<std::uint32_t>(i);
  }
}

result<std::uint64_t> ask_table::add(const pending_ask& a) {
  part& p = part_of(a.ask);
  const auto number = static_cast<std::uint64_t>(&p - parts_.data());
  core::spin_guard guard(p.lock);
  if (p.free == none) {
    if (p.used >= most / part_count)
      return fail(errc::limit_exceeded,
                  std::to_string(most) + " asks of other nodes wait for their answers");
    grow(p);
  }
  const std::uint32_t index = p.free;
  slot& s = p.slots[index];
  p.free = s.next;
  ++p.used;
  a.ask->add_ref();
  s.held = a;
  std::uint32_t& chain = chain_of(p, a.ask);
  s.next = chain;
  chain = index;
  return std::uint64_t{s.generation} << 32U | std::uint64_t{index} << 4U | number;
}

void ask_table::release(part& p, std::uint32_t index) noexcept {
  slot& s = p.slots[index];
  std::uint32_t* link = &chain_of(p, s.held.ask);
  while (*link != index) link = &p.slots[*link].next;
  *link = s.next;
  s.held = {};
  if (++s.generation == 0) s.generation = 1;
  s.next = p.free;
  p.free = index;
  --p.used;
}

bool ask_table::take(std::uint64_t id, const peer* at, pending_ask& out) {
  part& p = parts_[id % part_count];
  const auto index = static_cast<std::uint32_t>(id >> 4U & 0xfff'ffffU);
  core::spin_guard guard(p.lock);
  if (index >= p.slots.size()) return false;
  const slot& s = p.slots[index];
  if (!s.held.ask || s.generation != id >> 32U || s.held.at != at) return false;
  out = s.held;
  release(p, index);
  return true;
}

std::uint64_t ask_table::find(const core::ask_state_base& ask) const {
  auto& self = const_cast<ask_table&>(*this);
  part& p = self.part_of(&ask);
  core::spin_guard guard(p.lock);
  if (p.chains.empty()) return 0;
  for (std::uint32_t i = chain_of(p, &ask); i != none; i = p.slots[i].next) {
    if (p.slots[i].held.ask == &ask)
      return std::uint64_t{p.slots[i].generation} << 32U | std::uint64_t{i} << 4U |
             static_cast<std::uint64_t>(&p - self.parts_.data());
  }
  return 0;
}

std::vector<pending_ask> ask_table::take_all(const peer* at) {
  std::vector<pending_ask> out;
  for (part& p : parts_) {
    core::spin_guard guard(p.lock);
    for (std::size_t i = 0; i < p.slots.size(); ++i) {
      const pending_ask held = p.slots[i].held;
      if (!held.ask || (at && held.at != at)) continue;
      out.push_back(held);
      release(p, static_cast<std::uint32_t>(i));
    }
  }
  return out;
}

bool ask_table::any_of(const peer& at) const noexcept {
  for (const part& p : parts_) {
    const core::spin_guard guard(p.lock);
    for (const slot& s : p.slots)
      if (s.held.ask != nullptr && s.held.at == &at) return true;
  }
  return false;
}

std::size_t ask_table::size() const {
  std::size_t n = 0;
  for (const part& p : parts_) {
    core::spin_guard guard(p.lock);
    n += p.used;
  }
  return n;
}

}  // namespace odeon::remote::detail
