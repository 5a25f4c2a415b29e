#include "odeon/dev/protocol.hpp"

#include <doctest/doctest.h>

#include <span>
#include <variant>
#include <vector>

using namespace odeon::dev;
using odeon::errc;

namespace {

std::vector<std::byte> joined(const std::vector<report>& reports) {
  std::vector<std::byte> all;
  for (const auto& r : reports) {
    const auto frame = encode_frame(r);
    all.insert(all.end(), frame.begin(), frame.end());
  }
  return all;
}

const std::vector<report> samples = {
    phase_report{phase::recovering, 5, 256, 1'000, 2},
    acknowledgements{
        {{7, "T7", odeon::bank::ending::refunded, odeon::bank::refusal::over_limit, false, 12}}},
    rejections{{{9, "the amount is zero"}}},
    counters{1, 2, 3, 4},
    failed{odeon::error(errc::store_full, "the disk is full")},
    finished{true},
};

}  // namespace

TEST_CASE("reports come out of the pipe as they went in, however they are cut") {
  const auto bytes = joined(samples);
  for (const std::size_t piece : {1UL, 3UL, 7UL, bytes.size()}) {
    CAPTURE(piece);
    frame_reader reader;
    std::vector<report> read;
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      reader.add(std::span(bytes).subspan(at, std::min(piece, bytes.size() - at)));
      for (;;) {
        auto next = reader.next();
        REQUIRE(next.has_value());
        if (!*next) break;
        read.push_back(**std::move(next));
      }
    }
    REQUIRE(read.size() == samples.size());
    CHECK(std::get<phase_report>(read[0]).all == 256);
    CHECK(std::get<acknowledgements>(read[1]).all.at(0).reference == "T7");
    CHECK(std::get<acknowledgements>(read[1]).all.at(0).why == odeon::bank::refusal::over_limit);
    CHECK(std::get<rejections>(read[2]).all.at(0).reason == "the amount is zero");
    CHECK(std::get<counters>(read[3]).in_flight == 4);
    CHECK(std::get<failed>(read[4]).why == odeon::error(errc::store_full, "the disk is full"));
    CHECK(std::get<finished>(read[5]).interrupted);
  }
}

TEST_CASE("a frame that a killed worker did not finish is no report") {
  auto bytes = joined({samples[1], samples[1]});
  bytes.pop_back();
  frame_reader reader;
  reader.add(bytes);
  CHECK(reader.next().value().has_value());
  CHECK_FALSE(reader.next().value().has_value());
}

TEST_CASE("bytes that are no report are refused") {
  frame_reader lengths;
  lengths.add(std::vector<std::byte>(4, std::byte{0xff}));
  CHECK(lengths.next().error().code() == errc::limit_exceeded);

  frame_reader content;
  content.add(std::vector<std::byte>{std::byte{2}, {}, {}, {}, std::byte{0xc1}, std::byte{0xc1}});
  CHECK_FALSE(content.next().has_value());
}
