#include "wire/sample.test.hpp"

#include <cstdlib>

/// @file libFuzzer on records by position: what is read must be written to bytes that are read as
/// the same, in every format.

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace wire = odeon::wire;
  const std::span in(reinterpret_cast<const std::byte*>(data), size);
  const wire::limits bounds{.max_items = 100'000, .max_memory = std::size_t{16} << 20U};
  if (auto read = wire::decode<sample::order>(in, wire::format::compact, bounds)) {
    // A NaN in JSON is a word, and loses its bits.
    if (read->price != read->price) read->price = 0;
    const wire::bytes written = wire::encode(*read, wire::format::compact);
    for (auto form :
         {wire::format::compact, wire::format::msgpack, wire::format::cbor, wire::format::json}) {
      auto again = wire::decode<sample::order>(wire::encode(*read, form), form);
      if (!again || wire::encode(*again, wire::format::compact) != written) std::abort();
    }
  }
  (void)wire::decode<sample::everything>(in, wire::format::compact, bounds);
  return 0;
}
