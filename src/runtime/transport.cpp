#include <odeon/runtime/transport.hpp>

#include <charconv>

namespace odeon {

std::size_t connection::try_write(std::span<const const_bytes>) noexcept { return 0; }

result<host_and_port> parse_address(std::string_view text) {
  const auto wrong = [&](const char* why) {
    return fail(errc::invalid_argument, "'" + std::string(text) + "' is no address: " + why);
  };
  const std::size_t colon = text.rfind(':');
  if (colon == text.npos) return wrong("it has no port (host:port)");
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[')) {
    if (!host.ends_with(']')) return wrong("the bracket of its host is not closed");
    host = host.substr(1, host.size() - 2);
  } else if (host.contains(':')) {
    return wrong("a host with colons stands in brackets ([::1]:80)");
  }
  if (host.empty()) return wrong("it has no host");
  if (host.contains('\0') || host.size() > 253) return wrong("its host is no name");
  const std::string_view digits = text.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (ec != std::errc() || end != digits.data() + digits.size())
    return wrong("its port is no number up to 65535");
  return host_and_port{std::string(host), port};
}

std::string to_string(const host_and_port& a) {
  const std::string port = ":" + std::to_string(a.port);
  return a.host.contains(':') ? "[" + a.host + "]" + port : a.host + port;
}

}  // namespace odeon
