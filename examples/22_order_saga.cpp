// A saga: an order books, charges and ships; what was done is taken back when a later step fails.
// The run is durable: kill this program between two steps, start it again, and it goes on.

#include <odeon/core/actor_system.hpp>
#include <odeon/persistence/journal.hpp>
#include <odeon/persistence/sqlite_journal.hpp>
#include <odeon/workflow/workflow.hpp>

#include <cstdio>
#include <filesystem>
#include <string>

using namespace odeon::workflows;
using namespace std::chrono_literals;

struct order {
  std::string item;
  int amount = 0;
  std::string log;
};

order noted(order o, const std::string& what) {
  std::printf("  %s\n", what.c_str());
  o.log += (o.log.empty() ? "" : ", ") + what;
  return o;
}

// The warehouse is an actor; it counts what is left.
struct take {
  using reply = order;
  order of;
};
class warehouse : public odeon::actor<take> {
 public:
  odeon::result<order> on(take m) {
    if (left_ == 0) return odeon::fail(odeon::errc::refused, "out of " + m.of.item);
    --left_;
    return noted(std::move(m.of), "taken from the shelf");
  }

 private:
  int left_ = 1;
};

// The card service fails now and then: it is tried again, with the same key.
odeon::task<order> charge(order o, step_context ctx) {
  co_await odeon::sleep(1ms);
  if (ctx.attempt() == 1) throw odeon::actor_error(odeon::errc::unreachable, "line busy");
  co_return noted(std::move(o), "charged at attempt " + std::to_string(ctx.attempt()));
}

int main() {
  const auto path = std::filesystem::temp_directory_path() / "odeon_order_saga.db";
  std::filesystem::remove(path);
  odeon::actor_system system{"shop"};
  odeon::sqlite_journal_options options;
  options.path = path.string();
  auto opened = odeon::open_sqlite_journal(system.get_runtime(), options);
  if (!opened) return 1;
  const std::shared_ptr<odeon::journal> journal = std::move(*opened);

  const auto book = step("book", [](order o) {
                      return noted(std::move(o), "booked");
                    }).compensated_by([](const order&) { std::printf("  booking undone\n"); });
  const auto pay =
      step("charge", charge, {.retry = {.attempts = 3, .min = 5ms}, .timeout = 1s})
          .compensated_by([](const order& o) { std::printf("  %d paid back\n", o.amount); });
  const auto ask = step("ask", [](order o) { return take{std::move(o)}; });
  workflow saga = book >> pay >> ask >> step("take", system.spawn<warehouse>());

  std::string said;
  for (const std::string id : {"order-1", "order-2", "order-1"}) {
    std::printf("%s\n", id.c_str());
    auto r = saga.durable(id).run({"a clock", 40}, system, {.journal = journal}).result();
    const std::string end = r ? "done: " + r->log : "failed: " + r.error().to_string();
    std::printf("  %s\n", end.c_str());
    said += end + "\n";
  }
  // The third answer is the first one's, from the journal: nothing ran again.
  const std::string good = "done: booked, charged at attempt 2, taken from the shelf\n";
  const std::string bad = "failed: refused: the step 'take' failed: out of a clock\n";
  return said == good + bad + good ? 0 : 1;
}
