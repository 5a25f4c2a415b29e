// Compression: there and back, and bytes from strangers.

#include "common.test.hpp"
#include <odeon/stream/compression.hpp>
#include <odeon/stream/flow/combine.hpp>
#include <odeon/stream/queue.hpp>

#include <zstd.h>

using namespace odeon;
using namespace odeon::stream_test;

namespace {

using pieces = std::vector<std::string>;

std::string joined(const pieces& all) {
  std::string out;
  for (const auto& p : all) out += p;
  return out;
}
pieces cut(std::string_view bytes, std::size_t n) {
  pieces out;
  for (; !bytes.empty(); bytes.remove_prefix(std::min(n, bytes.size())))
    out.emplace_back(bytes.substr(0, n));
  return out;
}
std::string compressed(std::string_view bytes, int level = 3) {
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  const auto n = ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), level);
  REQUIRE_FALSE(ZSTD_isError(n));
  out.resize(n);
  return out;
}
partial<std::string> decompressed(testkit::kit& k, const std::string& bytes,
                                  decompress_limits l = {}, std::size_t at_once = 100) {
  return run_partial(k, source::from(cut(bytes, at_once)) | decompress(l));
}

}  // namespace

TEST_CASE("what was compressed comes out again, however it was cut and wherever it waited") {
  testkit::kit k;
  CHECK(rc::check([&] {
    auto in = *rc::gen::arbitrary<pieces>();
    if (*rc::gen::arbitrary<bool>()) in.emplace_back(300'000, 'z');
    const auto holes = *rc::gen::arbitrary<std::vector<bool>>();
    const auto n = *rc::gen::inRange<std::size_t>(1, 50);
    const auto out = run_all(
        k, probe_source(in, std::make_shared<seen>(), holes) | compress() | with_holes(holes) |
               map_concat([n](std::string s) { return cut(s, n); }) | decompress());
    RC_ASSERT(joined(out) == joined(in));
    for (const auto& p : out) RC_ASSERT(p.size() <= decompressed_piece);
  }));
}

TEST_CASE("a stream becomes one frame that any reader of zstd knows, smaller than before") {
  testkit::kit k;
  const pieces in(1000, "the same words again and again; ");
  for (int level : {1, 3, 19}) {
    const std::string frame = joined(run_all(k, source::from(in) | compress(level)));
    CHECK(frame.size() < 200);
    std::string back(in.size() * in[0].size(), '\0');
    CHECK(ZSTD_decompress(back.data(), back.size(), frame.data(), frame.size()) == back.size());
    CHECK(back == joined(in));
  }
  CHECK(joined(run_all(k, source::empty<std::string>() | compress() | decompress())).empty());
  CHECK_THROWS_AS((void)compress(0), actor_error);
  CHECK_THROWS_AS((void)compress(20), actor_error);
  CHECK_THROWS_AS((void)decompress({.window_log = 40}), actor_error);
}

TEST_CASE("frames that follow each other are one stream of bytes, and none is none") {
  testkit::kit k;
  const auto out = decompressed(k, compressed("one, ") + compressed("") + compressed("two"));
  CHECK_FALSE(out.why.has_value());
  CHECK(joined(out.got) == "one, two");
  CHECK(decompressed(k, "").got.empty());
}

TEST_CASE("what was compressed so far is not held back from one who waits for it") {
  testkit::kit k;
  auto [in, out] = (source::queue<std::string>(4) | compress() | decompress() | to(sink::queue(1)))
                       .run(k.system());
  for (const char* word : {"hello", "again"}) {
    (void)in.try_offer(word);
    CHECK(out.pull().get() == std::optional<std::string>(word));
  }
  in.complete();
  CHECK_FALSE(out.pull().get().has_value());
}

TEST_CASE("bytes that are no frame fail with their offset") {
  testkit::kit k;
  const auto none = decompressed(k, "this was never compressed");
  REQUIRE(none.why.has_value());
  CHECK(*none.why == errc::bad_encoding);
  CHECK(none.why->text().contains("after offset 0"));

  std::string text;
  for (int i = 0; i < 5000; ++i) text += std::to_string(i * i);
  std::string frame = joined(run_all(k, source::single(text) | compress()));
  CHECK(rc::check("a changed byte is found, or changes nothing", [&] {
    std::string bad = frame;
    bad[*rc::gen::inRange<std::size_t>(0, bad.size())] ^= char(*rc::gen::inRange(1, 256));
    const auto r = decompressed(k, bad);
    RC_ASSERT(r.why.has_value() || joined(r.got) == text);
  }));
  CHECK(rc::check("an end inside a frame is found", [&] {
    const auto r =
        decompressed(k, frame.substr(0, *rc::gen::inRange<std::size_t>(1, frame.size())));
    RC_ASSERT(r.why.has_value());
    RC_ASSERT(*r.why == errc::truncated);
  }));
}

TEST_CASE(
    "bytes that would become too many fail when they do, and are made as they are asked for") {
  testkit::kit k;
  const std::string bomb = compressed(std::string(100'000'000, '\0'));
  CHECK(bomb.size() < 20'000);
  const auto r = decompressed(k, bomb, {.bytes = 1'000'000});
  REQUIRE(r.why.has_value());
  CHECK(*r.why == errc::limit_exceeded);
  CHECK(r.why->text().contains("1000000 bytes"));
  CHECK(joined(r.got).size() <= 1'000'000);
  CHECK(joined(decompressed(k, compressed(std::string(1000, 'x')), {.bytes = 1000}).got).size() ==
        1000);

  auto s = std::make_shared<seen>();
  const auto one = run_all(k, probe_source(cut(bomb, 100), s) | decompress() | take(1));
  CHECK(one.size() == 1);
  CHECK(one[0].size() <= decompressed_piece);
  CHECK(s->given <= 10);
  CHECK(s->cancelled);
}

TEST_CASE("a frame that needs more memory than it may have is refused before it gets it") {
  testkit::kit k;
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += std::to_string(i);
  const auto r = decompressed(k, compressed(text, 19), {.window_log = 12}, 1000);
  REQUIRE(r.why.has_value());
  CHECK(*r.why == errc::limit_exceeded);
  CHECK(r.why->text().contains("2^12"));
  CHECK(r.got.empty());
}
