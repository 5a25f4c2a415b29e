#include "internal/hub.hpp"

#include "internal/hub_core.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace odeon::remote::detail {

// --- quarantine

void quarantine::add(std::uint64_t incarnation) {
  if (!set_.insert(incarnation).second) return;
  order_.push_back(incarnation);
  if (order_.size() <= most_) return;
  set_.erase(order_.front());
  order_.pop_front();
}

// --- The public faces

namespace {

class peer_face final : public peer {
 public:
  explicit peer_face(std::shared_ptr<peer_core> core) noexcept : core_(std::move(core)) {}
  [[nodiscard]] const std::string& node() const noexcept override { return core_->node; }
  [[nodiscard]] std::shared_ptr<const peer_info> info() const noexcept override {
    return core_->info();
  }
  [[nodiscard]] burst* together() noexcept override { return &core_->together; }
  [[nodiscard]] result<void> send(const user_message& m) noexcept override {
    return core_->send(m);
  }
  [[nodiscard]] future<void> send_wait(const user_message& m) override {
    return core_->send_wait(m);
  }
  void send_control(wire::bytes record) noexcept override {
    core_->send_control(std::move(record));
  }
  [[nodiscard]] future<peer_info> ready(duration limit) override { return core_->ready(limit); }
  [[nodiscard]] const std::shared_ptr<peer_core>& core() const noexcept { return core_; }

 private:
  const std::shared_ptr<peer_core> core_;
};

class hub_handle final : public hub {
 public:
  hub_handle(actor_system& system, const endpoint_options& options, hub_listener& listener)
      : core_(std::make_shared<hub_core>(system, options, listener)) {}
  ~hub_handle() override { core_->end(); }
  [[nodiscard]] result<void> start() override { return core_->start(); }
  [[nodiscard]] std::string node() const override { return core_->node(); }
  [[nodiscard]] std::uint64_t incarnation() const noexcept override { return core_->incarnation; }
  [[nodiscard]] result<std::shared_ptr<peer>> find(std::string_view node) override {
    return core_->find(node, true);
  }
  [[nodiscard]] result<std::shared_ptr<peer>> know(std::string_view node) override {
    return core_->find(node, false);
  }
  [[nodiscard]] std::vector<std::shared_ptr<peer>> peers() const override { return core_->peers(); }
  void drop(peer& p, bool quarantine, std::string_view why) noexcept override {
    core_->post([core = static_cast<peer_face&>(p).core(), quarantine, text = std::string(why)] {
      core->drop(quarantine, text);
    });
  }
  void violated(peer& by, const error& why) noexcept override {
    static_cast<peer_face&>(by).core()->violated(why);
  }
  [[nodiscard]] endpoint_metrics metrics() const override { return core_->metrics(); }

 private:
  const std::shared_ptr<hub_core> core_;
};

std::uint64_t new_incarnation(runtime& rt) {
  for (;;)
    if (const std::uint64_t r = rt.random_u64(); r != 0) return r;
}

}  // namespace

std::unique_ptr<hub> hub::make(actor_system& system, const endpoint_options& options,
                               hub_listener& listener) {
  return std::make_unique<hub_handle>(system, options, listener);
}

// --- hub_core

hub_core::hub_core(actor_system& system, const endpoint_options& o, hub_listener& l)
    : rt(system.get_runtime()),
      events(system.events()),
      options(o),
      listener(l),
      incarnation(new_incarnation(rt)),
      writers(rt.make_executor({.name = "odeon-remote", .threads = 1})),
      system_name_(system.name()),
      serial_(rt.make_serial("odeon-hub")),
      quarantined_(o.limits.quarantined) {
  // The name of a node that nobody can connect to: its own, and with a port that there is none of.
  char text[32];
  std::snprintf(text, sizeof(text), "out-%016llx:0", static_cast<unsigned long long>(incarnation));
  node_ = o.advertise.empty() ? text : o.advertise;
}
hub_core::~hub_core() = default;

result<void> hub_core::start() {
  if (carrier_) return fail(errc::invalid_argument, "the endpoint was started already");
  auto made = carrier::make(rt, options, [this](std::string_view who, const error& why) {
    reject(rejection::certificate, std::string(who), "", why);
  });
  if (!made) return std::unexpected(std::move(made.error()));
  carrier_ = *std::move(made);
  if (carrier_->listen_on().empty()) return {};
  auto l = carrier_->way().listen(carrier_->listen_on());
  if (!l) return std::unexpected(std::move(l.error()));
  listening_ = *std::move(l);
  if (options.advertise.empty()) {
    const std::lock_guard hold(leaf_);
    node_ = carrier_->node_of(listening_->local_address());
  }
  accept_next();
  return {};
}

std::string hub_core::node() const {
  const std::lock_guard hold(leaf_);
  return node_;
}

void hub_core::post(std::move_only_function<void()> job) {
  enter();
  if (ended()) return leave();
  serial_->post([self = shared_from_this(), job = std::move(job)]() mutable {
    job();
    job = nullptr;
    self->leave();
  });
}

