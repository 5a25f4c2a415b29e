#pragma once

// A server of HTTP on a network in memory, under virtual time, and what its tests say to it.

#include "support/raw_peer.hpp"
#include <odeon/net/http_body.hpp>
#include <odeon/net/http_server.hpp>
#include <odeon/runtime/memory_transport.hpp>
#include <odeon/runtime/simulated.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace http_test {

using namespace odeon;
using namespace odeon::test;
using namespace std::chrono_literals;

/// A server on a network in memory.
struct place {
  simulated_runtime rt;
  std::unique_ptr<transport> net = make_memory_transport(rt, {.capacity = 4096});
  std::vector<std::string> reports;
  std::optional<http_server> server;
  std::string address;

  explicit place(http_routes routes, http_limits limits = {}, std::vector<std::string> hosts = {}) {
    server.emplace(
        rt, std::move(routes),
        http_server_options{.limits = limits,
                            .hosts = std::move(hosts),
                            .report = [this](const std::string& s) { reports.push_back(s); }});
    address = *server->listen(*net, "here:0");
  }
  raw_peer connect() { return raw_peer(rt, *net, address); }
  /// One request on a connection of its own; all that came.
  std::string ask(std::string_view bytes) {
    raw_peer p = connect();
    p.send(bytes);
    p.end_writing();
    return p.read_all();
  }
};

inline std::string get(std::string_view target, std::string_view fields = "") {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "\r\n";
}
inline std::string post(std::string_view target, std::string_view body) {
  return "POST " + std::string(target) +
         " HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         std::string(body);
}
inline int status_of(std::string_view answer) {
  return answer.starts_with("HTTP/1.1 ") ? std::stoi(std::string(answer.substr(9, 3))) : 0;
}
inline std::string body_of(std::string_view answer) {
  return std::string(answer.substr(answer.find("\r\n\r\n") + 4));
}

inline http_routes echoing() {
  http_routes r;
  r.add("GET", "/", [](const http_request&) { return http_text(200, "hello\n"); });
  r.add("POST", "/echo", [](const http_request& q) { return http_text(200, q.body); });
  r.add("GET", "/x/{name}/y", [](const http_request& q) {
    return http_text(200, std::string(q.parameter("name")) + "|" + std::string(q.query()));
  });
  r.add("GET", "/files/{path...}",
        [](const http_request& q) { return http_text(200, std::string(q.parameter("path"))); });
  r.add("GET", "/peer", [](const http_request& q) { return http_text(200, q.peer); });
  return r;
}

/// What handlers leave for the test to answer.
struct kept_ones {
  std::vector<http_responder> all;
  std::vector<std::string> targets;
  [[nodiscard]] http_handler handler() {
    return [this](http_request r, http_responder to) {
      targets.push_back(r.target);
      all.push_back(std::move(to));
    };
  }
};

}  // namespace http_test
