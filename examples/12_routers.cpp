// One reference, many actors: a pool that grows, keys that stay together, and jobs that survive
// their worker.

#include <odeon/odeon.hpp>
#include <odeon/pattern/router_control.hpp>
#include <odeon/pattern/routers.hpp>
#include <odeon/pattern/troupe.hpp>

#include <atomic>
#include <cstdio>
#include <map>
#include <string>

using namespace odeon;

struct deposit {
  std::string account;
  int amount;
  using reply = int;  // the balance
  [[nodiscard]] const std::string& routing_key() const { return account; }
};

// Each account is at one teller, so its balance needs no lock and no shared state.
class teller : public actor<deposit> {
 public:
  int on(const deposit& d) { return balances_[d.account] += d.amount; }

 private:
  std::map<std::string, int> balances_;
};

struct convert {
  std::string file;
  using reply = std::string;
};

std::atomic<int> deaths{2};

class converter : public actor<convert> {
 public:
  std::string on(const convert& job) {
    if (deaths.fetch_sub(1) > 0) throw std::runtime_error("out of luck with " + job.file);
    return job.file + ".webp";
  }
};

int main() {
  set_log_level(log_level::off);
  actor_system system{"shop"};

  // By key: one of three tellers has the account.
  auto bank = system.spawn<teller>({.name = "bank", .router = consistent_hash(3)});
  for (const char* account : {"ada", "bob", "cyd"}) bank.ask<deposit>(account, 10).get();
  const int balance = bank.ask<deposit>("ada", 5).get();
  std::printf("ada has %d\n", balance);

  // By turns, with a size that changes while it runs.
  auto pool = system.spawn<teller>({.name = "pool", .router = round_robin(2)});
  const std::size_t size = router_control(pool).resize(5).get();
  std::printf("%zu tellers\n", size);

  // Jobs: two workers die over this one, a third one does it.
  auto images = system.spawn<converter>({.name = "images",
                                         .supervision = {.otherwise = directive::stop},
                                         .router = troupe({.max = 4, .idle = 1, .attempts = 3})});
  const std::string done = images.ask<convert>("cat.png").get();
  const auto requeued = troupe_control(images).status().requeued;
  std::printf("%s, after %d deaths\n", done.c_str(), static_cast<int>(requeued));

  return balance == 15 && size == 5 && done == "cat.png.webp" && requeued == 2 ? 0 : 1;
}
