#include <odeon/wire/bytes.hpp>
#include <odeon/wire/contract.hpp>
#include <odeon/wire/contract_diff.hpp>

#include <cstdlib>
#include <span>

/// @file libFuzzer on contract documents: what is read is written as a text that is read as the
/// same, and has no changes to itself.

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace wire = odeon::wire;
  const std::span in(reinterpret_cast<const std::byte*>(data), size);
  if (auto read = wire::contract::from_json(wire::as_text(in))) {
    auto again = wire::contract::from_json(read->to_json());
    if (!again || *again != *read || !wire::compare(*read, *again).empty()) std::abort();
    (void)wire::compare(*read, {});
  }
  return 0;
}
