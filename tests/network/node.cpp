// A node for the tests of real networks: one process that does what it is told on its standard
// input, a line a command, and answers each with a line on its standard output.
//
//   node <name> <address to listen on> [secret] [key=value of limits …]
//
//   tell <node> <count> <every n µs>   numbered entries to that node's ledger
//                                      → told <accepted> <refused>
//   ask <node> <count> <timeout ms>    one after the other
//                                      → asked <replies> <timed out> <failed> <wrong>
//   watch <node> <count>               makes so many actors there and watches each
//                                      → watching <made>
//   slay                               stops every actor that others made here → slain <count>
//   watched                            → watched <told> <more than once> <unreachable> <open>
//   report                             → report <entries> <out of order> <senders> <rss kB>
//   quit
//
// An entry is out of order when its number is not greater than that of the one before from the same
// sender: so an entry that comes twice is, too.

#include <odeon/odeon.hpp>
#include <odeon/remote/endpoint.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
namespace remote = odeon::remote;

namespace {

struct entry {
  std::string sender;
  std::uint64_t number = 0;
  std::string filling;
};
struct count_entries {
  using reply = std::vector<std::uint64_t>;  // entries, out of order, senders
};
struct twice {
  using reply = std::int64_t;
  std::int64_t of = 0;
};

class ledger : public odeon::actor<entry, count_entries, twice> {
 public:
  void on(const entry& e) {
    std::uint64_t& last = last_[e.sender];
    if (e.number <= last) ++disorder_;
    last = std::max(last, e.number);
    ++entries_;
  }
  std::vector<std::uint64_t> on(count_entries) { return {entries_, disorder_, last_.size()}; }
  std::int64_t on(twice m) { return 2 * m.of; }

 private:
  std::map<std::string, std::uint64_t> last_;
  std::uint64_t entries_ = 0, disorder_ = 0;
};

struct slay {};

std::mutex mortals_mutex;
std::vector<odeon::any_ref> mortals;  // all that were made here

class mortal : public odeon::actor<slay> {
 public:
  void pre_start() {
    const std::lock_guard guard(mortals_mutex);
    mortals.push_back(ctx().self());
  }
  void on(slay) { ctx().stop(); }
};

struct watch_it {
  odeon::any_ref who;
};
struct how_many {
  using reply = std::vector<std::uint64_t>;  // told, more than once, unreachable, open
};

class watcher : public odeon::actor<watch_it, how_many> {
 public:
  void on(watch_it m) {
    told_.try_emplace(m.who, 0);
    ctx().watch(m.who);
  }
  void on(odeon::terminated t) {
    ++told_[t.ref];
    if (t.reason.kind == odeon::exit_kind::unreachable) ++unreachable_;
  }
  std::vector<std::uint64_t> on(how_many) {
    std::uint64_t told = 0, more = 0, open = 0;
    for (const auto& [who, n] : told_) {
      told += n > 0;
      more += n > 1;
      open += n == 0;
    }
    return {told, more, unreachable_, open};
  }

 private:
  std::map<odeon::any_ref, unsigned> told_;
  std::uint64_t unreachable_ = 0;
};

std::size_t resident_kb() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmRSS:")) return std::stoul(line.substr(6));
  return 0;
}

void set_limit(remote::limits& l, const std::string& key, long long value) {
  const auto ms = std::chrono::milliseconds(value);
  if (key == "heartbeat")
    l.heartbeat = ms;
  else if (key == "silent_after")
    l.silent_after = ms;
  else if (key == "give_up_after")
    l.give_up_after = ms;
  else if (key == "connect")
    l.connect = ms;
  else if (key == "backoff_most")
    l.backoff_most = ms;
  else if (key == "queue_bytes")
    l.queue_bytes = static_cast<std::size_t>(value);
  else
    throw std::invalid_argument("no such limit: " + key);
}