// What `end` waits for. Whoever leaves last may find the runtime gone, but for the lock.
void hub_core::leave() noexcept {
  things_.fetch_sub(1);
  if (!closing.load()) return;
  const std::lock_guard hold(end_mutex_);
  if (finished_) return;
  changed_.fetch_add(1);
  rt.wake(changed_);
}
void hub_core::link_down() noexcept {
  up_links_.fetch_sub(1);
  if (!closing.load()) return;
  const std::lock_guard hold(end_mutex_);
  if (finished_) return;
  changed_.fetch_add(1);
  rt.wake(changed_);
}

void hub_core::wait_for(const std::atomic<std::uint32_t>& none, time_point limit) {
  for (;;) {
    const std::uint32_t seen = changed_.load();
    if (none.load() == 0) return;
    if (!rt.wait(changed_, seen, limit)) return;
  }
}

void hub_core::end() {
  closing.store(true);
  if (listening_) listening_->close();
  std::vector<entry> all;
  {
    const std::lock_guard hold(mutex_);
    for (const auto& [node, e] : peers_) all.push_back(e);
  }
  for (const auto& e : all) e.core->say_goodbye();
  if (!all.empty()) wait_for(up_links_, now() + options.limits.goodbye);
  for (const auto& e : all) e.core->silence();
  {
    // Those that came between the two.
    const std::lock_guard hold(mutex_);
    all.clear();
    for (const auto& [node, e] : peers_) all.push_back(e);
  }
  for (const auto& e : all) e.core->silence();
  kill_strangers();
  std::unique_ptr<carrier> way;
  {
    const std::lock_guard hold(way_mutex_);
    way = std::move(carrier_);
  }
  way.reset();  // whatever its own transport still does is cancelled
  wait_for(things_, time_point::max());
  ended_.store(true);
  wait_for(things_, time_point::max());  // who entered before that was to be seen
  {
    const std::lock_guard hold(end_mutex_);
    finished_ = true;
  }
  writers.reset();
  serial_.reset();
  listening_.reset();
  const std::lock_guard hold(mutex_);
  peers_.clear();
}

// --- Connections

void hub_core::accept_next() {
  if (closing.load()) return;
  enter();
  listening_->accept([self = shared_from_this()](result<std::unique_ptr<connection>> c) {
    self->accepted_one(std::move(c));
    self->leave();
  });
}

void hub_core::accepted_one(result<std::unique_ptr<connection>> c) {
  if (!c) {
    // Closed, or one that broke before it was there.
    if (c.error() != errc::cancelled && !closing.load()) accept_next();
    return;
  }
  bump(accepted);
  const std::string identity((*c)->peer_identity());
  const auto l = std::make_shared<link>(shared_from_this(), *std::move(c),
                                        session_for(role::acceptor, "", 0, identity), nullptr);
  l->start();
  accept_next();
}

void hub_core::connect(const std::shared_ptr<peer_core>& to, unsigned index,
                       std::uint64_t attempt) {
  enter();
  const auto told = [self = shared_from_this(), to, index,
                     attempt](result<std::unique_ptr<connection>> c) mutable {
    self->post([to, index, attempt, c = std::move(c)]() mutable {
      to->dial_done(index, attempt, std::move(c));
    });
    self->leave();
  };
  error why(errc::system_stopped, "the endpoint is stopping");
  {
    const std::lock_guard hold(way_mutex_);
    if (carrier_) {
      const auto there = carrier_->dial(to->node);
      if (there) return carrier_->way().connect(*there, {.timeout = options.limits.connect}, told);
      why = there.error();
    }
  }
  auto tell = told;
  tell(std::unexpected(std::move(why)));
}

bool hub_core::can_dial(const std::string& node) const noexcept {
  const auto at = parse_address(node);
  return !at || at->port != 0;
}

session_options hub_core::session_for(role side, std::string to, unsigned index,
                                      std::string_view identity) {
  session_options o;
  o.side = side;
  if (const auto* secret = std::get_if<shared_secret>(&options.security)) {
    o.protect = protection::secret;
    o.secret = secret->secret;
  } else if (std::holds_alternative<mtls>(options.security)) {
    o.protect = protection::tls;
    if (!identity.empty()) o.identities.emplace_back(identity);
  }
  o.system = system_name_;
  o.node = node();
  o.incarnation = incarnation;
  o.version = "0.1.0";
  o.tags = options.tags;
  o.to = std::move(to);
  o.stream = index;
  o.streams = options.limits.streams;
  o.limits = options.limits;
  o.compress = options.compress;
  o.compress_above = options.compress_above;
  rt.random(o.fresh);
  return o;
}

bool hub_core::begin_handshake() noexcept {
  if (handshakes_.fetch_add(1) < options.limits.handshakes) return true;
  handshakes_.fetch_sub(1);
  return false;
}

bool hub_core::host_arrives(const std::string& host) {
  const std::lock_guard hold(leaf_);
  std::size_t& n = hosts_[host];
  if (n >= options.limits.connections_per_host) return false;
  ++n;
  return true;
}
void hub_core::host_leaves(const std::string& host) noexcept {
  const std::lock_guard hold(leaf_);
  if (const auto at = hosts_.find(host); at != hosts_.end() && --at->second == 0) hosts_.erase(at);
}

