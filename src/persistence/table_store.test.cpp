#include <odeon/persistence/table_rows.hpp>
#include <odeon/persistence/table_store.hpp>
#include <odeon/runtime/simulated.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace odeon;
using namespace odeon::store;

namespace {

std::vector<std::byte> bytes_of(std::string_view text) {
  const auto raw = std::as_bytes(std::span(text));
  return {raw.begin(), raw.end()};
}

/// A server that can be made to go away: what it does is counted.
struct fake_server {
  bool up = true;
  int connects = 0;
  int lost_look_ups = 0;  // so many to come find the connection dead
  int lost_writes = 0;
  int full_writes = 0;  // so many to come do not fit
  int commits = 0;
  state_row state;
  actor_row actor{.actor = 1, .id = "a", .epoch = 1};
};

class fake_link final : public table_writer_link {
 public:
  explicit fake_link(fake_server& s) : server_(s) {}
  result<void> connect() override {
    ++server_.connects;
    connected_ = server_.up;
    if (!connected_) return fail(errc::io_failed, "nobody is there");
    return {};
  }
  bool connected() const noexcept override { return connected_; }
  result<void> look_up(table_batch& batch) override {
    if (take(server_.lost_look_ups)) return lose();
    actor_row row = server_.actor;
    row.crc = checksum(row);
    batch.found_actor(row);
    return batch.found_state(server_.state, checksum(server_.state));
  }
  written write(table_batch& batch) override {
    if (take(server_.lost_writes)) return {.outcome_unknown = true, .ended = lose()};
    if (batch.events.size() > 1 && take(server_.full_writes))
      return {.ended = fail(errc::store_full, "no room")};
    server_.state = batch.state;
    for (const auto& row : batch.changed_actors) {
      server_.actor = row;
      server_.actor.id = "a";
    }
    ++server_.commits;
    return {};
  }
  void roll_back() override {}

 private:
  static bool take(int& count) { return count > 0 && count-- > 0; }
  result<void> lose() {
    connected_ = false;
    return fail(errc::io_failed, "the line is dead");
  }
  fake_server& server_;
  bool connected_ = false;
};

write_op append_of(std::uint64_t expected, int events = 1) {
  append_request r{.persistence_id = "a", .epoch = 1, .expected_sequence = expected};
  for (int k = 0; k < events; ++k) r.events.push_back({.manifest = "e"});
  return append_call{std::move(r), [](result<append_ack>) {}};
}

const result<append_ack>& outcome_of(const write_op& op) {
  return std::get<append_call>(op).outcome;
}

}  // namespace

TEST_CASE("a row that was read is compared with its checksum, whichever column has changed") {
  const auto payload = bytes_of("payload");
  event_row row{.actor = 3,
                .sequence = 4,
                .position = 5,
                .epoch = 6,
                .written = 7,
                .version = 8,
                .manifest = "m",
                .payload = payload};
  const std::string tags = pack_tags({"red", std::string(300, 'x'), ""});
  row.tags = tags;
  row.crc = checksum(row, checksum_of_id("a"));
  std::vector<std::string_view> unpacked;
  const auto view = checked(row, "a", unpacked);
  REQUIRE(view.has_value());
  CHECK(view->sequence == 4);
  CHECK(view->position == 5);
  REQUIRE(view->tags.size() == 3);
  CHECK(view->tags[1] == std::string(300, 'x'));
  const auto damaged = [&](auto change) {
    event_row other = row;
    change(other);
    const auto bad = checked(other, "a", unpacked);
    return !bad && bad.error() == errc::corrupt_record;
  };
  CHECK(damaged([](auto& r) { r.sequence = 5; }));
  CHECK(damaged([](auto& r) { r.position = 6; }));
  CHECK(damaged([](auto& r) { r.epoch = 7; }));
  CHECK(damaged([](auto& r) { r.written = 8; }));
  CHECK(damaged([](auto& r) { r.version = 9; }));
  CHECK(damaged([](auto& r) { r.manifest = "n"; }));
  CHECK(damaged([](auto& r) { r.tags = ""; }));
  CHECK(damaged([](auto& r) { r.payload = {}; }));
  const auto of_another = checked(row, "b", unpacked);
  REQUIRE_FALSE(of_another.has_value());
  CHECK(of_another.error().text() == "events(\"b\", 4): the checksum does not match");
}

