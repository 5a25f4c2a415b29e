#pragma once

#include "remote/internal/endpoint_state.hpp"
#include "remote/internal/hub.hpp"
#include <odeon/core/actor_system.hpp>
#include <odeon/remote/endpoint.hpp>
#include <odeon/runtime/serial_executor.hpp>
#include <odeon/testkit/testkit.hpp>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

/// @file Hubs that are joined in one process: what one sends is handed to the other on a later step
/// of the runtime. The test cuts, holds and gives up connections.

namespace odeon::remote::remote_test {

using detail::actor_name;
using detail::hub;
using detail::hub_listener;
using detail::peer;
using detail::user_message;

class fake_hub;

/// A message with its own bytes.
struct kept_message {
  explicit kept_message(const user_message& m)
      : head(m),
        to(m.to.path),
        from(m.from.path),
        body{std::string(m.message.manifest),
             m.message.version,
             m.message.form,
             {m.message.payload.begin(), m.message.payload.end()}} {}
  [[nodiscard]] user_message view() const {
    user_message m = head;
    m.to.path = to;
    m.from.path = from;
    m.message = body;
    m.type_serial = fnv1a(body.manifest);
    return m;
  }
  user_message head;
  std::string to;
  std::string from;
  wire::tagged body;
};

class fake_net {
 public:
  explicit fake_net(runtime& r) : rt(r), wire_(r.make_serial("net")) {}
  ~fake_net() { wire_.reset(); }

  /// Nothing passes any more; what is on its way is lost, but for control records.
  void cut(const std::string& a, const std::string& b);
  void heal(const std::string& a, const std::string& b);
  /// Both give the other's incarnation up.
  void give_up(const std::string& a, const std::string& b);
  /// What is sent waits until `release`.
  void hold() { held_ = true; }
  void release();

  [[nodiscard]] bool joined(const std::string& a, const std::string& b) const {
    return hubs.contains(b) && !cuts.contains({a, b}) && !cuts.contains({b, a});
  }
  void post(std::function<void()> work);

  runtime& rt;
  std::map<std::string, fake_hub*> hubs;
  std::set<std::pair<std::string, std::string>> cuts;
  std::size_t queue_most = 100'000;  ///< messages to one peer that wait
  std::size_t messages = 0;          ///< that were delivered
  std::size_t records = 0;

 private:
  std::unique_ptr<serial_executor> wire_;
  bool held_ = false;
  std::vector<std::function<void()>> waiting_;
};

class fake_peer final : public peer, public std::enable_shared_from_this<fake_peer> {
 public:
  fake_peer(fake_net& net, std::string from, std::string to)
      : net_(net),
        from_(std::move(from)),
        to_(std::move(to)) {}

  [[nodiscard]] const std::string& node() const noexcept override { return to_; }
  [[nodiscard]] std::shared_ptr<const peer_info> info() const noexcept override;
  [[nodiscard]] result<void> send(const user_message& m) noexcept override;
  [[nodiscard]] future<void> send_wait(const user_message& m) override {
    auto [p, f] = promise<void>::make(net_.rt);
    p.set_result(send(m));
    return std::move(f);
  }
  void send_control(wire::bytes record) noexcept override;
  [[nodiscard]] future<peer_info> ready(duration limit) override;

  void flush();
  std::deque<wire::bytes> control;
  std::size_t queued = 0;
  std::uint64_t incarnation = 0;  // of the other side, when it is known

 private:
  fake_net& net_;
  std::string from_;
  std::string to_;
};

class fake_hub final : public hub {
 public:
  fake_hub(fake_net& net, std::string node, std::string system, hub_listener& listener)
      : listener(listener),
        net_(net),
        node_(std::move(node)),
        system_(std::move(system)),
        incarnation_(net.rt.random_u64() | 1U) {
    net_.hubs[node_] = this;
  }
  ~fake_hub() override {
    net_.hubs.erase(node_);
    for (const auto& [node, p] : known) {
      const auto other = net_.hubs.find(node);
      if (other == net_.hubs.end()) continue;
      net_.post([&net = net_, node, own = node_, inc = incarnation_] {
        const auto at = net.hubs.find(node);
        if (at == net.hubs.end()) return;
        const auto it = at->second->known.find(own);
        if (it == at->second->known.end() || it->second->incarnation != inc) return;
        it->second->incarnation = 0;
        it->second->control.clear();
        at->second->listener.on_down(*it->second, {errc::unreachable, own + " has left"});
        at->second->listener.on_gone(*it->second, inc, {errc::unreachable, own + " has left"});
      });
    }
  }
  [[nodiscard]] result<void> start() override { return {}; }
  [[nodiscard]] std::string node() const override { return node_; }
  [[nodiscard]] std::uint64_t incarnation() const noexcept override { return incarnation_; }
  [[nodiscard]] result<std::shared_ptr<peer>> find(std::string_view node) override {
    return peer_at(std::string(node));
  }
  [[nodiscard]] std::vector<std::shared_ptr<peer>> peers() const override {
    std::vector<std::shared_ptr<peer>> out;
    for (const auto& [node, p] : known)
      if (p->incarnation) out.push_back(p);
    return out;
  }
  void drop(peer&, bool, std::string_view) noexcept override {}

