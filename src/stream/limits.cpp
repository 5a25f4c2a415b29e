// Failures of stages, told once for all templates.

#include <odeon/stream/sink/basic.hpp>

namespace odeon::stream::detail {

void throw_empty_stream(const char* who) {
  throw actor_error(errc::not_found, std::string(who) + ": the stream ended without an element");
}
void throw_distinct_limit(std::size_t limit) {
  throw actor_error(errc::limit_exceeded,
                    "distinct: more than " + std::to_string(limit) + " different values");
}
void throw_collect_limit(std::size_t limit) {
  throw actor_error(errc::limit_exceeded,
                    "sink::collect: more than " + std::to_string(limit) + " elements");
}

}  // namespace odeon::stream::detail
