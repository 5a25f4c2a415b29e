// Cells that stand for actors elsewhere: what reaches their target, and how long they live.

#include "common.test.hpp"
#include <odeon/core/detail/routing.hpp>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

using namespace odeon;
using namespace odeon::core_test;

namespace {

struct question {
  using reply = int;
};

/// Writes down what it is asked to do.
class recorder final : public detail::far_target {
 public:
  recorder(journal j, std::shared_ptr<std::atomic<bool>> gone)
      : journal_(std::move(j)),
        gone_(std::move(gone)) {}
  ~recorder() override { gone_->store(true); }

  result<void> route(detail::cell& self, detail::envelope& e, bool) noexcept override {
    if (e.type == &detail::message_type_of<note>)
      journal_->push_back("note " + static_cast<note*>(e.payload())->text);
    else
      journal_->push_back(e.ask() ? "ask" : "tell");
    detail::lose(self, e, errc::unreachable);
    return fail(errc::unreachable, "there is no way there");
  }
  future<void> route_wait(detail::cell& self, detail::envelope& e) override {
    auto [done, out] = promise<void>::make(*detail::runtime_of(self.system()));
    done.set_result(route(self, e, true));
    return std::move(out);
  }
  [[nodiscard]] bool accepts(const detail::message_type& type) const noexcept override {
    return &type == &detail::message_type_of<note> || &type == &detail::message_type_of<question>;
  }
  [[nodiscard]] std::string_view type_name() const noexcept override { return "recorder"; }
  void given_up(const detail::ask_state_base&) noexcept override {
    journal_->push_back("given up");
  }
  [[nodiscard]] std::string where_is(const detail::ask_state_base&) const override { return "far"; }
  [[nodiscard]] const void* kind() const noexcept override { return &kind_of; }

  void watch(detail::cell&, any_ref watcher) noexcept override { add("watched by ", watcher); }
  void unwatch(detail::cell&, any_ref watcher) noexcept override { add("unwatched by ", watcher); }
  void link(detail::cell&, any_ref other) noexcept override { add("linked to ", other); }
  void unlink(detail::cell&, any_ref other) noexcept override { add("unlinked from ", other); }
  void stop(detail::cell&, bool kill) noexcept override {
    journal_->push_back(kill ? "kill" : "stop");
  }
  void terminated(detail::cell&, any_ref who, const exit_reason& why) noexcept override {
    journal_->push_back(who.path() + " terminated: " + to_string(why));
  }
  void exited(detail::cell&, any_ref who, const exit_reason& why) noexcept override {
    journal_->push_back(who.path() + " exited: " + to_string(why));
  }

  static constexpr char kind_of = 0;

 private:
  void add(const char* what, const any_ref& who) { journal_->push_back(what + who.path()); }
  journal journal_;
  std::shared_ptr<std::atomic<bool>> gone_;
};

struct far_actor {
  explicit far_actor(actor_system& system)
      : ref(any_ref::adopt(detail::make_far_cell(system.anchor(), "odeon://there@1:2/user/x#3",
                                                 std::make_shared<recorder>(log, gone)))) {}
  journal log = new_journal();
  std::shared_ptr<std::atomic<bool>> gone = std::make_shared<std::atomic<bool>>(false);
  any_ref ref;
};

struct look {
  any_ref at;
  bool linked = false;
};
struct look_away {
  any_ref from;
};
class onlooker : public actor<look, look_away> {
 public:
  explicit onlooker(journal j) : journal_(std::move(j)) {}
  void on(look m) { m.linked ? ctx().link(m.at) : ctx().watch(m.at); }
  void on(look_away m) {
    ctx().unwatch(m.from);
    ctx().unlink(m.from);
  }
  void on(terminated t) { journal_->push_back("told: " + to_string(t.reason)); }

 private:
  journal journal_;
};

}  // namespace

TEST_CASE("what is told and asked of a far cell is routed, and its failure comes back") {
  testkit::kit kit;
  far_actor far(kit.system());
  const auto ref = far.ref.as<actor_ref<note, question>>();
  REQUIRE(ref);
  CHECK(ref.path() == "odeon://there@1:2/user/x#3");
  CHECK_FALSE(ref.is_terminated());
  CHECK(ref.try_tell<note>("hello").error() == errc::unreachable);
  auto asked = ref.try_ask<question>();
  kit.settle();
  CHECK(*far.log == std::vector<std::string>{"note hello", "ask"});
  CHECK(kit.system().dead_letters().size() == 2);
}

TEST_CASE("watching, linking and stopping a far cell go to its target") {
  testkit::kit kit;
  far_actor far(kit.system());
  auto own = new_journal();
  auto a = kit.system().spawn<onlooker>(spawn_options{.name = "a"}, own);
  a.tell<look>(far.ref);
  a.tell<look>(far.ref, true);
  a.tell<look_away>(far.ref);
  kit.settle();
  kit.system().stop(far.ref);
  kit.system().kill(far.ref);
  CHECK(*far.log == std::vector<std::string>{"watched by /user/a", "linked to /user/a",
                                             "unwatched by /user/a", "unlinked from /user/a",
                                             "stop", "kill"});
}