  std::shared_ptr<fake_peer> peer_at(const std::string& node) {
    auto& p = known[node];
    if (!p) p = std::make_shared<fake_peer>(net_, node_, node);
    return p;
  }
  [[nodiscard]] peer_info info() const { return {system_, node_, incarnation_, {}, "test", {}}; }
  /// Notes that they know each other; the handshake.
  void meet(fake_hub& other) {
    const auto p = peer_at(other.node_);
    if (p->incarnation == other.incarnation_) return;
    p->incarnation = other.incarnation_;
    listener.on_up(*p, other.info());
  }

  hub_listener& listener;
  std::map<std::string, std::shared_ptr<fake_peer>> known;

 private:
  fake_net& net_;
  std::string node_;
  std::string system_;
  std::uint64_t incarnation_;
};

inline void fake_net::post(std::function<void()> work) {
  if (held_)
    waiting_.push_back(std::move(work));
  else
    wire_->post(std::move(work));
}
inline void fake_net::release() {
  held_ = false;
  for (auto& work : std::exchange(waiting_, {})) wire_->post(std::move(work));
}

inline void fake_net::cut(const std::string& a, const std::string& b) {
  cuts.insert({a, b});
  for (const auto& [x, y] : {std::pair(a, b), std::pair(b, a)}) {
    post([this, x, y] {
      if (const auto at = hubs.find(x); at != hubs.end())
        at->second->listener.on_down(*at->second->peer_at(y), {errc::unreachable, "cut"});
    });
  }
}
inline void fake_net::heal(const std::string& a, const std::string& b) {
  cuts.erase({a, b});
  hubs.at(a)->peer_at(b)->flush();
  hubs.at(b)->peer_at(a)->flush();
}
inline void fake_net::give_up(const std::string& a, const std::string& b) {
  for (const auto& [x, y] : {std::pair(a, b), std::pair(b, a)}) {
    post([this, x, y] {
      const auto at = hubs.find(x);
      if (at == hubs.end()) return;
      auto& p = *at->second->peer_at(y);
      p.control.clear();
      at->second->listener.on_gone(p, std::exchange(p.incarnation, 0),
                                   {errc::quarantined, y + " was silent for too long"});
    });
  }
}

inline std::shared_ptr<const peer_info> fake_peer::info() const noexcept {
  const auto at = net_.hubs.find(to_);
  return at == net_.hubs.end() ? nullptr : std::make_shared<peer_info>(at->second->info());
}

inline result<void> fake_peer::send(const user_message& m) noexcept {
  if (!net_.joined(from_, to_))
    return fail(errc::connection_refused, to_ + ": nobody listens there");
  if (queued >= net_.queue_most) return fail(errc::peer_overloaded, to_ + " takes no more");
  ++queued;
  net_.post([self = shared_from_this(), kept = kept_message(m)] {
    --self->queued;
    fake_net& net = self->net_;
    const auto here = net.hubs.find(self->from_);
    const auto there = net.hubs.find(self->to_);
    if (here == net.hubs.end() || there == net.hubs.end()) return;
    if (!net.joined(self->from_, self->to_))
      return here->second->listener.on_unsent(*self, kept.view(), errc::unreachable);
    here->second->meet(*there->second);
    there->second->meet(*here->second);
    ++net.messages;
    there->second->listener.on_message(*there->second->peer_at(self->from_), kept.view());
  });
  return {};
}

inline void fake_peer::send_control(wire::bytes record) noexcept {
  control.push_back(std::move(record));
  net_.post([self = shared_from_this()] { self->flush(); });
}

inline void fake_peer::flush() {
  while (!control.empty()) {
    const auto here = net_.hubs.find(from_);
    const auto there = net_.hubs.find(to_);
    if (here == net_.hubs.end() || !net_.joined(from_, to_)) return;
    here->second->meet(*there->second);
    there->second->meet(*here->second);
    if (control.empty()) return;
    const wire::bytes record = std::move(control.front());
    control.pop_front();
    ++net_.records;
    there->second->listener.on_control(*there->second->peer_at(from_), record);
  }
}

inline future<peer_info> fake_peer::ready(duration) {
  auto [p, f] = promise<peer_info>::make(net_.rt);
  if (net_.joined(from_, to_))
    p.set(*info());
  else
    p.fail(
        {errc::connection_refused, to_ + ": nobody listens there; start it, or see its address"});
  return std::move(f);
}

/// One node: a system and its endpoint, on a runtime that is shared.
struct node {
  node(fake_net& net, std::string address, std::string name = "app", permissions allowed = {})
      : system(std::move(name), {.runtime = &net.rt}),
        state(detail::endpoint_state::make(
            system, {}, std::move(allowed),
            [&net, address](actor_system& s, const endpoint_options&, hub_listener& l) {
              return std::make_unique<fake_hub>(net, address, s.name(), l);
            })),
        net(state) {}

  /// "odeon://app@b:1/user/x"
  [[nodiscard]] std::string at(const std::string& path) const {
    return "odeon://" + system.name() + "@" + net.node() + path;
  }

  actor_system system;
  std::shared_ptr<detail::endpoint_state> state;
  endpoint net;
};

}  // namespace odeon::remote::remote_test
