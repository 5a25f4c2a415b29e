#include "remote/internal/send_queue.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace odeon;
using namespace odeon::remote::detail;

namespace {

user_message text(std::string_view payload) {
  user_message m;
  m.to = {"/user/a", 1};
  m.message.manifest = "t";
  m.message.payload = wire::as_bytes(payload);
  return m;
}
std::vector<std::string> drain(send_queue& q) {
  std::vector<std::string> all;
  user_message m;
  while (q.front(m)) {
    all.emplace_back(wire::as_text(m.message.payload));
    q.pop();
  }
  return all;
}

constexpr std::size_t plenty = std::size_t{1} << 20U;

}  // namespace

TEST_CASE("the first sender becomes the writer, until it finds nothing more") {
  send_queue q;
  CHECK(q.push(text("one"), plenty) == pushed::become_writer);
  CHECK(q.push(text("two"), plenty) == pushed::queued);
  CHECK_FALSE(q.nudge());
  q.begin();
  CHECK(drain(q) == std::vector<std::string>{"one", "two"});
  CHECK(q.push(text("three"), plenty) == pushed::queued);
  CHECK_FALSE(q.pause());  // it came after the look had begun
  q.begin();
  CHECK(drain(q) == std::vector<std::string>{"three"});
  CHECK(q.pause());
  CHECK(q.nudge());
  CHECK(q.bytes() == 0);
  CHECK(q.messages() == 0);
}

TEST_CASE("a writer that pauses with messages left gets them when it comes again") {
  send_queue q;
  CHECK(q.push(text("one"), plenty) == pushed::become_writer);
  CHECK(q.push(text("two"), plenty) == pushed::queued);
  q.begin();
  user_message m;
  CHECK(q.front(m));
  q.pop();
  CHECK(q.front(m));  // no credit for this one
  CHECK(q.pause());
  CHECK(q.push(text("three"), plenty) == pushed::become_writer);
  q.begin();
  CHECK(drain(q) == std::vector<std::string>{"two", "three"});
}

TEST_CASE("the bound counts until a message is written, and one that is larger goes alone") {
  send_queue q;
  const std::string large(5000, 'x');
  CHECK(q.push(text(large), 2000) == pushed::become_writer);
  CHECK(q.push(text("s"), 2000) == pushed::full);
  user_message m;
  REQUIRE(q.front(m));
  CHECK(m.message.payload.size() == 5000);
  CHECK(q.push(text("s"), 2000) == pushed::full);
  q.pop();
  CHECK(q.push(text("s"), 2000) == pushed::queued);
  CHECK(drain(q) == std::vector<std::string>{"s"});
}

TEST_CASE("a closed queue takes nothing and gives what it has") {
  send_queue q;
  CHECK(q.push(text("one"), plenty) == pushed::become_writer);
  q.close();
  CHECK(q.push(text("two"), plenty) == pushed::closed);
  CHECK(drain(q) == std::vector<std::string>{"one"});
  q.open();
  CHECK(q.push(text("three"), plenty) == pushed::queued);
}

TEST_CASE("many messages of all sizes keep their order and their content") {
  send_queue q;
  std::vector<std::string> sent;
  for (int i = 0; i < 3000; ++i) {
    sent.push_back(std::to_string(i) + std::string(std::size_t(i * 37 % 900), 'f'));
    CHECK(q.push(text(sent.back()), std::size_t{64} << 20U) != pushed::full);
  }
  CHECK(q.messages() == 3000);
  CHECK(drain(q) == sent);
  CHECK(q.bytes() == 0);
}

namespace {

/// Takes so many, and no more.
class frames final : public frame_filler {
 public:
  explicit frames(std::size_t most) : most_(most) {}
  [[nodiscard]] bool fill(const user_message& m) noexcept override {
    if (all.size() == most_) return false;
    all.emplace_back(wire::as_text(m.message.payload));
    return true;
  }
  std::vector<std::string> all;

 private:
  std::size_t most_;
};
using texts = std::vector<std::string>;

}  // namespace

