#include "wire/sample.test.hpp"

#include <cstdlib>

/// @file libFuzzer on the CBOR decoder: what is read must be written to bytes that are read as the
/// same.

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace wire = odeon::wire;
  const std::span in(reinterpret_cast<const std::byte*>(data), size);
  const wire::limits bounds{.max_items = 100'000, .max_memory = std::size_t{16} << 20U};
  if (auto read = wire::decode<sample::everything>(in, wire::format::cbor, bounds)) {
    const wire::bytes written = wire::encode(*read, wire::format::cbor);
    auto again = wire::decode<sample::everything>(written, wire::format::cbor);
    if (!again || wire::encode(*again, wire::format::cbor) != written) std::abort();
  }
  (void)wire::decode<std::vector<std::map<int, std::string>>>(in, wire::format::cbor, bounds);
  (void)wire::decode<std::map<std::string, double>>(in, wire::format::cbor, bounds);
  return 0;
}
