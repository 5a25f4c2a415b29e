// Certificates: what they say, what is refused, and the files they stand in.

#include <odeon/net/certificates.hpp>
#include <odeon/runtime/runtime.hpp>

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

using namespace odeon;
using namespace std::chrono_literals;
using strings = std::vector<std::string>;

namespace {

constexpr wall_time noon = std::chrono::sys_days(std::chrono::year(2031) / 5 / 1) + 12h;
constexpr duration year = std::chrono::days(365);

struct folder {
  std::string path = [] {
    std::string p = std::filesystem::temp_directory_path() / "odeon-cert-XXXXXX";
    REQUIRE(mkdtemp(p.data()) != nullptr);
    return p;
  }();
  ~folder() { std::filesystem::remove_all(path); }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path + "/" + name; }
};

unsigned permissions(const std::string& path) {
  struct stat s{};
  REQUIRE(::stat(path.c_str(), &s) == 0);
  return s.st_mode & 0777;
}

}  // namespace

TEST_CASE("a node's certificate says who it is, for how long, and who signed it") {
  for (const auto kind : {certificate_key::p256, certificate_key::ed25519}) {
    const auto ca = make_ca({.name = "home", .valid_for = 2 * year, .key = kind}, noon);
    REQUIRE(ca.has_value());
    const auto authority = read_certificate(ca->certificate);
    REQUIRE(authority.has_value());
    CHECK(authority->subject == "home");
    CHECK(authority->issuer == "home");
    CHECK(authority->is_ca);
    CHECK(authority->hosts.empty());
    CHECK(authority->node == "");

    const auto node = make_node_certificate(*ca,
                                            {.name = "app-1",
                                             .hosts = {"a.example.org", "10.0.0.7", "::1"},
                                             .valid_for = year,
                                             .key = kind},
                                            noon);
    REQUIRE(node.has_value());
    const auto info = read_certificate(node->certificate);
    REQUIRE(info.has_value());
    CHECK(info->subject == "app-1");
    CHECK(info->issuer == "home");
    CHECK(info->node == "app-1");
    CHECK(info->hosts == strings{"a.example.org", "10.0.0.7", "0:0:0:0:0:0:0:1"});
    CHECK(info->not_before == noon - certificate_backdating);
    CHECK(info->not_after == noon + year);
    CHECK_FALSE(info->is_ca);
    CHECK(info->key == (kind == certificate_key::p256 ? "P-256" : "Ed25519"));
    CHECK(info->serial.size() == 32);
    CHECK(info->serial != authority->serial);
    CHECK(info->fingerprint.size() == 64);
    CHECK(node->key.contains("BEGIN PRIVATE KEY"));
  }
}

TEST_CASE("names are taken as they are: none brings another along") {
  const auto ca = make_ca({}, noon);
  REQUIRE(ca.has_value());
  for (const char* name : {"", "a,DNS:evil", "a b", "a/b", "a\nb", "ä"}) {
    const auto r = make_node_certificate(*ca, {.name = name, .hosts = {}}, noon);
    REQUIRE_FALSE(r.has_value());
    CHECK(r.error() == errc::invalid_argument);
    CHECK_FALSE(make_ca({.name = name}, noon).has_value());
  }
  CHECK_FALSE(make_ca({.name = std::string(65, 'a')}, noon).has_value());
  for (const char* host : {"", "a,DNS:b", "*", "a.*.org", ".org", "a b", "URI:x", "10.0.0.7:80"}) {
    const auto r = make_node_certificate(*ca, {.name = "n", .hosts = {host}}, noon);
    REQUIRE_FALSE(r.has_value());
    CHECK(r.error() == errc::invalid_argument);
  }
  CHECK_FALSE(make_node_certificate(*ca, {.name = "n", .hosts = strings(101, "h")}, noon));
  CHECK(make_node_certificate(*ca, {.name = "n", .hosts = {"*.example.org"}}, noon).has_value());
}

