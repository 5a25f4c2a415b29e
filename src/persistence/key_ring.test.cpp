#include "persistence/scratch.hpp"
#include <odeon/persistence/key_ring.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

using namespace odeon;

namespace {

// 32 bytes, 0 to 31, in both forms.
constexpr const char* hex = "000102030405060708090a0B0C0d0e0f101112131415161718191a1b1c1d1e1f";
constexpr const char* base64 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

std::vector<std::byte> counted() {
  std::vector<std::byte> out(32);
  for (std::size_t k = 0; k < out.size(); ++k) out[k] = static_cast<std::byte>(k);
  return out;
}

}  // namespace

TEST_CASE("keys are read in hexadecimal and base64, the newest last") {
  const auto ring = key_ring::parse(
      std::string("# of March\nk1:") + hex + "\n  k2:" + base64 + ", 2026.k_3-:" + hex + "# end",
      "keys");
  REQUIRE_MESSAGE(ring.has_value(), ring.error().to_string());
  CHECK(ring->size() == 3);
  CHECK(ring->newest() == "2026.k_3-");
  for (const char* id : {"k1", "k2", "2026.k_3-"})
    CHECK(std::ranges::equal(ring->find(id), counted()));
  CHECK(ring->find("k4").empty());
}

TEST_CASE("what is no key is refused with its number, and not repeated") {
  struct bad {
    std::string text;
    errc code;
    std::string part;
  };
  const std::string secret = "5ec2e7";
  const std::string one = std::string("a:") + hex + " ";
  const bad all[] = {
      {"", errc::not_found, "no key"},
      {" # nothing\n,", errc::not_found, "no key"},
      {one + secret + secret, errc::bad_encoding, "key 2: it is not of the form id:key"},
      {"b:" + secret, errc::bad_encoding, "key 1: it has 6 characters"},
      {one + "b:" + std::string(63, '5') + "g", errc::bad_encoding, "key 2: it is neither"},
      {"b:" + std::string(43, 'A') + "A", errc::bad_encoding, "neither"},
      {"b:" + std::string(42, 'A') + "B=", errc::bad_encoding, "neither"},  // bits to spare not 0
      {"b:" + std::string(66, '5'), errc::bad_encoding, "66 characters"},
      {secret + secret + secret + ":" + hex, errc::invalid_argument, "16 letters"},
      {std::string(":") + hex, errc::invalid_argument, "16 letters"},
      {"\xc3\xa4:" + std::string(hex), errc::invalid_argument, "16 letters"},
      {one + one, errc::name_taken, "key 2: there are two keys with the id \"a\""},
  };
  for (const auto& b : all) {
    const auto ring = key_ring::parse(b.text, "keys.txt");
    CAPTURE(b.text);
    REQUIRE(!ring.has_value());
    CHECK(ring.error().code() == b.code);
    const std::string text(ring.error().text());
    CHECK_MESSAGE(text.find(b.part) != std::string::npos, text);
    CHECK(text.find("keys.txt") != std::string::npos);
    CHECK(text.find(secret) == std::string::npos);
  }
  key_ring ring;
  CHECK(ring.add("a", std::vector<std::byte>(31)).error().code() == errc::invalid_argument);
  CHECK(ring.add("a", std::vector<std::byte>(33)).error().text().find("33 bytes") !=
        std::string_view::npos);
  CHECK(ring.empty());
  CHECK(ring.newest().empty());
}

TEST_CASE("keys come from a file or a variable, which must be there") {
  const scratch_folder folder;
  const std::string path = folder.file("keys.txt");
  CHECK(key_ring::from_file(path).error().code() == errc::not_found);
  std::ofstream(path) << "k1:" << hex << "\n";
  CHECK(key_ring::from_file(path).value().newest() == "k1");
  std::ofstream(path) << std::string((1u << 20) + 1, ' ');
  CHECK(key_ring::from_file(path).error().code() == errc::limit_exceeded);
  CHECK(key_ring::from_file(folder.path()).error().code() != errc::not_found);
  REQUIRE(::setenv("ODEON_TEST_KEYS", (std::string("k2:") + base64).c_str(), 1) == 0);
  CHECK(key_ring::from_environment("ODEON_TEST_KEYS").value().newest() == "k2");
  ::unsetenv("ODEON_TEST_KEYS");
  const auto missing = key_ring::from_environment("ODEON_TEST_KEYS");
  REQUIRE(!missing.has_value());
  CHECK(missing.error().code() == errc::not_found);
  CHECK(missing.error().text().find("ODEON_TEST_KEYS") != std::string_view::npos);
}

TEST_CASE("a ring is moved with its keys and leaves nothing behind") {
  auto first = key_ring::parse(std::string("k1:") + hex, "keys").value();
  const std::byte* where = first.find("k1").data();
  key_ring second = std::move(first);
  CHECK(second.find("k1").data() == where);  // the bytes have not been copied
  CHECK(first.empty());  // NOLINT(bugprone-use-after-move): that is the question
  CHECK(first.find("k1").empty());
  CHECK(first.add("k2", counted()).has_value());
  CHECK(first.newest() == "k2");
}
