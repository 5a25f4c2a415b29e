// Real sockets on this machine's loopback, held to the laws of all transports.

#include "support/transport_kit.hpp"
#include <odeon/net/tcp.hpp>

#include <sys/resource.h>
#include <unistd.h>

#include <fstream>

using namespace odeon;
using namespace odeon::transport_test;
using namespace std::chrono_literals;

namespace {
constexpr const char* anywhere = "127.0.0.1:0";
}

TEST_CASE("TCP keeps the laws of transports, on one thread and on several") {
  auto rt = make_threaded_runtime();
  for (unsigned threads : {1u, 3u})
    keeps_the_laws({.rt = *rt,
                    .make = [&] { return make_tcp_transport(*rt, {.threads = threads}); },
                    .place = [] { return anywhere; },
                    // What the kernel buffers at most for one loopback connection, generously.
                    .ahead_max = 24L * 1024 * 1024,
                    .writes_at_once = true});
}

TEST_CASE("thousands of connections come and go, and descriptors and memory stay flat") {
  auto rt = make_threaded_runtime();
  const subject s{.rt = *rt,
                  .make = [&] { return make_tcp_transport(*rt); },
                  .place = [] { return anywhere; },
                  .ahead_max = 0,
                  .writes_at_once = true,
                  .crowd = 1000};
  const auto resident_kib = [] {
    long all = 0, resident = 0;
    std::ifstream("/proc/self/statm") >> all >> resident;
    return resident * ::sysconf(_SC_PAGESIZE) / 1024;
  };
  a_crowd_leaves_nothing_behind(s);
  [[maybe_unused]] const long before = resident_kib();
  for (int i = 0; i < 3; ++i) a_crowd_leaves_nothing_behind(s);
#if !defined(ODEON_ASAN) && !__has_feature(thread_sanitizer)  // which keep what was freed
  CHECK(resident_kib() - before < 4 * 1024);
#endif
}

TEST_CASE("names, all addresses and IPv6 can be listened on and connected to") {
  auto rt = make_threaded_runtime();
  auto t = make_tcp_transport(*rt);
  for (const char* at : {"localhost:0", "*:0", "[::1]:0"}) {
    auto l = t->listen(at);
    if (!l && std::string_view(at).starts_with('[')) {
      MESSAGE("no IPv6 here: " << l.error().text());
      continue;
    }
    REQUIRE(l.has_value());
    const auto port = parse_address((*l)->local_address())->port;
    outcome<connection_ptr> here(*rt), there(*rt);
    (*l)->accept(there.done());
    const std::string host = at[0] == '[' ? "::1" : "localhost";
    t->connect(to_string(host_and_port{host, port}), {.connection = {.keep_alive = true}},
               here.done());
    auto near = here.get();
    REQUIRE(near.has_value());
    CHECK(write_all(*rt, **near, "hello").has_value());
    CHECK(read_some(*rt, **there.get()) == "hello");
  }
}

TEST_CASE("a name that does not exist, a refusal and a silent host are told apart, in time") {
  auto rt = make_threaded_runtime();
  auto t = make_tcp_transport(*rt);
  outcome<connection_ptr> nowhere(*rt);
  t->connect("no-such-host.invalid:80", {.timeout = 20s}, nowhere.done());
  const auto unknown = nowhere.get();
  CHECK(unknown.error() == errc::unknown_host);
  CHECK(unknown.error().text().contains("no-such-host.invalid:80"));
  CHECK(unknown.error().text().contains("check its name"));
  outcome<connection_ptr> refused(*rt), unreachable(*rt);
  t->connect("127.0.0.1:1", {}, refused.done());
  const auto no = refused.get();
  CHECK(no.error() == errc::connection_refused);
  CHECK(no.error().text().contains("127.0.0.1:1"));
  CHECK(no.error().text().contains("start what should"));
  // No connection can be made to all addresses of a group.
  t->connect("224.0.0.1:80", {}, unreachable.done());
  const auto far = unreachable.get();
  CHECK(far.error() == errc::unreachable);
  CHECK(far.error().text().contains("check the address"));

  // A backlog that is full lets the next ones wait for ever.
  auto l = t->listen(anywhere, {.backlog = 1});
  std::vector<outcome<connection_ptr>> all;
  for (int i = 0; i < 8; ++i) {
    all.emplace_back(*rt);
    t->connect((*l)->local_address(), {.timeout = 300ms}, all.back().done());
  }
  std::size_t waited = 0;
  for (auto& o : all) {
    const auto r = o.get();
    if (r) continue;
    ++waited;
    CHECK(r.error() == errc::connect_timeout);
    CHECK(r.error().text().contains("no answer within 300 ms"));
  }
  CHECK(waited > 0);
}

TEST_CASE("a listener without file descriptors waits for one") {
  auto rt = make_threaded_runtime();
  auto t = make_tcp_transport(*rt);
  auto l = t->listen(anywhere);
  outcome<connection_ptr> refused(*rt), here(*rt), there(*rt);
  // Sanitizers look at a type with the help of file descriptors: they see that of errors before.
  t->connect("127.0.0.1:1", {}, refused.done());
  CHECK(refused.get().error() == errc::connection_refused);
  t->connect((*l)->local_address(), {}, here.done());
  const auto near = here.get();  // waits in the backlog
  REQUIRE(near.has_value());
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
  const int lowest_free = dup(0);
  close(lowest_free);
  rlimit none = before;
  none.rlim_cur = static_cast<rlim_t>(lowest_free);
  REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
  (*l)->accept(there.done());
  // As long as there is none, another connection is impossible, and this side knows at once.
  outcome<connection_ptr> third(*rt);
  t->connect((*l)->local_address(), {}, third.done());
  const auto no_room = third.get();
  CHECK(no_room.error() == errc::unreachable);
  CHECK_FALSE(there.is_there());
  REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK(there.get().has_value());
  CHECK(no_room.error().text().contains("raise the limit of open files"));
}
