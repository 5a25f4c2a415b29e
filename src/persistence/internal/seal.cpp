#include "persistence/internal/seal.hpp"

#include "persistence/internal/bytes.hpp"
#include <odeon/base/assert.hpp>
#include <odeon/persistence/encryption.hpp>
#include <odeon/runtime/runtime.hpp>

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <memory>

namespace odeon::detail {

namespace {

constexpr std::array magic{std::byte{0xc5}, std::byte{0x4f}, std::byte{0x45}, std::byte{0x31}};
constexpr std::size_t header_bytes = magic.size() + key_ring::max_id_bytes;
constexpr std::size_t nonce_bytes = 12;
constexpr std::size_t tag_bytes = 16;
static_assert(header_bytes + nonce_bytes + tag_bytes == sealed_overhead);
constexpr std::size_t nonces_drawn = 256;  // in one call of the runtime

struct free_context {
  void operator()(EVP_CIPHER_CTX* c) const noexcept { EVP_CIPHER_CTX_free(c); }
};
using context = std::unique_ptr<EVP_CIPHER_CTX, free_context>;

const EVP_CIPHER* cipher() noexcept {
  static EVP_CIPHER* const found = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  return found;
}

unsigned char* raw(std::byte* p) noexcept { return reinterpret_cast<unsigned char*>(p); }
const unsigned char* raw(const std::byte* p) noexcept {
  return reinterpret_cast<const unsigned char*>(p);
}

// A payload is at most 512 MiB.
int length(std::span<const std::byte> s) noexcept { return static_cast<int>(s.size()); }

}  // namespace

seal_place& seal_place::text(std::string_view t) {
  put(bytes_, std::uint64_t{t.size()});
  put(bytes_, t);
  return *this;
}

seal_place& seal_place::number(std::uint64_t n) {
  put(bytes_, n);
  return *this;
}

sealer::sealer(runtime& rt, key_ring keys, bool accept_plain)
    : rt_(rt),
      keys_(std::move(keys)),
      accept_plain_(accept_plain) {
  ODEON_ASSERT(!keys_.empty(), "a journal is encrypted without a key");
}

void sealer::draw(std::span<std::byte> nonce) {
  const std::lock_guard lock(mutex_);
  if (nonces_.empty()) {
    nonces_.resize(nonces_drawn * nonce_bytes);
    rt_.random(nonces_);
  }
  std::ranges::copy(std::span(nonces_).last(nonce_bytes), nonce.begin());
  nonces_.resize(nonces_.size() - nonce_bytes);
}

result<std::vector<std::byte>> sealer::seal(std::span<const std::byte> plain,
                                            const seal_place& place) {
  std::vector<std::byte> out(plain.size() + sealed_overhead);
  const std::string_view id = keys_.newest();
  std::ranges::copy(magic, out.begin());
  std::ranges::copy(std::as_bytes(std::span(id)), out.begin() + magic.size());
  const auto nonce = std::span(out).subspan(header_bytes, nonce_bytes);
  draw(nonce);
  std::byte* const text = out.data() + header_bytes + nonce_bytes;
  const context c(EVP_CIPHER_CTX_new());
  int n = 0;
  const bool good =
      c &&
      EVP_EncryptInit_ex2(c.get(), cipher(), raw(keys_.find(id).data()), raw(nonce.data()),
                          nullptr) == 1 &&
      EVP_EncryptUpdate(c.get(), nullptr, &n, raw(out.data()), header_bytes) == 1 &&
      EVP_EncryptUpdate(c.get(), nullptr, &n, raw(place.bytes().data()), length(place.bytes())) ==
          1 &&
      (plain.empty() ||
       EVP_EncryptUpdate(c.get(), raw(text), &n, raw(plain.data()), length(plain)) == 1) &&
      EVP_EncryptFinal_ex(c.get(), raw(text + plain.size()), &n) == 1 &&
      EVP_CIPHER_CTX_ctrl(c.get(), EVP_CTRL_GCM_GET_TAG, tag_bytes, text + plain.size()) == 1;
  if (!good) return fail(errc::internal, place.what() + " cannot be sealed: OpenSSL refuses");
  return out;
}

result<void> sealer::open(std::span<const std::byte> sealed, const seal_place& place,
                          std::vector<std::byte>& out) const {
  out.clear();
  if (sealed.size() < magic.size() || !std::ranges::equal(sealed.first(magic.size()), magic)) {
    if (!accept_plain_)
      return fail(errc::corrupt_record, place.what() + " is not encrypted, and should be");
    out.assign(sealed.begin(), sealed.end());
    return {};
  }
  if (sealed.size() < sealed_overhead)
    return fail(errc::corrupt_record, place.what() + " is sealed in " +
                                          std::to_string(sealed.size()) +
                                          " bytes, which is too few");
  std::string_view id = as_text(sealed.subspan(magic.size(), key_ring::max_id_bytes));
  id = id.substr(0, id.find('\0'));
  const auto key = keys_.find(id);
  if (key.empty()) {
    const bool printable = std::ranges::all_of(id, [](char ch) { return ch > ' ' && ch < 127; });
    return fail(errc::not_found, place.what() + " is sealed with the key \"" +
                                     (printable ? std::string(id) : "?") +
                                     "\", which is not among the keys");
  }
  const auto nonce = sealed.subspan(header_bytes, nonce_bytes);
  const auto text = sealed.subspan(header_bytes + nonce_bytes, sealed.size() - sealed_overhead);
  std::array<std::byte, tag_bytes> tag;
  std::ranges::copy(sealed.last(tag_bytes), tag.begin());
  out.resize(text.size() + 1);  // never an empty buffer
  const context c(EVP_CIPHER_CTX_new());
  int n = 0;
  const bool ready =
      c &&
      EVP_DecryptInit_ex2(c.get(), cipher(), raw(key.data()), raw(nonce.data()), nullptr) == 1 &&
      EVP_DecryptUpdate(c.get(), nullptr, &n, raw(sealed.data()), header_bytes) == 1 &&
      EVP_DecryptUpdate(c.get(), nullptr, &n, raw(place.bytes().data()), length(place.bytes())) ==
          1 &&
      (text.empty() ||
       EVP_DecryptUpdate(c.get(), raw(out.data()), &n, raw(text.data()), length(text)) == 1) &&
      EVP_CIPHER_CTX_ctrl(c.get(), EVP_CTRL_GCM_SET_TAG, tag_bytes, tag.data()) == 1;
  if (!ready || EVP_DecryptFinal_ex(c.get(), raw(out.data() + text.size()), &n) != 1) {
    std::ranges::fill(out, std::byte{});
    out.clear();
    return fail(errc::corrupt_record, place.what() + " does not open with the key \"" +
                                          std::string(id) +
                                          "\": it was sealed with another one, changed, or moved");
  }
  out.resize(text.size());
  return {};
}

}  // namespace odeon::detail
