#include <odeon/net/http_client.hpp>
#include <odeon/persistence/memory_journal.hpp>
#include <odeon/runtime/memory_transport.hpp>
#include <odeon/runtime/simulated.hpp>
#include <odeon/sidecar/activator.hpp>
#include <odeon/sidecar/state_store.hpp>

#include <doctest/doctest.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/text_format.h>

#include <string>
#include <vector>

namespace odeon::sidecar {
namespace {

using namespace std::chrono_literals;
namespace pb = google::protobuf;

std::shared_ptr<const descriptors> bank_types() {
  pb::FileDescriptorSet set;
  REQUIRE(pb::TextFormat::ParseFromString(
      R"(name: "bank.proto" package: "bank" syntax: "proto3"
         message_type { name: "Deposit"
           field { name: "cents" number: 1 label: LABEL_OPTIONAL type: TYPE_INT32 } })",
      set.add_file()));
  auto d = std::make_shared<descriptors>();
  REQUIRE(d->add(set.SerializeAsString(), "bank.pb").has_value());
  return d;
}

any deposit(char cents) {
  return {"type.googleapis.com/bank.Deposit", std::string("\x08") + cents};
}

result<activators> read(const std::string& toml) {
  const auto config = configuration::parse(activator_schema(), toml, "activators.toml");
  if (!config) return std::unexpected(config.error());
  return read_activators(*config, *bank_types());
}

/// Keeps what it is asked, and answers what it is told to.
struct fake {
  std::vector<invocation> asked;
  std::vector<time_point> deadlines;
  std::vector<activation_target::done_fn> waiting;
  std::optional<invocation_answer> answer = invocation_answer{};

  activation_target target() {
    return {[this](invocation what, std::optional<time_point> deadline,
                   activation_target::done_fn done) {
      asked.push_back(std::move(what));
      deadlines.push_back(deadline.value_or(time_point::max()));
      if (answer)
        done(*answer);
      else
        waiting.push_back(std::move(done));
    }};
  }
};

bool has(std::string_view text, const char* part) {
  return text.find(part) != std::string_view::npos;
}

TEST_CASE("a file of activators is read") {
  const auto all = read(R"(
    [sidecar.http.deposit]
    path = "/accounts/{name}/deposit"
    actor = "account-{name}"
    parent = "account"
    action = "deposit"
    body = "bank.Deposit"
    timeout = "5s"
    [sidecar.cron.interest]
    schedule = "0 */5 * * * *"
    zone = "Europe/Berlin"
    actor = "bank"
    action = "addInterest"
    json = '{"cents": 2}'
    body = "bank.Deposit"
    overrun = "once"
    catch_up = "once"
    [sidecar.nats.orders]
    subject = "orders.*"
    system = "shop"
    actor = "desk"
    action = "order"
    async = true
  )");
  REQUIRE_MESSAGE(all.has_value(), (all ? "" : all.error().to_string()));
  REQUIRE(all->http.size() == 1);
  CHECK(all->http[0].method == "POST");
  CHECK(all->http[0].what.actor == "account-{name}");
  CHECK(all->http[0].what.timeout == 5s);
  REQUIRE(all->cron.size() == 1);
  CHECK(all->cron[0].when.zone() == "Europe/Berlin");
  CHECK(all->cron[0].late == overrun::once);
  CHECK(all->cron[0].missed == catch_up::once);
  REQUIRE(all->nats.size() == 1);
  CHECK(all->nats[0].queue == "odeon");
  CHECK(all->nats[0].what.async);
  CHECK(read("")->http.empty());
}

TEST_CASE("activators that cannot work are refused with their name and the reason") {
  const std::string whom = "actor = \"a\"\naction = \"b\"\n";
  const auto why = [&](const std::string& toml) {
    const auto all = read(toml);
    REQUIRE_FALSE_MESSAGE(all.has_value(), toml);
    CHECK(all.error() == errc::config_invalid);
    return std::string(all.error().text());
  };
  CHECK(has(why("[sidecar.http.x]\npath = \"/x\"\naction = \"b\""),
            "sidecar.http.x: it has no actor"));
  CHECK(has(why("[sidecar.http.x]\npath = \"x\"\n" + whom), "sidecar.http.x: "));
  CHECK(has(why("[sidecar.http.x]\npath = \"/x\"\nactor = \"{id}\"\naction = \"b\""),
            "the path has no {id}"));
  CHECK(has(why("[sidecar.http.x]\npath = \"/x\"\nbody = \"no.Such\"\n" + whom), "no.Such"));
  CHECK(has(why("[sidecar.cron.x]\nschedule = \"61 * * * *\"\n" + whom), "sidecar.cron.x: "));
  CHECK(has(why("[sidecar.cron.x]\nschedule = \"@daily\"\nbody = \"bank.Deposit\"\n"
                "json = '{\"dollars\": 1}'\n" +
                whom),
            "dollars"));
  CHECK(has(why("[sidecar.nats.x]\n" + whom), "it has no subject"));
  CHECK(has(why("[sidecar.nats.x]\nsubject = \"a b\"\n" + whom), "has a blank in it"));
  CHECK(has(why("[sidecar.nats.x]\nsubjekt = \"a\"\n" + whom), "subjekt"));
}

/// A server of activators, and one who asks it.
struct web_world {
  simulated_runtime rt;
  std::unique_ptr<transport> net = make_memory_transport(rt);
  fake actors;
  std::unique_ptr<http_server> server;
  std::unique_ptr<http_client> client;

