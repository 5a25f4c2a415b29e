#include "wire/sample.test.hpp"

#include <cstdlib>

/// @file libFuzzer on the MessagePack decoder: what is read must be written to bytes that are read
/// as the same.

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace wire = odeon::wire;
  const std::span in(reinterpret_cast<const std::byte*>(data), size);
  const wire::limits bounds{.max_items = 100'000, .max_memory = std::size_t{16} << 20U};
  if (auto read = wire::decode<sample::everything>(in, wire::format::msgpack, bounds)) {
    for (auto form : {wire::format::msgpack, wire::format::compact}) {
      const wire::bytes written = wire::encode(*read, form);
      auto again = wire::decode<sample::everything>(written, form);
      if (!again || wire::encode(*again, form) != written) std::abort();
    }
  }
  (void)wire::decode<std::vector<std::map<int, std::string>>>(in, wire::format::msgpack, bounds);
  return 0;
}
