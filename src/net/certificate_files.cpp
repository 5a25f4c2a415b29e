// Files of certificates and keys. A file is written beside its place and moved there, so that a
// reader sees the old one or the new one; a key has its permissions before it has its bytes.

#include "internal/openssl.hpp"
#include <odeon/net/certificates.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace odeon {

namespace {

constexpr std::size_t file_bytes_max = 1024 * 1024;

std::unexpected<error> system_error_of(const std::string& path, const char* what) {
  const int code = errno;
  return fail(
      code == ENOENT ? errc::not_found : errc::io_failed,
      "cannot " + std::string(what) + " " + path + ": " + std::generic_category().message(code));
}

class file {
 public:
  explicit file(int fd) noexcept : fd_(fd) {}
  file(const file&) = delete;
  ~file() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const noexcept { return fd_; }

 private:
  int fd_;
};

/// What stands beside its place until `put`; taken away again if that is not called.
class draft {
 public:
  explicit draft(std::string path) : path_(std::move(path)), beside_(path_ + ".new") {}
  draft(const draft&) = delete;
  ~draft() {
    if (there_) ::unlink(beside_.c_str());
  }
  result<void> write(std::string_view text, mode_t mode) {
    ::unlink(beside_.c_str());  // of a writer that was killed
    const file f(::open(beside_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
    if (f.get() < 0) return system_error_of(beside_, "make");
    there_ = true;
    if (::fchmod(f.get(), mode) != 0) return system_error_of(beside_, "set the permissions of");
    while (!text.empty()) {
      const ssize_t n = ::write(f.get(), text.data(), text.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return system_error_of(beside_, "write");
      text.remove_prefix(static_cast<std::size_t>(n));
    }
    if (::fsync(f.get()) != 0) return system_error_of(beside_, "write");
    return {};
  }
  /// A link does not replace what is there, a rename does.
  result<void> put(bool overwrite) {
    const int done = overwrite ? ::rename(beside_.c_str(), path_.c_str())
                               : ::link(beside_.c_str(), path_.c_str());
    if (done != 0) {
      if (errno == EEXIST) return taken(path_);
      return system_error_of(path_, "write");
    }
    if (overwrite) there_ = false;
    return {};
  }
  static std::unexpected<error> taken(const std::string& path) {
    return fail(errc::refused, path +
                                   " is there already, and is left as it is: overwriting it "
                                   "must be asked for (--force)");
  }

 private:
  std::string path_, beside_;
  bool there_ = false;
};

}  // namespace

result<void> write_credentials(const credentials& what, const std::string& certificate_path,
                               const std::string& key_path, bool overwrite) {
  for (const std::string& path : {certificate_path, key_path})
    if (!overwrite && ::access(path.c_str(), F_OK) == 0) return draft::taken(path);
  draft certificate(certificate_path), key(key_path);
  if (auto r = key.write(what.key, 0600); !r) return r;
  if (auto r = certificate.write(what.certificate, 0644); !r) return r;
  if (auto r = key.put(overwrite); !r) return r;
  return certificate.put(overwrite);
}

namespace net_detail {

result<std::string> read_small_file(const std::string& path) {
  const file f(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (f.get() < 0) return system_error_of(path, "open");
  std::string out(file_bytes_max + 1, '\0');
  std::size_t have = 0;
  while (have < out.size()) {
    const ssize_t n = ::read(f.get(), out.data() + have, out.size() - have);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error_of(path, "read");
    if (n == 0) break;
    have += static_cast<std::size_t>(n);
  }
  if (have > file_bytes_max)
    return fail(errc::limit_exceeded, path + " is larger than any certificate (1 MiB)");
  out.resize(have);
  return out;
}

}  // namespace net_detail

result<credentials> read_credentials(const std::string& certificate_path,
                                     const std::string& key_path) {
  auto certificate = net_detail::read_small_file(certificate_path);
  if (!certificate) return std::unexpected(std::move(certificate.error()));
  auto key = net_detail::read_small_file(key_path);
  if (!key) return std::unexpected(std::move(key.error()));
  return credentials{std::move(*certificate), std::move(*key)};
}

}  // namespace odeon