TEST_CASE("what is no authority signs nothing, and one whose time is over neither") {
  const auto ca = make_ca({.valid_for = year}, noon), other = make_ca({}, noon);
  const auto node = make_node_certificate(*ca, {.name = "n", .hosts = {}}, noon);
  REQUIRE(node.has_value());
  const node_certificate_options again{.name = "m", .hosts = {}};
  const auto by_node = make_node_certificate(*node, again, noon);
  const auto mixed = make_node_certificate({ca->certificate, other->key}, again, noon);
  const auto nothing = make_node_certificate({"", ""}, again, noon);
  const auto late = make_node_certificate(*ca, again, noon + 2 * year);
  const auto too_long =
      make_node_certificate(*ca, {.name = "m", .hosts = {}, .valid_for = year + 1h}, noon);
  const auto no_time =
      make_node_certificate(*ca, {.name = "m", .hosts = {}, .valid_for = 0s}, noon);
  for (const auto* r : {&by_node, &mixed, &nothing, &late, &too_long, &no_time})
    REQUIRE_FALSE(r->has_value());
  CHECK(by_node.error() == errc::bad_certificate);
  CHECK(mixed.error() == errc::bad_certificate);
  CHECK(nothing.error() == errc::bad_certificate);
  CHECK(late.error() == errc::expired_certificate);
  CHECK(too_long.error() == errc::invalid_argument);
  CHECK(no_time.error() == errc::invalid_argument);
}

TEST_CASE("a text that is no certificate is refused") {
  const auto ca = make_ca({}, noon);
  for (const std::string& text :
       {std::string(),
        std::string("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), ca->key,
        ca->certificate.substr(0, ca->certificate.size() / 2)}) {
    const auto r = read_certificate(text);
    REQUIRE_FALSE(r.has_value());
    CHECK(r.error() == errc::bad_certificate);
  }
}

TEST_CASE("a key's file is for its owner alone, and none is overwritten unasked") {
  const folder f;
  const auto one = make_ca({.name = "one"}, noon), two = make_ca({.name = "two"}, noon);
  const mode_t before = ::umask(0);
  REQUIRE(write_credentials(*one, f / "ca.crt", f / "ca.key").has_value());
  ::umask(before);
  CHECK(permissions(f / "ca.key") == 0600);
  CHECK(permissions(f / "ca.crt") == 0644);
  const auto unasked = write_credentials(*two, f / "ca.crt", f / "ca.key");
  REQUIRE_FALSE(unasked.has_value());
  CHECK(unasked.error() == errc::refused);
  CHECK(read_credentials(f / "ca.crt", f / "ca.key")->key == one->key);
  // One of the two is enough to refuse both.
  const auto half = write_credentials(*two, f / "new.crt", f / "ca.key");
  REQUIRE_FALSE(half.has_value());
  CHECK_FALSE(std::filesystem::exists(f / "new.crt"));

  REQUIRE(write_credentials(*two, f / "ca.crt", f / "ca.key", true).has_value());
  CHECK(read_credentials(f / "ca.crt", f / "ca.key")->key == two->key);
  CHECK(permissions(f / "ca.key") == 0600);
  CHECK(std::distance(std::filesystem::directory_iterator(f.path), {}) == 2);
}

TEST_CASE("files that are not there, or too large, are told by name") {
  const folder f;
  const auto none = read_credentials(f / "a.crt", f / "a.key");
  REQUIRE_FALSE(none.has_value());
  CHECK(none.error() == errc::not_found);
  CHECK(none.error().text().contains(f / "a.crt"));
  const auto nowhere = write_credentials({"c", "k"}, f / "no/a.crt", f / "no/a.key");
  REQUIRE_FALSE(nowhere.has_value());
  CHECK(nowhere.error() == errc::not_found);
  std::ofstream(f / "a.crt") << std::string(1024 * 1024 + 1, 'x');
  const auto large = read_credentials(f / "a.crt", f / "a.key");
  REQUIRE_FALSE(large.has_value());
  CHECK(large.error() == errc::limit_exceeded);
}
