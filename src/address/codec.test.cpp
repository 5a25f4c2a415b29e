#include <odeon/address/codec.hpp>
#include <odeon/address/resolver.hpp>
#include <odeon/core/actor_system.hpp>
#include <odeon/testkit/testkit.hpp>
#include <odeon/wire/wire.hpp>

#include <doctest/doctest.h>

#include <map>
#include <memory>
#include <vector>

namespace {

using namespace odeon;
using wire::format;

struct price {
  using reply = int;
  int cents = 0;
};
struct closing {};
struct elsewhere {};

class shop : public actor<price, closing> {
 public:
  int on(price p) { return p.cents * 2; }
  void on(closing) {}
};

struct subscribe {
  std::string topic;
  actor_ref<price> to;
  friend bool operator==(const subscribe&, const subscribe&) = default;
};

struct everyone {
  any_ref first;
  std::vector<actor_ref<price, closing>> all;
  std::map<std::string, actor_ref<price>> named;
  std::optional<actor_ref<closing>> maybe;
};

constexpr format formats[] = {format::msgpack, format::compact, format::json, format::cbor};

TEST_CASE("a reference leaves as an address and arrives as a live reference, in every format") {
  testkit::kit kit;
  const auto ref = kit.system().spawn<shop>({.name = "shop"});
  const local_resolver resolver(kit.system());
  const wire::context c = addressed_by(resolver);
  for (const format f : formats) {
    CAPTURE(wire::to_string(f));
    const auto back =
        wire::decode<subscribe>(wire::encode(subscribe{"p", ref}, f, c), f, {}, c).value();
    CHECK(back == subscribe{"p", ref});
    CHECK(back.to.ask<price>(21).get() == 42);
  }
  const auto json = wire::encode(subscribe{"p", ref}, format::json, c);
  CHECK(wire::as_text(json) == R"({"topic":"p","to":"odeon://)" + kit.system().name() +
                                   "/user/shop#" + std::to_string(ref.uid()) + "\"}");
}

TEST_CASE("references travel inside containers, untyped and empty ones too") {
  testkit::kit kit;
  const auto a = kit.system().spawn<shop>({.name = "a"});
  const auto b = kit.system().spawn<shop>();  // a generated name
  const local_resolver resolver(kit.system());
  const wire::context c = addressed_by(resolver);
  const everyone all{a, {a, b, {}}, {{"b", b}}, actor_ref<closing>(a)};
  for (const format f : formats) {
    const auto back = wire::decode<everyone>(wire::encode(all, f, c), f, {}, c).value();
    CHECK(back.first == all.first);
    CHECK(back.all == all.all);
    CHECK(back.named == all.named);
    CHECK(back.maybe == all.maybe);
  }
}

TEST_CASE("a reference to an actor that has ended is refused, with its address and the reason") {
  testkit::kit kit;
  const auto ref = kit.system().spawn<shop>({.name = "shop"});
  const local_resolver resolver(kit.system());
  const wire::context c = addressed_by(resolver);
  const auto sent = wire::encode(subscribe{"p", ref}, format::json, c);
  kit.system().stop(ref);
  kit.settle();
  auto gone = wire::decode<subscribe>(sent, format::json, {}, c);
  REQUIRE_FALSE(gone.has_value());
  CHECK(gone.error() == errc::no_such_actor);
  CHECK(gone.error().text().starts_with("at byte 18, field to: odeon://"));
  CHECK(gone.error().text().ends_with(": no actor of that path lives"));

  const auto later = kit.system().spawn<shop>({.name = "shop"});
  auto other = wire::decode<subscribe>(sent, format::json, {}, c);
  CHECK(other.error() == errc::no_such_actor);
  CHECK(other.error().text().ends_with(": it has ended; a later actor has its path"));

  // An address without a uid means whoever has the path.
  const address by_name{kit.system().name(), {}, "/user/shop", 0};
  CHECK(resolver.resolve(by_name, {}).value() == later);
}

TEST_CASE("a resolver that is told so gives an empty reference for one that is missing") {
  testkit::kit kit;
  const auto ref = kit.system().spawn<shop>({.name = "shop"});
  const local_resolver resolver(kit.system(), when_missing::empty_ref);
  const wire::context c = addressed_by(resolver);
  const auto sent = wire::encode(subscribe{"p", ref}, format::msgpack, c);
  kit.system().stop(ref);
  kit.settle();
  const auto back = wire::decode<subscribe>(sent, format::msgpack, {}, c).value();
  CHECK(back.topic == "p");
  CHECK_FALSE(back.to);
}

TEST_CASE("an actor that does not take the messages of the reference is refused on arrival") {
  testkit::kit kit;
  const auto ref = kit.system().spawn<shop>({.name = "shop"});
  const local_resolver resolver(kit.system());
  const wire::context c = addressed_by(resolver);
  const auto sent = wire::encode(any_ref(ref), format::msgpack, c);
  CHECK(wire::decode<actor_ref<price, closing>>(sent, format::msgpack, {}, c).value() == ref);
  auto wrong = wire::decode<actor_ref<price, elsewhere>>(sent, format::msgpack, {}, c);
  REQUIRE_FALSE(wrong.has_value());
  CHECK(wrong.error() == errc::wrong_type);
  CHECK(wrong.error().text().contains("/user/shop#"));
  CHECK(wrong.error().text().contains(" has no handler for "));
  CHECK(wrong.error().text().ends_with("elsewhere"));
}

TEST_CASE("addresses of another system or of a node are not known here") {
  testkit::kit kit;
  const auto ref = kit.system().spawn<shop>({.name = "shop"});
  const local_resolver resolver(kit.system());
  const wire::context c = addressed_by(resolver);
  const address good{kit.system().name(), {}, "/user/shop", ref.uid()};
  CHECK(resolver.resolve(good, {}).value() == ref);
  address other = good;
  other.system = "other";
  address far = good;
  far.node = "10.0.0.7:7001";
  for (const address& a : {other, far}) {
    auto read = wire::decode<any_ref>(wire::encode(a), format::msgpack, {}, c);
    REQUIRE_FALSE(read.has_value());
    CHECK(read.error() == errc::no_such_actor);
    CHECK(read.error().text().contains("only actors of the system"));
  }
}

TEST_CASE("an actor of another system in the process is not named as one of this") {
  testkit::kit kit;
  testkit::kit second;
  const auto stranger = second.system().spawn<shop>({.name = "shop"});
  const local_resolver resolver(kit.system());
  auto sent = wire::try_encode(subscribe{"p", stranger}, format::msgpack, addressed_by(resolver));
  REQUIRE_FALSE(sent.has_value());
  CHECK(sent.error() == errc::invalid_argument);
  CHECK(sent.error().text().contains("field to: /user/shop is no actor of the system"));
}

TEST_CASE("without a resolver a reference does not travel, but an empty one does") {
  testkit::kit kit;
  const auto ref = kit.system().spawn<shop>({.name = "shop"});
  auto sent = wire::try_encode(subscribe{"p", ref});
  REQUIRE_FALSE(sent.has_value());
  CHECK(sent.error() == errc::invalid_argument);
  CHECK(sent.error().text().contains("address_resolver"));
  CHECK(*wire::decode<subscribe>(wire::encode(subscribe{"p", {}})) == subscribe{"p", {}});
  auto read = wire::decode<any_ref>(wire::encode(std::string("odeon://a/user/x")));
  CHECK(read.error() == errc::invalid_argument);
}

// What a module that reaches further does: its own system's addresses are the local resolver's, and
// the others are its business.
class far_resolver final : public address_resolver {
 public:
  far_resolver(const local_resolver& here, any_ref stand_in)
      : here_(here),
        stand_in_(std::move(stand_in)) {}

