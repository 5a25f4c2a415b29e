// Unix-domain sockets: their addresses, and whom a file left behind belongs to.
//
// A socket's file outlives a program that was killed. Whether somebody holds it, a connect tells;
// but between that question and the bind another program may have asked the same. So the
// folder of the file is locked (flock) from the question until the new socket listens, and again
// while a listener takes its file away, which it does only if the file is still its own, and before
// it closes: at no moment does a file stand there that looks left behind and is not.

#include "internal/socket_transport.hpp"
#include <odeon/net/unix.hpp>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace odeon {

namespace {

using namespace net_detail;

std::string path_of(const endpoint& e) { return text_of(e).substr(5); }

class descriptor {
 public:
  explicit descriptor(int fd) noexcept : fd_(fd) {}
  descriptor(const descriptor&) = delete;
  ~descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const noexcept { return fd_; }

 private:
  int fd_;
};

/// Held until the last copy goes; null: there is no such folder, or no right to it.
std::shared_ptr<void> lock_folder(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == 0 ? "/" : path.substr(0, slash);
  auto d = std::make_shared<descriptor>(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (d->get() < 0) return nullptr;
  while (::flock(d->get(), LOCK_EX) != 0)
    if (errno != EINTR) return nullptr;
  return d;
}

/// Whether a socket is bound there: what the connect of another type says, which the listener does
/// not get to see.
bool is_live(const endpoint& at) {
  const descriptor s(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  return ::connect(s.get(), reinterpret_cast<const sockaddr*>(at.data()),
                   static_cast<socklen_t>(at.size())) == 0 ||
         errno != ECONNREFUSED;
}

class unix_addresses final : public family {
 public:
  explicit unix_addresses(unsigned permissions) noexcept : permissions_(permissions) {}

  result<std::vector<place>> places(std::string_view address) const override {
    auto at = parse(address);
    if (!at) return std::unexpected(std::move(at.error()));
    return std::vector{place{*at}};
  }
  result<target> to(std::string_view address) const override {
    auto at = parse(address);
    if (!at) return std::unexpected(std::move(at.error()));
    return target{.text = text_of(*at), .all = {*at}, .name = {}};
  }

  result<std::shared_ptr<void>> prepare(const place& p) const override {
    const std::string path = path_of(p.at);
    const auto no = [&](const std::string& why, errc code = errc::io_failed) {
      return fail(code, "cannot listen on unix:" + path + ": " + why);
    };
    auto lock = lock_folder(path);
    if (!lock) return no("its folder cannot be opened: " + std::generic_category().message(errno));
    struct stat there{};
    if (::lstat(path.c_str(), &there) != 0) return lock;
    if (!S_ISSOCK(there.st_mode)) return no("a file that is no socket stands there");
    if (is_live(p.at))
      return no("the address is in use: another program listens there", errc::address_in_use);
    if (::unlink(path.c_str()) != 0)
      return no("the socket left behind there cannot be removed: " +
                std::generic_category().message(errno));
    return lock;
  }
  error_code bound(place& p) const override {
    const std::string path = path_of(p.at);
    struct stat there{};
    if (::chmod(path.c_str(), permissions_) != 0 || ::lstat(path.c_str(), &there) != 0)
      return {errno, boost::system::system_category()};
    p.mark = there.st_ino;
    return {};
  }
  void released(const place& p) const noexcept override {
    const std::string path = path_of(p.at);
    const auto lock = lock_folder(path);
    struct stat there{};
    if (::lstat(path.c_str(), &there) == 0 && there.st_ino == p.mark) ::unlink(path.c_str());
  }

 private:
  static result<endpoint> parse(std::string_view text) {
    std::string_view path = text;
    if (path.starts_with("unix:")) path.remove_prefix(5);
    const auto wrong = [&](const std::string& why) {
      return fail(errc::invalid_argument,
                  "'" + std::string(text) + "' is no address of a Unix socket: " + why);
    };
    if (!path.starts_with('/') && !path.starts_with("./"))
      return wrong("a path begins with '/' or './' (unix:/run/app.sock)");
    if (path.ends_with('/')) return wrong("it names a folder");
    if (path.contains('\0')) return wrong("a path has no zero byte");
    if (path.size() > unix_path_max)
      return wrong("the system allows " + std::to_string(unix_path_max) + " bytes, these are " +
                   std::to_string(path.size()));
    sockaddr_un a{};
    a.sun_family = AF_UNIX;
    std::memcpy(a.sun_path, path.data(), path.size());
    return endpoint(&a, offsetof(sockaddr_un, sun_path) + path.size() + 1);
  }

  const unsigned permissions_;
};

std::optional<unix_credentials> credentials(stream_socket& s) {
  ucred who{};
  socklen_t size = sizeof who;
  if (::getsockopt(s.descriptor(), SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) return {};
  return unix_credentials{who.pid, who.uid, who.gid};
}

class unix_connection final : public socket_connection {
 public:
  explicit unix_connection(socket_ptr s) : socket_connection(std::move(s)) {
    if (const auto c = credentials(*socket())) identity_ = "uid:" + std::to_string(c->uid);
  }
  [[nodiscard]] std::string_view peer_identity() const noexcept override { return identity_; }

 private:
  std::string identity_;
};

class unix_layer final : public layer {
 public:
  void connected_to(socket_ptr s, const std::string&, duration, made done) override {
    done(std::make_unique<unix_connection>(std::move(s)));
  }
  void accepted(socket_ptr s, made done) override {
    done(std::make_unique<unix_connection>(std::move(s)));
  }
};

}  // namespace

std::unique_ptr<transport> make_unix_transport(runtime& rt, unix_options o) {
  return make_socket_transport(
      rt, "Unix socket", {.threads = o.threads, .name = std::move(o.name), .linger = o.linger},
      std::make_shared<unix_addresses>(o.permissions), std::make_shared<unix_layer>());
}

std::optional<unix_credentials> peer_credentials(const connection& c) {
  const auto* u = dynamic_cast<const unix_connection*>(&c);
  return u ? credentials(*u->socket()) : std::nullopt;
}

}  // namespace odeon
