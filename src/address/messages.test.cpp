// Messages that travel to other languages: tables, envelopes from bytes, asks answered with bytes.

#include <odeon/address/messages.hpp>
#include <odeon/core/detail/routing.hpp>
#include <odeon/testkit/testkit.hpp>

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <vector>

using namespace odeon;

namespace {

struct total {
  static constexpr auto manifest = "test.total";
  long cents = 0;
};
struct deposit {
  static constexpr auto manifest = "test.deposit";
  using reply = total;
  long cents = 0;
};
struct name_of {
  static constexpr auto manifest = "test.name_of";
  using reply = std::string;
};
struct note {
  static constexpr auto manifest = "test.note";
  std::string text;
};
struct impostor {
  static constexpr auto manifest = "test.note";
  int n = 0;
};

struct account : actor<deposit, name_of, note> {
  long cents = 0;
  total on(deposit d) { return {cents += d.cents}; }
  std::string on(name_of) { return "savings"; }
  void on(note n) { cents += static_cast<long>(n.text.size()); }
};

const detail::travelling& entry_of(message_table& t, std::string_view manifest) {
  const auto* found = t.find(manifest);
  REQUIRE(found);
  return *found;
}

detail::envelope* envelope_of(const detail::travelling& t, const wire::tagged& bytes) {
  auto made = t.read(bytes, false, {});
  REQUIRE(made);
  detail::stamp(**made);
  return *made;
}

}  // namespace

TEST_CASE("a message that arrives as bytes is told and asked like any other") {
  testkit::kit k;
  auto& table = messages_of(k.system());
  table.add<deposit, name_of, note>();
  auto ref = k.system().spawn<account>();
  const auto& notes = entry_of(table, "test.note");
  CHECK((notes.ask == nullptr));
  ref.get()->deliver(*envelope_of(notes, wire::encode_tagged(note{"abc"})));
  std::optional<result<wire::tagged>> got;
  const auto& deposits = entry_of(table, "test.deposit");
  deposits.ask(*ref.get(), *envelope_of(deposits, wire::encode_tagged(deposit{10})), duration(-1),
               [&](result<wire::tagged> r) { got = std::move(r); });
  k.settle();
  REQUIRE(got);
  REQUIRE(*got);
  CHECK((*got)->manifest == "test.total");
  CHECK(wire::decode_tagged<total>(**got)->cents == 13);
  const auto& names = entry_of(table, "test.name_of");
  names.ask(*ref.get(), *envelope_of(names, wire::encode_tagged(name_of{})), duration(-1),
            [&](result<wire::tagged> r) { got = std::move(r); });
  k.settle();
  REQUIRE(*got);
  CHECK((*got)->manifest.empty());
  CHECK(*wire::decode<std::string>((*got)->payload) == "savings");
}

TEST_CASE("an actor that has ended fails the ask, and its taker is told") {
  testkit::kit k;
  auto& table = messages_of(k.system());
  table.add<deposit>();
  auto ref = k.system().spawn<account>();
  k.system().stop(ref);
  k.settle();
  std::optional<result<wire::tagged>> got;
  const auto& deposits = entry_of(table, "test.deposit");
  deposits.ask(*ref.get(), *envelope_of(deposits, wire::encode_tagged(deposit{1})), duration(-1),
               [&](result<wire::tagged> r) { got = std::move(r); });
  k.settle();
  REQUIRE(got);
  CHECK(got->error().code() == errc::actor_stopped);
}

TEST_CASE("bytes that are no such message are refused, and a message is written back") {
  testkit::kit k;
  auto& table = messages_of(k.system());
  table.add<deposit>();
  const auto& t = entry_of(table, "test.deposit");
  const auto bad = wire::encode(std::string("no record"));
  const auto refused = t.read({"test.deposit", 1, wire::format::msgpack, bad}, false, {});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == errc::wrong_type);
  const deposit d{7};
  const auto written = t.write(&d, {});
  REQUIRE(written);
  CHECK(wire::decode_tagged<deposit>(*written)->cents == 7);
}