  result<address> address_of(const any_ref& ref) const override {
    if (ref == stand_in_) return address{"far", "node-2", "/user/shop", 7};
    auto a = here_.address_of(ref);
    if (a) a->node = "node-1";
    return a;
  }
  result<any_ref> resolve(const address& a, wanted_messages wanted) const override {
    asked_for = wanted.size();
    if (a.node == "node-2") return stand_in_;
    return here_.resolve({a.system, {}, a.path, a.uid}, wanted);
  }

  mutable std::size_t asked_for = 0;

 private:
  const local_resolver& here_;
  any_ref stand_in_;
};

TEST_CASE("a resolver of another module decides what is near and what is far") {
  testkit::kit kit;
  const auto near = kit.system().spawn<shop>({.name = "shop"});
  const auto far = kit.system().spawn<shop>({.name = "stand-in"});
  const local_resolver local(kit.system());
  const far_resolver resolver(local, far);
  const wire::context c = addressed_by(resolver);
  const std::vector<actor_ref<price, closing>> both = {near, far};
  const auto sent = wire::encode(both, format::json, c);
  CHECK(wire::as_text(sent).contains("@node-1/user/shop#"));
  CHECK(wire::as_text(sent).contains("odeon://far@node-2/user/shop#7"));
  CHECK(*wire::decode<std::vector<actor_ref<price, closing>>>(sent, format::json, {}, c) == both);
  CHECK(resolver.asked_for == 2);
}

struct payload {
  std::shared_ptr<const std::vector<int>> numbers;
};
struct seen {
  const void* where = nullptr;
  long owners = 0;
};

class reader : public actor<payload> {
 public:
  explicit reader(std::shared_ptr<std::vector<seen>> into) : into_(std::move(into)) {}
  void on(const payload& p) { into_->push_back({p.numbers.get(), p.numbers.use_count()}); }

 private:
  std::shared_ptr<std::vector<seen>> into_;
};

TEST_CASE("an immutable shared payload is not copied inside a process, whoever is told of it") {
  testkit::kit kit;
  const auto into = std::make_shared<std::vector<seen>>();
  const auto a = kit.system().spawn<reader>(into);
  const auto b = kit.system().spawn<reader>(into);
  const auto numbers = std::make_shared<const std::vector<int>>(100'000, 7);
  a.tell(payload{numbers});
  b.tell(payload{numbers});
  kit.settle();
  REQUIRE(into->size() == 2);
  for (const seen& s : *into) {
    CHECK(s.where == numbers.get());
    CHECK(s.owners >= 2);
  }
  // On the wire it is its value, and arrives as one of its own.
  const auto back = wire::decode<payload>(wire::encode(payload{numbers})).value();
  CHECK(*back.numbers == *numbers);
  CHECK(back.numbers != numbers);
}

}  // namespace
