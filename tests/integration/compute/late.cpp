// A program whose main does not begin with serve_compute: its worker finds out, and the call fails
// with one sentence.

#include <odeon/core/actor_system.hpp>
#include <odeon/pattern/compute.hpp>

#include <cstdio>

int twice(int n) { return 2 * n; }
const odeon::process_function<twice> twice_fn{"twice"};

int main(int argc, char** argv) {
  {
    odeon::actor_system system("late");
    auto r =
        odeon::compute(system, {.execution = odeon::execution::process}, twice_fn, 21).result();
    std::printf("%s\n", r ? "it computed" : r.error().to_string().c_str());
  }
  odeon::serve_compute(argc, argv);
  return 0;
}
