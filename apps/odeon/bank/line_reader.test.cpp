#include "odeon/bank/line_reader.hpp"

#include "odeon/bank/scratch.test.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <string>
#include <vector>

using namespace odeon::bank;
using odeon::errc;

namespace {

std::vector<std::string> lines_of(std::string_view content) {
  const scratch folder;
  auto reader = line_reader::open(folder.file("lines", content));
  REQUIRE(reader.has_value());
  std::vector<std::string> lines;
  for (;;) {
    const auto line = reader->next();
    REQUIRE(line.has_value());
    if (!*line) break;
    REQUIRE((*line)->number == lines.size() + 1);
    lines.push_back((*line)->too_long ? "(too long)" : std::string((*line)->text));
  }
  CHECK(reader->bytes_read() == content.size());
  CHECK(reader->file_bytes() == content.size());
  return lines;
}

using list = std::vector<std::string>;

}  // namespace

TEST_CASE("both line breaks end a line, and the last one may be missing") {
  CHECK(lines_of("") == list{});
  CHECK(lines_of("a") == list{"a"});
  CHECK(lines_of("a\n") == list{"a"});
  CHECK(lines_of("a\nb") == list{"a", "b"});
  CHECK(lines_of("a\r\nb\r\n") == list{"a", "b"});
  CHECK(lines_of("a\r\nb\r") == list{"a", "b"});
  CHECK(lines_of("\n\na\n\n") == list{"", "", "a", ""});
  CHECK(lines_of("a\rb\n") == list{"a\rb"});
}

TEST_CASE("a byte order mark counts at the beginning only") {
  CHECK(lines_of("\xef\xbb\xbf"
                 "a\n\xef\xbb\xbf"
                 "b") == list{"a",
                              "\xef\xbb\xbf"
                              "b"});
  CHECK(lines_of("\xef\xbb\xbf") == list{""});
}

TEST_CASE("a line that is too long is skipped to its end, and the next one is whole") {
  const std::string fits(max_line_bytes, 'x');
  for (const std::size_t more : {1UL, 2UL, 60'000UL, 65'536UL, 1'000'000UL})
    for (const auto* end : {"\n", "\r\n"}) {
      CAPTURE(more);
      const std::string content = fits + end + fits + std::string(more, 'y') + end + "z";
      CHECK(lines_of(content) == list{fits, "(too long)", "z"});
    }
  CHECK(lines_of(std::string(200'000, 'y')) == list{"(too long)"});
  CHECK(lines_of(std::string(200'000, 'y') + "\n") == list{"(too long)"});
}

TEST_CASE("lines come out whole wherever the buffer ends") {
  const bool held = rc::check([](const std::vector<std::uint8_t>& lengths) {
    std::string content;
    list wanted;
    for (std::size_t i = 0; i < 600; ++i) {
      const std::size_t length = lengths.empty() ? i : lengths[i % lengths.size()] * 16UL;
      wanted.emplace_back(std::min(length, max_line_bytes), static_cast<char>('a' + i % 26));
      content += wanted.back() + "\n";
    }
    RC_ASSERT(lines_of(content) == wanted);
  });
  CHECK(held);
}

TEST_CASE("a file that cannot be read is an error with its name") {
  const scratch folder;
  const auto missing = line_reader::open(folder.path("none.csv"));
  REQUIRE_FALSE(missing.has_value());
  CHECK(missing.error().code() == errc::not_found);
  CHECK(missing.error().text() == folder.path("none.csv") + ": No such file or directory");

  const auto directory = line_reader::open(folder.path());
  REQUIRE_FALSE(directory.has_value());
  CHECK(directory.error().code() == errc::io_failed);
  CHECK(directory.error().text().ends_with("not a regular file (it is read more than once)"));
}
