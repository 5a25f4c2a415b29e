// A chat over WebSocket: a room is an actor, and what each guest says goes to all of them. With an
// address, `27_chat 127.0.0.1:8080`, it serves the page beside this file to browsers until it is
// told to stop; without one, its two guests are in the same program.

#include <odeon/core/actor_system.hpp>
#include <odeon/net/http.hpp>
#include <odeon/net/tcp.hpp>
#include <odeon/net/websocket.hpp>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

struct join {
  std::string name;
  odeon::websocket socket;
};
struct heard {
  int guest = 0;
  odeon::result<std::optional<odeon::websocket_message>> what;
};

class room : public odeon::actor<join, heard> {
 public:
  void on(join&& j) {
    const int id = next_++;
    guests_.try_emplace(id, std::move(j));
    say(guests_.at(id).name + " is here");
    listen(id);
  }
  void on(heard&& h) {
    const auto guest = guests_.find(h.guest);
    if (guest == guests_.end()) return;
    const std::string name = guest->second.name;
    if (h.what && *h.what) {
      say(name + ": " + (*h.what)->bytes);
      return listen(h.guest);
    }
    guests_.erase(guest);
    say(name + " has gone");
  }

 private:
  // The next message is asked for when this one has been dealt with: who floods the room waits.
  void listen(int id) {
    const auto guest = guests_.find(id);
    if (guest == guests_.end()) return;
    guest->second.socket.receive(
        [self = self(), id](auto what) { self.tell<heard>(id, std::move(what)); });
  }
  // A guest that does not read what the others say is let go, and holds nobody up.
  void say(const std::string& line) {
    std::erase_if(guests_, [](const auto& g) { return g.second.socket.unsent() > 64 * 1024; });
    for (auto& [id, guest] : guests_) guest.socket.send_text(line, [](const auto&) {});
  }
  std::map<int, join> guests_;
  int next_ = 0;
};

int main(int argc, char** argv) {
  odeon::actor_system system{"chat"};
  auto net = odeon::make_tcp_transport(system.get_runtime());
  auto hall = system.spawn<room>({.name = "room"});

  std::ifstream file(EXAMPLE_PAGE);
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  odeon::http_routes routes;
  routes.add("GET", "/", [page](const odeon::http_request&) {
    return odeon::http_response{.fields = {{"Content-Type", "text/html; charset=utf-8"}},
                                .body = page};
  });
  odeon::add_websocket(routes, "/chat/{name}",
                       [hall](const odeon::http_request& r, odeon::websocket ws) {
                         hall.tell<join>(std::string(r.parameter("name")), std::move(ws));
                       },
                       {.message_bytes = 4096});
  odeon::http_server server(system.get_runtime(), std::move(routes));
  const auto address = server.listen(*net, argc > 1 ? argv[1] : "127.0.0.1:0");
  if (!address) return std::fprintf(stderr, "%s\n", address.error().to_string().c_str()), 2;
  if (argc > 1) {
    std::printf("http://%s/\n", address->c_str());
    system.run_until_signal();
    return 0;
  }

  odeon::http_client web(system.get_runtime(), {.plain = net.get()});
  if (!web.send({.url = "http://" + *address + "/"}).get().body.contains("new WebSocket("))
    return 1;
  auto enter = [&](const std::string& name) {
    return odeon::connect_websocket(system.get_runtime(), *net,
                                    "ws://" + *address + "/chat/" + name)
        .get();
  };
  bool good = true;
  auto hears = [&](odeon::websocket& guest, const std::string& wanted) {
    const auto message = guest.receive().get();
    std::printf("%s\n", message ? message->bytes.c_str() : "(closed)");
    good = good && message && message->bytes == wanted;
  };
  auto ann = enter("ann");
  hears(ann, "ann is here");
  {
    auto bob = enter("bob");
    hears(ann, "bob is here");
    hears(bob, "bob is here");
    ann.send_text("hello, bob").get();
    hears(bob, "ann: hello, bob");
    hears(ann, "ann: hello, bob");
  }
  hears(ann, "bob has gone");
  return good ? 0 : 1;
}
