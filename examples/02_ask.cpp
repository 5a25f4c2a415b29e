// Asking: a value, a refusal, a time-out that says where the request was.

#include <odeon/odeon.hpp>

#include <chrono>
#include <cstdio>
#include <string>

using namespace std::chrono_literals;

struct look_up {
  using reply = std::string;
  std::string word;
};

class dictionary : public odeon::actor<look_up> {
 public:
  // An unexpected value fails the ask, and not the actor.
  odeon::result<std::string> on(look_up m) {
    if (m.word == "actor") return "an object with a mailbox";
    return odeon::fail(odeon::errc::refused, "no entry for " + m.word);
  }
};

// Keeps its askers waiting.
class sloth : public odeon::actor<look_up> {
 public:
  void on(look_up, odeon::reply_to<std::string> answer) { waiting_.push_back(std::move(answer)); }

 private:
  std::vector<odeon::reply_to<std::string>> waiting_;
};

int main() {
  odeon::actor_system system{"app"};
  auto book = system.spawn<dictionary>();

  // `get` blocks this thread and throws `actor_error`; `try_ask` gives a value or an error.
  if (book.ask<look_up>("actor").get() != "an object with a mailbox") return 1;
  const auto refused = book.try_ask<look_up>("monad").get();
  if (refused.has_value() || refused.error() != odeon::errc::refused) return 2;

  auto slow = system.spawn<sloth>({.name = "sloth"});
  const auto late = slow.ask<look_up>("actor").within(20ms).result();
  if (late.has_value() || late.error() != odeon::errc::ask_timeout) return 3;
  std::printf("%s\n", late.error().to_string().c_str());
}
