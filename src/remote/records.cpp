#include "internal/records.hpp"

#include <odeon/wire/standard.hpp>
#include <odeon/wire/wire.hpp>

namespace odeon::remote::detail {

wire::bytes records::to_bytes(const any& record) { return wire::encode(record); }

result<records::any> records::from_bytes(std::span<const std::byte> bytes) {
  return wire::decode<any>(bytes);
}

errc code_of(int value) noexcept {
  const auto code = static_cast<errc>(value);
  return value > 0 && to_string(code) != "unknown" ? code : errc::handler_failed;
}

}  // namespace odeon::remote::detail
