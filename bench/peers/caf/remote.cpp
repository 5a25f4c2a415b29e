/// What do actors of two processes, over loopback TCP, reach? The other process is forked before
/// this one has any thread, publishes one actor, and serves until it is let go.

#include "caf_support.hpp"
#include "remote_process.hpp"

#include <caf/io/all.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>

namespace bench {
namespace {

using attach_atom = caf::atom_constant<caf::atom("attach")>;
using sum_atom = caf::atom_constant<caf::atom("sum")>;

/// 64 bytes with its value.
struct item {
  std::uint64_t value = 0;
  std::array<std::uint8_t, 44> body{};
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, item& m) {
  return f(caf::meta::type_name("item"), m.value, m.body);
}

class remote_config : public caf_config {
 public:
  explicit remote_config(unsigned threads) : caf_config(threads) {
    load<caf::io::middleman>();
    add_message_type<item>("item");
  }
};

struct far_state {
  caf::actor sender;
  std::uint64_t window = 1, seen = 0, sum = 0;
};
caf::behavior far_end(caf::stateful_actor<far_state>* self) {
  return {[self](const item& m) {
            far_state& s = self->state;
            s.sum += m.value;
            if (++s.seen % s.window == 0) self->send(s.sender, done_atom::value);
          },
          [self](attach_atom, caf::actor sender, std::uint64_t window) {
            self->state = {std::move(sender), window, 0, 0};
          },
          [](std::uint64_t question) { return question + 1; },
          [self](sum_atom) { return self->state.sum; }};
}

constexpr std::uint64_t ahead = 8;  // windows on their way

struct near_state {
  std::uint64_t left = 0, open = 0;
};
caf::behavior near_end(caf::stateful_actor<near_state>* self, const caf::actor& to,
                       std::uint64_t window, std::latch* done) {
  const auto send = [self, to, window] {
    --self->state.left;
    for (std::uint64_t i = 0; i < window; ++i) self->send(to, item{i, {}});
  };
  return {[=](std::uint64_t windows) {
            self->state.left = self->state.open = windows;
            for (std::uint64_t i = 0; i < ahead && self->state.left > 0; ++i) send();
          },
          [=](done_atom) {
            if (self->state.left > 0) send();
            if (--self->state.open == 0) done->count_down();
          }};
}

struct asker_state {
  std::uint64_t next = 0, answered = 0;
};
/// Keeps a number of questions open until all are answered.
caf::behavior asker(caf::stateful_actor<asker_state>* self, const caf::actor& to,
                    std::uint64_t asks, std::uint64_t open, std::latch* done) {
  const auto ask = [self, to, asks, done](const auto& again) -> void {
    const std::uint64_t value = self->state.next++;
    self->request(to, caf::infinite, value).then([=](std::uint64_t answer) {
      require(answer == value + 1, "an answer is wrong");
      if (self->state.next < asks) again(again);
      if (++self->state.answered == asks) done->count_down();
    });
  };
  return {[=](start_atom) {
    for (std::uint64_t i = 0; i < std::min(open, asks); ++i) ask(ask);
  }};
}

/// The second process.
auto far_process(const options& opt) {
  return [threads = opt.threads](const first_process& first) {
    remote_config config(threads);
    caf::actor_system system(config);
    std::vector<caf::actor> actors{system.spawn(far_end)};
    const auto port = system.middleman().publish(actors[0], 0, "127.0.0.1");
    require(static_cast<bool>(port), "cannot listen");
    first.listening_at(std::to_string(*port));
    first.serve();
    std::_Exit(0);  // the actor is known elsewhere, and so never ends by itself
  };
}

caf::actor connect(caf::actor_system& system, const second_process& to) {
  auto far = system.middleman().remote_actor("127.0.0.1",
                                             static_cast<std::uint16_t>(std::stoi(to.address())));
  require(static_cast<bool>(far), "no connection");
  return *far;
}

template <class T, class... Question>
T answer_of(caf::scoped_actor& self, const caf::actor& to, const Question&... question) {
  T out{};
  bool came = false;
  self->request(to, caf::infinite, question...)
      .receive(
          [&](T value) {
            out = value;
            came = true;
          },
          [](const caf::error&) {});
  require(came, "an answer has not come");
  return out;
}

void run_tell(const options& opt, report& out) {
  const second_process other(far_process(opt));
  remote_config config(opt.threads);
  caf::actor_system system(config);
  {
    const caf::actor far = connect(system, other);
    caf::scoped_actor self(system);
    const auto pass = [&](std::uint64_t windows) {
      std::latch done(1);
      const caf::actor own = system.spawn(near_end, far, std::uint64_t{opt.size}, &done);
      self->send(far, attach_atom::value, own, std::uint64_t{opt.size});
      auto started = clock::now();
      self->send(own, windows);
      done.wait();
      auto elapsed = clock::now() - started;
      require(answer_of<std::uint64_t>(self, far, sum_atom::value) ==
                  windows * (opt.size * (opt.size - 1) / 2),
              "the far sum is wrong");
      caf::anon_send_exit(own, caf::exit_reason::user_shutdown);
      return nanoseconds(elapsed);
    };
    const std::uint64_t windows = opt.scaled(remote_tell::messages) / opt.size + 1;
    out.rate("throughput", warmed(windows, 1, pass), windows * opt.size);
  }
  system.await_all_actors_done();
}

void run_ask(const options& opt, report& out) {
  const second_process other(far_process(opt));
  remote_config config(opt.threads);
  caf::actor_system system(config);
  {
    const caf::actor far = connect(system, other);
    caf::scoped_actor self(system);
    one_at_a_time(out, opt.scaled(remote_ask::asks, 10), [&](std::uint64_t i) {
      require(answer_of<std::uint64_t>(self, far, i) == i + 1, "an answer is wrong");
    });
    const auto many = [&](std::uint64_t n) {
      std::latch done(1);
      const caf::actor own = system.spawn(asker, far, n, std::uint64_t{opt.size}, &done);
      auto started = clock::now();
      self->send(own, start_atom::value);
      done.wait();
      auto elapsed = clock::now() - started;
      caf::anon_send_exit(own, caf::exit_reason::user_shutdown);
      return nanoseconds(elapsed);
    };
    const std::uint64_t total =
        std::max<std::uint64_t>(opt.scaled(remote_ask::in_flight), opt.size);
    out.rate_k("open_1000", warmed(total, opt.size, many), total);
  }
  system.await_all_actors_done();
}

const registration tells{"remote_tell", remote_tell::window, run_tell};
const registration asks{"remote_ask", remote_ask::open, run_ask};

}  // namespace
}  // namespace bench
