#include "sidecar/internal/read_file.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

namespace odeon::sidecar::internal {

result<std::string> read_file(const std::string& path, std::size_t max) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> in(std::fopen(path.c_str(), "rbe"),
                                                           &std::fclose);
  const auto refuse = [&](errc code, const std::string& why) {
    return fail(code, path + ": " + why);
  };
  if (!in) return refuse(errno == ENOENT ? errc::not_found : errc::io_failed, std::strerror(errno));
  std::string out;
  std::array<char, 16 * 1024> piece;
  while (const std::size_t got = std::fread(piece.data(), 1, piece.size(), in.get())) {
    out.append(piece.data(), got);
    if (out.size() > max)
      return refuse(errc::limit_exceeded, "it has more than " + std::to_string(max) + " bytes");
  }
  if (std::ferror(in.get()) != 0) return refuse(errc::io_failed, std::strerror(errno));
  return out;
}

}  // namespace odeon::sidecar::internal
