#include <odeon/base/detail/exceptions.hpp>
#include <odeon/base/error.hpp>

#include <doctest/doctest.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <stdexcept>

using namespace odeon;

namespace {

std::string read(const std::string& path) {
  std::ifstream in(std::string(ODEON_SOURCE_DIR) + "/" + path);
  REQUIRE_MESSAGE(in, path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

/// The names and values of `enum class errc`, read from its header: the list that nothing else may
/// miss.
std::vector<std::pair<std::string, int>> declared_codes() {
  const auto header = read("include/odeon/base/error.hpp");
  const auto first = header.find("enum class errc : int {");
  const auto body = header.substr(first, header.find("};", first) - first);
  static const std::regex line(R"(\n\s*([a-z_]+) =\s+(\d+),)");
  std::vector<std::pair<std::string, int>> out;
  for (std::sregex_iterator i(body.begin(), body.end(), line), end; i != end; ++i)
    out.emplace_back((*i)[1], std::stoi((*i)[2]));
  return out;
}

}  // namespace

TEST_CASE("every error code has its own name, value and sentence") {
  const auto codes = declared_codes();
  REQUIRE(codes.size() >= 36);
  std::set<int> values;
  std::set<std::string> sentences;
  for (const auto& [name, value] : codes) {
    INFO(name);
    CHECK(to_string(static_cast<errc>(value)) == name);
    CHECK(values.insert(value).second);
    CHECK(sentences.insert(make_error_code(static_cast<errc>(value)).message()).second);
  }
}

TEST_CASE("every error code has a paragraph in the reference, and the reference has no other") {
  const auto page = read("docs/reference/errors.md");
  std::set<std::string> documented;
  static const std::regex heading(R"(\n### `([a-z_]+)`[^\n]*\n\n((?:[^#\n]+\n)+))");
  for (std::sregex_iterator i(page.begin(), page.end(), heading), end; i != end; ++i) {
    INFO((*i)[1].str());
    CHECK((*i)[2].length() > 80);
    CHECK(documented.insert((*i)[1]).second);
  }
  std::set<std::string> declared;
  for (const auto& [name, value] : declared_codes()) declared.insert(name);
  CHECK(documented == declared);
}

TEST_CASE("a value outside the list is called unknown") {
  CHECK(to_string(static_cast<errc>(12345)) == "unknown");
  CHECK(make_error_code(static_cast<errc>(12345)).message() == "an unknown error");
}

TEST_CASE("an error without a text says its code's sentence") {
  const error e = errc::mailbox_full;
  CHECK(e.text() == "the actor's mailbox is full");
  CHECK(e.to_string() == "mailbox_full: the actor's mailbox is full");
}

TEST_CASE("an error's own text replaces the general sentence") {
  const error e(errc::truncated, "the map ends at offset 12");
  CHECK(e.text() == "the map ends at offset 12");
  CHECK(e.to_string() == "truncated: the map ends at offset 12");
}

TEST_CASE("errors compare by code alone or as a whole") {
  const error a(errc::refused, "no funds");
  CHECK(a == errc::refused);
  CHECK_FALSE(a == errc::killed);
  CHECK(a == error(errc::refused, "no funds"));
  CHECK_FALSE(a == error(errc::refused, "closed"));
}

TEST_CASE("fail makes the unexpected side of a result") {
  const result<int> r = fail(errc::not_found, "no such key");
  REQUIRE_FALSE(r);
  CHECK(r.error() == errc::not_found);
  CHECK(r.error().text() == "no such key");
}

TEST_CASE("an actor_error is a system_error with the same code and sentence") {
  try {
    throw actor_error(errc::ask_timeout, "no reply within 5 s");
  } catch (const std::system_error& e) {
    CHECK(e.code() == errc::ask_timeout);
    CHECK(e.code().category() == error_category());
    CHECK(std::string_view(e.code().category().name()) == "odeon");
    CHECK(std::string_view(e.what()) == "ask_timeout: no reply within 5 s");
    CHECK(dynamic_cast<const actor_error&>(e).which() == errc::ask_timeout);
  }
}

TEST_CASE("the text of an actor_error survives the error it was made from") {
  auto source = std::make_unique<error>(errc::handler_failed, std::string(100, 'x'));
  const actor_error e(*source);
  source.reset();
  CHECK(e.reason().text() == std::string(100, 'x'));
}

TEST_CASE("a caught exception is told by its own error, or as a failed handler with its text") {
  using detail::error_of;
  CHECK(error_of(std::make_exception_ptr(actor_error(errc::refused, "no"))) ==
        error(errc::refused, "no"));
  CHECK(error_of(std::make_exception_ptr(std::runtime_error("x"))) ==
        error(errc::handler_failed, "x"));
  CHECK(error_of(std::make_exception_ptr(7)) == error(errc::handler_failed, "unknown exception"));
  CHECK(detail::what_of(std::make_exception_ptr(7)) == "unknown exception");
}
