#include "remote/attacker.test.hpp"

#include <cstdlib>

/// @file libFuzzer on the reader of frames: any bytes, under a CRC and under a MAC. What it opens
/// lies inside the input, and is opened once; under a MAC nothing is ever opened that was not made
/// with the key.

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace session_test;
  const std::span in = std::as_bytes(std::span(data, size));
  direction_keys keys;
  keys.crc_seed = 1;
  for (const protection how : {protection::none, protection::secret}) {
    frame_reader reader(frame_check(how, keys), frame_bytes_least);
    std::span<const std::byte> left = in;
    for (;;) {
      const auto length = reader.measure(left);
      if (!length || *length == 0 || *length > left.size()) break;
      if (*length > frame_bytes_least) std::abort();
      const auto opened = reader.open(left.first(*length));
      if (!opened) break;
      if (how == protection::secret) std::abort();
      if (opened->items.size() + frame_header + crc_size != *length) std::abort();
      if (static_cast<std::size_t>(opened->lane) >= lane_count) std::abort();
      left = left.subspan(*length);
    }
    // The same bytes as items of a frame: opened as they are, once.
    if (size > 60'000) continue;
    frame_writer writer(frame_check(how, keys));
    buffer out;
    const std::size_t begun = writer.begin(out, lane::ordinary);
    out.append(in);
    writer.close(out, begun);
    writer.seal(out);
    frame_reader fresh(frame_check(how, keys), frame_bytes_least);
    if (fresh.measure(out.view()).value_or(0) != out.size()) std::abort();
    const auto opened = fresh.open(out.view());
    if (!opened || !std::ranges::equal(opened->items, in)) std::abort();
    if (fresh.open(out.view())) std::abort();
  }
  return 0;
}
