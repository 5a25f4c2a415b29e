// An actor without a class: a state and handlers. The protocol is read off their parameters.

#include <odeon/odeon.hpp>

struct increment {
  int by = 1;
};
struct get_count {
  using reply = int;
};
struct reset {};

int main() {
  odeon::actor_system system{"app"};
  auto counter = system.spawn(odeon::behavior(
      0,                                       // the state
      [](int& n, increment m) { n += m.by; },  // a message
      [](int& n, get_count) { return n; },     // a request: what is returned is the reply
      [](int& n, reset, odeon::context& ctx) {
        ctx.log().info("{} goes back to zero", n);
        n = 0;
      }));

  counter.tell<increment>(40);
  counter.tell<increment>(2);
  if (counter.ask<get_count>().get() != 42) return 1;

  // A reference to fewer messages: who has it can count, and nothing else.
  const odeon::actor_ref<increment> counting_only = counter;
  counter.tell<reset>();
  counting_only.tell<increment>();
  return counter.ask<get_count>().get() == 1 ? 0 : 2;
}
