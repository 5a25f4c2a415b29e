// SHA-256 by OpenSSL's plain functions: they are deprecated in favour of contexts that are fetched
// by name and allocated, which costs more than the hash of a small frame. A MAC key keeps what the
// compression function gave for its two padded keys, so it is a value and needs no lock.

#define OPENSSL_SUPPRESS_DEPRECATED
#include <odeon/base/assert.hpp>
#include <odeon/net/crypto.hpp>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <new>

namespace odeon {

namespace {

constexpr std::size_t block_size = SHA256_CBLOCK;

void take(SHA256_CTX& c, std::span<const const_bytes> pieces) noexcept {
  for (const const_bytes p : pieces)
    if (!p.empty()) SHA256_Update(&c, p.data(), p.size());
}
digest give(SHA256_CTX& c) noexcept {
  digest out;
  SHA256_Final(reinterpret_cast<unsigned char*>(out.data()), &c);  // wipes what it buffered
  return out;
}

/// What the compression function gives for one block: the key, each byte of it changed by `pad`.
std::array<std::uint32_t, 8> first_block(std::span<const std::byte, block_size> key,
                                         std::byte pad) noexcept {
  std::array<std::byte, block_size> padded;
  std::ranges::transform(key, padded.begin(), [pad](std::byte b) { return b ^ pad; });
  SHA256_CTX c;
  SHA256_Init(&c);
  SHA256_Update(&c, padded.data(), padded.size());
  std::array<std::uint32_t, 8> out;
  std::ranges::copy(c.h, out.begin());
  wipe(padded);
  wipe(std::as_writable_bytes(std::span(&c, 1)));
  return out;
}
/// A hash that has taken that block.
SHA256_CTX after(const std::array<std::uint32_t, 8>& chaining) noexcept {
  SHA256_CTX c;
  SHA256_Init(&c);
  std::ranges::copy(chaining, std::begin(c.h));
  c.Nl = block_size * CHAR_BIT;  // how many bits it has taken
  return c;
}

}  // namespace

digest sha256(std::span<const const_bytes> pieces) noexcept {
  SHA256_CTX c;
  SHA256_Init(&c);
  take(c, pieces);
  return give(c);
}

digest hmac_sha256(const_bytes key, std::span<const const_bytes> pieces) noexcept {
  return mac_key(key).sign(pieces);
}

void hkdf_sha256(const_bytes key, const_bytes salt, const_bytes info,
                 std::span<std::byte> out) noexcept {
  ODEON_ASSERT(out.size() <= hkdf_bytes_max, "one derivation gives at most 8160 bytes");
  digest extracted = hmac_sha256(salt, key);
  const mac_key expand{extracted};
  wipe(extracted);
  digest t{};
  std::byte count{0};
  for (std::size_t at = 0; at < out.size(); at += t.size()) {
    count = std::byte(std::to_integer<unsigned>(count) + 1);
    const std::array<const_bytes, 3> pieces{at == 0 ? const_bytes() : const_bytes(t), info,
                                            const_bytes(&count, 1)};
    t = expand.sign(pieces);
    std::copy_n(t.begin(), std::min(t.size(), out.size() - at),
                out.begin() + static_cast<std::ptrdiff_t>(at));
  }
  wipe(t);
}

bool equal_in_constant_time(const_bytes a, const_bytes b) noexcept {
  return a.size() == b.size() && (a.empty() || CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0);
}

void wipe(std::span<std::byte> secret) noexcept {
  if (!secret.empty()) OPENSSL_cleanse(secret.data(), secret.size());
}

mac_key::mac_key(const_bytes key) noexcept {
  std::array<std::byte, block_size> block{};
  if (key.size() > block.size()) {
    digest hashed = sha256(key);
    std::ranges::copy(hashed, block.begin());
    wipe(hashed);
  } else {
    std::ranges::copy(key, block.begin());
  }
  inner_ = first_block(block, std::byte{0x36});
  outer_ = first_block(block, std::byte{0x5c});
  wipe(block);
}
mac_key::~mac_key() {
  wipe(std::as_writable_bytes(std::span(inner_)));
  wipe(std::as_writable_bytes(std::span(outer_)));
}

digest mac_key::sign(std::span<const const_bytes> pieces) const noexcept {
  SHA256_CTX c = after(inner_);
  take(c, pieces);
  const digest inner = give(c);
  c = after(outer_);
  SHA256_Update(&c, inner.data(), inner.size());
  return give(c);
}

bool mac_key::verify(std::span<const const_bytes> pieces, const_bytes tag) const noexcept {
  const digest right = sign(pieces);
  return tag.size() >= 16 && tag.size() <= right.size() &&
         equal_in_constant_time(tag, const_bytes(right).first(tag.size()));
}

// --- AES-256-GCM --------------------------------------------------------------------------------

struct seal_key::state {
  std::array<unsigned char, 12> iv{};
  EVP_CIPHER_CTX* sealing = EVP_CIPHER_CTX_new();
  EVP_CIPHER_CTX* opening = EVP_CIPHER_CTX_new();

