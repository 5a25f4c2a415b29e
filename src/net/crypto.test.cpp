// The primitives against the vectors of their own documents, and what they refuse.

#include <odeon/net/crypto.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>
#include <vector>

using namespace odeon;

namespace {

using bytes = std::vector<std::byte>;

bytes hex(std::string_view s) {
  bytes out;
  for (std::size_t i = 0; i + 1 < s.size(); i += 2) {
    unsigned v = 0;
    std::from_chars(s.data() + i, s.data() + i + 2, v, 16);
    out.push_back(std::byte(v));
  }
  return out;
}
const_bytes text(std::string_view s) { return std::as_bytes(std::span(s)); }
bytes of(const_bytes b) { return {b.begin(), b.end()}; }
bytes hkdf(const_bytes key, const_bytes salt, const_bytes info, std::size_t n) {
  bytes out(n);
  hkdf_sha256(key, salt, info, out);
  return out;
}

}  // namespace

TEST_CASE("SHA-256 gives the values of FIPS 180, in one piece and in several") {
  CHECK(of(sha256(const_bytes())) ==
        hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
  const auto abc = hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(of(sha256(text("abc"))) == abc);
  const std::vector<const_bytes> pieces{text("a"), {}, text("bc")};
  CHECK(of(sha256(pieces)) == abc);
  CHECK(of(sha256(text("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"))) ==
        hex("248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"));
}

TEST_CASE("HMAC-SHA256 gives the values of RFC 4231") {
  struct vector {
    bytes key, data;
    const char* tag;
  };
  const std::vector<vector> all{
      {bytes(20, std::byte{0x0b}), of(text("Hi There")),
       "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
      {of(text("Jefe")), of(text("what do ya want for nothing?")),
       "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
      {bytes(20, std::byte{0xaa}), bytes(50, std::byte{0xdd}),
       "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
      {hex("0102030405060708090a0b0c0d0e0f10111213141516171819"), bytes(50, std::byte{0xcd}),
       "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
      {bytes(131, std::byte{0xaa}),
       of(text("Test Using Larger Than Block-Size Key - Hash Key First")),
       "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
      {bytes(131, std::byte{0xaa}),
       of(text("This is a test using a larger than block-size key and a larger than block-size "
               "data. The key needs to be hashed before being used by the HMAC algorithm.")),
       "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"}};
  for (const auto& v : all) {
    CHECK(of(hmac_sha256(v.key, v.data)) == hex(v.tag));
    const mac_key key(v.key);
    const std::array<const_bytes, 2> halves{const_bytes(v.data).first(3),
                                            const_bytes(v.data).subspan(3)};
    for (int again = 0; again < 2; ++again) CHECK(of(key.sign(halves)) == hex(v.tag));
  }
}

TEST_CASE("a MAC is refused when a bit of it, of the message or of the key differs") {
  const bytes secret(32, std::byte{7});
  const mac_key key(secret);
  const mac_key copy = key;
  const digest tag = key.sign(text("a message"));
  CHECK(copy.verify(text("a message"), tag));
  CHECK(key.verify(text("a message"), const_bytes(tag).first(16)));
  for (std::size_t bit = 0; bit < 256; ++bit) {
    digest other = tag;
    other[bit / 8] ^= std::byte(1u << (bit % 8));
    CHECK_FALSE(key.verify(text("a message"), other));
  }
  CHECK_FALSE(key.verify(text("a messagf"), tag));
  CHECK_FALSE(mac_key(text("other")).verify(text("a message"), tag));
  // Too short to mean anything, and too long.
  CHECK_FALSE(key.verify(text("a message"), const_bytes(tag).first(15)));
  CHECK_FALSE(key.verify(text("a message"), const_bytes()));
  bytes longer = of(tag);
  longer.push_back(std::byte{0});
  CHECK_FALSE(key.verify(text("a message"), longer));
}

TEST_CASE("HKDF-SHA256 gives the values of RFC 5869") {
  CHECK(
      hkdf(bytes(22, std::byte{0x0b}), hex("000102030405060708090a0b0c"),
           hex("f0f1f2f3f4f5f6f7f8f9"), 42) ==
      hex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"));
  bytes key, salt, info;
  for (unsigned i = 0; i < 80; ++i) {
    key.push_back(std::byte(i));
    salt.push_back(std::byte(0x60 + i));
    info.push_back(std::byte(0xb0 + i));
  }
  CHECK(hkdf(key, salt, info, 82) ==
        hex("b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41"
            "c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"));
  CHECK(
      hkdf(bytes(22, std::byte{0x0b}), {}, {}, 42) ==
      hex("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"));
  const bytes longest = hkdf(key, salt, info, hkdf_bytes_max);
  CHECK(bytes(longest.begin(), longest.begin() + 82) == hkdf(key, salt, info, 82));
}

TEST_CASE("bytes are equal when all are, and a wiped secret is gone") {
  CHECK(equal_in_constant_time({}, {}));
  CHECK(equal_in_constant_time(text("same"), text("same")));
  CHECK_FALSE(equal_in_constant_time(text("same"), text("samf")));
  CHECK_FALSE(equal_in_constant_time(text("same"), text("sam")));
  bytes secret = of(text("a secret"));
  wipe(secret);
  CHECK(secret == bytes(8));
  wipe({});
}

TEST_CASE("AES-256-GCM gives the values of its specification, and opens what it sealed") {
  // Test cases 15 and 16 of McGrew and Viega. Message 0 has the nonce itself.
  const bytes key = hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
  const bytes iv = hex("cafebabefacedbaddecaf888");
  const bytes aside = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
  const bytes plain = hex(
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449"
      "a6b525b16aedf5aa0de657ba637b39");
  seal_key k{std::span<const std::byte, 32>(key), std::span<const std::byte, 12>(iv)};
  std::array<std::byte, seal_tag_size> tag;
  bytes sealed = plain;
  k.seal(0, aside, sealed, tag);
  CHECK(sealed == hex("522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590d"
                      "bb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"));
  CHECK(of(tag) == hex("76fc6ece0f4e1768cddf8853bb2d551b"));
  CHECK(k.open(0, aside, sealed, tag));
  CHECK(sealed == plain);

  seal_key moved = std::move(k);
  bytes nothing;
  moved.seal(7, aside, nothing, tag);
  CHECK(moved.open(7, aside, nothing, tag));
  CHECK_FALSE(moved.open(8, aside, nothing, tag));
}

TEST_CASE("what was altered, or has another number, is not opened, and leaves zeros") {
  const bytes key(32, std::byte{1}), iv(12, std::byte{2});
  seal_key k{std::span<const std::byte, 32>(key), std::span<const std::byte, 12>(iv)};
  const bytes plain(100, std::byte{42});
  std::array<std::byte, seal_tag_size> tag;
  bytes sealed = plain;
  k.seal(1, text("aside"), sealed, tag);
  const auto refused = [&](std::uint64_t number, const_bytes aside, bytes copy, auto t) {
    return !k.open(number, aside, copy, t) && copy == bytes(copy.size());
  };
  CHECK(refused(2, text("aside"), sealed, tag));
  CHECK(refused(std::uint64_t(1) << 63, text("aside"), sealed, tag));
  CHECK(refused(1, text("asidf"), sealed, tag));
  CHECK(refused(1, {}, sealed, tag));
  CHECK(refused(1, text("aside"), bytes(sealed.begin(), sealed.end() - 1), tag));
  for (std::size_t bit : {0u, 3u, 63u, 127u}) {
    auto other = tag;
    other[bit / 8] ^= std::byte(1u << (bit % 8));
    CHECK(refused(1, text("aside"), sealed, other));
    bytes changed = sealed;
    changed[bit % changed.size()] ^= std::byte{1};
    CHECK(refused(1, text("aside"), changed, tag));
  }
  CHECK(k.open(1, text("aside"), sealed, tag));  // and goes on
  CHECK(sealed == plain);
}
