#include "odeon/journal/text.hpp"
#include "odeon/journal/transfer_file.hpp"

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

namespace odeon::journal_tool {

namespace {

/// A member of a line. Text that is not UTF-8 comes as {"base64": …}.
std::string member(const char* name, std::string_view text) {
  std::string out = std::string(",\"") + name + "\":";
  if (is_utf8(text)) return out + json_text(text);
  return out + "{\"base64\":\"" + to_base64(std::as_bytes(std::span(text))) + "\"}";
}

std::string member(const char* name, std::uint64_t number) {
  return std::string(",\"") + name + "\":" + std::to_string(number);
}

std::string member(const char* name, std::uint32_t number) {
  return member(name, std::uint64_t{number});
}

std::string member(const char* name, wall_time t) {
  return std::string(",\"") + name + "\":" + std::to_string(t.time_since_epoch().count());
}

std::string payload(std::span<const std::byte> bytes) {
  return ",\"payload\":\"" + to_base64(bytes) + "\"";
}

std::string type(std::string_view manifest, std::uint32_t version) {
  return member("manifest", manifest) + member("version", version);
}

class export_writer final : public journal_sink {
 public:
  explicit export_writer(std::FILE* to) : to_(to) {}

  result<void> begin_id(const std::string& id, const id_info& info) override {
    if (auto ok = begin(); !ok) return ok;
    counts_.ids += 1;
    return line("id",
                member("id", id) + member("epoch", info.epoch) +
                    member(info.keeps_states ? "revision" : "sequence", info.highest_sequence));
  }

  result<void> event(const event_view& e) override {
    counts_.events += 1;
    std::string tags;
    for (const auto tag : e.tags) {
      // A member's text without its name: ,"":"text".
      tags += (tags.empty() ? "" : ",") + member("", tag).substr(4);
    }
    return line("event", member("sequence", e.sequence) + member("position", e.position) +
                             member("epoch", e.epoch) + member("written", e.written) +
                             type(e.manifest, e.version) +
                             (tags.empty() ? "" : ",\"tags\":[" + tags + "]") + payload(e.payload));
  }

  result<void> snapshot(const stored_snapshot& s) override {
    counts_.snapshots += 1;
    return line("snapshot", member("sequence", s.sequence) + member("written", s.written) +
                                type(s.manifest, s.version) + payload(s.payload));
  }

  result<void> timer(const timer_record& t) override {
    counts_.timers += 1;
    return line("timer", member("timer", t.id) + member("due", t.due) +
                             type(t.manifest, t.version) + payload(t.payload));
  }

  result<void> mark(const mark_record& m) override {
    counts_.marks += 1;
    return line("mark", member("mark", m.name) + member("value", m.value));
  }

  result<void> outbox(const outbox_entry& e) override {
    if (auto ok = begin(); !ok) return ok;
    counts_.outbox += 1;
    const outbox_message& m = e.message;
    return line("outbox", member("position", e.position) + member("id", e.persistence_id) +
                              member("sequence", e.sequence) + member("message", m.id) +
                              member("target", m.target) + type(m.manifest, m.version) +
                              payload(m.payload));
  }

  result<void> finish() override {
    if (auto ok = begin(); !ok) return ok;
    if (auto ok = line(
            "end", member("ids", counts_.ids) + member("events", counts_.events) +
                       member("snapshots", counts_.snapshots) + member("timers", counts_.timers) +
                       member("marks", counts_.marks) + member("outbox", counts_.outbox));
        !ok)
      return ok;
    errno = 0;
    return std::fflush(to_) == 0 ? result<void>{} : refused();
  }

 private:
  result<void> begin() {
    if (std::exchange(begun_, true)) return {};
    return line("odeon-journal", member("format", std::uint64_t{export_format}));
  }

  result<void> line(const char* kind, const std::string& members) {
    const std::string text = std::string("{\"kind\":\"") + kind + "\"" + members;
    char tail[32];
    const int size = std::snprintf(tail, sizeof tail, ",\"crc\":\"%08x\"}\n", crc32c(text));
    errno = 0;
    if (std::fwrite(text.data(), 1, text.size(), to_) == text.size() &&
        std::fwrite(tail, 1, static_cast<std::size_t>(size), to_) == static_cast<std::size_t>(size))
      return {};
    return refused();
  }

  static std::unexpected<error> refused() {
    const int why = errno;
    const bool full = why == ENOSPC || why == EDQUOT || why == EFBIG;
    return fail(full ? errc::store_full : errc::io_failed,
                std::string("the export cannot be written: ") + std::strerror(why));
  }

  std::FILE* to_;
  transfer_counts counts_;
  bool begun_ = false;
};

}  // namespace

std::unique_ptr<journal_sink> make_export_writer(std::FILE* to) {
  return std::make_unique<export_writer>(to);
}

}  // namespace odeon::journal_tool
