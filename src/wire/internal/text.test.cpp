#include "wire/internal/text.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace {

namespace internal = odeon::wire::internal;

bool well_formed(std::string_view text) { return internal::is_utf8(text); }

TEST_CASE("well-formed UTF-8 of every length of sequence is accepted, wherever it stands") {
  for (std::string_view one :
       {"a", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
        "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    for (std::size_t before = 0; before < 20; ++before) {
      std::string text(before, 'x');
      text += one;
      CHECK(well_formed(text));
      CHECK(well_formed(text + "tail"));
    }
  }
  CHECK(well_formed(""));
}

TEST_CASE("ill-formed UTF-8 is refused, wherever it stands") {
  for (std::string_view bad :
       {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x41", "\xe0\x80\x80", "\xe0\x9f\xbf",
        "\xe1\x80", "\xe1\x80\x41", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf",
        "\xf0\x90\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xfe", "\xff"}) {
    for (std::size_t before = 0; before < 20; ++before) {
      std::string text(before, 'x');
      text += bad;
      CHECK_FALSE(well_formed(text));
      CHECK_FALSE(well_formed(text + "tail"));
    }
  }
}

TEST_CASE("texts are equal when every character is, at every length") {
  for (std::size_t n = 0; n < 40; ++n) {
    const std::string a(n, 'x');
    CHECK(internal::same_text(a, std::string(n, 'x')));
    CHECK_FALSE(internal::same_text(a, std::string(n + 1, 'x')));
    for (std::size_t i = 0; i < n; ++i) {
      std::string b = a;
      b[i] = 'y';
      CHECK_FALSE(internal::same_text(a, b));
    }
  }
}

TEST_CASE("base64 has the values of RFC 4648 and is read back") {
  const std::pair<std::string_view, std::string_view> known[] = {{"", ""},
                                                                 {"f", "Zg=="},
                                                                 {"fo", "Zm8="},
                                                                 {"foo", "Zm9v"},
                                                                 {"foob", "Zm9vYg=="},
                                                                 {"fooba", "Zm9vYmE="},
                                                                 {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, coded] : known) {
    std::string out(internal::base64_size(plain.size()), ' ');
    internal::to_base64(std::as_bytes(std::span(plain)), out.data());
    CHECK(out == coded);
    REQUIRE(internal::from_base64_size(coded) == plain.size());
    std::vector<std::byte> back(plain.size());
    CHECK(internal::from_base64(coded, back.data()));
    CHECK(std::string_view(reinterpret_cast<const char*>(back.data()), back.size()) == plain);
  }
}

}  // namespace
