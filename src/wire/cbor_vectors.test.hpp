#pragma once

#include <cstdint>
#include <limits>
#include <string_view>

/// @file What CBOR makes of these values, as hexadecimal digits: from RFC 8949, appendix A, where
/// it has them, else from Python's cbor2 5.4 (`dumps(value, canonical=True)`).

namespace odeon::wire::cbor_vectors {

struct unsigned_vector {
  std::uint64_t value;
  std::string_view hex;
};
inline constexpr unsigned_vector unsigned_integers[] = {
    {0U, "00"},
    {1U, "01"},
    {10U, "0a"},
    {23U, "17"},
    {24U, "1818"},
    {25U, "1819"},
    {100U, "1864"},
    {255U, "18ff"},
    {256U, "190100"},
    {1000U, "1903e8"},
    {65535U, "19ffff"},
    {65536U, "1a00010000"},
    {1000000U, "1a000f4240"},
    {4294967295U, "1affffffff"},
    {4294967296U, "1b0000000100000000"},
    {1000000000000U, "1b000000e8d4a51000"},
    {9007199254740993U, "1b0020000000000001"},
    {9223372036854775807U, "1b7fffffffffffffff"},
    {9223372036854775808U, "1b8000000000000000"},
    {18446744073709551615U, "1bffffffffffffffff"},
};

struct signed_vector {
  std::int64_t value;
  std::string_view hex;
};
inline constexpr signed_vector negative_integers[] = {
    {-1, "20"},
    {-10, "29"},
    {-24, "37"},
    {-25, "3818"},
    {-100, "3863"},
    {-256, "38ff"},
    {-257, "390100"},
    {-1000, "3903e7"},
    {-65536, "39ffff"},
    {-65537, "3a00010000"},
    {-2147483648, "3a7fffffff"},
    {-4294967296, "3affffffff"},
    {-4294967297, "3b0000000100000000"},
    {std::numeric_limits<std::int64_t>::min(), "3b7fffffffffffffff"},
};

struct double_vector {
  double value;
  std::string_view hex;
};
inline constexpr double_vector doubles[] = {
    {0.0, "f90000"},
    {-0.0, "f98000"},
    {1.0, "f93c00"},
    {1.1, "fb3ff199999999999a"},
    {1.5, "f93e00"},
    {65504.0, "f97bff"},
    {100000.0, "fa47c35000"},
    {0.1, "fb3fb999999999999a"},
    {-2.5, "f9c100"},
    {-4.1, "fbc010666666666666"},
    {5.960464477539063e-8, "f90001"},
    {0.00006103515625, "f90400"},
    {3.4028234663852886e+38, "fa7f7fffff"},
    {1.0e+300, "fb7e37e43c8800759c"},
    {5e-324, "fb0000000000000001"},
    {1.7976931348623157e+308, "fb7fefffffffffffff"},
    {std::numeric_limits<double>::infinity(), "f97c00"},
    {-std::numeric_limits<double>::infinity(), "f9fc00"},
};

/// What stands before so many letters, zero bytes, zeros, entries i -> 0.
struct length_vector {
  unsigned length;
  std::string_view text;
  std::string_view bytes;
  std::string_view array;
  std::string_view map;
};
inline constexpr length_vector lengths[] = {
    {0, "60", "40", "80", "a0"},
    {1, "61", "41", "81", "a1"},
    {23, "77", "57", "97", "b7"},
    {24, "7818", "5818", "9818", "b818"},
    {255, "78ff", "58ff", "98ff", "b8ff"},
    {256, "790100", "590100", "990100", "b90100"},
    {65535, "79ffff", "59ffff", "99ffff", "b9ffff"},
    {65536, "7a00010000", "5a00010000", "9a00010000", "ba00010000"},
};

/// {"id": "o-17", "paid": True, "note": None, "price": 12.5,
///  "lines": [{"sku": "bolt", "count": 3}, {"sku": "nut", "count": -70000}],
///  "tags": {"a": 1, "b": 300}, "raw": b"\x00\xff", "text": "grün ✓ 𝄞"}, keys in this order
inline constexpr std::string_view order_named =
    "a8626964646f2d31376470616964f5646e6f7465f6657072696365f94a40656c696e657382a26373"
    "6b7564626f6c7465636f756e7403a263736b75636e757465636f756e743a0001116f6474616773a2"
    "616101616219012c637261774200ff64746578746e6772c3bc6e20e29c9320f09d849e";

}  // namespace odeon::wire::cbor_vectors