  web_world() {
    http_routes routes;
    auto all = read(R"(
      [sidecar.http.deposit]
      path = "/accounts/{name}/deposit"
      actor = "account-{name}"
      parent = "account"
      action = "deposit"
      body = "bank.Deposit"
      timeout = "5s"
      [sidecar.http.look]
      method = "GET"
      path = "/accounts/{name}"
      system = "other"
      actor = "{name}"
      action = "get"
    )");
    REQUIRE(all.has_value());
    REQUIRE(add_http_activators(routes, rt, actors.target(), bank_types(), all->http, "bank"));
    server = std::make_unique<http_server>(rt, std::move(routes));
    REQUIRE(server->listen(*net, "web:80").has_value());
    client = std::make_unique<http_client>(rt, http_client_options{.plain = net.get()});
  }
  http_response send(std::string method, const std::string& target, std::string body = "",
                     http_fields fields = {}) {
    return client
        ->send({.method = std::move(method),
                .url = "http://web:80" + target,
                .fields = std::move(fields),
                .body = std::move(body)})
        .get();
  }
};

TEST_CASE("a route makes JSON the actor's message, and its answer JSON") {
  web_world w;
  w.actors.answer->value = deposit(7);
  const auto r = w.send("POST", "/accounts/j%C3%B6/deposit", R"({"cents": 5})");
  CHECK(r.status == 200);
  CHECK(r.body == R"({"cents":7})");
  REQUIRE(w.actors.asked.size() == 1);
  const invocation& asked = w.actors.asked[0];
  CHECK((asked.actor == actor_id{"bank", "account-j\xc3\xb6", "account"}));
  CHECK(asked.action == "deposit");
  CHECK((asked.value == deposit(5)));
  CHECK(w.actors.deadlines[0] - w.rt.now() <= 5s);
  w.actors.answer->value.reset();
  CHECK(w.send("GET", "/accounts/ann").status == 204);
  CHECK((w.actors.asked[1].actor == actor_id{"other", "ann", ""}));
  CHECK_FALSE(w.actors.asked[1].value.has_value());
}

TEST_CASE("the general path reaches any actor, with JSON or with its message") {
  web_world w;
  w.actors.answer->value = json_any("[1]");
  auto r = w.send("POST", "/api/v1/activators/joe/sayHi?parent=person", R"({"any": "thing"})");
  CHECK(r.status == 200);
  CHECK(r.body == "[1]");
  CHECK((w.actors.asked[0].actor == actor_id{"bank", "joe", "person"}));
  CHECK((w.actors.asked[0].value == json_any(R"({"any": "thing"})")));
  w.actors.answer->value = any{"x/unknown.Type", std::string("\0\xff", 2)};
  r = w.send("POST", "/api/v1/activators/joe/sayHi?system=shop&type=bank.Deposit", "\x08\x05",
             {{"Content-Type", "application/octet-stream"}});
  CHECK(r.body == R"({"type_url":"x/unknown.Type","value":"AP8="})");
  CHECK(w.actors.asked[1].actor.system == "shop");
  CHECK((w.actors.asked[1].value == deposit(5)));
  r = w.send("POST", "/api/v1/activators/joe/sayHi", "", {{"Accept", "application/octet-stream"}});
  CHECK(r.body == std::string("\0\xff", 2));
  CHECK(r.fields.get("X-Type-Url") == "x/unknown.Type");
  w.actors.answer->value.reset();
  CHECK(w.send("POST", "/api/v1/activators/joe/sayHi?async=true").status == 202);
  CHECK(w.actors.asked[3].async);
}

TEST_CASE("bad bodies reach no actor, and failures of actors are told") {
  web_world w;
  const std::string path = "/accounts/joe/deposit";
  auto r = w.send("POST", path, R"({"dollars": 5})");
  CHECK(r.status == 400);
  CHECK(has(r.body, "dollars"));
  CHECK(has(r.body, "\"status\":\"ERROR\""));
  CHECK(w.send("POST", path, std::string(500, '[')).status == 413);
  CHECK(w.send("POST", "/api/v1/activators/joe/x?type=no.Such", "{}").status == 400);
  CHECK(w.send("POST", "/api/v1/activators/joe/x", "x", {{"Content-Type", "application/protobuf"}})
            .status == 400);
  CHECK(w.actors.asked.empty());
  w.actors.answer = invocation_answer{outcome::actor_not_found, "no actor joe", {}};
  r = w.send("POST", path, "{}");
  CHECK(r.status == 404);
  CHECK(r.body == R"({"status":"ACTOR_NOT_FOUND","message":"no actor joe"})");
  w.actors.answer = invocation_answer{outcome::error, "broken \xff", {}};
  CHECK(w.send("POST", path, "{}").status == 500);
  w.actors.answer = invocation_answer{outcome::ok, "", any{"bank.Deposit", "\x08"}};
  r = w.send("POST", path, "{}");
  CHECK(r.status == 500);
  CHECK(has(r.body, "the actor's answer"));
}

/// Runs of one activator, under virtual time that begins at 2000-01-01 00:00 UTC.
struct cron_world {
  simulated_runtime rt;
  fake actors;
  std::vector<std::string> reported;
  std::shared_ptr<journal> kept = make_memory_journal(rt);
  cron_memory memory{make_state_store(rt, kept), "node"};
  cron_activator one;
  std::unique_ptr<cron_activators> times;