  state() = default;
  state(const state&) = delete;
  ~state() {
    EVP_CIPHER_CTX_free(sealing);  // which wipes the key
    EVP_CIPHER_CTX_free(opening);
  }
  [[nodiscard]] std::array<unsigned char, 12> nonce(std::uint64_t number) const noexcept {
    auto n = iv;
    for (std::size_t i = 0; i < 8; ++i) n[11 - i] ^= static_cast<unsigned char>(number >> (8 * i));
    return n;
  }
};

namespace {

const unsigned char* raw(const_bytes b) noexcept {
  return reinterpret_cast<const unsigned char*>(b.data());
}
int size_of(const_bytes b) noexcept {
  ODEON_ASSERT(b.size() <= std::size_t(INT_MAX), "a sealed text has at most 2^31-1 bytes");
  return static_cast<int>(b.size());
}

}  // namespace

seal_key::seal_key(std::span<const std::byte, 32> key, std::span<const std::byte, 12> iv)
    : state_(std::make_unique<state>()) {
  std::memcpy(state_->iv.data(), iv.data(), iv.size());
  const bool made =
      state_->sealing != nullptr && state_->opening != nullptr &&
      EVP_EncryptInit_ex(state_->sealing, EVP_aes_256_gcm(), nullptr, raw(key), nullptr) == 1 &&
      EVP_DecryptInit_ex(state_->opening, EVP_aes_256_gcm(), nullptr, raw(key), nullptr) == 1;
  if (!made) throw std::bad_alloc();
}
seal_key::seal_key(seal_key&&) noexcept = default;
seal_key& seal_key::operator=(seal_key&&) noexcept = default;
seal_key::~seal_key() = default;

void seal_key::seal(std::uint64_t number, const_bytes aside, std::span<std::byte> text,
                    std::span<std::byte, seal_tag_size> tag) noexcept {
  const auto nonce = state_->nonce(number);
  EVP_CIPHER_CTX* c = state_->sealing;
  auto* at = reinterpret_cast<unsigned char*>(text.data());
  int n = 0;
  const bool done =
      EVP_EncryptInit_ex(c, nullptr, nullptr, nullptr, nonce.data()) == 1 &&
      (aside.empty() || EVP_EncryptUpdate(c, nullptr, &n, raw(aside), size_of(aside)) == 1) &&
      (text.empty() || EVP_EncryptUpdate(c, at, &n, at, size_of(text)) == 1) &&
      EVP_EncryptFinal_ex(c, at + text.size(), &n) == 1 &&
      EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, seal_tag_size, tag.data()) == 1;
  ODEON_ASSERT(done, "AES-256-GCM does not fail once it has its key");
}

bool seal_key::open(std::uint64_t number, const_bytes aside, std::span<std::byte> text,
                    std::span<const std::byte, seal_tag_size> tag) noexcept {
  const auto nonce = state_->nonce(number);
  EVP_CIPHER_CTX* c = state_->opening;
  auto* at = reinterpret_cast<unsigned char*>(text.data());
  std::array<std::byte, seal_tag_size> wanted;
  std::ranges::copy(tag, wanted.begin());
  int n = 0;
  const bool right =
      EVP_DecryptInit_ex(c, nullptr, nullptr, nullptr, nonce.data()) == 1 &&
      (aside.empty() || EVP_DecryptUpdate(c, nullptr, &n, raw(aside), size_of(aside)) == 1) &&
      (text.empty() || EVP_DecryptUpdate(c, at, &n, at, size_of(text)) == 1) &&
      EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, seal_tag_size, wanted.data()) == 1 &&
      EVP_DecryptFinal_ex(c, at + text.size(), &n) == 1;
  if (!right) wipe(text);
  return right;
}

}  // namespace odeon
