// Failures of stages, told once for all templates.

#include <odeon/stream/fan_out.hpp>
#include <odeon/stream/flow/nested.hpp>
#include <odeon/stream/flow/timed.hpp>
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

void throw_buffer_full(std::size_t capacity) {
  throw actor_error(errc::limit_exceeded,
                    "buffer: full with " + std::to_string(capacity) + " elements");
}
void throw_timeout(const char* what, duration limit) {
  throw actor_error(errc::expired,
                    std::string(what) + ": nothing happened within " + to_string(limit));
}

std::exception_ptr substreams_cancelled() {
  return exception_of(
      error(errc::cancelled, "the stream that this one is a part of was cancelled"));
}
void throw_too_many_groups(std::size_t limit) {
  throw actor_error(errc::limit_exceeded, "group_by: more than " + std::to_string(limit) + " keys");
}

void throw_no_such_outlet(std::size_t index, std::size_t count) {
  throw actor_error(errc::invalid_argument, "partition: the function gave " +
                                                std::to_string(index) + ", but there are only " +
                                                std::to_string(count) + " outlets");
}

}  // namespace odeon::stream::detail
