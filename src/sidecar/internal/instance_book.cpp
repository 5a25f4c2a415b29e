// A record is a state of its own, under a name that no app can register ("/instance/" before the
// instance's), and its value the template's name. What is new in this process is read first: most
// of it was kept by an earlier one. Who spawned it is answered when the record is stored.
//
// All that concerns one name is done in turn: invocations of a name that is being looked up wait
// for that, in their order.

#include "sidecar/internal/instance_book.hpp"

#include "sidecar/internal/engine_core.hpp"

#include <utility>

namespace odeon::sidecar::detail {

namespace {

constexpr const char* record_type = "odeon/1/sidecar.instance";
constexpr const char* record_name = "/instance/";
constexpr std::size_t under_way_max = 100'000;  // names; beyond it new ones are not kept

}  // namespace

spawn_wait::~spawn_wait() {
  if (!done_) return;
  if (how_ && left_ != 0)
    how_ = odeon::fail(errc::system_stopped, "the sidecar ended before it was stored");
  done_(std::move(how_));
}

void spawn_wait::one_more() noexcept {
  const std::lock_guard guard(mutex_);
  ++left_;
}

void spawn_wait::one_kept() noexcept {
  const std::lock_guard guard(mutex_);
  --left_;
}

void spawn_wait::fail(const error& why) {
  const std::lock_guard guard(mutex_);
  if (how_) how_ = std::unexpected(why);
}

instance_book::entry& instance_book::begin(const actor_id& who, bool& fresh) {
  auto [at, made] = under_way_.try_emplace(key_of(who.system, who.name));
  fresh = made;
  if (made) {
    at->second.who = who;
    at->second.record = {who.system, record_name + who.name, ""};
  }
  return at->second;
}

void instance_book::read(const std::string& key, const entry& e) {
  const auto core = core_.lock();
  if (!core) return;
  core->store->peek(e.record, [me = self(), key](result<std::optional<stored_state>> r) {
    me.tell<book_read>(key, std::move(r));
  });
}

void instance_book::on(note_instance m) {
  if (under_way_.size() >= under_way_max) {
    if (m.then)
      m.then->fail({errc::limit_exceeded, "the records of " + std::to_string(under_way_max) +
                                              " instances are being written, the bound"});
    return;
  }
  bool fresh = false;
  entry& e = begin(m.who, fresh);
  e.parent = m.who.parent;
  if (m.then) e.then.push_back(std::move(m.then));
  if (fresh) read(key_of(m.who.system, m.who.name), e);
}

void instance_book::on(find_instance m) {
  if (under_way_.size() >= under_way_max) return m.then("");
  const actor_id who = m.who;
  bool fresh = false;
  entry& e = begin(who, fresh);
  e.asked.push_back(std::move(m));
  if (fresh) read(key_of(who.system, who.name), e);
}

void instance_book::on(book_read m) {
  const auto at = under_way_.find(m.key);
  const auto core = core_.lock();
  if (at == under_way_.end() || !core) return;
  entry& e = at->second;
  if (!m.how) return end(m.key, "cannot be read", &m.how.error());
  const std::string kept = *m.how ? (*m.how)->state.value : "";
  answer(e, e.parent.empty() ? kept : e.parent);
  if (e.parent.empty() || e.parent == kept) return end(m.key);
  core->store->open(e.record, 0, [me = self(), key = m.key](result<opened_state> r) {
    me.tell<book_opened>(key, std::move(r));
  });
}

void instance_book::on(book_opened m) {
  const auto at = under_way_.find(m.key);
  const auto core = core_.lock();
  if (at == under_way_.end() || !core) return;
  if (!m.how) return end(m.key, "cannot be written", &m.how.error());
  write(m.key, at->second, std::move(m.how->lease));
}

void instance_book::write(const std::string& key, entry& e, state_lease with) {
  const auto core = core_.lock();
  if (!core) return;
  e.writing = e.parent;
  core->store->save(
      std::move(with), {record_type, e.writing},
      [me = self(), key](result<state_lease> r) { me.tell<book_written>(key, std::move(r)); });
}

void instance_book::on(book_written m) {
  const auto at = under_way_.find(m.key);
  if (at == under_way_.end()) return;
  if (!m.how) return end(m.key, "cannot be written", &m.how.error());
  // It may have been spawned with another template meanwhile.
  if (at->second.writing != at->second.parent) return write(m.key, at->second, std::move(*m.how));
  end(m.key);
}

void instance_book::answer(entry& e, const std::string& parent) {
  for (find_instance& f : std::exchange(e.asked, {})) f.then(parent);
}

void instance_book::end(const std::string& key, const char* trouble, const error* why) {
  const auto at = under_way_.find(key);
  if (at == under_way_.end()) return;
  entry& e = at->second;
  const auto core = core_.lock();
  if (trouble) {
    if (core) core->counts.store_failures.fetch_add(1);
    log().warn("the record of the instance '{}' {}", key, trouble);
    const error told(why->code(), "the record of the instance '" + e.who.name + "' " + trouble +
                                      ": " + std::string(why->text()));
    for (const spawn_wait_ptr& w : e.then) w->fail(told);
  } else if (!e.parent.empty() && core) {
    core->defs.kept({e.who.system, e.who.name, e.parent});
    for (const spawn_wait_ptr& w : e.then) w->one_kept();
  }
  answer(e, "");
  under_way_.erase(at);
}

void instance_book::post_stop() {
  for (auto& [key, e] : under_way_) answer(e, "");
  under_way_.clear();
}

}  // namespace odeon::sidecar::detail
