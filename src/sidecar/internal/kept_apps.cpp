#include "sidecar/internal/kept_apps.hpp"

#include "sidecar/internal/protocol.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace odeon::sidecar {

namespace {

constexpr char state_type[] = "odeon/registrations-1";

void put(std::string& to, const std::string& text) {
  auto size = static_cast<std::uint32_t>(text.size());
  for (int k = 0; k < 4; ++k, size >>= 8U) to += static_cast<char>(size & 0xffU);
  to += text;
}

/// Takes one text off the front. False: it ends too early.
bool take(std::string_view& from, std::string& text) {
  if (from.size() < 4) return false;
  std::uint32_t size = 0;
  for (unsigned k = 0; k < 4; ++k)
    size |= std::uint32_t{static_cast<unsigned char>(from[k])} << (8U * k);
  if (from.size() - 4 < size) return false;
  text = from.substr(4, size);
  from.remove_prefix(4 + size);
  return true;
}

/// Whether `newer`, of the same system and another address, leaves nothing of `older`. Of what
/// cannot be read nothing is left.
bool replaces(const kept_app& newer, const kept_app& older) {
  const auto has = protocol::read_registration(newer.message);
  const auto had = protocol::read_registration(older.message);
  if (!has || !had) return true;
  return std::ranges::all_of(had->actors,
                             [&](const auto& a) { return has->actors.contains(a.first); });
}

}  // namespace

kept_apps::kept_apps(std::shared_ptr<state_store> store, std::string node)
    : store_(std::move(store)),
      // No app has a system of that name: the protocol's reader refuses control characters.
      id_{.system = "\x01odeon", .name = "registrations/" + std::move(node)} {}

void kept_apps::recall(recalled_fn done) {
  store_->open(
      id_, 0, [self = shared_from_this(), done = std::move(done)](result<opened_state> r) mutable {
        if (!r) return done(std::unexpected(std::move(r.error())));
        std::vector<kept_app> all;
        std::string_view rest = r->stored ? r->stored->state.value : std::string_view();
        while (!rest.empty()) {
          kept_app one;
          if (!take(rest, one.system) || !take(rest, one.address) || !take(rest, one.message))
            return done(fail(errc::corrupt_record,
                             "the statestore's list of registered apps ends too early"));
          all.push_back(std::move(one));
        }
        {
          const std::lock_guard lock(self->mutex_);
          self->lease_ = std::move(r->lease);
          self->apps_ = all;
        }
        done(std::move(all));
      });
}

void kept_apps::keep(kept_app app, kept_fn done) {
  bool known = false;
  {
    const std::lock_guard lock(mutex_);
    known = std::ranges::find(apps_, app) != apps_.end() && stored_ && !writing_;
    if (!known) {
      std::erase_if(apps_, [&](const kept_app& one) {
        return one.system == app.system && (one.address == app.address || replaces(app, one));
      });
      apps_.push_back(std::move(app));
      waiting_.push_back(std::move(done));
    }
  }
  if (known) return done({});
  write();
}

// One write at a time: those who come meanwhile wait for the next one, which has all of them.
void kept_apps::write() {
  std::string bytes;
  state_lease lease;
  std::vector<kept_fn> waiting;
  {
    const std::lock_guard lock(mutex_);
    if (writing_ || waiting_.empty()) return;
    for (const kept_app& app : apps_) {
      put(bytes, app.system);
      put(bytes, app.address);
      put(bytes, app.message);
    }
    waiting = std::move(waiting_);
    waiting_.clear();
    writing_ = true;
    lease = lease_;
  }
  if (bytes.size() > kept_apps_bytes)
    return wrote(fail(errc::limit_exceeded,
                      "the registrations of all apps have " + std::to_string(bytes.size()) +
                          " bytes, more than " + std::to_string(kept_apps_bytes)),
                 std::move(waiting));
  store_->save(
      std::move(lease), {state_type, std::move(bytes)},
      [self = shared_from_this(), waiting = std::move(waiting)](result<state_lease> r) mutable {
        self->wrote(std::move(r), std::move(waiting));
      });
}

void kept_apps::wrote(result<state_lease> r, std::vector<kept_fn> waiting) {
  {
    const std::lock_guard lock(mutex_);
    writing_ = false;
    stored_ = r.has_value();
    if (r) lease_ = std::move(*r);
  }
  for (kept_fn& done : waiting)
    if (r)
      done({});
    else
      done(std::unexpected(r.error()));
  write();
}

}  // namespace odeon::sidecar
