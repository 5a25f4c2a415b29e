#include <odeon/pattern/pipe_to.hpp>

namespace odeon::detail {

void report_pipe(const any_ref& to, const error& why) noexcept {
  const std::string path = to.path();
  logger(path).error("nothing is piped to it: {}", why.to_string());
  actor_system::of(to.get()->system()).events().publish(pipe_failed{to, path, why});
}

runtime& runtime_of(const any_ref& to) {
  return actor_system::of(to.get()->system()).get_runtime();
}

}  // namespace odeon::detail
