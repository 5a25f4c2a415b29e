// Unix-domain sockets: the laws of all transports, and the files they leave or do not leave behind.

#include "support/transport_kit.hpp"
#include <odeon/net/unix.hpp>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

using namespace odeon;
using namespace odeon::transport_test;
using namespace std::chrono_literals;

namespace {

/// A folder that goes with the test.
struct folder {
  std::string path = [] {
    std::string p = std::filesystem::temp_directory_path() / "odeon-unix-XXXXXX";
    REQUIRE(mkdtemp(p.data()) != nullptr);
    return p;
  }();
  ~folder() { std::filesystem::remove_all(path); }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path + "/" + name; }
};

/// What a program leaves that was killed: a bound socket that is closed, and its file.
void leave_behind(const std::string& path) {
  sockaddr_un a{};
  a.sun_family = AF_UNIX;
  std::memcpy(a.sun_path, path.data(), path.size());
  const int s = ::socket(AF_UNIX, SOCK_STREAM, 0);
  REQUIRE(::bind(s, reinterpret_cast<const sockaddr*>(&a), sizeof a) == 0);
  REQUIRE(::listen(s, 1) == 0);
  ::close(s);
}

}  // namespace

TEST_CASE("Unix sockets keep the laws of transports") {
  auto rt = make_threaded_runtime();
  const folder f;
  int n = 0;
  for (unsigned threads : {1u, 2u})
    keeps_the_laws({.rt = *rt,
                    .make = [&] { return make_unix_transport(*rt, {.threads = threads}); },
                    .place = [&] { return "unix:" + f / std::to_string(++n); },
                    .ahead_max = 4L * 1024 * 1024,
                    .writes_at_once = true,
                    .resets = false});
  CHECK(std::filesystem::is_empty(f.path));
}

TEST_CASE("a Unix connection that is let go of with bytes unread fails the peer, and else ends") {
  auto rt = make_threaded_runtime();
  const folder f;
  auto t = make_unix_transport(*rt);
  auto l = t->listen(f / "a");
  auto unread = connect_both(*rt, *t, **l), read = connect_both(*rt, *t, **l);
  CHECK(write_all(*rt, *unread.near, "nobody reads this").has_value());
  unread.far.reset();
  CHECK(reason(read_some(*rt, *unread.near)) == errc::io_failed);
  read.far->abort();
  CHECK(read_some(*rt, *read.near) == "");
  CHECK(reason(write_all(*rt, *read.near, "late")) == errc::io_failed);
  CHECK(reason(read_some(*rt, *read.far)) == errc::cancelled);
}

TEST_CASE("a socket that was left behind is replaced, and one that is in use is not") {
  auto rt = make_threaded_runtime();
  const folder f;
  auto t = make_unix_transport(*rt), other = make_unix_transport(*rt);
  const std::string path = f / "app.sock";
  leave_behind(path);
  outcome<connection_ptr> stale(*rt), none(*rt);
  t->connect(path, {}, stale.done());
  CHECK(stale.get().error() == errc::connection_refused);
  t->connect(f / "nothing", {}, none.done());
  const auto no = none.get();
  CHECK(no.error() == errc::connection_refused);
  CHECK(no.error().text().contains(f / "nothing"));

  auto l = t->listen(path);
  REQUIRE(l.has_value());
  CHECK((*l)->local_address() == "unix:" + path);
  const auto taken = other->listen(path);
  REQUIRE_FALSE(taken.has_value());
  CHECK(taken.error() == errc::address_in_use);
  CHECK(taken.error().text().contains("another program listens"));
  connect_both(*rt, *other, **l);  // it still works

  std::ofstream(f / "notes.txt") << "precious";
  const auto file = t->listen(f / "notes.txt");
  REQUIRE_FALSE(file.has_value());
  CHECK(file.error().text().contains("no socket stands there"));
  CHECK(std::filesystem::file_size(f / "notes.txt") == 8);
  CHECK(t->listen(f / "no/such/folder.sock").error() == errc::io_failed);
}

TEST_CASE("a listener takes away its own file, and nobody else's") {
  auto rt = make_threaded_runtime();
  const folder f;
  const std::string path = f / "app.sock";
  auto t = make_unix_transport(*rt);
  auto l = t->listen(path);
  std::filesystem::remove(path);
  leave_behind(path);  // another's, by now
  l->reset();
  t.reset();
  CHECK(std::filesystem::exists(path));
}

TEST_CASE("a socket's file has the permissions that were asked for, 0600 by default") {
  auto rt = make_threaded_runtime();
  const folder f;
  auto closed = make_unix_transport(*rt), open = make_unix_transport(*rt, {.permissions = 0666});
  auto a = closed->listen(f / "a"), b = open->listen(f / "b");
  struct stat s{};
  REQUIRE(::stat((f / "a").c_str(), &s) == 0);
  CHECK((s.st_mode & 0777) == 0600);
  REQUIRE(::stat((f / "b").c_str(), &s) == 0);
  CHECK((s.st_mode & 0777) == 0666);
}

TEST_CASE("each side of a Unix socket knows who the other is") {
  auto rt = make_threaded_runtime();
  const folder f;
  auto t = make_unix_transport(*rt);
  auto l = t->listen(f / "a");
  auto [near, far] = connect_both(*rt, *t, **l);
  const unix_credentials self{::getpid(), ::getuid(), ::getgid()};
  CHECK(peer_credentials(*near) == self);
  CHECK(peer_credentials(*far) == self);
  CHECK(far->peer_identity() == "uid:" + std::to_string(self.uid));
  CHECK(far->peer_address() == "unix:pid:" + std::to_string(self.pid));
}

TEST_CASE(
    "an attempt to connect waits for a place in a full backlog, and no longer than its limit") {
  auto rt = make_threaded_runtime();
  const folder f;
  auto t = make_unix_transport(*rt);
  auto l = t->listen(f / "a", {.backlog = 1});
  std::deque<outcome<connection_ptr>> all;
  for (int i = 0; i < 4; ++i)
    t->connect(f / "a", {.timeout = i == 3 ? 100ms : 20s}, all.emplace_back(*rt).done());
  CHECK(all[3].get().error() == errc::connect_timeout);
  std::deque<outcome<connection_ptr>> accepted;
  for (int i = 0; i < 3; ++i) {
    (*l)->accept(accepted.emplace_back(*rt).done());
    CHECK(accepted.back().get().has_value());
  }
  for (int i = 0; i < 3; ++i) CHECK(all[std::size_t(i)].get().has_value());
}
