#include "odeon/journal/tool.hpp"
#include "odeon/journal/transfer_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>

/// @file `odeon journal export` and `import`.

namespace odeon::journal_tool {

namespace {

struct close_file {
  void operator()(std::FILE* f) const noexcept { std::fclose(f); }
};
using file = std::unique_ptr<std::FILE, close_file>;

error cannot(const std::string& path, const char* what) {
  return {errno == ENOENT ? errc::not_found : errc::io_failed,
          path + ": cannot be " + what + " (" + std::strerror(errno) + ")"};
}

/// A file that gets its name only when it is whole.
class new_file {
 public:
  explicit new_file(std::string path) : path_(std::move(path)), part_(path_ + ".part") {}
  ~new_file() {
    if (file_) std::remove(part_.c_str());
  }
  new_file(const new_file&) = delete;
  new_file& operator=(const new_file&) = delete;

  /// Never over what is there. Readable for its owner alone: it may hold what a key had sealed.
  result<std::FILE*> open() {
    if (::access(path_.c_str(), F_OK) == 0)
      return fail(errc::name_taken, path_ + ": is there already, and is not written over");
    const int fd = ::open(part_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return std::unexpected(cannot(part_, "opened"));
    file_.reset(::fdopen(fd, "w"));
    return file_.get();
  }

  result<void> keep() {
    if (::fsync(::fileno(file_.get())) != 0) return std::unexpected(cannot(part_, "synced"));
    if (std::rename(part_.c_str(), path_.c_str()) != 0)
      return std::unexpected(cannot(part_, "renamed"));
    file_.reset();
    return {};
  }

 private:
  std::string path_;
  std::string part_;
  file file_;
};

std::function<void(const transfer_counts&)> telling(progress_line& line) {
  return [&line](const transfer_counts& c) { line.show([&] { return counted(c); }); };
}

void print_done(const transfer_counts& c, const std::string& what, std::FILE* to) {
  std::fprintf(to, "%s: %s\n", what.c_str(), counted(c).c_str());
}

}  // namespace

int export_to(const move_options& o, const terminal& t) {
  const auto rt = make_threaded_runtime();
  auto from = open_to_read(*rt, o.journal);
  if (!from) return complain(t, from.error(), cannot_open);
  const bool piped = o.file == "-";
  new_file written(o.file);
  std::FILE* out = t.out;
  if (!piped) {
    auto opened = written.open();
    if (!opened) return complain(t, opened.error(), cannot_open);
    out = *opened;
  }
  const auto writer = make_export_writer(out);
  result<transfer_counts> done = transfer_counts{};
  {
    progress_line line(t);
    done = copy_journal(*rt, **from, *writer, telling(line));
  }
  if (!done) return complain(t, done.error(), failed);
  if (!piped)
    if (auto ok = written.keep(); !ok) return complain(t, ok.error(), failed);
  print_done(*done, "exported", piped ? t.err : t.out);
  return good;
}

int import_from(const move_options& o, const terminal& t) {
  const auto path = sqlite_path(o.journal);
  if (!path) return complain(t, path.error(), usage);
  auto keys = keys_of(o.journal);
  if (!keys) return complain(t, keys.error(), cannot_open);
  file opened;
  std::FILE* in = stdin;
  if (o.file != "-") {
    opened.reset(std::fopen(o.file.c_str(), "re"));
    if (!opened) return complain(t, cannot(o.file, "opened"), cannot_open);
    in = opened.get();
  }
  auto sink = create_sqlite_journal(*path);
  if (!sink) return complain(t, sink.error(), cannot_open);
  const auto rt = make_threaded_runtime();
  if (*keys) *sink = encrypt(*rt, std::move(*sink), std::move(**keys));
  result<transfer_counts> done = transfer_counts{};
  {
    progress_line line(t);
    done = read_export(in, **sink, telling(line));
  }
  if (!done) {
    const errc code = done.error().code();
    exit_code how = failed;
    if (code == errc::truncated || code == errc::version_conflict) how = damaged;
    if (code == errc::bad_encoding || code == errc::newer_version) how = cannot_open;
    return complain(t, {code, o.file + ": " + std::string(done.error().text())}, how);
  }
  print_done(*done, "imported", t.out);
  return good;
}

}  // namespace odeon::journal_tool
