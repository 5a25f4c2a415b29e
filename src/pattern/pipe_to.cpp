#include <odeon/pattern/pipe_to.hpp>

namespace odeon::detail {

void report_pipe(event_stream& events, const any_ref& to, const error& why) noexcept {
  const std::string path = to.path();
  logger(path).error("nothing is piped to it: {}", why.to_string());
  events.publish(pipe_failed{to, path, why});
}

actor_system& system_of(const any_ref& to) { return actor_system::of(to.get()->system()); }

}  // namespace odeon::detail
