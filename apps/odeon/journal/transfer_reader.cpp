#include "odeon/journal/text.hpp"
#include "odeon/journal/transfer_file.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <vector>

namespace odeon::journal_tool {

namespace {

namespace json = boost::json;

constexpr std::size_t line_bytes_max = 1u << 30;
constexpr std::size_t chunk_bytes = 1u << 16;
constexpr std::size_t crc_bytes = 18;  // ,"crc":"xxxxxxxx"}
constexpr std::uint64_t progress_step = 1024;

std::unexpected<error> bad(std::string why) { return fail(errc::corrupt_record, std::move(why)); }

/// The members of a line. A member that is missing or of another type makes the line bad; it reads
/// as nothing, and `good` tells at the end.
class members {
 public:
  explicit members(const json::object& from) : from_(from) {}

  std::uint64_t number(const char* name) {
    const json::value* v = find(name);
    if (v != nullptr && v->is_uint64()) return v->get_uint64();
    if (v != nullptr && v->is_int64() && v->get_int64() >= 0)
      return static_cast<std::uint64_t>(v->get_int64());
    return wrong(name), 0;
  }
  std::uint32_t number32(const char* name) {
    const std::uint64_t n = number(name);
    if (n > 0xffff'ffffu) wrong(name);
    return static_cast<std::uint32_t>(n);
  }
  wall_time time(const char* name) {
    const json::value* v = find(name);
    if (v != nullptr && v->is_int64()) return wall_time(duration(v->get_int64()));
    return wrong(name), wall_time();
  }
  std::string text(const char* name) {
    const json::value* v = find(name);
    if (v == nullptr) return wrong(name), std::string();
    return text_of(*v, name);
  }
  std::vector<std::byte> payload() {
    const json::value* v = find("payload");
    if (v == nullptr || !v->is_string()) return wrong("payload"), std::vector<std::byte>();
    auto bytes = from_base64(std::string_view(v->get_string().data(), v->get_string().size()));
    if (!bytes) return wrong("payload"), std::vector<std::byte>();
    return std::move(*bytes);
  }
  std::vector<std::string> tags() {
    const json::value* v = find("tags");
    if (v == nullptr) return {};
    if (!v->is_array()) return wrong("tags"), std::vector<std::string>();
    std::vector<std::string> out;
    for (const auto& tag : v->get_array()) out.push_back(text_of(tag, "tags"));
    return out;
  }
  [[nodiscard]] bool has(const char* name) const { return find(name) != nullptr; }
  [[nodiscard]] const std::string& first_wrong() const noexcept { return wrong_; }

 private:
  [[nodiscard]] const json::value* find(const char* name) const { return from_.if_contains(name); }
  void wrong(const char* name) {
    if (wrong_.empty()) wrong_ = name;
  }
  std::string text_of(const json::value& v, const char* name) {
    if (v.is_string()) return std::string(v.get_string().data(), v.get_string().size());
    const json::value* coded = v.is_object() ? v.get_object().if_contains("base64") : nullptr;
    if (coded == nullptr || !coded->is_string()) return wrong(name), std::string();
    auto bytes =
        from_base64(std::string_view(coded->get_string().data(), coded->get_string().size()));
    if (!bytes) return wrong(name), std::string();
    return std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  }

  const json::object& from_;
  std::string wrong_;
};

class export_reader {
 public:
  export_reader(std::FILE* from, journal_sink& to,
                std::function<void(const transfer_counts&)> progress)
      : from_(from),
        to_(to),
        progress_(std::move(progress)) {}

  result<transfer_counts> run() {
    while (true) {
      auto more = next_line();
      if (!more) return at_line(more.error());
      if (!*more)
        return at_line({errc::truncated, "the export ends early: its last line is not there"});
      auto ended = take_line();
      if (!ended) return at_line(ended.error());
      if (*ended) break;
      if (number_ % progress_step == 0 && progress_) progress_(counts_);
    }
    auto more = next_line();
    if (!more) return at_line(more.error());
    if (*more) return at_line({errc::corrupt_record, "there is something behind the end"});
    if (auto ok = to_.finish(); !ok) return std::unexpected(std::move(ok.error()));
    return counts_;
  }

 private:
  [[nodiscard]] std::unexpected<error> at_line(const error& e) const {
    return fail(e.code(), "line " + std::to_string(number_) + ": " + std::string(e.text()));
  }

  /// False: there is none. A last line without a break is one.
  result<bool> next_line() {
    line_.clear();
    number_ += 1;
    while (true) {
      const auto rest = std::string_view(chunk_).substr(at_);
      const auto end = rest.find('\n');
      if (line_.size() + std::min(end, rest.size()) > line_bytes_max)
        return fail(errc::limit_exceeded, "it is longer than 1 GiB");
      line_ += rest.substr(0, end);
      if (end != std::string_view::npos) {
        at_ += end + 1;
        return true;
      }
      chunk_.resize(chunk_bytes);
      chunk_.resize(std::fread(chunk_.data(), 1, chunk_.size(), from_));
      at_ = 0;
      if (!chunk_.empty()) continue;
      if (std::ferror(from_) != 0) return fail(errc::io_failed, "the export cannot be read");
      return !line_.empty();
    }
  }