TEST_CASE("frames that are offered take what is sent, and what they refuse is overtaken by none") {
  send_queue q;
  frames f(2);
  CHECK(q.nudge());
  q.begin();
  CHECK(q.pause(&f));
  CHECK(q.push(text("one"), plenty) == pushed::become_writer);
  CHECK(q.push(text("two"), plenty) == pushed::queued);
  CHECK(q.push(text("three"), plenty) == pushed::queued);
  CHECK(f.all == texts{"one", "two"});
  f.all.clear();  // there is room again, but one waits
  CHECK(q.push(text("four"), plenty) == pushed::queued);
  CHECK(q.messages() == 4);
  q.begin();
  CHECK(q.messages() == 2);
  CHECK(drain(q) == texts{"three", "four"});
  CHECK(f.all.empty());
}

TEST_CASE("frames are not offered while much waits, nor while the writer has them") {
  send_queue q;
  frames f(10);
  const std::string much(10'000, 'x');
  CHECK(q.push(text(much), plenty) == pushed::become_writer);
  q.begin();
  CHECK(q.offer(f) == offered::behind);
  CHECK(q.push(text("two"), plenty) == pushed::queued);
  CHECK(drain(q) == texts{much, "two"});
  CHECK(q.offer(f) == offered::taken);
  CHECK(q.push(text("three"), plenty) == pushed::queued);
  q.withdraw();
  CHECK(q.push(text("four"), plenty) == pushed::queued);
  CHECK(f.all == texts{"three"});
  CHECK(drain(q) == texts{"four"});
  CHECK(q.offer(f) == offered::taken);
  q.begin();
  CHECK(q.push(text("five"), plenty) == pushed::queued);
  CHECK(f.all == texts{"three"});
  CHECK_FALSE(q.pause(&f));
  CHECK(drain(q) == texts{"five"});
}

TEST_CASE("the little that waits goes into the frames that are offered, as far as they take it") {
  for (const std::size_t room : {0U, 2U, 5U}) {
    send_queue q;
    frames f(room);
    CHECK(q.nudge());
    q.begin();
    for (const char* s : {"one", "two", "three"}) CHECK(q.push(text(s), plenty) == pushed::queued);
    CHECK(q.offer(f) == (room == 5 ? offered::taken : offered::behind));
    CHECK(q.push(text("four"), plenty) == pushed::queued);
    CHECK(q.messages() == 4);
    texts all = f.all;
    q.begin();
    CHECK(q.messages() == 4 - all.size());
    for (const std::string& s : drain(q)) all.push_back(s);
    CHECK(all == texts{"one", "two", "three", "four"});
    CHECK(f.all.size() == std::min<std::size_t>(room, 4));
    CHECK(q.bytes() == 0);
  }
}

TEST_CASE("revoked frames get nothing more, and no others are taken before the writer begins") {
  send_queue q;
  frames f(10);
  CHECK(q.nudge());
  q.begin();
  q.offer(f);
  SUBCASE("because the connection has ended") { q.revoke(); }
  SUBCASE("because nothing is sent for now") {
    q.close();
    q.open();
  }
  q.offer(f);
  CHECK(q.push(text("one"), plenty) == pushed::queued);
  CHECK(f.all.empty());
  CHECK(drain(q) == texts{"one"});
  q.offer(f);  // still the frames of before
  CHECK(q.push(text("two"), plenty) == pushed::queued);
  CHECK(drain(q) == texts{"two"});
  q.begin();
  q.offer(f);
  CHECK(q.push(text("three"), plenty) == pushed::queued);
  CHECK(f.all == texts{"three"});
}

TEST_CASE("the bound counts what stands in frames until the writer takes them") {
  send_queue q;
  frames f(10);
  CHECK(q.nudge());
  q.begin();
  CHECK(q.pause(&f));
  CHECK(q.push(text(std::string(1500, 'x')), 2000) == pushed::become_writer);
  CHECK(q.push(text(std::string(1500, 'y')), 2000) == pushed::full);
  CHECK(f.all.size() == 1);
  q.begin();
  CHECK(q.bytes() == 0);
  CHECK(q.push(text(std::string(1500, 'y')), 2000) == pushed::queued);
}
