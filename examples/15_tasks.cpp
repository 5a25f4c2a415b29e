// Tasks that speak: workers beside each other, their messages, and one that is told to stop.

#include <odeon/odeon.hpp>

#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using odeon::effect, odeon::fork, odeon::send, odeon::sleep, odeon::tagged, odeon::task;

// Gives its name, and says on the way what it does.
task<std::string, std::string> worker(std::string name, std::chrono::milliseconds delay) {
  co_await sleep(delay);
  co_await send("done:" + name);
  co_return name;
}

// Never ends by itself; it is told to, and cleans up.
effect<std::string> metronome() {
  bool stopped = false;
  for (int i = 1; !stopped; ++i) {
    try {
      co_await sleep(8ms);
    } catch (const odeon::actor_error&) {
      stopped = true;  // aborted: not a place to suspend, so it goes on below
    }
    if (!stopped) co_await send("tick " + std::to_string(i));
  }
  co_await send("the metronome stops");
}

task<std::vector<std::string>, std::string> both() {
  auto ticks = fork(metronome());
  auto stop = [](odeon::forked<void, std::string> f) -> task<void> {
    co_await sleep(20ms);
    f.abort();
  };
  // Results come in this order, whoever is first; messages as they are sent.
  std::vector<task<std::string, std::string>> workers;
  workers.push_back(worker("slow", 12ms));
  workers.push_back(worker("quick", 4ms));
  auto names = co_await all(std::move(workers));

  co_await odeon::spawn(stop(ticks));
  co_await ticks.join();  // starts it, and takes its messages
  co_return names;
}

int main() {
  const auto names = odeon::run(both(), [](const std::string& m) { std::puts(m.c_str()); });
  std::printf("%s and %s\n", names[0].c_str(), names[1].c_str());

  // The same under names, for who listens to several.
  odeon::run(
      odeon::listen<std::string>(
          {{"ticks", odeon::none<std::string>()},
           {"work", odeon::to_effect([]() -> task<std::string> { co_return "half done"; }())}}),
      [](const tagged<std::string>& m) {
        std::printf("%s: %s\n", m.tag.c_str(), m.message.c_str());
      });
  return names == std::vector<std::string>{"slow", "quick"} ? 0 : 1;
}
