#include "crash/disk_model.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <utility>

namespace crash {

const char* name_of(survival s) noexcept {
  constexpr std::array<const char*, survivals> names{"nothing", "all", "prefix", "subset",
                                                     "sectors"};
  return names[static_cast<std::size_t>(s)];
}

namespace {

std::string base_name(std::string_view path) {
  return std::string(path.substr(path.rfind('/') + 1));
}

// Only what lasts: shared memory is made anew by whoever comes first.
bool lasts(std::string_view path) { return !path.empty() && !path.ends_with("-shm"); }

}  // namespace

/// What one image has drawn for all files alike.
struct disk_model::fate {
  survival how = survival::nothing;
  std::size_t sector = 512;
  std::uint64_t cut = 0;   // prefix: operations up to this one
  std::uint64_t lost = 2;  // subset: one in so many is lost
};

disk_model::disk_model(disk_image start, broken_promises broken, std::function<void()> moment)
    : broken_(broken),
      moment_(std::move(moment)) {
  for (auto& [name, bytes] : start)
    now_[name] = std::make_shared<inode>(inode{.durable = std::move(bytes), .pending = {}});
  durable_ = now_;
}

void disk_model::before(const operation& op) {
  using kind = operation::kind;
  if (op.what == kind::other || !lasts(op.path)) return;
  if (op.what == kind::open && !op.created) return;
  moment_();
  ++number_;
  const std::string name = base_name(op.path);
  switch (op.what) {
    case kind::open:
      now_[name] = std::make_shared<inode>();
      renamings_.push_back({number_, name, now_[name]});
      break;
    case kind::remove:
      if (now_.erase(name) == 0) return;
      renamings_.push_back({number_, name, nullptr});
      if (op.syncs_folder && !broken_.folder_syncs) {
        durable_ = now_;
        renamings_.clear();
      }
      break;
    case kind::write:
      now_.at(name)->pending.push_back({number_, true, static_cast<std::size_t>(op.offset),
                                        file_bytes(op.data.begin(), op.data.end())});
      break;
    case kind::truncate:
      now_.at(name)->pending.push_back({number_, false, static_cast<std::size_t>(op.offset), {}});
      break;
    case kind::sync: sync(name, op.syncs_folder); break;
    case kind::other: break;
  }
}

void disk_model::sync(const std::string& name, bool folder) {
  inode& file = *now_.at(name);
  if (!broken_.syncs) {
    for (const auto& c : file.pending) apply(file.durable, c);
    file.pending.clear();
  }
  if (folder && !broken_.folder_syncs) {
    durable_ = now_;
    renamings_.clear();
  }
}

void disk_model::apply(file_bytes& to, const change& c) {
  if (!c.is_write) {
    to.resize(c.offset);
    return;
  }
  if (to.size() < c.offset + c.data.size()) to.resize(c.offset + c.data.size());
  std::ranges::copy(c.data, to.begin() + static_cast<std::ptrdiff_t>(c.offset));
}

disk_image disk_model::image(survival how, dice& d) const {
  fate f{.how = how, .sector = d.one_in(2) ? 512u : 4096u, .cut = number_, .lost = 2 + d.below(6)};
  if (how == survival::prefix) f.cut = number_ - std::min(number_, d.below(60));
  names left = durable_;
  for (const auto& r : renamings_) {
    if (how == survival::nothing) break;
    if (how == survival::prefix && r.number > f.cut) break;
    if ((how == survival::subset || how == survival::sectors) && d.one_in(f.lost)) continue;
    if (r.file)
      left[r.name] = r.file;
    else
      left.erase(r.name);
  }
  disk_image out;
  for (const auto& [name, file] : left) out[name] = surviving(*file, f, d);
  return out;
}

file_bytes disk_model::surviving(const inode& file, const fate& f, dice& d) {
  if (f.how == survival::sectors) return by_sectors(file, f.sector, d);
  file_bytes out = file.durable;
  if (f.how == survival::nothing) return out;
  for (const auto& c : file.pending) {
    bool torn = false;
    if (f.how == survival::prefix) {
      if (c.number > f.cut) break;
      torn = c.number == f.cut;
    } else if (f.how == survival::subset) {
      if (d.one_in(f.lost)) continue;
      torn = d.one_in(f.lost);
    }
    if (!torn || !c.is_write) {
      apply(out, c);
      continue;
    }
    // Torn: of the sectors that it touches, each for itself.
    for (std::size_t at = c.offset; at < c.offset + c.data.size();) {
      const std::size_t end = std::min((at / f.sector + 1) * f.sector, c.offset + c.data.size());
      if (!d.one_in(2)) {
        const auto from = c.data.begin() + static_cast<std::ptrdiff_t>(at - c.offset);
        apply(out,
              {c.number, true, at, file_bytes(from, from + static_cast<std::ptrdiff_t>(end - at))});
      }
      at = end;
    }
  }
  return out;
}

file_bytes disk_model::by_sectors(const inode& file, std::size_t sector, dice& d) {
  // All moments of the file since its last sync, one after the other, and each sector takes one.
  const std::size_t moments = file.pending.size() + 1;
  std::size_t longest = file.durable.size();
  for (const auto& c : file.pending)
    longest = std::max(longest, c.is_write ? c.offset + c.data.size() : c.offset);
  std::vector<std::size_t> chosen(longest / sector + 1);
  // Half of the images look at the last few moments only, where most is still undecided.
  const std::size_t first = d.one_in(2) || moments < 8 ? 0 : moments - 8;
  for (auto& c : chosen) c = first + d.below(moments - first);
  const std::size_t length_at = first + d.below(moments - first);
  file_bytes out(longest);
  std::size_t length = 0;
  file_bytes state = file.durable;
  for (std::size_t moment = 0;; ++moment) {
    for (std::size_t s = 0; s < chosen.size(); ++s) {
      if (chosen[s] != moment) continue;
      const std::size_t begin = std::min(s * sector, state.size());
      const std::size_t end = std::min(begin + sector, state.size());
      std::copy(state.begin() + static_cast<std::ptrdiff_t>(begin),
                state.begin() + static_cast<std::ptrdiff_t>(end),
                out.begin() + static_cast<std::ptrdiff_t>(begin));
    }
    if (moment == length_at) length = state.size();
    if (moment == file.pending.size()) break;
    apply(state, file.pending[moment]);
  }
  out.resize(length);
  return out;
}

}  // namespace crash