  explicit cron_world(const char* schedule, overrun late = overrun::skip,
                      catch_up missed = catch_up::none)
      : one{"interest",
            *cron::parse(schedule),
            R"({"cents": 2})",
            late,
            {.system = "bank", .actor = "joe", .action = "add", .body = "bank.Deposit"},
            missed} {
    start();
  }
  void start() {
    times = std::make_unique<cron_activators>(
        rt, actors.target(), *bank_types(), std::vector{one},
        [this](const std::string& name, const invocation_answer& a) {
          reported.push_back(name + ": " + a.message);
        },
        memory);
    rt.settle();
  }
  /// The program does not run for so long.
  void down(duration how_long) {
    times.reset();
    rt.advance(how_long);
    start();
  }
};

TEST_CASE("a cron activator invokes at its times") {
  cron_world w("30 */5 * * * *");
  CHECK(w.times->next("interest") == w.rt.wall_now() + 30s);
  CHECK_FALSE(w.times->next("nobody").has_value());
  w.rt.advance(29s);
  CHECK(w.actors.asked.empty());
  w.rt.advance(1s);
  REQUIRE(w.actors.asked.size() == 1);
  CHECK((w.actors.asked[0].actor == actor_id{"bank", "joe", ""}));
  CHECK((w.actors.asked[0].value == deposit(2)));
  w.rt.advance(1h);
  CHECK(w.actors.asked.size() == 13);
  CHECK(w.times->figures().succeeded == 13);
  w.times.reset();
  w.rt.advance(1h);
  CHECK(w.actors.asked.size() == 13);
}

TEST_CASE("a run that fails is reported, and the next one comes all the same") {
  cron_world w("0 * * * *");
  w.actors.answer = invocation_answer{outcome::error, "no luck", {}};
  w.rt.advance(2h);
  CHECK(w.reported == std::vector<std::string>{"interest: no luck", "interest: no luck"});
  CHECK(w.times->figures().failed == 2);
}

TEST_CASE("a time that comes during a run is skipped, or made up for once") {
  for (const overrun late : {overrun::skip, overrun::once}) {
    cron_world w("0 * * * *", late);
    w.actors.answer.reset();
    w.rt.advance(4h);
    CHECK(w.actors.asked.size() == 1);
    CHECK(w.times->figures().overrun == 3);
    w.actors.waiting[0](invocation_answer{});
    CHECK(w.actors.asked.size() == (late == overrun::once ? 2 : 1));
    w.rt.advance(1h);
    CHECK(w.actors.asked.size() == 2);
  }
}

TEST_CASE("times that came while no program ran are made up for by one run, where that is wanted") {
  for (const catch_up missed : {catch_up::none, catch_up::once}) {
    cron_world w("0 * * * *", overrun::skip, missed);
    const std::size_t more = missed == catch_up::once ? 1 : 0;
    CHECK(w.actors.asked.empty());  // the first start ever
    w.rt.advance(90min);
    CHECK(w.actors.asked.size() == 1);
    w.down(10min);
    CHECK(w.actors.asked.size() == 1);  // no time came
    w.down(5h);
    CHECK(w.actors.asked.size() == 1 + more);
    CHECK(w.times->figures().caught_up == more);
    w.down(1s);
    CHECK(w.actors.asked.size() == 1 + more);
    w.rt.advance(1h);
    CHECK(w.actors.asked.size() == 2 + more);
    CHECK(w.reported.empty());
  }
}

TEST_CASE("a time that came before the first run ever is made up for as well") {
  cron_world w("0 * * * *", overrun::skip, catch_up::once);
  w.rt.advance(1min);
  w.down(3h);
  CHECK(w.actors.asked.size() == 1);
}

TEST_CASE("a run that the program's end cut off is made up for, and one that ended well is not") {
  for (const auto& [how, again] :
       {std::pair(invocation_answer{outcome::error, "the sidecar is stopping", {}}, true),
        std::pair(invocation_answer{outcome::actor_not_found, "nobody", {}}, true),
        std::pair(invocation_answer{}, false)}) {
    cron_world w("0 * * * *", overrun::skip, catch_up::once);
    w.actors.answer.reset();
    w.rt.advance(61min);
    REQUIRE(w.actors.waiting.size() == 1);
    w.times.reset();
    w.actors.waiting[0](how);
    w.rt.settle();
    w.start();
    CHECK(w.actors.asked.size() == (again ? 2 : 1));
  }
  cron_world w("0 * * * *", overrun::skip, catch_up::once);
  w.actors.answer.reset();
  w.rt.advance(61min);
  w.start();  // as after a kill: nobody has answered
  CHECK(w.actors.asked.size() == 2);
}

TEST_CASE("a memory that fails is reported, and the times go on") {
  cron_world w("0 * * * *", overrun::skip, catch_up::once);
  w.times.reset();
  w.kept->close();
  w.start();
  REQUIRE(w.reported.size() == 1);
  CHECK(w.reported[0].starts_with("interest: it is not known when it ran last: "));
  w.rt.advance(1h);
  CHECK(w.actors.asked.size() == 1);
  CHECK(w.reported.back().starts_with("interest: when it ran is not stored: "));
  w.memory.store = nullptr;
  CHECK_THROWS_AS(w.start(), actor_error);
}

TEST_CASE("an answer may come after the activators have gone") {
  cron_world w("0 * * * *", overrun::once);
  w.actors.answer.reset();
  w.rt.advance(2h);
  REQUIRE(w.actors.waiting.size() == 1);
  w.times.reset();
  w.actors.waiting[0](invocation_answer{outcome::error, "late", {}});
  CHECK(w.actors.asked.size() == 1);
  CHECK(w.reported.empty());
}

}  // namespace
}  // namespace odeon::sidecar
