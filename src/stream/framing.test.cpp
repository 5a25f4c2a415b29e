// Bytes: frames, files, and sources that begin anew.

#include "common.test.hpp"
#include <odeon/stream/bidi.hpp>
#include <odeon/stream/file.hpp>
#include <odeon/stream/framing.hpp>
#include <odeon/stream/restart.hpp>

#include <cstdlib>
#include <filesystem>

using namespace odeon;
using namespace odeon::stream_test;
using namespace std::chrono_literals;

using strings = std::vector<std::string>;

namespace {

/// `bytes` cut into pieces, some of them empty.
strings pieces(const std::string& bytes, const std::vector<unsigned char>& cuts) {
  strings out;
  std::size_t at = 0;
  for (unsigned char c : cuts) {
    const std::size_t n = std::min<std::size_t>(c % 8, bytes.size() - at);
    out.push_back(bytes.substr(at, n));
    at += n;
  }
  out.push_back(bytes.substr(at));
  return out;
}
strings some_frames() {
  return *rc::gen::container<strings>(
      rc::gen::container<std::string>(rc::gen::element('a', 'b', '-', '\0', '\xff')));
}

/// A folder of this test's own, removed at its end.
struct folder {
  std::filesystem::path path;
  folder() {
    std::string name = (std::filesystem::temp_directory_path() / "odeon-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~folder() { std::filesystem::remove_all(path); }
  [[nodiscard]] std::string operator/(const char* name) const { return (path / name).string(); }
};

}  // namespace

TEST_CASE("frames between delimiters are found wherever the bytes are cut") {
  testkit::kit k;
  CHECK(rc::check([&] {
    auto frames = some_frames();
    for (auto& f : frames)  // no delimiter inside, nor across the end
      for (std::size_t at; (at = f.find('-')) != std::string::npos;) f.erase(at, 1);
    std::string bytes;
    for (const auto& f : frames) bytes += f + "-+-";
    const auto cuts = *rc::gen::arbitrary<std::vector<unsigned char>>();
    RC_ASSERT(run_all(k, source::from(pieces(bytes, cuts)) | framing::delimiter("-+-", 1000)) ==
              frames);
  }));
}

TEST_CASE("a frame as long as its bound passes, a longer one is refused where it begins") {
  testkit::kit k;
  CHECK(run_all(k, source::from({std::string("aaaa\nbb\n")}) | framing::delimiter("\n", 4)) ==
        strings{"aaaa", "bb"});
  auto r = run_partial(k, source::from({std::string("aaaa\nbb"), std::string("bbb\n")}) |
                              framing::delimiter("\n", 4));
  CHECK(r.got == strings{"aaaa"});
  CHECK(*r.why == errc::limit_exceeded);
  CHECK(r.why->text().find("offset 5") != std::string::npos);
  // It is not waited for its end: nothing without a bound is kept.
  auto s = std::make_shared<seen>();
  auto flood = run_partial(k, probe_source(strings(1000, "xxxx"), s) | framing::delimiter("\n", 9));
  CHECK(*flood.why == errc::limit_exceeded);
  CHECK(s->given <= 4);
}

TEST_CASE("bytes left at the end are refused, or the last line") {
  testkit::kit k;
  const auto cut = source::from({std::string("a\nb")});
  auto r = run_partial(k, cut | framing::delimiter("\n", 9));
  CHECK(r.got == strings{"a"});
  CHECK(*r.why == errc::truncated);
  CHECK(run_all(k, cut | framing::lines()) == strings{"a", "b"});
  CHECK(run_all(k, source::from({std::string("a\n")}) | framing::lines()) == strings{"a"});
  CHECK_THROWS_AS((void)framing::delimiter("", 9), actor_error);
}

TEST_CASE("frames with their length come back as they were, wherever the bytes are cut") {
  testkit::kit k;
  CHECK(rc::check([&] {
    const auto frames = some_frames();
    const auto size = *rc::gen::inRange<std::size_t>(2, 9);
    std::string bytes;
    for (const auto& piece : run_all(k, source::from(frames) | framing::length_prefix(1000, size)))
      bytes += piece;
    const auto cuts = *rc::gen::arbitrary<std::vector<unsigned char>>();
    RC_ASSERT(run_all(k, source::from(pieces(bytes, cuts)) | framing::length_field(1000, size)) ==
              frames);
  }));
}

TEST_CASE("a length beyond the bound is refused before its bytes come, cut frames at the end") {
  testkit::kit k;
  const std::string huge("\xff\xff\xff\xff", 4);
  auto r = run_partial(k, source::from({huge}) | framing::length_field(1 << 20));
  CHECK(*r.why == errc::limit_exceeded);
  CHECK(r.why->text().find("4294967295") != std::string::npos);
  for (std::size_t n : {1U, 3U, 4U, 6U}) {
    const std::string whole = std::string("\0\0\0\3abc", 7);
    auto cut =
        run_partial(k, source::from({whole + whole.substr(0, n)}) | framing::length_field(9));
    CHECK(cut.got == strings{"abc"});
    CHECK(*cut.why == errc::truncated);
  }
  auto long_one =
      run_partial(k, source::from({std::string(300, 'x')}) | framing::length_prefix(1000, 1));
  CHECK(*long_one.why == errc::limit_exceeded);
  CHECK_THROWS_AS((void)framing::length_field(9, 9), actor_error);
}

TEST_CASE("layers of flows in both directions undo each other") {
  testkit::kit k;
  const auto frames = bidi_flow(framing::length_prefix(100), framing::length_field(100));
  const auto numbers = bidi_flow(map([](int x) { return std::to_string(x); }),
                                 map([](const std::string& s) { return std::stoi(s); }));
  // The wire gives each byte by itself.
  const auto wire = map_concat([](const std::string& s) {
    strings out;
    for (char c : s) out.emplace_back(1, c);
    return out;
  });
  check_laws(numbers.atop(frames).join(wire), [](std::vector<int> v) { return v; });
  CHECK(run_all(k, source::from({std::string("7")}) |
                       numbers.reversed().join(map([](int x) { return x + 1; }))) == strings{"8"});
}

TEST_CASE("a file is written and read back, by virtual and by real threads") {
  for (bool threaded : {false, true}) {
    testkit::kit k({.threaded = threaded});
    folder f;
    std::string all;
    for (int i = 0; i < 50'000; ++i) all += std::to_string(i) + "\n";
    strings in;
    for (std::size_t at = 0; at < all.size(); at += 1000) in.push_back(all.substr(at, 1000));
    CHECK((source::from(in) | to(file::write(f / "x"))).run(k.system()).get() == all.size());
    CHECK((file::read(f / "x", 4096) | to(sink::fold(std::string(), std::plus{})))
              .run(k.system())
              .get() == all);
    CHECK((file::read(f / "x", 777) | framing::lines() | to(sink::count())).run(k.system()).get() ==
          50'000);
    CHECK((source::single(std::string("more")) | to(file::write(f / "x", true)))
              .run(k.system())
              .get() == 4);
    CHECK(std::filesystem::file_size(f / "x") == all.size() + 4);
  }
}

TEST_CASE("a file that cannot be read or written fails the stream with its path") {
  testkit::kit k;
  folder f;
  auto r = run_partial(k, file::read(f / "none"));
  CHECK(*r.why == errc::not_found);
  CHECK(r.why->text().find("none") != std::string::npos);
  CHECK(*run_partial(k, file::read(f.path.string())).why == errc::io_failed);
  auto s = std::make_shared<seen>();
  auto w = (probe_source(strings(100, "x"), s) | to(file::write(f / "no/such/folder")))
               .run(k.system())
               .result();
  CHECK(w.error() == errc::not_found);
  k.settle();
  CHECK(s->cancelled);
}

namespace {
/// Fails after two elements, `failures` times; then completes.
auto flaky(int& runs, int failures) {
  return source::generate([&runs, failures, n = 0]() mutable -> std::optional<int> {
    if (n == 0) ++runs;
    if (++n <= 2) return runs * 10 + n;
    if (runs <= failures) throw actor_error(errc::unreachable, "lost");
    return std::nullopt;
  });
}
}  // namespace

TEST_CASE("restart begins anew after a failure, waiting longer each time") {
  testkit::kit k;
  int runs = 0;
  std::vector<duration> when;
  const auto begin = k.now();
  const restart_settings settings{.min_backoff = 100ms, .max_backoff = 150ms, .random_factor = 0};
  auto out = run_all(k, source::restart(settings, [&] {
                       when.push_back(k.now() - begin);
                       return flaky(runs, 3);
                     }));
  CHECK(out == std::vector{11, 12, 21, 22, 31, 32, 41, 42});
  CHECK(when == std::vector<duration>{0ms, 100ms, 250ms, 400ms});
}

TEST_CASE("restart lets the failure after its last restart through") {
  testkit::kit k;
  int runs = 0;
  const restart_settings settings{.min_backoff = 1ms, .max_restarts = 2};
  auto r = run_partial(k, source::restart(settings, [&] { return flaky(runs, 100); }));
  CHECK(r.got.size() == 6);
  CHECK(*r.why == errc::unreachable);
}

TEST_CASE("restart may begin anew after a good end, and is cancelled while it waits") {
  testkit::kit k;
  const restart_settings settings{.min_backoff = 1s, .max_restarts = 1000, .on_completion = true};
  CHECK(run_all(k, source::restart(settings, [] { return source::from({1, 2}); }) | take(5)) ==
        std::vector{1, 2, 1, 2, 1});
}
