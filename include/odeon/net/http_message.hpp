#pragma once

#include <odeon/base/error.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// @file What is said over HTTP: fields, requests and answers, as plain values.

namespace odeon {

/// The header fields of a message, in their order. Names are compared without regard to case. All
/// bytes stand in one string: two allocations, however many fields there are.
class http_fields {
 public:
  struct entry {
    std::string_view name, value;
  };

  http_fields() = default;
  http_fields(std::initializer_list<entry> all) {
    for (const entry& e : all) add(e.name, e.value);
  }

  /// One more, also beside others of that name. What no field may hold – CR, LF or NUL anywhere, a
  /// name that is no token – throws `actor_error(invalid_argument)`: a text from outside never
  /// makes two fields of one.
  void add(std::string_view name, std::string_view value);
  /// In place of all of that name.
  void set(std::string_view name, std::string_view value);
  /// How many went.
  std::size_t remove(std::string_view name);

  /// The first of that name. Valid until the next change.
  [[nodiscard]] std::optional<std::string_view> get(std::string_view name) const noexcept;
  [[nodiscard]] bool has(std::string_view name) const noexcept { return get(name).has_value(); }
  [[nodiscard]] std::size_t count(std::string_view name) const noexcept;
  /// Whether one of the fields of that name has `token` in its list of tokens, parted by commas,
  /// without regard to case: `has_token("Connection", "close")`.
  [[nodiscard]] bool has_token(std::string_view name, std::string_view token) const noexcept;

  [[nodiscard]] std::size_t size() const noexcept { return all_.size(); }
  [[nodiscard]] bool empty() const noexcept { return all_.empty(); }
  /// By position. Valid until the next change.
  [[nodiscard]] entry operator[](std::size_t i) const noexcept;

 private:
  friend struct http_fields_access;
  struct span {
    std::uint32_t at, name_size, value_size;
  };
  void append(std::string_view name, std::string_view value);

  std::string bytes_;
  std::vector<span> all_;
};

/// A request, as a server's handler gets it.
struct http_request {
  std::string method;  ///< "GET"; methods are told apart by case
  std::string target;  ///< as it was sent: "/a%20b?x=1"
  std::string path;    ///< decoded once, of valid UTF-8, without dot segments: "/a b"
  http_fields fields;
  std::string body;  ///< whole; empty where the route streams it
  std::string peer;  ///< the address of the other side: "127.0.0.1:40312"
  /// Who the transport vouches that it is (`connection::peer_identity`); empty: nobody does.
  std::string identity = {};
  /// What the braces of the route's pattern stood for, decoded: {"name", "bank"}.
  std::vector<std::pair<std::string, std::string>> parameters = {};
  int version = 11;  ///< 10 or 11

  /// What stands after "?", undecoded.
  [[nodiscard]] std::string_view query() const noexcept;
  /// The first value of `name` in the query, decoded ("+" is a blank there); none when it is not
  /// there, or is badly encoded.
  [[nodiscard]] std::optional<std::string> query_value(std::string_view name) const;
  /// A parameter of the route's pattern; empty when there is none.
  [[nodiscard]] std::string_view parameter(std::string_view name) const noexcept;
};

/// An answer. `Content-Length`, `Transfer-Encoding`, `Connection` and `Date` are the server's
/// business: those given here are left out.
struct http_response {
  int status = 200;  ///< 200 to 599
  http_fields fields = {};
  std::string body = {};
  std::string reason = {};  ///< of a client's answer; a server writes the status's own
};

/// `http_text(404, "no such actor")`: an answer of plain text in UTF-8.
[[nodiscard]] http_response http_text(int status, std::string text);
/// The same of JSON.
[[nodiscard]] http_response http_json(std::string json, int status = 200);
/// "Not Found"; "Unknown" for a status that has no name.
[[nodiscard]] std::string_view http_reason(int status) noexcept;

/// One server-sent event, of the HTML standard.
struct server_event {
  std::string data;        ///< may have several lines
  std::string event = {};  ///< its type; empty: "message"
  std::string id = {};     ///< the browser sends it back as `Last-Event-ID` when it reconnects
  std::optional<int> retry_ms = {};
};
/// As it is written. Line breaks in `event` and `id` are left out.
[[nodiscard]] std::string to_text(const server_event& e);

/// Takes the percent codes out, once. `bad_encoding`: a code that is none.
[[nodiscard]] result<std::string> percent_decoded(std::string_view text,
                                                  bool plus_is_blank = false);
/// With codes for all but letters, digits and "-._~".
[[nodiscard]] std::string percent_encoded(std::string_view text);

/// Whether the bytes are UTF-8: without overlong forms, surrogates and what is past U+10FFFF.
[[nodiscard]] bool is_utf8(std::string_view bytes) noexcept;

}  // namespace odeon
