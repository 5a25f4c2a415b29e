#include "remote/internal/names.hpp"

#include <atomic>
#include <utility>

namespace odeon::remote::detail {

namespace {

constexpr std::uint64_t literal = 1;
constexpr std::uint64_t definition = 2;
constexpr std::size_t tries_max = 4;  // slots that are looked at for room

std::byte* put_text(std::byte* at, std::string_view text, std::uint64_t extra) noexcept {
  at = put_varint(at, text.size());
  at = put_bytes(at, wire::as_bytes(text));
  return put_varint(at, extra);
}

name_serial next_serial() noexcept {
  static std::atomic<name_serial> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;  // unique is all that it must be
}

}  // namespace

std::byte* name_writer::look_up(std::byte* at, name_kind kind, std::string_view text,
                                std::uint64_t extra, const entry*& lately) {
  if (const auto found = known_.find(key{text, extra, kind}); found != known_.end()) {
    lately = found->second;
    return put_varint(at, found->second->slot + std::uint64_t{3});
  }
  entry* e = slot_for(text.size());
  if (e == nullptr) return put_text(put_varint(at, literal), text, extra);
  e->text = text;
  e->extra = extra;
  e->kind = kind;
  text_bytes_ += text.size();
  known_.emplace(key{e->text, extra, kind}, e);
  lately = e;
  ++defined_;
  if (entries_.size() * 4 > lately_.size() && lately_.size() < lately_most) {
    lately_.assign(lately_.size() * 2, nullptr);
    --lately_shift_;
  }
  return put_text(put_varint(put_varint(at, definition), e->slot), text, extra);
}

name_writer::entry* name_writer::slot_for(std::size_t size) {
  if (entries_.size() < bounds_.slots && text_bytes_ + size <= bounds_.text_bytes()) {
    entry& e = entries_.emplace_back();
    e.slot = static_cast<std::uint32_t>(entries_.size() - 1);
    return &e;
  }
  for (std::size_t i = 0; i < std::min(tries_max, entries_.size()); ++i) {
    entry& e = entries_[hand_];
    hand_ = (hand_ + 1) % entries_.size();
    if (text_bytes_ - e.text.size() + size > bounds_.text_bytes()) continue;
    text_bytes_ -= e.text.size();
    known_.erase(key{e.text, e.extra, e.kind});
    fresh_.emplace_back(std::move(e.text), e.extra, e.slot, e.kind);
    return &e;
  }
  return nullptr;
}

name_reader name_writer::reader(bool given) const {
  // The table as it is, and back from there. What was not in it then does no harm: it is defined
  // before it is used. It is counted, though: so the bound is that of slots full of the longest.
  name_reader r({bounds_.slots * (name_bytes_max / name_bytes_mean)});
  for (const entry& e : entries_) r.assume(e.slot, e.kind, e.text, e.extra);
  const auto undo = [&](const std::vector<replaced>& all) {
    for (std::size_t i = all.size(); i-- > 0;)
      r.assume(all[i].slot, all[i].kind, all[i].text, all[i].extra);
  };
  undo(fresh_);
  if (given) undo(given_);
  return r;
}

void name_reader::assume(std::uint32_t slot, name_kind kind, std::string_view text,
                         std::uint64_t extra) {
  if (slot >= entries_.size()) entries_.resize(slot + std::size_t{1});
  auto& e = entries_[slot];
  if (e) text_bytes_ -= e->text.size();
  e = std::make_unique<entry>(std::string(text), extra, name_serial{0}, kind);
  text_bytes_ += text.size();
}

read_name name_reader::get_new(cursor& in, name_kind kind, std::uint64_t r) {
  if (r > definition) {  // a slot that was never defined
    in.fail();
    return {};
  }
  const std::uint64_t slot = r == definition ? in.varint() : 0;
  const std::uint64_t size = in.varint();
  if (size > name_bytes_max) in.fail();
  const std::string_view text = in.text(size);
  const std::uint64_t extra = in.varint();
  if (in.bad()) return {};
  if (r == literal) return {text, extra, 0};
  // The next empty slot, or one in use.
  if (slot > entries_.size() || slot >= bounds_.slots) {
    in.fail();
    return {};
  }
  if (slot == entries_.size()) entries_.emplace_back();
  auto& e = entries_[static_cast<std::size_t>(slot)];
  if (e) {
    text_bytes_ -= e->text.size();
    replaced_.push_back(std::move(e));
  }
  e = std::make_unique<entry>(std::string(text), extra, next_serial(), kind);
  text_bytes_ += text.size();
  ++defined_;
  if (text_bytes_ > bounds_.text_bytes()) in.fail();
  return {e->text, e->extra, e->serial};
}

}  // namespace odeon::remote::detail
