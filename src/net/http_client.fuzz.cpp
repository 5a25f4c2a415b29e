#include <odeon/net/http_client.hpp>
#include <odeon/runtime/memory_transport.hpp>
#include <odeon/runtime/simulated.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

/// @file Any bytes as what a server answers to the real client, over a connection in memory: each
/// request ends once, with an answer of a status that exists or an error with a reason, and nothing
/// is kept of a connection that said too much.

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace odeon;
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  simulated_runtime rt;
  const auto net = make_memory_transport(rt);
  const auto l = *net->listen("there:0");
  http_client web(rt, {.plain = net.get(),
                       .limits = {.header_bytes = 2000, .body_bytes = 2000, .redirects = 2}});
  int told = 0;
  web.send({.method = data[0] & 64 ? "HEAD" : "GET", .url = "http://" + l->local_address() + "/"},
           [&](result<http_response> r) {
             ++told;
             if (r ? r->status < 200 || r->status > 599 || r->body.size() > 2000
                   : r.error().text().empty())
               std::abort();
           });
  std::unique_ptr<connection> c;
  l->accept([&](result<std::unique_ptr<connection>> r) { c = std::move(*r); });
  rt.settle();
  const std::size_t step = data[0] % 64 + 1U;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    c->write(std::as_bytes(std::span(bytes.substr(at, step))), [](const result<void>&) {});
    rt.settle();
  }
  c->end_writing([](const result<void>&) {});
  rt.settle();
  l->close();
  rt.advance(std::chrono::minutes(2));
  if (told != 1) std::abort();
  if (web.figures().connections_now != 0) std::abort();
  return 0;
}
