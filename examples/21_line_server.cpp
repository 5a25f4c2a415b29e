// A server of lines over TCP: each connection is a stream of bytes in and out. It listens on a free
// port, and its first client is in the same program.

#include <odeon/core/actor_system.hpp>
#include <odeon/net/tcp.hpp>
#include <odeon/stream/flow/basic.hpp>
#include <odeon/stream/framing.hpp>
#include <odeon/stream/sink/basic.hpp>
#include <odeon/stream/tcp.hpp>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <string>
#include <vector>

using namespace odeon::stream;

// "add 1 2 3" is answered with "6", what is not understood with a reason.
std::string answer(const std::string& line) {
  if (!line.starts_with("add ")) return "error: say add <numbers>\n";
  long sum = 0;
  const char* at = line.data() + 3;
  const char* end = line.data() + line.size();
  while (at != end) {
    long n = 0;
    const auto [next, wrong] = std::from_chars(at + 1, end, n);
    if (wrong != std::errc() || *at != ' ') return "error: no number\n";
    sum += n;
    at = next;
  }
  return std::to_string(sum) + "\n";
}

int main() {
  odeon::actor_system system{"lines"};
  auto net = odeon::make_tcp_transport(system.get_runtime());

  // What serves one connection. A line of more than a kilobyte breaks that connection, and a client
  // that does not read its answers is not read from.
  const auto serve = framing::lines(1024) | map(answer);

  auto [server, closed] =
      (tcp::incoming(*net, "127.0.0.1:0") | to(sink::foreach ([&](const tcp::connection& c) {
         c.join(serve).run(system).then([](const auto& sent) {
           if (!sent) std::printf("server: %s\n", sent.error().to_string().c_str());
         });
       })))
          .run(system);

  auto ask = [&, address = server.address()](std::vector<std::string> requests) {
    return (source::from(std::move(requests)) | tcp::outgoing(*net, address) | framing::lines() |
            to(sink::collect()))
        .run(system)
        .result();
  };

  auto answers = ask({"add 1 2 3\nadd 40", " 2\n", "subtract 1\nadd x\n"});
  if (!answers) return 1;
  for (const auto& a : *answers) std::printf("client: %s\n", a.c_str());

  const auto too_long = ask({std::string(2000, 'x') + "\n"});
  std::printf("client: %s\n", too_long ? "?" : "the server broke the connection");

  server.unbind();
  const bool good = *answers == std::vector<std::string>{"6", "42", "error: say add <numbers>",
                                                         "error: no number"} &&
                    !too_long && closed.result().has_value();
  return good ? 0 : 1;
}
