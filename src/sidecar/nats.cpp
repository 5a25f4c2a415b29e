// The link to NATS.
//
// The library has threads of its own: one reads the connection, and each subscription has one that
// calls its handler. They come in through the gate; `close` closes it, then the connection, and
// waits until the library has said of every subscription that it is over (`live`), so that no
// handler runs when the memory goes.
//
// A request is in `waiting` under its number until one of these takes it out, under the lock: its
// answer, its timer, or `close`. Who took it out calls `done`, without the lock. While its
// timer is armed the request holds itself; the timer that fires, or who disarmed it, lets go.

#include <odeon/sidecar/nats.hpp>

#ifndef ODEON_WITH_NATS

namespace odeon::sidecar {

result<std::shared_ptr<nats_link>> connect_nats(runtime&, nats_target,
                                                std::shared_ptr<const descriptors>, nats_options) {
  return fail(errc::invalid_argument,
              "this program was built without NATS: install libnats-dev and build it again");
}

}  // namespace odeon::sidecar

#else

#include "sidecar/internal/gate.hpp"
#include "sidecar/internal/nats_client.hpp"
#include "sidecar/internal/records.hpp"
#include "sidecar/internal/request_body.hpp"
#include <odeon/wire/bytes.hpp>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <map>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

namespace odeon::sidecar {

namespace {

constexpr const char* queue_group = "odeon";

using nats_client::connection_ptr;
using nats_client::data_of;
using nats_client::error_of;
using nats_client::message_ptr;
using nats_client::reply_of;
using nats_client::subscription_ptr;
using nats_client::token_of;

invocation_answer failed(std::string why) { return {outcome::error, std::move(why), {}}; }

/// All that outlives the link while an answer may still come.
struct core : std::enable_shared_from_this<core> {
  using done_fn = elsewhere::done_fn;

  struct request final : timer_node {
    request(std::shared_ptr<core> c, std::uint64_t n, done_fn f)
        : timer_node(&fired),
          owner(std::move(c)),
          number(n),
          done(std::move(f)) {}
    static void fired(timer_node& n) noexcept {
      const auto held = std::move(static_cast<request&>(n).self);
      held->owner->expired(held->number);
    }
    const std::shared_ptr<core> owner;
    const std::uint64_t number;
    done_fn done;
    std::shared_ptr<request> self;
  };

  /// A subscription and what it does with a message, inside the gate.
  struct subscription {
    core& owner;
    std::function<void(natsMsg*)> take;
    subscription_ptr held;
  };

  core(runtime& r, nats_target t, std::shared_ptr<const descriptors> d, std::size_t max)
      : rt(r),
        target(std::move(t)),
        types(std::move(d)),
        bound(max) {}

  // Subscriptions.

  static void arrived(natsConnection*, natsSubscription*, natsMsg* m, void* closure) {
    const message_ptr held(m);
    auto& s = *static_cast<subscription*>(closure);
    if (!s.owner.door.enter()) return;
    s.take(m);
    s.owner.door.leave(s.owner.rt);
  }
  static void over(void* closure) {
    core& c = static_cast<subscription*>(closure)->owner;
    const auto held = c.shared_from_this();  // the one who waits may go as soon as it is the last
    if (c.live.fetch_sub(1) == 1) c.rt.wake(c.live);
  }

  result<void> subscribe(const std::string& subject, const std::string& queue,
                         decltype(subscription::take) take) {
    auto s = std::make_unique<subscription>(*this, std::move(take), nullptr);
    natsSubscription* made = nullptr;
    const std::lock_guard guard(mutex);
    const natsStatus status =
        queue.empty()
            ? natsConnection_Subscribe(&made, nats.get(), subject.c_str(), &arrived, s.get())
            : natsConnection_QueueSubscribe(&made, nats.get(), subject.c_str(), queue.c_str(),
                                            &arrived, s.get());
    if (status != NATS_OK)
      return std::unexpected(error_of(status, "NATS does not take the subject " + subject));
    s->held.reset(made);
    if (natsSubscription_SetOnCompleteCB(made, &over, s.get()) == NATS_OK) ++live;
    subscriptions.push_back(std::move(s));
    return {};
  }

  void publish(const std::string& subject, std::span<const std::byte> data) {
    natsConnection_Publish(nats.get(), subject.c_str(), data.data(), static_cast<int>(data.size()));
  }
  /// From any thread, at any time.
  void answer(const std::string& to, std::span<const std::byte> data) {
    if (to.empty() || !door.enter()) return;
    publish(to, data);
    door.leave(rt);
  }

  // Requests.