TEST_CASE("a batch whose connection was dead before anything was written is tried on a new one") {
  simulated_runtime rt;
  fake_server server;
  const auto writer = make_table_writer(rt, std::make_unique<fake_link>(server), {});
  std::vector<write_op> batch;
  batch.push_back(append_of(0));
  server.lost_look_ups = 1;
  CHECK(writer->commit(batch, {}).commits == 1);
  CHECK(outcome_of(batch[0]).has_value());
  CHECK(server.connects == 2);
}

TEST_CASE("a connection lost during the commit is told as such, and nothing is tried twice") {
  simulated_runtime rt;
  fake_server server;
  const auto writer = make_table_writer(rt, std::make_unique<fake_link>(server), {});
  std::vector<write_op> batch;
  batch.push_back(append_of(0));
  server.lost_writes = 1;
  CHECK(writer->commit(batch, {}).failed == 1);
  REQUIRE_FALSE(outcome_of(batch[0]).has_value());
  CHECK(outcome_of(batch[0]).error() == errc::io_failed);
  CHECK(outcome_of(batch[0]).error().text().find("not known") != std::string_view::npos);
  CHECK(server.commits == 0);
  batch.clear();
  batch.push_back(append_of(0));
  CHECK(writer->commit(batch, {}).commits == 1);
}

TEST_CASE("a lost server is waited for, and beyond the patience calls fail without waiting") {
  simulated_runtime rt;
  fake_server server{.up = false};
  const auto writer = make_table_writer(rt, std::make_unique<fake_link>(server),
                                        {.patience = std::chrono::seconds(3)});
  std::vector<write_op> batch;
  batch.push_back(append_of(0));
  const auto started = rt.now();
  CHECK(writer->commit(batch, {}).failed == 1);
  CHECK(outcome_of(batch[0]).error() == errc::io_failed);
  CHECK(outcome_of(batch[0]).error().text() == "nobody is there");
  const auto waited = rt.now() - started;
  CHECK(waited > std::chrono::seconds(1));
  CHECK(waited <= std::chrono::seconds(3));
  CHECK(server.connects > 4);
  CHECK(server.connects < 20);
  const auto tried = server.connects;
  const auto before = rt.now();
  for (int k = 0; k < 50; ++k) CHECK(writer->commit(batch, {}).failed == 1);
  CHECK(rt.now() == before);
  CHECK(server.connects <= tried + 1);
  server.up = true;
  rt.advance(std::chrono::seconds(2));
  CHECK(writer->commit(batch, {}).commits == 1);
}

TEST_CASE("what does not fit is refused alone") {
  simulated_runtime rt;
  fake_server server;
  const auto writer = make_table_writer(rt, std::make_unique<fake_link>(server), {});
  std::vector<write_op> batch;
  batch.push_back(append_of(0));
  batch.push_back(append_of(1, 5));
  batch.push_back(append_of(1));
  server.full_writes = 2;
  const auto tally = writer->commit(batch, {});
  CHECK(tally.commits == 2);
  CHECK(tally.failed == 2);
  CHECK(outcome_of(batch[0]).has_value());
  REQUIRE_FALSE(outcome_of(batch[1]).has_value());
  CHECK(outcome_of(batch[1]).error() == errc::store_full);
  CHECK(outcome_of(batch[2])->sequence == 2);
}

TEST_CASE("a damaged row of an id refuses its calls and no others") {
  std::vector<write_op> calls;
  calls.push_back(append_of(0));
  calls.push_back(open_call{{.persistence_id = "b"}, [](result<std::uint64_t>) {}});
  table_batch batch(calls);
  CHECK(batch.ids().size() == 2);
  REQUIRE(batch.found_state({}, checksum(state_row{})).has_value());
  batch.found_actor({.actor = 1, .id = "a", .epoch = 1, .crc = 12345});
  batch.decide({});
  CHECK(outcome_of(calls[0]).error() == errc::corrupt_record);
  CHECK(std::get<open_call>(calls[1]).outcome == 1u);
  CHECK(batch.new_actors.size() == 1);
  CHECK(batch.events.empty());
  CHECK_FALSE(table_batch(calls).found_state({}, 1).has_value());
}
