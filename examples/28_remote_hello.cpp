// Two processes say hello: this program starts itself once more as the server, finds its greeter by
// the address that it prints, tells and asks it, watches it, and is told when the server ends.

#include <odeon/core/actor_system.hpp>
#include <odeon/remote/endpoint.hpp>

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <memory>
#include <string>

extern char** environ;

struct greet {
  std::string name;
};
struct get_count {
  using reply = int;
};
class greeter : public odeon::actor<greet, get_count> {
 public:
  void on(greet m) {
    std::fprintf(stderr, "server: hello, %s\n", m.name.c_str());
    ++count_;
  }
  int on(get_count) { return count_; }

 private:
  int count_ = 0;
};

struct look {
  odeon::any_ref at;
};
class watcher : public odeon::actor<look> {
 public:
  explicit watcher(std::shared_ptr<odeon::promise<std::string>> told) : told_(std::move(told)) {}
  void on(look m) { ctx().watch(m.at); }
  void on(odeon::terminated t) { told_->set(to_string(t.reason)); }

 private:
  std::shared_ptr<odeon::promise<std::string>> told_;
};

int serve() {
  odeon::actor_system system{"hello"};
  odeon::remote::endpoint net{system, {.listen = "tcp://127.0.0.1:0"}};
  net.expose<greeter>();
  auto g = system.spawn<greeter>({.name = "greeter"});
  std::printf("%s\n", net.address_of(g)->to_string().c_str());
  std::fflush(stdout);
  return system.run_until_signal().complete ? 0 : 1;
}

// The server, started from this very file, with its standard output in `from`.
pid_t start_server(int& from) {
  int ends[2];
  if (::pipe(ends) != 0) return -1;
  char program[] = "/proc/self/exe";
  char serving[] = "serve";
  char* arguments[] = {program, serving, nullptr};
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, ends[1], 1);
  posix_spawn_file_actions_addclose(&files, ends[0]);
  pid_t pid = -1;
  if (::posix_spawn(&pid, program, &files, nullptr, arguments, environ) != 0) pid = -1;
  posix_spawn_file_actions_destroy(&files);
  ::close(ends[1]);
  from = ends[0];
  return pid;
}

int main(int argc, char**) {
  if (argc > 1) return serve();
  int from = -1;
  const pid_t server = start_server(from);
  if (server < 0) return 1;
  char address[256] = {};
  std::FILE* const lines = ::fdopen(from, "r");
  if (!std::fscanf(lines, "%255s", address)) return 1;

  odeon::actor_system system{"client"};
  odeon::remote::endpoint net{system, {}};  // only outward
  auto far = net.resolve<greeter>(address).get();
  far.tell<greet>("process");
  far.tell<greet>("world");
  const int count = far.ask<get_count>().get();
  std::printf("client: it has greeted %d times\n", count);

  auto [told, ended] = odeon::promise<std::string>::make(system.get_runtime());
  auto w = system.spawn<watcher>(std::make_shared<odeon::promise<std::string>>(std::move(told)));
  w.tell<look>(far);
  system.stop(far);
  const std::string reason = ended.get();
  std::printf("client: the greeter has ended: %s\n", reason.c_str());

  ::kill(server, SIGTERM);
  int status = 1;
  ::waitpid(server, &status, 0);
  std::fclose(lines);
  return status == 0 && count == 2 && reason == "stopped" ? 0 : 1;
}