TEST_CASE("the end of a far actor is told once to who watches it, and nobody else") {
  testkit::kit kit;
  far_actor far(kit.system());
  auto own = new_journal();
  auto a = kit.system().spawn<onlooker>(spawn_options{.name = "a"}, own);
  auto b = kit.system().spawn<onlooker>(spawn_options{.name = "b"}, own);
  a.tell<look>(far.ref);
  kit.settle();
  for (const any_ref& r : {any_ref(a), any_ref(b), any_ref(a)})
    detail::tell_terminated_of(*r.get(), far.ref, {exit_kind::unreachable, "lost"});
  detail::far_cell_ended(*far.ref.get());
  kit.settle();
  CHECK(*own == std::vector<std::string>{"told: unreachable: lost"});
  CHECK(far.ref.is_terminated());
}

TEST_CASE("a far watcher and a far link are told of the end of an actor here") {
  testkit::kit kit;
  far_actor far(kit.system());
  auto own = new_journal();
  auto a = kit.system().spawn<onlooker>(spawn_options{.name = "a"}, own);
  detail::watch_for(*a.get(), far.ref);
  detail::link_for(*a.get(), far.ref);
  kit.settle();
  kit.system().stop(a);
  kit.settle();
  CHECK(*far.log ==
        std::vector<std::string>{"/user/a terminated: stopped", "/user/a exited: stopped"});
  far.log->clear();
  detail::watch_for(*a.get(), far.ref);  // it has ended already
  kit.settle();
  CHECK(*far.log == std::vector<std::string>{"/user/a terminated: stopped"});
}

TEST_CASE("a far cell goes with the last reference to it, and may outlive its system") {
  std::shared_ptr<std::atomic<bool>> gone;
  any_ref kept;
  {
    testkit::kit kit;
    far_actor first(kit.system());
    first.ref = {};
    CHECK(first.gone->load());
    far_actor second(kit.system());
    gone = second.gone;
    kept = second.ref;
  }
  CHECK_FALSE(gone->load());
  kept = {};
  CHECK(gone->load());
}

namespace {

/// Keeps what is asked of it for ever.
class silent final : public detail::far_target {
 public:
  explicit silent(journal j) : journal_(std::move(j)) {}
  result<void> route(detail::cell&, detail::envelope& e, bool) noexcept override {
    asks_.push_back(e.ask());
    detail::destroy_payload(e);
    detail::free_block(e);
    return {};
  }
  future<void> route_wait(detail::cell& self, detail::envelope&) override {
    auto [done, out] = promise<void>::make(*detail::runtime_of(self.system()));
    return std::move(out);
  }
  [[nodiscard]] bool accepts(const detail::message_type&) const noexcept override { return true; }
  [[nodiscard]] std::string_view type_name() const noexcept override { return "silent"; }
  void given_up(const detail::ask_state_base&) noexcept override {
    journal_->push_back("given up");
  }
  [[nodiscard]] std::string where_is(const detail::ask_state_base&) const override {
    return "sent far away";
  }
  [[nodiscard]] const void* kind() const noexcept override { return this; }
  void watch(detail::cell&, any_ref) noexcept override {}
  void unwatch(detail::cell&, any_ref) noexcept override {}
  void link(detail::cell&, any_ref) noexcept override {}
  void unlink(detail::cell&, any_ref) noexcept override {}
  void stop(detail::cell&, bool) noexcept override {}
  void terminated(detail::cell&, any_ref, const exit_reason&) noexcept override {}
  void exited(detail::cell&, any_ref, const exit_reason&) noexcept override {}

  ~silent() override {
    for (auto* ask : asks_) ask->drop_ref();
  }

 private:
  journal journal_;
  std::vector<detail::ask_state_base*> asks_;
};

}  // namespace

TEST_CASE("a far actor's target is told of an ask that timed out, and says where it is") {
  testkit::kit kit;
  auto told = new_journal();
  const auto ref = actor_ref<question>::assume(any_ref::adopt(detail::make_far_cell(
      kit.system().anchor(), "odeon://there@1:2/user/x", std::make_shared<silent>(told))));
  auto asked = ref.try_ask<question>().within(1s);
  const auto reply = asked.get();
  REQUIRE_FALSE(reply);
  CHECK(reply.error() == errc::ask_timeout);
  CHECK(contains(reply.error().text(), "sent far away"));
  CHECK(*told == std::vector<std::string>{"given up"});
}

TEST_CASE("a message that never came to be an envelope is a dead letter like any other") {
  testkit::kit kit;
  auto seen = kit.events<dead_letter>();
  detail::note_lost(kit.system().anchor(),
                    {errc::stale, "a message", "/user/a", "/user/b", 7, {}, false});
  kit.settle();
  CHECK(letters(kit.system(), "/user/a") == lines({"stale a message"}));
  CHECK(seen.count() == 1);
}
