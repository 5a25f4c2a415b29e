#pragma once

#include <odeon/base/error.hpp>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

/// @file OpenSSL's objects with owners.

namespace odeon::net_detail {

template <auto Free>
struct freed_by {
  template <class T>
  void operator()(T* p) const noexcept {
    Free(p);
  }
};
template <class T, auto Free>
using owned = std::unique_ptr<T, freed_by<Free>>;

using bio_ptr = owned<BIO, BIO_free_all>;
using key_ptr = owned<EVP_PKEY, EVP_PKEY_free>;
using x509_ptr = owned<X509, X509_free>;
using ssl_ptr = owned<SSL, SSL_free>;
using ssl_context_ptr = std::shared_ptr<SSL_CTX>;
using names_ptr = owned<GENERAL_NAMES, GENERAL_NAMES_free>;

/// What OpenSSL has to say of its last failure; empties its queue.
inline std::string openssl_says() {
  const unsigned long code = ERR_peek_error();
  ERR_clear_error();
  const char* why = code == 0 ? nullptr : ERR_reason_error_string(code);
  return why ? why : "no reason given";
}

/// A text to be read.
inline bio_ptr reading(std::string_view text) {
  return bio_ptr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

inline x509_ptr certificate_of(std::string_view pem) {
  const bio_ptr in = reading(pem);
  x509_ptr c(PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  return c;
}
/// Without asking for a password at a terminal: a key that needs one is none.
inline key_ptr key_of(std::string_view pem) {
  const bio_ptr in = reading(pem);
  const auto no_password = [](char*, int, int, void*) { return -1; };
  key_ptr k(PEM_read_bio_PrivateKey(in.get(), nullptr, no_password, nullptr));
  ERR_clear_error();
  return k;
}

/// The prefix of the alternative name that is a node's.
inline constexpr std::string_view node_uri = "odeon://";

/// The names that a certificate gives.
struct certificate_names {
  std::string common;
  std::string node;
  std::vector<std::string> hosts;
};
[[nodiscard]] certificate_names names_of(X509& c);

/// A file of at most 1 MiB. `not_found`, `io_failed`, `limit_exceeded`. Blocks.
[[nodiscard]] result<std::string> read_small_file(const std::string& path);

}  // namespace odeon::net_detail