  /// True: it was the end.
  result<bool> take_line() {
    const bool first = number_ == 1;
    const auto no_export = [&](std::string why) -> std::unexpected<error> {
      return first ? fail(errc::bad_encoding, "this is no export of a journal")
                   : bad(std::move(why));
    };
    if (line_.size() < crc_bytes) return no_export("it is too short");
    const std::string_view covered = std::string_view(line_).substr(0, line_.size() - crc_bytes);
    char expected[crc_bytes + 1];
    std::snprintf(expected, sizeof expected, ",\"crc\":\"%08x\"}", crc32c(covered));
    if (!line_.ends_with(expected)) return no_export("its checksum does not match");
    boost::system::error_code wrong;
    const json::value value = json::parse(line_, wrong);
    const json::object* object = wrong ? nullptr : value.if_object();
    if (object == nullptr) return no_export("it is no JSON object");
    members m(*object);
    const std::string kind = m.text("kind");
    if (first) {
      if (kind != "odeon-journal") return no_export("");
      const auto format = m.number("format");
      if (format > export_format)
        return fail(errc::newer_version, "the export has format " + std::to_string(format) +
                                             ", and this program knows up to " +
                                             std::to_string(export_format));
      return false;
    }
    auto ended = item(kind, m);
    if (ended && !m.first_wrong().empty())
      return bad("its member \"" + m.first_wrong() + "\" is missing or of another type");
    return ended;
  }

  /// Reads all members before it hands anything on.
  result<bool> item(const std::string& kind, members& m) {
    if (kind == "event") return event(m);
    if (kind == "id") {
      const bool states = m.has("revision");
      const id_info info{.epoch = m.number("epoch"),
                         .highest_sequence = m.number(states ? "revision" : "sequence"),
                         .keeps_states = states};
      const std::string id = m.text("id");
      return hand_on(m, counts_.ids, [&] { return to_.begin_id(id, info); });
    }
    if (kind == "snapshot") {
      const stored_snapshot s{m.number("sequence"), m.time("written"), m.text("manifest"),
                              m.number32("version"), m.payload()};
      return hand_on(m, counts_.snapshots, [&] { return to_.snapshot(s); });
    }
    if (kind == "timer") {
      const timer_record t{m.text("timer"), m.time("due"), m.text("manifest"),
                           m.number32("version"), m.payload()};
      return hand_on(m, counts_.timers, [&] { return to_.timer(t); });
    }
    if (kind == "mark") {
      const mark_record mark{m.text("mark"), m.number("value")};
      return hand_on(m, counts_.marks, [&] { return to_.mark(mark); });
    }
    if (kind == "outbox") {
      const outbox_entry e{.position = m.number("position"),
                           .persistence_id = m.text("id"),
                           .sequence = m.number("sequence"),
                           .message = {m.text("message"), m.text("target"), m.text("manifest"),
                                       m.number32("version"), m.payload()}};
      return hand_on(m, counts_.outbox, [&] { return to_.outbox(e); });
    }
    if (kind != "end") return bad("there is no kind \"" + kind + "\"");
    const transfer_counts all{m.number("ids"),    m.number("events"), m.number("snapshots"),
                              m.number("timers"), m.number("marks"),  m.number("outbox")};
    if (m.first_wrong().empty() && all != counts_)
      return bad("lines are missing: the export had " + std::to_string(all.events) + " events of " +
                 std::to_string(all.ids) + " ids, and here are " + std::to_string(counts_.events) +
                 " of " + std::to_string(counts_.ids) + ", or other items differ");
    return true;
  }

  result<bool> event(members& m) {
    const event_record e{m.text("manifest"), m.number32("version"), m.payload(), m.tags()};
    const std::vector<std::string_view> tags(e.tags.begin(), e.tags.end());
    const event_view view{.sequence = m.number("sequence"),
                          .position = m.number("position"),
                          .epoch = m.number("epoch"),
                          .written = m.time("written"),
                          .version = e.version,
                          .manifest = e.manifest,
                          .payload = e.payload,
                          .tags = tags};
    return hand_on(m, counts_.events, [&] { return to_.event(view); });
  }

  template <class To>
  result<bool> hand_on(const members& m, std::uint64_t& count, To to) {
    if (!m.first_wrong().empty()) return false;  // the caller says what
    if (&count != &counts_.ids && &count != &counts_.outbox && counts_.ids == 0)
      return bad("it belongs to no id");
    if (auto ok = to(); !ok) return std::unexpected(std::move(ok.error()));
    count += 1;
    return false;
  }

  std::FILE* from_;
  journal_sink& to_;
  std::function<void(const transfer_counts&)> progress_;
  transfer_counts counts_;
  std::string chunk_;
  std::size_t at_ = 0;
  std::string line_;
  std::uint64_t number_ = 0;
};

}  // namespace

result<transfer_counts> read_export(std::FILE* from, journal_sink& to,
                                    std::function<void(const transfer_counts&)> progress) {
  return export_reader(from, to, std::move(progress)).run();
}

}  // namespace odeon::journal_tool
