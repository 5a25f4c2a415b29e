#include <odeon/stream/file.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace odeon::stream::detail {

class open_file {
 public:
  open_file(const std::string& path, int flags) : path_(path) {
    do fd_ = ::open(path.c_str(), flags | O_CLOEXEC, 0666);
    while (fd_ < 0 && errno == EINTR);
    if (fd_ < 0) fail("open");
  }
  open_file(const open_file&) = delete;
  ~open_file() {
    if (fd_ >= 0) ::close(fd_);
  }
  std::size_t read(char* to, std::size_t n) {
    for (;;) {
      const ssize_t got = ::read(fd_, to, n);
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno != EINTR) fail("read");
    }
  }
  void write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t put = ::write(fd_, bytes.data(), bytes.size());
      if (put >= 0)
        bytes.remove_prefix(static_cast<std::size_t>(put));
      else if (errno != EINTR)
        fail("write");
    }
  }
  void close() {
    if (::close(std::exchange(fd_, -1)) != 0 && errno != EINTR) fail("close");
  }

 private:
  [[noreturn]] void fail(const char* what) const {
    const int why = errno;
    throw actor_error(why == ENOENT   ? errc::not_found
                      : why == ENOSPC ? errc::store_full
                                      : errc::io_failed,
                      std::string("cannot ") + what + " " + path_ + ": " + std::strerror(why));
  }
  std::string path_;
  int fd_ = -1;
};

file_read_stage::file_read_stage(std::string path, std::size_t chunk)
    : path_(std::move(path)),
      chunk_(chunk == 0 ? 1 : chunk) {}
file_read_stage::file_read_stage(file_read_stage&&) noexcept = default;
file_read_stage::file_read_stage(const file_read_stage& o) : path_(o.path_), chunk_(o.chunk_) {}
file_read_stage::~file_read_stage() = default;

polled<std::string> file_read_stage::next(island& in) {
  if (!in.spend()) return pending;
  if (!file_) file_ = std::make_unique<open_file>(path_, O_RDONLY);
  std::string piece;
  piece.resize_and_overwrite(chunk_, [&](char* to, std::size_t n) { return file_->read(to, n); });
  if (piece.empty()) return ended;
  return polled<std::string>(std::move(piece));
}

file_writer::file_writer(std::string path, bool append) : path_(std::move(path)), append_(append) {}
file_writer::file_writer(file_writer&&) noexcept = default;
file_writer::~file_writer() = default;

void file_writer::open() {
  if (!file_)
    file_ = std::make_unique<open_file>(path_, O_WRONLY | O_CREAT | (append_ ? O_APPEND : O_TRUNC));
}
void file_writer::write(std::string_view bytes) {
  open();
  file_->write(bytes);
  written_ += bytes.size();
}
std::uint64_t file_writer::finish() {
  open();
  file_->close();
  return written_;
}

}  // namespace odeon::stream::detail
