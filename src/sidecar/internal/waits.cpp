#include "sidecar/internal/waits.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace odeon::sidecar::detail {

namespace {

constexpr std::size_t steps_max = 10'000;  // of one search; a longer chain is left to its deadline

}  // namespace

run_id waits::begin(const std::string& actor) {
  std::lock_guard guard(mutex_);
  const run_id run = ++last_;
  runs_.emplace(run, node{actor, {}});
  current_[actor] = run;
  return run;
}

void waits::end(run_id run) {
  std::lock_guard guard(mutex_);
  const auto at = runs_.find(run);
  if (at == runs_.end()) return;
  const auto now = current_.find(at->second.actor);
  if (now != current_.end() && now->second == run) current_.erase(now);
  runs_.erase(at);
}

run_id waits::caller_of(const tags& metadata, const std::optional<actor_id>& caller) const {
  const auto given = metadata.find(metadata_key);
  if (given != metadata.end()) {
    run_id run = 0;
    const std::string& text = given->second;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), run);
    std::lock_guard guard(mutex_);
    if (read.ec == std::errc() && runs_.contains(run)) return run;
  }
  if (!caller) return 0;
  std::lock_guard guard(mutex_);
  const auto at = current_.find(key_of(caller->system, caller->name));
  return at == current_.end() ? 0 : at->second;
}

std::optional<std::string> waits::wait(run_id run, const std::string& actor,
                                       const std::shared_ptr<reply_once>& reply) {
  std::lock_guard guard(mutex_);
  const auto from = runs_.find(run);
  if (from == runs_.end()) return std::nullopt;
  std::vector<std::string> path{from->second.actor};
  std::size_t steps = 0;
  if (!reaches(actor, run, path, steps)) {
    from->second.on.push_back({actor, reply});
    return std::nullopt;
  }
  std::string text;
  for (const std::string& name : path) text += (text.empty() ? "" : " → ") + name;
  return text;
}

/// Appends the way to `path`, which stays as it was when there is none.
bool waits::reaches(const std::string& from, run_id wanted, std::vector<std::string>& path,
                    std::size_t& steps) const {
  // Depth first with a stack of its own: chains may be long.
  struct place {
    const node* at;
    std::size_t next;
  };
  std::vector<place> stack;
  const auto enter = [&](const std::string& actor) -> std::optional<bool> {
    const auto now = current_.find(actor);
    if (now == current_.end()) return std::nullopt;
    path.push_back(actor);
    if (now->second == wanted) return true;
    stack.push_back({&runs_.at(now->second), 0});
    return false;
  };
  if (enter(from).value_or(false)) return true;
  while (!stack.empty() && ++steps < steps_max) {
    place& p = stack.back();
    if (p.next == p.at->on.size()) {
      stack.pop_back();
      path.pop_back();
      continue;
    }
    const edge& e = p.at->on[p.next++];
    if (!e.reply->is_open()) continue;  // given up
    if (enter(e.to).value_or(false)) return true;
  }
  path.resize(1);
  return false;
}

void waits::unwait(run_id run, const std::string& actor) {
  std::lock_guard guard(mutex_);
  const auto from = runs_.find(run);
  if (from == runs_.end()) return;
  auto& on = from->second.on;
  const auto at = std::find_if(on.begin(), on.end(), [&](const edge& e) { return e.to == actor; });
  if (at != on.end()) on.erase(at);
}

std::size_t waits::under_way() const {
  std::lock_guard guard(mutex_);
  return runs_.size();
}

}  // namespace odeon::sidecar::detail
