#include "odeon/dev/data_folder.hpp"

#include <odeon/wire/codec.hpp>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

namespace odeon::dev {

namespace {

std::unexpected<error> refused(const std::string& path, int why) {
  return fail(why == ENOENT   ? errc::not_found
              : why == ENOSPC ? errc::store_full
                              : errc::io_failed,
              path + ": " + std::generic_category().message(why));
}

std::string settings_path(const std::string& folder) { return folder + "/run.json"; }

result<std::string> new_temporary() {
  const char* where = std::getenv("TMPDIR");
  std::string path =
      std::string(where != nullptr && *where != 0 ? where : "/var/tmp") + "/odeon-dev-XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) return refused(path, errno);
  return path;
}

}  // namespace

result<data_folder> data_folder::open(const std::string& wanted) {
  std::string path = wanted;
  if (path.empty()) {
    auto made = new_temporary();
    if (!made) return std::unexpected(std::move(made).error());
    path = *std::move(made);
  }
  std::error_code why;
  path = std::filesystem::absolute(path, why).lexically_normal().string();
  if (path.size() > 1 && path.ends_with('/')) path.pop_back();
  std::filesystem::create_directories(path, why);
  if (why) return refused(path, why.value());
  const std::string lock_path = path + "/lock";
  const int lock = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock < 0) return refused(path, errno);
  if (::flock(lock, LOCK_EX | LOCK_NB) != 0) {
    const int code = errno;
    ::close(lock);
    if (code != EWOULDBLOCK) return refused(path, code);
    return fail(errc::io_failed, path + " is in use by another odeon");
  }
  return data_folder(std::move(path), wanted.empty(), lock);
}

data_folder::data_folder(std::string path, bool temporary, int lock) noexcept
    : path_(std::move(path)),
      temporary_(temporary),
      lock_(lock) {}

data_folder::data_folder(data_folder&& o) noexcept
    : path_(std::move(o.path_)),
      temporary_(o.temporary_),
      lock_(std::exchange(o.lock_, -1)) {}

data_folder& data_folder::operator=(data_folder&& o) noexcept {
  std::swap(path_, o.path_);
  std::swap(temporary_, o.temporary_);
  std::swap(lock_, o.lock_);
  return *this;
}

data_folder::~data_folder() {
  if (lock_ >= 0) ::close(lock_);
}

result<std::optional<run_settings>> data_folder::settings() const {
  std::ifstream in(settings_path(path_), std::ios::binary);
  if (!in) return std::nullopt;
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  auto read = wire::decode<run_settings>(std::as_bytes(std::span(text)), wire::format::json);
  if (!read)
    return fail(read.error().code(),
                settings_path(path_) + ": " + std::string(read.error().text()));
  return *std::move(read);
}

result<void> data_folder::save(const run_settings& settings) const {
  const wire::bytes text = wire::encode(settings, wire::format::json);
  const std::string path = settings_path(path_);
  const std::string unfinished = path + ".part";
  {
    std::ofstream out(unfinished, std::ios::binary);
    out.write(reinterpret_cast<const char*>(text.data()),
              static_cast<std::streamsize>(text.size()));
    if (!out.flush()) return refused(path, errno);
  }
  std::error_code why;
  std::filesystem::rename(unfinished, path, why);
  if (why) return refused(path, why.value());
  return {};
}

result<void> data_folder::repair_acknowledgements() const {
  const std::string path = acknowledgements();
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in) return {};
  auto size = static_cast<std::uint64_t>(in.tellg());
  for (char last = 0; size > 0; --size) {
    in.seekg(static_cast<std::streamoff>(size - 1));
    if (!in.get(last)) return refused(path, EIO);
    if (last == '\n') break;
  }
  std::error_code why;
  std::filesystem::resize_file(path, size, why);
  if (why) return refused(path, why.value());
  return {};
}

void data_folder::remove() noexcept {
  if (!temporary_) return;
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

result<fingerprint> fingerprint_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return refused(path, errno);
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored))
    return fail(errc::io_failed, path + ": not a regular file (it is read more than once)");
  fingerprint f{.content = 0xcbf29ce484222325U};
  std::vector<char> piece(64U << 10U);
  do {
    in.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    const auto got = static_cast<std::size_t>(in.gcount());
    for (const char c : std::span(piece).first(got))
      f.content = (f.content ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
    f.bytes += got;
  } while (in);
  if (in.bad()) return refused(path, EIO);
  return f;
}

}  // namespace odeon::dev