  std::shared_ptr<request> take_out(std::uint64_t number) {
    const std::lock_guard guard(mutex);
    const auto found = waiting.extract(number);
    return found ? found.mapped() : nullptr;
  }
  /// Whoever calls it took it out.
  void finish(request& r, invocation_answer a) {
    if (rt.timers(clock_domain::user).disarm(r)) r.self.reset();
    r.done(std::move(a));
  }
  void expired(std::uint64_t number) {
    if (!door.enter()) return;  // `close` takes it out
    if (const auto r = take_out(number)) {
      ++timeouts;
      r->done(failed("no answer came over NATS in time"));
    }
    door.leave(rt);
  }

  /// Inside the gate.
  void send(const std::string& subject, std::span<const std::byte> data, time_point deadline,
            done_fn done) {
    const std::uint64_t number = ++numbers;
    auto r = std::make_shared<request>(shared_from_this(), number, std::move(done));
    bool full = false;
    {
      const std::lock_guard guard(mutex);
      full = waiting.size() >= bound;
      if (!full) {
        waiting.emplace(number, r);
        r->self = r;
        rt.timers(clock_domain::user).arm(*r, deadline);
      }
    }
    if (full) return r->done(failed("too many requests wait for answers over NATS"));
    ++requests;
    const std::string reply = inbox + "." + std::to_string(number);
    const natsStatus s = natsConnection_PublishRequest(nats.get(), subject.c_str(), reply.c_str(),
                                                       data.data(), static_cast<int>(data.size()));
    if (s == NATS_OK) return;
    if (take_out(number)) finish(*r, failed(error_of(s, "NATS").to_string()));
  }

  /// An answer: the number of its request ends the subject.
  void answered(natsMsg* m) {
    const std::string_view subject = natsMsg_GetSubject(m);
    std::uint64_t number = 0;
    std::from_chars(subject.data() + subject.rfind('.') + 1, subject.data() + subject.size(),
                    number);
    const auto r = take_out(number);
    if (!r) return;  // too late
    if (natsMsg_IsNoResponders(m)) {
      ++nobody;
      return finish(*r, {outcome::actor_not_found, "no sidecar keeps that actor system", {}});
    }
    auto a = records::read_answer(wire::as_bytes(data_of(m)));
    if (a) return finish(*r, std::move(*a));
    ++malformed;
    finish(*r, failed("what came over NATS is no answer: " + std::string(a.error().text())));
  }

  // What comes for actors here.

  void take_invocation(natsMsg* m) {
    std::string reply = reply_of(m);
    auto f = records::read_forwarded(wire::as_bytes(data_of(m)));
    if (!f) {
      ++malformed;
      return answer(reply, records::write_answer(
                               failed("not an invocation: " + std::string(f.error().text()))));
    }
    ++served;
    target.actors.invoke(
        std::move(f->what), rt.now() + f->time_left,
        [held = shared_from_this(), reply = std::move(reply)](invocation_answer a) {
          held->answer(reply, records::write_answer(a));
        });
  }

  void take_subject(const activation& what, natsMsg* m) {
    std::string reply = reply_of(m);
    auto wanted = internal::invocation_of(what, std::string(data_of(m)), *types);
    if (!wanted) {
      ++malformed;
      return answer(reply, wire::as_bytes(internal::error_json(
                               outcome::error, std::string(wanted.error().text()))));
    }
    ++served;
    target.actors.invoke(
        std::move(*wanted), rt.now() + what.timeout,
        [held = shared_from_this(), reply = std::move(reply)](const invocation_answer& a) {
          held->answer(reply, wire::as_bytes(held->json_of_all(a)));
        });
  }

  [[nodiscard]] std::string json_of_all(const invocation_answer& a) const {
    if (a.status != outcome::ok) return internal::error_json(a.status, a.message);
    if (!a.value) return {};
    auto json = internal::json_of_answer(*a.value, *types);
    return json ? std::move(*json)
                : internal::error_json(outcome::error, std::string(json.error().text()));
  }

  void take_broadcast(natsMsg* m) {
    auto b = records::read_broadcast(wire::as_bytes(data_of(m)));
    if (!b) {
      ++malformed;
      return;
    }
    ++broadcasts_in;
    target.publish_here(std::move(*b));
  }

  result<void> listen() {
    if (auto done = subscribe(inbox + ".*", "", [this](natsMsg* m) { answered(m); }); !done)
      return done;
    return subscribe("spawn.channels.*", "", [this](natsMsg* m) { take_broadcast(m); });
  }

  void close() {
    if (closed.exchange(true)) return;
    door.close(rt);
    natsConnection_Close(nats.get());
    for (auto left = live.load(); left != 0; left = live.load())
      rt.wait(live, left, time_point::max());
    decltype(waiting) left;
    {
      const std::lock_guard guard(mutex);
      left.swap(waiting);
    }
    for (const auto& [number, r] : left) finish(*r, failed("the link to NATS was closed"));
    subscriptions.clear();
  }

