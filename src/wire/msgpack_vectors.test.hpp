#pragma once

#include <cstdint>
#include <limits>
#include <string_view>

/// @file What Python's msgpack 1.2 makes of these values (`packb(value, use_bin_type=True)`), as
/// hexadecimal digits.

namespace odeon::wire::vectors {

struct unsigned_vector {
  std::uint64_t value;
  std::string_view hex;
};
inline constexpr unsigned_vector unsigned_integers[] = {
    {0U, "00"},
    {1U, "01"},
    {127U, "7f"},
    {128U, "cc80"},
    {255U, "ccff"},
    {256U, "cd0100"},
    {65535U, "cdffff"},
    {65536U, "ce00010000"},
    {4294967295U, "ceffffffff"},
    {4294967296U, "cf0000000100000000"},
    {9007199254740992U, "cf0020000000000000"},
    {9007199254740993U, "cf0020000000000001"},
    {9223372036854775807U, "cf7fffffffffffffff"},
    {9223372036854775808U, "cf8000000000000000"},
    {18446744073709551615U, "cfffffffffffffffff"},
};

struct signed_vector {
  std::int64_t value;
  std::string_view hex;
};
inline constexpr signed_vector negative_integers[] = {
    {-1, "ff"},
    {-32, "e0"},
    {-33, "d0df"},
    {-128, "d080"},
    {-129, "d1ff7f"},
    {-32768, "d18000"},
    {-32769, "d2ffff7fff"},
    {-2147483648, "d280000000"},
    {-2147483649, "d3ffffffff7fffffff"},
    {std::numeric_limits<std::int64_t>::min(), "d38000000000000000"},
};

struct double_vector {
  double value;
  std::string_view hex;
};
inline constexpr double_vector doubles[] = {
    {0.0, "cb0000000000000000"},
    {-0.0, "cb8000000000000000"},
    {1.0, "cb3ff0000000000000"},
    {0.1, "cb3fb999999999999a"},
    {-2.5, "cbc004000000000000"},
    {1e+300, "cb7e37e43c8800759c"},
    {5e-324, "cb0000000000000001"},
    {1.7976931348623157e+308, "cb7fefffffffffffff"},
    {std::numeric_limits<double>::infinity(), "cb7ff0000000000000"},
};

struct float_vector {
  float value;
  std::string_view hex;
};
inline constexpr float_vector floats[] = {
    {0.0F, "ca00000000"},
    {1.5F, "ca3fc00000"},
    {-0.25F, "cabe800000"},
    {3.4028234663852886e38F, "ca7f7fffff"},
};

/// `length` times the letter a.
struct length_vector {
  unsigned length;
  std::string_view header;  ///< what stands before the letters
};
inline constexpr length_vector strings[] = {
    {0, "a0"},     {1, "a1"},       {31, "bf"},        {32, "d920"},
    {255, "d9ff"}, {256, "da0100"}, {65535, "daffff"}, {65536, "db00010000"},
};

/// `length` zero bytes.
inline constexpr length_vector binaries[] = {
    {0, "c400"},     {1, "c401"},       {255, "c4ff"},
    {256, "c50100"}, {65535, "c5ffff"}, {65536, "c600010000"},
};

/// `length` zeros.
inline constexpr length_vector arrays[] = {
    {0, "90"}, {1, "91"}, {15, "9f"}, {16, "dc0010"}, {65535, "dcffff"}, {65536, "dd00010000"},
};

/// `length` entries i -> 0, i from 0.
inline constexpr length_vector maps[] = {
    {0, "80"}, {1, "81"}, {15, "8f"}, {16, "de0010"}, {65535, "deffff"}, {65536, "df00010000"},
};

/// {"id": "o-17", "paid": True, "note": None, "price": 12.5,
///  "lines": [{"sku": "bolt", "count": 3}, {"sku": "nut", "count": -70000}],
///  "tags": {"a": 1, "b": 300}, "raw": b"\x00\xff", "text": "grün ✓ 𝄞"}
inline constexpr std::string_view order_named =
    "88a26964a46f2d3137a470616964c3a46e6f7465c0a57072696365cb4029000000000000a56c696e"
    "65739282a3736b75a4626f6c74a5636f756e740382a3736b75a36e7574a5636f756e74d2fffeee90"
    "a47461677382a16101a162cd012ca3726177c40200ffa474657874ae6772c3bc6e20e29c9320f09d"
    "849e";
/// The same, each record as the list of its values.
inline constexpr std::string_view order_compact =
    "98a46f2d3137c3c0cb40290000000000009292a4626f6c740392a36e7574d2fffeee9082a16101a1"
    "62cd012cc40200ffae6772c3bc6e20e29c9320f09d849e";

}  // namespace odeon::wire::vectors