class node {
 public:
  node(const std::string& name, remote::endpoint_options options)
      : system_(name),
        net_(system_, std::move(options), {.spawn = true, .spawned = 100'000}) {
    net_.expose<ledger>();
    net_.register_actor<mortal>("mortal");
    ledger_ = system_.spawn<ledger>(odeon::spawn_options{.name = "ledger"});
    watcher_ = system_.spawn<watcher>();
  }

  [[nodiscard]] std::string where() const { return net_.node(); }

  std::string act(std::istringstream words) {
    std::string what, to;
    words >> what;
    if (what == "slay") return slay_all();
    if (what == "watched") return line("watched", watcher_.ask<how_many>().get());
    if (what == "report") {
      auto counts = ledger_.ask<count_entries>().get();
      counts.push_back(resident_kb());
      return line("report", counts);
    }
    std::uint64_t count = 0, pace = 0;
    words >> to >> count >> pace;
    if (what == "tell") return tell(to, count, pace);
    if (what == "ask") return ask(to, count, std::chrono::milliseconds(pace));
    if (what == "watch") return watch(to, count);
    return "unknown " + what;
  }

 private:
  template <class Numbers>
  static std::string line(std::string text, const Numbers& numbers) {
    for (const auto n : numbers) text += ' ' + std::to_string(n);
    return text;
  }
  odeon::result<ledger::ref> far_ledger(const std::string& to) {
    if (const auto at = known_.find(to); at != known_.end()) return at->second;
    auto found = net_.lookup<ledger>(to, "ledger").as_result().get();
    if (found) known_.insert_or_assign(to, *found);
    return found;
  }
  std::string tell(const std::string& to, std::uint64_t count, std::uint64_t pace) {
    std::uint64_t accepted = 0, refused = 0;
    auto far = far_ledger(to);
    if (!far) return "failed " + far.error().to_string();
    for (std::uint64_t i = 0; i < count; ++i) {
      entry e{system_.name(), ++number_, std::string(pace == 0 ? 1000 : 40, 'x')};
      far->try_tell<entry>(std::move(e)) ? ++accepted : ++refused;
      if (pace) std::this_thread::sleep_for(std::chrono::microseconds(pace));
    }
    return line("told", std::vector{accepted, refused});
  }
  std::string ask(const std::string& to, std::uint64_t count, odeon::duration limit) {
    std::uint64_t replies = 0, timeouts = 0, failed = 0, wrong = 0;
    auto far = far_ledger(to);
    if (!far) return "failed " + far.error().to_string();
    for (std::uint64_t i = 0; i < count; ++i) {
      auto r = far->ask<twice>(static_cast<std::int64_t>(i)).within(limit).as_result().get();
      if (r) {
        ++replies;
        wrong += *r != static_cast<std::int64_t>(2 * i);
      } else if (r.error() == odeon::errc::ask_timeout) {
        ++timeouts;
      } else {
        ++failed;
        std::this_thread::sleep_for(1ms);  // not to fail them all in the same instant
      }
    }
    return line("asked", std::vector{replies, timeouts, failed, wrong});
  }
  std::string watch(const std::string& to, std::uint64_t count) {
    std::vector<odeon::future<mortal::ref>> making;
    for (std::uint64_t i = 0; i < count; ++i)
      making.push_back(net_.spawn_at<mortal>(to, "mortal", {}));
    std::uint64_t made = 0;
    for (auto& m : making) {
      auto r = std::move(m).as_result().get();
      if (!r) continue;
      ++made;
      watcher_.tell<watch_it>(*r);
    }
    return line("watching", std::vector{made});
  }
  std::string slay_all() {
    const std::lock_guard guard(mortals_mutex);
    const std::uint64_t n = mortals.size();
    for (const auto& m : std::exchange(mortals, {})) system_.stop(m);
    return line("slain", std::vector{n});
  }

  odeon::actor_system system_;
  remote::endpoint net_;
  ledger::ref ledger_;
  watcher::ref watcher_;
  std::map<std::string, ledger::ref> known_;
  std::uint64_t number_ = 0;
};

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 3) return 2;
  remote::endpoint_options options{.listen = argv[2]};
  options.security = remote::plain{.insecure = true};
  for (int i = 3; i < argc; ++i) {
    const std::string word = argv[i];
    if (const auto equals = word.find('='); equals != std::string::npos)
      set_limit(options.limits, word.substr(0, equals), std::stoll(word.substr(equals + 1)));
    else
      options.security = remote::shared_secret{word};
  }
  node self(argv[1], std::move(options));
  std::cout << "ready " << self.where() << std::endl;
  for (std::string command; std::getline(std::cin, command) && command != "quit";)
    std::cout << self.act(std::istringstream(command)) << std::endl;
} catch (const std::exception& e) {
  std::cout << "failed " << e.what() << std::endl;
  return 1;
}
