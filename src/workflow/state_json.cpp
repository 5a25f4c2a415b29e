// The JSON file of a state store:
//
//     {"format": "odeon.state/1", "schema": 2,
//      "values": {
//       "total": {"type": "long", "version": 1, "value": 17}
//     }}
//
// A commit writes "<path>.new", syncs it, renames it over the file and syncs the folder: after a
// crash the file is the old one or the new one.

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <workflow/internal/state_core.hpp>

#include <cerrno>
#include <charconv>
#include <cstring>

namespace odeon::workflows {

namespace detail {

namespace {

constexpr std::string_view format_name = "odeon.state/1";
constexpr std::size_t max_file_bytes = std::size_t{1} << 30U;
constexpr int max_depth = 128;

std::unexpected<error> disk_failed(const std::string& path, const char* doing) {
  const int why = errno;
  return fail(why == ENOSPC || why == EDQUOT ? errc::store_full : errc::io_failed,
              path + ": " + doing + ": " + std::strerror(why));
}

/// A file descriptor with an owner.
struct descriptor {
  int fd;
  ~descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

result<void> write_all(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return disk_failed(path, "cannot write");
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

std::string quoted(const std::string& s) {
  return std::string(wire::as_text(wire::encode(s, wire::format::json)));
}

/// Reads the shape above; values stay text until someone asks for them.
class reader {
 public:
  explicit reader(std::string_view text) noexcept : text_(text) {}

  result<int> read(state_table& out) {
    int schema = 0;
    bool known = false;
    const auto top = [&](const std::string& key) -> result<void> {
      if (key == "format") {
        auto name = string();
        if (!name) return std::unexpected(name.error());
        known = *name == format_name;
        return known ? result<void>() : refused("another format than " + std::string(format_name));
      }
      if (key == "schema") return number(schema);
      if (key == "values") return object([&](const std::string& name) { return entry(out[name]); });
      return refused("a member '" + key + "' that is not known");
    };
    if (auto ok = object(top); !ok) return std::unexpected(ok.error());
    blanks();
    if (at_ != text_.size()) return std::unexpected(refused("more behind the end").error());
    if (!known) return std::unexpected(refused("no format").error());
    return schema;
  }

 private:
  result<void> entry(state_value& v) {
    return object([&](const std::string& key) -> result<void> {
      if (key == "type") {
        auto name = string();
        if (!name) return std::unexpected(name.error());
        v.manifest = std::move(*name);
        return {};
      }
      if (key == "version") return number(v.version);
      if (key != "value") return refused("a member '" + key + "' that is not known");
      blanks();
      const std::size_t from = at_;
      if (auto ok = skip(0); !ok) return ok;
      v.json = text_.substr(from, at_ - from);
      return {};
    });
  }
  template <class F>
  result<void> object(F&& member) {
    if (!eat('{')) return refused("no object where one belongs");
    if (eat('}')) return {};
    do {
      auto key = string();
      if (!key) return std::unexpected(key.error());
      if (!eat(':')) return refused("no colon behind a name");
      if (auto ok = member(*key); !ok) return ok;
    } while (eat(','));
    return eat('}') ? result<void>() : refused("an object that does not end");
  }
  result<std::string> string() {
    blanks();
    const std::size_t from = at_;
    if (auto ok = skip_string(); !ok) return std::unexpected(ok.error());
    return wire::decode<std::string>(wire::as_bytes(text_.substr(from, at_ - from)),
                                     wire::format::json);
  }
  result<void> number(int& out) {
    blanks();
    const char* end = text_.data() + text_.size();
    const auto r = std::from_chars(text_.data() + at_, end, out);
    if (r.ec != std::errc()) return refused("no whole number where one belongs");
    at_ = static_cast<std::size_t>(r.ptr - text_.data());
    return {};
  }
  result<void> skip_string() {
    if (!eat('"')) return refused("no string where one belongs");
    for (; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\\') {
        ++at_;
      } else if (text_[at_] == '"') {
        ++at_;
        return {};
      }
    }
    return refused("a string that does not end");
  }
  /// Any value: balanced, and cut off where it ends. What is inside is looked at when it is read.
  result<void> skip(int depth) {
    if (depth > max_depth) return refused("values deeper than 128");
    blanks();
    if (at_ >= text_.size()) return refused("no value where one belongs");
    const char c = text_[at_];
    if (c == '"') return skip_string();
    if (c == '{') return object([&](const std::string&) { return skip(depth + 1); });
    if (c == '[') {
      ++at_;
      if (eat(']')) return {};
      do
        if (auto ok = skip(depth + 1); !ok) return ok;
      while (eat(','));
      return eat(']') ? result<void>() : refused("a list that does not end");
    }
    const std::size_t end = text_.find_first_of(" \t\r\n,]}", at_);
    if (end == at_) return refused("no value where one belongs");
    at_ = std::min(end, text_.size());
    return {};
  }
  void blanks() noexcept {
    while (at_ < text_.size() && std::string_view(" \t\r\n").contains(text_[at_])) ++at_;
  }
  bool eat(char c) noexcept {
    blanks();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  [[nodiscard]] result<void> refused(const std::string& why) const {
    return fail(errc::bad_encoding, "at byte " + std::to_string(at_) + ": " + why);
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

class json_disk final : public state_disk {
 public:
  json_disk(std::string path, std::unique_ptr<state_file_lock> lock) noexcept
      : path_(std::move(path)),
        lock_(std::move(lock)) {}

  [[nodiscard]] bool writes_all() const noexcept override { return true; }
  result<void> write(const state_changes&, const state_table& all, int schema) override {
    std::string text = "{\"format\": " + quoted(std::string(format_name)) +
                       ", \"schema\": " + std::to_string(schema) + ",\n \"values\": {";
    const char* before = "\n";
    for (const auto& [key, v] : all) {
      text += before + std::string("  ") + quoted(key) + ": {\"type\": " + quoted(v.manifest) +
              ", \"version\": " + std::to_string(v.version) + ", \"value\": " + v.json + "}";
      before = ",\n";
    }
    text += "\n}}\n";
    const std::string fresh = path_ + ".new";
    {
      const descriptor file{::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)};
      if (file.fd < 0) return disk_failed(fresh, "cannot create");
      if (auto ok = write_all(file.fd, text, fresh); !ok) return ok;
      if (::fsync(file.fd) != 0) return disk_failed(fresh, "cannot sync");
    }
    if (::rename(fresh.c_str(), path_.c_str()) != 0) return disk_failed(path_, "cannot replace");
    const auto slash = path_.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : path_.substr(0, slash + 1);
    const descriptor dir{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (dir.fd < 0 || ::fsync(dir.fd) != 0) return disk_failed(folder, "cannot sync");
    return {};
  }

 private:
  std::string path_;
  std::unique_ptr<state_file_lock> lock_;
};

result<std::optional<std::string>> read_file(const std::string& path) {
  const descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0 && errno == ENOENT) return std::optional<std::string>();
  if (file.fd < 0) return disk_failed(path, "cannot open");
  struct stat info{};
  if (::fstat(file.fd, &info) != 0) return disk_failed(path, "cannot look at");
  if (static_cast<std::size_t>(info.st_size) > max_file_bytes)
    return fail(errc::limit_exceeded, path + " has more than 1 GiB");
  std::string text(static_cast<std::size_t>(info.st_size), '\0');
  for (std::size_t at = 0; at < text.size();) {
    const ssize_t n = ::read(file.fd, text.data() + at, text.size() - at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return disk_failed(path, "cannot read");
    if (n == 0) text.resize(at);
    at += static_cast<std::size_t>(n);
  }
  return text;
}

}  // namespace

result<std::unique_ptr<state_file_lock>> state_file_lock::take(const std::string& path) {
  const std::string name = path + ".lock";
  descriptor file{::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)};
  if (file.fd < 0) return disk_failed(name, "cannot open");
  if (::flock(file.fd, LOCK_EX | LOCK_NB) != 0)
    return fail(errc::io_failed, path + " is in use by another store or program");
  return std::unique_ptr<state_file_lock>(new state_file_lock(std::exchange(file.fd, -1)));
}

state_file_lock::~state_file_lock() { ::close(fd_); }

}  // namespace detail

result<std::shared_ptr<state_store>> open_json_state(runtime& rt, std::string path,
                                                     state_options options) {
  auto lock = detail::state_file_lock::take(path);
  if (!lock) return std::unexpected(lock.error());
  auto text = detail::read_file(path);
  if (!text) return std::unexpected(text.error());
  detail::state_table all;
  int schema = options.schema_version;
  if (*text) {
    auto read = detail::reader(**text).read(all);
    if (!read) return fail(read.error().code(), path + ": " + std::string(read.error().text()));
    schema = *read;
  }
  auto core = std::make_shared<detail::state_core>(rt, std::move(options));
  core->disk = std::make_unique<detail::json_disk>(path, std::move(*lock));
  if (auto ok = core->load(std::move(all), schema, !*text, path); !ok)
    return std::unexpected(ok.error());
  core->writer = rt.make_serial("state");
  return std::make_shared<state_store>(std::move(core));
}

}  // namespace odeon::workflows
