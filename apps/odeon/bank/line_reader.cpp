#include "odeon/bank/line_reader.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace odeon::bank {

namespace {

constexpr std::size_t buffer_bytes = 64U << 10U;
static_assert(buffer_bytes > 2 * max_line_bytes);

std::string reason(int code) { return std::generic_category().message(code); }

}  // namespace

void line_reader::closer::operator()(const int* fd) const noexcept {
  ::close(*fd);
  delete fd;
}

line_reader::line_reader(std::string path, int fd, std::uint64_t bytes)
    : path_(std::move(path)),
      fd_(new int(fd)),
      file_bytes_(bytes),
      buffer_(buffer_bytes) {}

result<line_reader> line_reader::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    const int why = errno;
    return fail(why == ENOENT ? errc::not_found : errc::io_failed, path + ": " + reason(why));
  }
  struct stat about{};
  const bool known = ::fstat(fd, &about) == 0;
  if (!known || !S_ISREG(about.st_mode)) {
    ::close(fd);
    return fail(errc::io_failed, path + ": not a regular file (it is read more than once)");
  }
  return line_reader(path, fd, static_cast<std::uint64_t>(about.st_size));
}

result<bool> line_reader::fill() {
  std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
  for (;;) {
    const ssize_t got = ::read(*fd_, buffer_.data() + end_, buffer_.size() - end_);
    if (got > 0) end_ += static_cast<std::size_t>(got);
    if (got >= 0) return got > 0;
    if (errno != EINTR)
      return fail(errc::io_failed,
                  path_ + ", line " + std::to_string(number_ + 1) + ": " + reason(errno));
  }
}

result<std::optional<raw_line>> line_reader::next() {
  raw_line line{.number = number_ + 1};
  std::size_t searched = 0;  // of the buffer's content, without a line break
  for (;;) {
    const auto* from = buffer_.data() + begin_;
    const std::size_t held = end_ - begin_;
    const auto* found = static_cast<const char*>(
        searched < held ? std::memchr(from + searched, '\n', held - searched) : nullptr);
    if (found != nullptr) {
      line.text = {from, found};
      begin_ += line.text.size() + 1;
      consumed_ += line.text.size() + 1;
      break;
    }
    searched = held;
    if (held > max_line_bytes + 1) {
      // Only the end of this line matters from here on.
      line.too_long = true;
      consumed_ += held;
      begin_ = end_;
      searched = 0;
    }
    const auto more = fill();
    if (!more) return std::unexpected(more.error());
    if (!*more) {
      if (end_ == begin_ && !line.too_long) return std::nullopt;
      line.text = {buffer_.data() + begin_, end_ - begin_};
      consumed_ += line.text.size();
      begin_ = end_;
      break;
    }
  }
  ++number_;
  if (line.text.ends_with('\r')) line.text.remove_suffix(1);
  if (number_ == 1 && line.text.starts_with("\xef\xbb\xbf")) line.text.remove_prefix(3);
  line.too_long = line.too_long || line.text.size() > max_line_bytes;
  line.text = line.text.substr(0, max_line_bytes);
  return line;
}

}  // namespace odeon::bank