TEST_CASE("a manifest belongs to one message, and a table to one system") {
  testkit::kit k;
  auto& table = messages_of(k.system());
  table.add<note>();
  table.add<note>();
  CHECK(&messages_of(k.system()) == &table);
  CHECK((table.find("test.impostor") == nullptr));
  CHECK((table.find(detail::message_type_of<impostor>) == nullptr));
  CHECK((table.find(detail::message_type_of<note>) == table.find("test.note")));
  CHECK_THROWS_AS(table.add<impostor>(), actor_error);
}

namespace {

/// What another language sends: bytes that are kept as they are.
struct parcel {
  wire::tagged bytes;
};

const detail::travelling parcels{
    .type = nullptr,
    .manifest = "",
    .read = [](const wire::tagged_view& from, bool extra,
               const wire::context&) -> result<detail::envelope*> {
      wire::tagged kept{std::string(from.manifest),
                        from.version,
                        from.form,
                        {from.payload.begin(), from.payload.end()}};
      return detail::make_envelope<parcel>(extra, std::move(kept));
    },
    .write = [](const void* message, const wire::context&) -> result<wire::tagged> {
      return static_cast<const parcel*>(message)->bytes;
    },
    .write_to = nullptr,
    .ask = nullptr,
    .ask_with = nullptr,
    .settle = nullptr,
    .describe = nullptr};

}  // namespace

TEST_CASE("messages without a type travel through who speaks for their language, and no others") {
  message_table t;
  t.add<note>();
  t.set_foreign(
      {[](std::string_view manifest) { return manifest.starts_with("py.") ? &parcels : nullptr; },
       [](const detail::message_type& type) {
         return &type == &detail::message_type_of<parcel> ? &parcels : nullptr;
       }});
  CHECK(t.find("test.note") == &detail::travels<note>::table);
  CHECK(t.find("cobol.note") == nullptr);
  const detail::travelling& found = entry_of(t, "py.note");
  const wire::tagged sent{"py.note", 3, wire::format::msgpack, {std::byte{0x80}}};
  detail::envelope* e = found.read(sent, false, {}).value();
  CHECK(t.find(*e->type) == &parcels);
  CHECK(found.write(e->payload(), {}).value() == sent);
  detail::destroy_payload(*e);
  detail::free_block(*e);
}

TEST_CASE("a message is written into a buffer just as by itself, and its contract is described") {
  const detail::travelling& t = detail::travels<deposit>::table;
  wire::buffer out;
  const deposit d{100};
  REQUIRE(t.write_to(out, &d, {}));
  CHECK(out.to_bytes() == t.write(&d, {}).value().payload);
  wire::registry both;
  t.describe(both);
  CHECK(both.find("message").value()->written_as() == "test.deposit");
  CHECK(both.find("reply").value()->written_as() == "test.total");
}

TEST_CASE("an ask for somebody elsewhere has that asker, and can be taken back") {
  testkit::kit kit;
  auto& table = messages_of(kit.system());
  table.add<deposit>();
  struct waits : actor<deposit> {
    void on(deposit, reply_to<total> to) {
      asked_by = ctx().sender();
      kept.push_back(std::move(to));
    }
    any_ref asked_by;
    std::vector<reply_to<total>> kept;
  };
  auto asker = kit.probe<note>("asker");
  auto target = kit.system().spawn<waits>();
  const detail::travelling& t = entry_of(table, "test.deposit");
  detail::envelope* e = envelope_of(t, wire::encode_tagged(deposit{1}));
  e->from = asker.ref().get();
  e->generation = asker.ref().get()->generation();
  std::optional<result<detail::reply_bytes>> told;
  auto held = t.ask(*target.get(), *e, duration(-1), [&](auto r) { told = std::move(r); });
  kit.settle();
  CHECK(held.get()->asker == asker.ref().get());
  CHECK_FALSE(told);
  detail::cancel_ask(*held.get());
  kit.settle();
  REQUIRE(told);
  CHECK(told->error() == errc::cancelled);
}
