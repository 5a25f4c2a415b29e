#include "sidecar/internal/kept_apps.hpp"

#include "sidecar/internal/wire_bytes.test.hpp"
#include "support/raw_peer.hpp"
#include <odeon/persistence/memory_journal.hpp>
#include <odeon/runtime/simulated.hpp>

#include <doctest/doctest.h>

using namespace odeon;
using namespace odeon::sidecar;
using namespace odeon::sidecar::wire_bytes;

namespace {

using recalled = result<std::vector<kept_app>>;

struct world {
  simulated_runtime rt;
  std::shared_ptr<journal> kept = make_memory_journal(rt);
  std::shared_ptr<state_store> store = make_state_store(rt, kept);

  std::shared_ptr<kept_apps> node(std::string name = "a") {
    return std::make_shared<kept_apps>(store, std::move(name));
  }
  recalled recall(kept_apps& k) {
    test::later<recalled> l(rt);
    k.recall(l.done());
    return l.get();
  }
  result<void> keep(kept_apps& k, kept_app app) {
    test::later<result<void>> l(rt);
    k.keep(std::move(app), l.done());
    return l.get();
  }
};

const kept_app bank{"bank", "127.0.0.1:8090", std::string("\0\x01m", 3)};
const kept_app shop{"shop", "10.0.0.7:8090", ""};

}  // namespace

TEST_CASE("what apps have registered is there again, the newest of each system") {
  world w;
  const auto first = w.node();
  CHECK(w.recall(*first).value().empty());
  REQUIRE(w.keep(*first, {"bank", "elsewhere:1", "old"}));
  REQUIRE(w.keep(*first, shop));
  REQUIRE(w.keep(*first, bank));
  const auto second = w.node();
  CHECK(w.recall(*second).value() == std::vector<kept_app>{shop, bank});
  const auto stranger = w.node("b");
  CHECK(w.recall(*stranger).value().empty());
}

TEST_CASE("apps of one system are told apart by their addresses, and one that has moved is one") {
  const auto with = [](const std::vector<std::string>& names) {
    std::string all;
    for (const std::string& name : names)
      all += registration_bytes("bank", name, actor_bytes(name, "bank", 1, true, {"put"}));
    return all;  // messages one after the other are one message
  };
  world w;
  const auto first = w.node();
  REQUIRE(w.recall(*first));
  const kept_app one{"bank", "a:1", with({"joe"})};
  const kept_app two{"bank", "b:1", with({"ann", "eve"})};
  const kept_app moved{"bank", "c:1", with({"joe", "sue"})};
  REQUIRE(w.keep(*first, one));
  REQUIRE(w.keep(*first, two));
  CHECK(w.recall(*w.node()).value() == std::vector<kept_app>{one, two});
  const auto second = w.node();
  REQUIRE(w.recall(*second));
  REQUIRE(w.keep(*second, moved));
  CHECK(w.recall(*w.node()).value() == std::vector<kept_app>{two, moved});
}

TEST_CASE("several registrations at once are all kept") {
  world w;
  const auto first = w.node();
  REQUIRE(w.recall(*first));
  std::vector<test::later<result<void>>> all(20, test::later<result<void>>(w.rt));
  for (int k = 0; k < 20; ++k) {
    all[static_cast<std::size_t>(k)] = test::later<result<void>>(w.rt);
    first->keep({"s" + std::to_string(k), "h:1", "m"}, all[static_cast<std::size_t>(k)].done());
  }
  for (auto& one : all) CHECK(one.get());
  CHECK(w.recall(*w.node()).value().size() == 20);
}

TEST_CASE("who registers the same again writes nothing") {
  world w;
  const auto first = w.node();
  REQUIRE(w.recall(*first));
  REQUIRE(w.keep(*first, bank));
  const auto second = w.node();  // takes the state over: the first could not write it any more
  REQUIRE(w.recall(*second));
  CHECK(w.keep(*first, bank));
  const auto refused = w.keep(*first, shop);
  REQUIRE_FALSE(refused);
  CHECK(refused.error() == errc::fenced);
  CHECK_FALSE(w.keep(*first, shop));  // and not taken for kept by then
}

TEST_CASE("more than a node may keep is refused") {
  world w;
  const auto first = w.node();
  REQUIRE(w.recall(*first));
  const auto big = w.keep(*first, {"bank", "h:1", std::string(kept_apps_bytes, 'x')});
  REQUIRE_FALSE(big);
  CHECK(big.error() == errc::limit_exceeded);
}
