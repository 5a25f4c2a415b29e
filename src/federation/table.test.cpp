// Who is a member, and who can have an actor: the part without I/O.

#include "federation/internal/table.hpp"

#include <doctest/doctest.h>

using namespace odeon;
using namespace odeon::federation;
using namespace odeon::federation::detail;
using namespace std::chrono_literals;

namespace {

constexpr time_point t0{1h};

member at(std::string node, std::vector<std::string> capabilities = {},
          std::vector<std::string> types = {}, std::string tenant = {}) {
  member m;
  m.node = std::move(node);
  m.system = "app";
  m.incarnation = 1;
  m.version = 1;
  m.capabilities = std::move(capabilities);
  m.types = std::move(types);
  m.tenant = std::move(tenant);
  return m;
}

struct sample {
  federation_limits limits{.members = 3, .items = 4, .text_bytes = 20};
  table t{at("self:1", {"cpu"}, {"greeter"}, "blue"), 30s, limits};

  std::vector<std::string> told() {
    std::vector<std::string> all;
    for (const auto& e : t.events()) {
      if (const auto* j = std::get_if<member_joined>(&e)) all.push_back("+" + j->who.node);
      if (const auto* u = std::get_if<member_updated>(&e)) all.push_back("=" + u->who.node);
      if (const auto* l = std::get_if<member_left>(&e))
        all.push_back("-" + l->who.node + " " + std::string(to_string(l->why)));
    }
    return all;
  }
};
using texts = std::vector<std::string>;

std::string why(const result<std::string>& r) {
  REQUIRE_FALSE(r.has_value());
  CHECK(r.error() == errc::placement_failed);
  return std::string(r.error().text());
}

}  // namespace

TEST_CASE("a member stays as long as something is heard of it within its lease") {
  sample s;
  CHECK(s.t.put(at("a:1"), t0).has_value());
  CHECK(s.t.put(at("b:1"), t0 + 1s).has_value());
  CHECK(s.told() == texts{"+a:1", "+b:1"});
  CHECK(s.t.next_expiry() == t0 + 30s);
  CHECK(s.t.renew("a:1", 1, t0 + 20s));
  CHECK_FALSE(s.t.renew("a:1", 2, t0 + 25s));
  CHECK_FALSE(s.t.renew("c:1", 1, t0 + 25s));
  s.t.prune(t0 + 30s);
  CHECK(s.told().empty());
  s.t.prune(t0 + 31s);
  CHECK(s.told() == texts{"-b:1 expired"});
  s.t.prune(t0 + 50s);
  CHECK(s.told() == texts{"-a:1 expired"});
  CHECK(s.t.next_expiry() == time_point::max());
  CHECK(s.t.members().size() == 1);
}

TEST_CASE("a newer version is an update, an older one is stale, another incarnation replaces") {
  sample s;
  CHECK(s.t.put(at("a:1"), t0).has_value());
  member newer = at("a:1", {"gpu"});
  newer.version = 2;
  CHECK(s.t.put(newer, t0).has_value());
  CHECK(s.t.put(at("a:1"), t0).error() == errc::stale);
  CHECK(s.t.find("a:1")->capabilities == texts{"gpu"});
  member again = at("a:1");
  again.incarnation = 2;
  CHECK(s.t.put(again, t0).has_value());
  CHECK(s.told() == texts{"+a:1", "=a:1", "-a:1 replaced", "+a:1"});
  CHECK_FALSE(s.t.leave("a:1", 1));
  CHECK(s.t.leave("a:1", 2));
  CHECK(s.told() == texts{"-a:1 left"});
}

TEST_CASE("a join says nothing of its tenant's names, which stay until the member does") {
  sample s;
  member whole = at("a:1", {}, {}, "blue");
  whole.names = {{"ours", "/user/o", name_scope::tenant},
                 {"all", "/user/a", name_scope::federation}};
  member part = whole;
  part.names.erase(part.names.begin());
  CHECK(s.t.put(whole, t0).has_value());
  CHECK(s.t.put(part, t0, true).has_value());
  CHECK(s.t.named("ours", name_scope::tenant).has_value());
  // In a newer version as well, of which they are not known to be gone.
  part.version = 2;
  part.names.clear();
  CHECK(s.t.put(part, t0, true).has_value());
  CHECK(s.t.named("ours", name_scope::tenant).has_value());
  CHECK_FALSE(s.t.named("all", name_scope::federation).has_value());
  CHECK(s.t.put(part, t0).has_value());
  CHECK_FALSE(s.t.named("ours", name_scope::tenant).has_value());
  // Of what it was before a restart nothing stays.
  part.version = 3;
  part.names = whole.names;
  CHECK(s.t.put(part, t0).has_value());
  part.incarnation = 2;
  part.names.clear();
  CHECK(s.t.put(part, t0, true).has_value());
  CHECK_FALSE(s.t.named("ours", name_scope::tenant).has_value());
}