void hub_core::shake(link* l, bool begins) {
  const std::lock_guard hold(leaf_);
  if (begins)
    shaking_.insert(l);
  else
    shaking_.erase(l);
}

void hub_core::kill_strangers() {
  std::vector<std::shared_ptr<link>> all;
  {
    const std::lock_guard hold(leaf_);
    for (link* l : shaking_)
      if (auto alive = l->weak_from_this().lock()) all.push_back(std::move(alive));
  }
  for (const auto& l : all) l->kill({errc::system_stopped, "the endpoint has ended"});
}

void hub_core::reject(rejection why, const std::string& address, const std::string& node_text,
                      const error& reason) noexcept {
  bump(rejected_[static_cast<std::size_t>(why)]);
  if (events.wanted<peer_rejected>())
    events.publish(peer_rejected{why, address, node_text, reason});
}

void hub_core::quarantine_incarnation(std::uint64_t whose) {
  const std::lock_guard hold(mutex_);
  quarantined_.add(whose);
}
bool hub_core::is_quarantined(std::uint64_t whose) const {
  const std::lock_guard hold(mutex_);
  return quarantined_.has(whose);
}

// --- Peers

result<std::shared_ptr<peer>> hub_core::find(std::string_view text, bool dials) {
  {
    const std::lock_guard hold(way_mutex_);
    if (!carrier_) return fail(errc::invalid_argument, "the endpoint is not started, or has ended");
    if (can_dial(std::string(text)))
      if (auto there = carrier_->dial(text); !there)
        return std::unexpected(std::move(there.error()));
  }
  if (text == node())
    return fail(errc::invalid_argument, "'" + std::string(text) + "' is this node itself");
  auto e = entry_of(text);
  if (!e) return std::unexpected(std::move(e.error()));
  if (dials) e->core->want();
  return std::move(e->face);
}

result<hub_core::entry> hub_core::entry_of(std::string_view text) {
  if (closing.load()) return fail(errc::system_stopped, "the endpoint is stopping");
  std::vector<entry> forgotten;  // let go of without the lock
  result<entry> out;
  {
    const std::lock_guard hold(mutex_);
    const auto at = peers_.find(text);
    if (at != peers_.end()) return at->second;
    const std::size_t most = options.limits.peers;
    if (peers_.size() >= sweep_at_) {
      sweep(forgotten, false);
      sweep_at_ = std::max<std::size_t>(64, 2 * peers_.size());
    }
    if (peers_.size() >= most) sweep(forgotten, false);
    if (peers_.size() >= most) sweep(forgotten, true);
    if (peers_.size() >= most) {
      out = fail(errc::limit_exceeded, "'" + std::string(text) + "' would be one peer more than " +
                                           std::to_string(most) + " (remote.peers)");
    } else {
      entry e;
      e.core = std::make_shared<peer_core>(shared_from_this(), std::string(text));
      e.face = std::make_shared<peer_face>(e.core);
      e.core->handle = e.face;
      peers_.emplace(std::string(text), e);
      out = std::move(e);
    }
  }
  for (entry& e : forgotten) post([e = std::move(e)] { e.core->forget(); });
  return out;
}

/// Peers that nobody holds and that nothing is known of; `hard`: also those that are only quiet.
void hub_core::sweep(std::vector<entry>& into, bool hard) {
  for (auto at = peers_.begin(); at != peers_.end();) {
    entry& e = at->second;
    if (e.face.use_count() != 1 || !e.core->is_forgettable(hard)) {
      ++at;
      continue;
    }
    e.core->count.add_to(past_sent_, past_received_);
    into.push_back(std::move(e));
    at = peers_.erase(at);
  }
}

bool hub_core::is_held(const peer_core& p) const {
  const std::lock_guard hold(mutex_);
  const auto at = peers_.find(p.node);
  return at != peers_.end() && at->second.face.use_count() > 2;
}

std::vector<std::shared_ptr<peer>> hub_core::peers() const {
  const std::lock_guard hold(mutex_);
  std::vector<std::shared_ptr<peer>> out;
  for (const auto& [node, e] : peers_) out.push_back(e.face);
  return out;
}

endpoint_metrics hub_core::metrics() const {
  endpoint_metrics m;
  std::vector<std::shared_ptr<peer_core>> cores;
  {
    const std::lock_guard hold(mutex_);
    m.sent = past_sent_;
    m.received = past_received_;
    m.quarantined = quarantined_.size();
    for (const auto& [node, e] : peers_) cores.push_back(e.core);
  }
  for (std::size_t i = 0; i < m.rejected.size(); ++i) m.rejected[i] = rejected_[i].load();
  m.accepted = accepted.load();
  m.attempts = attempts.load();
  m.failed_attempts = failed_attempts.load();
  m.gone = gone.load();
  m.handshakes = handshakes_.load();
  for (const auto& c : cores) {
    m.peers.push_back(c->metrics());
    m.connections += m.peers.back().connections;
    m.sent += m.peers.back().sent;
    m.received += m.peers.back().received;
  }
  return m;
}

}  // namespace odeon::remote::detail
