#include "persistence/internal/seal_places.hpp"

namespace odeon::detail {

namespace {

std::string of(const std::string& what, std::string_view persistence_id) {
  return what + " of \"" + std::string(persistence_id) + "\"";
}

}  // namespace

seal_place place_of_event(std::string_view id, std::uint64_t sequence, std::string_view manifest,
                          std::uint32_t version) {
  seal_place p('e', of("event " + std::to_string(sequence), id));
  p.text(id).number(sequence).text(manifest).number(version);
  return p;
}

seal_place place_of_snapshot(std::string_view id, std::uint64_t sequence, std::string_view manifest,
                             std::uint32_t version) {
  seal_place p('s', of("the snapshot or state as of " + std::to_string(sequence), id));
  p.text(id).number(sequence).text(manifest).number(version);
  return p;
}

seal_place place_of(std::string_view id, std::uint64_t sequence, const outbox_message& m) {
  seal_place p('m', of("the outbox message \"" + m.id + "\"", id));
  p.text(id).number(sequence).text(m.id).text(m.target).text(m.manifest).number(m.version);
  return p;
}

seal_place place_of(std::string_view id, const timer_record& t) {
  seal_place p('t', of("the timer \"" + t.id + "\"", id));
  p.text(id).text(t.id).number(static_cast<std::uint64_t>(t.due.time_since_epoch().count()));
  p.text(t.manifest).number(t.version);
  return p;
}

}  // namespace odeon::detail