TEST_CASE("what no member says, and more members than there may be, are refused") {
  sample s;
  CHECK(s.t.put(at(""), t0).error() == errc::invalid_argument);
  CHECK(s.t.put(at("self:1"), t0).error() == errc::invalid_argument);
  member none = at("a:1");
  none.incarnation = 0;
  CHECK(s.t.put(none, t0).error() == errc::invalid_argument);
  CHECK(s.t.put(at("a:1", texts(5, "x")), t0).error() == errc::limit_exceeded);
  CHECK(s.t.put(at("a:1", {std::string(21, 'x')}), t0).error() == errc::limit_exceeded);
  CHECK(s.t.put(at("a:1", {}, {std::string(21, 'x')}), t0).error() == errc::limit_exceeded);
  for (const char* node : {"a:1", "b:1", "c:1"}) CHECK(s.t.put(at(node), t0).has_value());
  CHECK(s.t.put(at("d:1"), t0).error() == errc::limit_exceeded);
  CHECK(s.t.put(at("c:1"), t0).has_value());
}

TEST_CASE("an actor is placed here first, then where its needs are met, evenly") {
  sample s;
  for (const char* node : {"a:1", "b:1"}) CHECK(s.t.put(at(node, {"gpu", "ssd"}, {"greeter"}), t0));
  CHECK(s.t.choose({}, "greeter") == "");
  CHECK(s.t.choose({.needs = {"cpu"}}, "greeter") == "");
  texts where;
  for (int i = 0; i < 4; ++i)
    where.push_back(*s.t.choose({.on = placement::automatic, .needs = {"gpu"}}, "greeter"));
  CHECK(where == texts{"a:1", "b:1", "a:1", "b:1"});
  CHECK(s.t.choose({.on = placement::where::there, .node = "b:1"}, "greeter") == "b:1");
  CHECK(s.t.choose({.on = placement::where::there, .node = "self:1"}, "greeter") == "");
}

TEST_CASE("a placement that fails names what was missing") {
  sample s;
  CHECK(s.t.put(at("a:1", {"gpu"}, {"greeter"}), t0).has_value());
  CHECK(s.t.put(at("b:1", {"ssd"}, {"clerk"}, "blue"), t0).has_value());
  CHECK(why(s.t.choose({.needs = {"gpu", "tpu"}}, "greeter")) ==
        "cannot place an actor of type 'greeter': none of 3 members has 'tpu'");
  CHECK(why(s.t.choose({.needs = {"gpu", "ssd"}}, "greeter")) ==
        "cannot place an actor of type 'greeter': none of 3 members has all of 'gpu', 'ssd' and "
        "offers that type");
  CHECK(why(s.t.choose({}, "baker")).contains("none of 3 members offers that type"));
  CHECK(why(s.t.choose({.on = placement::here, .needs = {"gpu"}}, "greeter"))
            .contains("this system has not 'gpu'"));
  CHECK(why(s.t.choose({.on = placement::where::there, .node = "b:1"}, "greeter"))
            .contains("'b:1' does not offer that type"));
  CHECK(why(s.t.choose({.on = placement::where::there, .node = "x:1"}, "greeter"))
            .contains("'x:1' is no member"));
  // Only the own tenant's members.
  CHECK(why(s.t.choose({.needs = {"gpu"}, .same_tenant = true}, "greeter"))
            .contains("none of 2 members has 'gpu'"));
  CHECK(s.t.choose({.on = placement::where::there}, "greeter").error() == errc::invalid_argument);
}

TEST_CASE("a name is found in its scope, this system's own first") {
  sample s;
  s.t.change([](member& m) { m.names = {{"clock", "/user/clock", name_scope::local}}; });
  member blue = at("a:1", {}, {}, "blue"), red = at("b:1", {}, {}, "red");
  blue.names = {{"bank", "/user/blue-bank", name_scope::tenant},
                {"clock", "/user/c", name_scope::federation}};
  red.names = {{"bank", "/user/red-bank", name_scope::tenant},
               {"shop", "/user/s", name_scope::federation}};
  CHECK(s.t.put(red, t0).has_value());
  CHECK(s.t.put(blue, t0).has_value());
  CHECK(s.t.named("clock", name_scope::federation)->second == "/user/clock");
  CHECK(s.t.named("bank", name_scope::federation) ==
        std::pair<std::string, std::string>("a:1", "/user/blue-bank"));
  CHECK(s.t.named("bank", name_scope::tenant)->first == "a:1");
  CHECK_FALSE(s.t.named("bank", name_scope::local).has_value());
  CHECK(s.t.named("shop", name_scope::federation)->first == "b:1");
  CHECK_FALSE(s.t.named("shop", name_scope::tenant).has_value());
}

TEST_CASE("members that are fixed never go") {
  sample s;
  CHECK(s.t.put_for_ever(at("a:1")).has_value());
  s.t.prune(t0 + 10'000h);
  CHECK(s.t.members().size() == 2);
}