  runtime& rt;
  const nats_target target;
  const std::shared_ptr<const descriptors> types;
  const std::size_t bound;
  internal::gate door;
  std::atomic<bool> closed{false};
  connection_ptr nats;  // set before anybody else has this
  std::string inbox;
  std::atomic<std::uint32_t> live{0};  // subscriptions whose handlers may be called
  std::atomic<std::uint64_t> numbers{0}, requests{0}, timeouts{0}, nobody{0}, served{0},
      malformed{0}, broadcasts_out{0}, broadcasts_in{0};
  std::mutex mutex;  // guards all below
  std::map<std::uint64_t, std::shared_ptr<request>> waiting;
  std::vector<std::unique_ptr<subscription>> subscriptions;
  std::set<std::string> systems;
};

class link final : public nats_link {
 public:
  explicit link(std::shared_ptr<core> c) noexcept : core_(std::move(c)) {}
  ~link() override { core_->close(); }
  void close() override { core_->close(); }

  void invoke(invocation what, time_point deadline, done_fn done) override {
    const auto system = token_of(what.actor.system);
    if (!system) return done(failed(std::string(system.error().text())));
    if (!core_->door.enter()) return done(failed("the link to NATS was closed"));
    const auto left = std::max(deadline - core_->rt.now(), duration::zero());
    core_->send("spawn." + *system + ".invoke", records::write_forwarded({left, std::move(what)}),
                deadline, std::move(done));
    core_->door.leave(core_->rt);
  }

  void registered(const std::string& system) override { static_cast<void>(serve(system)); }

  void publish(const std::string& system, const broadcast& what) override {
    static_cast<void>(system);  // channels are for all systems
    const auto channel = token_of(what.channel);
    if (!channel || !core_->door.enter()) return;
    ++core_->broadcasts_out;
    core_->publish("spawn.channels." + *channel, records::write_broadcast(what));
    core_->door.leave(core_->rt);
  }

  result<void> add(nats_activator a) override {
    if (!core_->door.enter()) return fail(errc::store_closed, "the link to NATS was closed");
    auto done = core_->subscribe(
        a.subject, a.queue,
        [c = core_.get(), what = std::move(a.what)](natsMsg* m) { c->take_subject(what, m); });
    core_->door.leave(core_->rt);
    return done;
  }

  result<void> serve(const std::string& system) override {
    const auto token = token_of(system);
    if (!token) return std::unexpected(token.error());
    {
      const std::lock_guard guard(core_->mutex);
      if (!core_->systems.insert(system).second) return {};
    }
    if (!core_->door.enter()) return fail(errc::store_closed, "the link to NATS was closed");
    auto done = core_->subscribe("spawn." + *token + ".invoke", queue_group,
                                 [c = core_.get()](natsMsg* m) { c->take_invocation(m); });
    core_->door.leave(core_->rt);
    if (!done) {
      const std::lock_guard guard(core_->mutex);
      core_->systems.erase(system);
    }
    return done;
  }

  nats_figures figures() const override {
    const core& c = *core_;
    return {natsConnection_Status(c.nats.get()) == NATS_CONN_STATUS_CONNECTED,
            c.requests,
            c.timeouts,
            c.nobody,
            c.served,
            c.malformed,
            c.broadcasts_out,
            c.broadcasts_in};
  }

 private:
  const std::shared_ptr<core> core_;
};

}  // namespace

result<std::shared_ptr<nats_link>> connect_nats(runtime& rt, nats_target target,
                                                std::shared_ptr<const descriptors> types,
                                                nats_options o) {
  const auto options = nats_client::make_options(o);
  if (!options) return std::unexpected(options.error());
  const auto c = std::make_shared<core>(rt, std::move(target), std::move(types), o.waiting);
  natsConnection* connection = nullptr;
  const natsStatus s = natsConnection_Connect(&connection, options->get());
  c->nats.reset(connection);
  if (s != NATS_OK) return std::unexpected(error_of(s, "NATS at " + nats_client::shown(o.servers)));
  auto out = std::make_shared<link>(c);
  natsInbox* inbox = nullptr;
  if (natsInbox_Create(&inbox) != NATS_OK) return fail(errc::internal, "NATS gives no inbox");
  c->inbox = inbox;
  natsInbox_Destroy(inbox);
  auto done = c->listen();
  if (!done) return std::unexpected(std::move(done.error()));
  return out;
}

}  // namespace odeon::sidecar

#endif
