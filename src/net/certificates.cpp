#include "internal/openssl.hpp"
#include <odeon/net/certificates.hpp>
#include <odeon/net/crypto.hpp>

#include <arpa/inet.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <ctime>

namespace odeon {

namespace {

using namespace net_detail;

constexpr std::size_t name_max = 64;
constexpr std::size_t hosts_max = 100;

bool all_of_name(std::string_view s, std::string_view more) {
  return std::ranges::all_of(s, [more](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           more.contains(c);
  });
}
std::time_t seconds_of(wall_time t) {
  return std::chrono::floor<std::chrono::seconds>(t).time_since_epoch().count();
}
wall_time time_of(const ASN1_TIME* t) {
  std::tm parts{};
  ASN1_TIME_to_tm(t, &parts);
  return wall_time(std::chrono::seconds(::timegm(&parts)));
}
std::string hex(const_bytes b) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (const std::byte x : b) {
    out += digits[std::to_integer<unsigned>(x) >> 4];
    out += digits[std::to_integer<unsigned>(x) & 15];
  }
  return out;
}

key_ptr make_key(certificate_key kind) {
  return key_ptr(kind == certificate_key::p256 ? EVP_EC_gen("P-256")
                                               : EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
}

std::string text_of(BIO& b) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(&b, &data);
  return {data, static_cast<std::size_t>(size)};
}
result<credentials> to_pem(X509& c, EVP_PKEY& k) {
  const bio_ptr certificate(BIO_new(BIO_s_mem()));
  const bio_ptr key(BIO_new(BIO_s_secmem()));
  if (PEM_write_bio_X509(certificate.get(), &c) != 1 ||
      PEM_write_bio_PKCS8PrivateKey(key.get(), &k, nullptr, nullptr, 0, nullptr, nullptr) != 1)
    return fail(errc::internal, "a certificate could not be written: " + openssl_says());
  return credentials{text_of(*certificate), text_of(*key)};
}

/// What a CA and a node have in common. Null: OpenSSL failed, and says why.
x509_ptr begin(const std::string& name, EVP_PKEY& key, wall_time from, wall_time until) {
  x509_ptr c(X509_new());
  std::array<unsigned char, 16> serial;
  if (!c || RAND_bytes(serial.data(), serial.size()) != 1) return nullptr;
  serial[0] = static_cast<unsigned char>((serial[0] & 0x7f) | 0x40);  // positive, of full length
  const owned<BIGNUM, BN_free> number(BN_bin2bn(serial.data(), serial.size(), nullptr));
  const bool done =
      X509_set_version(c.get(), X509_VERSION_3) == 1 &&
      BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(c.get())) != nullptr &&
      ASN1_TIME_set(X509_getm_notBefore(c.get()), seconds_of(from)) != nullptr &&
      ASN1_TIME_set(X509_getm_notAfter(c.get()), seconds_of(until)) != nullptr &&
      X509_set_pubkey(c.get(), &key) == 1 &&
      X509_NAME_add_entry_by_NID(X509_get_subject_name(c.get()), NID_commonName, MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(name.data()),
                                 static_cast<int>(name.size()), -1, 0) == 1;
  return done ? std::move(c) : nullptr;
}
bool add(X509& c, X509& issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, &issuer, &c, nullptr, nullptr, 0);
  const owned<X509_EXTENSION, X509_EXTENSION_free> e(
      X509V3_EXT_conf_nid(nullptr, &context, nid, value));
  return e && X509_add_ext(&c, e.get(), -1) == 1;
}
bool sign(X509& c, EVP_PKEY& key) {
  const bool digests = EVP_PKEY_get_base_id(&key) != EVP_PKEY_ED25519;
  return X509_sign(&c, &key, digests ? EVP_sha256() : nullptr) > 0;
}

/// Takes the name over. False: it is no such name.
bool push(GENERAL_NAMES& all, int type, ASN1_STRING* value) {
  owned<GENERAL_NAME, GENERAL_NAME_free> n(GENERAL_NAME_new());
  if (!n || value == nullptr) return false;
  GENERAL_NAME_set0_value(n.get(), type, value);
  if (sk_GENERAL_NAME_push(&all, n.get()) == 0) return false;
  (void)n.release();
  return true;
}
ASN1_STRING* ia5(const std::string& s) {
  ASN1_STRING* out = ASN1_IA5STRING_new();
  if (out) ASN1_STRING_set(out, s.data(), static_cast<int>(s.size()));
  return out;
}
/// None is read from a text of OpenSSL's, where a name could bring others along.
bool add_names(X509& c, const node_certificate_options& o) {
  const names_ptr all(GENERAL_NAMES_new());
  if (!all || !push(*all, GEN_URI, ia5(std::string(node_uri) + o.name))) return false;
  for (const std::string& host : o.hosts) {
    ASN1_OCTET_STRING* address = a2i_IPADDRESS(host.c_str());
    ERR_clear_error();
    if (address ? !push(*all, GEN_IPADD, address) : !push(*all, GEN_DNS, ia5(host))) return false;
  }
  return X509_add1_ext_i2d(&c, NID_subject_alt_name, all.get(), 0, 0) == 1;
}

bool is_host(const std::string& host) {
  if (host.contains(':')) {
    in6_addr address;
    return ::inet_pton(AF_INET6, host.c_str(), &address) == 1;
  }
  const std::string_view rest =
      host.starts_with("*.") ? std::string_view(host).substr(2) : std::string_view(host);
  return !rest.empty() && host.size() <= 253 && all_of_name(rest, ".-_") && rest.front() != '.';
}
result<void> check(const std::string& name, duration valid_for) {
  if (name.empty() || name.size() > name_max || !all_of_name(name, ".-_"))
    return fail(errc::invalid_argument,
                "'" + name + "' is no name for a certificate: letters, digits, '.', '-', '_', " +
                    "at most 64");
  if (valid_for < std::chrono::seconds(1) || valid_for > std::chrono::hours(24 * 36500))
    return fail(errc::invalid_argument,
                "a certificate is valid for a second at least and a hundred years at most");
  return {};
}
std::unexpected<error> could_not() {
  return fail(errc::internal, "a certificate could not be made: " + openssl_says());
}

}  // namespace

namespace net_detail {

certificate_names names_of(X509& c) {
  certificate_names out;
  std::array<char, 256> common{};
  const int n = X509_NAME_get_text_by_NID(X509_get_subject_name(&c), NID_commonName, common.data(),
                                          static_cast<int>(common.size()));
  if (n > 0) out.common.assign(common.data(), static_cast<std::size_t>(n));
  const names_ptr all(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(&c, NID_subject_alt_name, nullptr, nullptr)));
  const auto text = [](const ASN1_STRING* s) {
    return std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(s)),
                       static_cast<std::size_t>(ASN1_STRING_length(s)));
  };
  for (int i = 0; all && i < sk_GENERAL_NAME_num(all.get()); ++i) {
    const GENERAL_NAME* g = sk_GENERAL_NAME_value(all.get(), i);
    if (g->type == GEN_DNS) {
      out.hosts.push_back(text(g->d.dNSName));
    } else if (g->type == GEN_IPADD) {
      const bio_ptr b(BIO_new(BIO_s_mem()));
      GENERAL_NAME_print(b.get(), const_cast<GENERAL_NAME*>(g));  // "IP Address:10.0.0.7"
      const std::string printed = text_of(*b);
      out.hosts.push_back(printed.substr(printed.find(':') + 1));
    } else if (g->type == GEN_URI && out.node.empty()) {
      const std::string uri = text(g->d.uniformResourceIdentifier);
      const std::string_view name =
          std::string_view(uri).substr(uri.starts_with(node_uri) ? node_uri.size() : uri.size());
      if (all_of_name(name, ".-_") && name.size() <= name_max) out.node = name;
    }
  }
  ERR_clear_error();
  return out;
}

}  // namespace net_detail

result<credentials> make_ca(const ca_options& o, wall_time now) {
  if (auto ok = check(o.name, o.valid_for); !ok) return std::unexpected(ok.error());
  const key_ptr key = make_key(o.key);
  if (!key) return could_not();
  const x509_ptr c = begin(o.name, *key, now - certificate_backdating, now + o.valid_for);
  if (!c || X509_set_issuer_name(c.get(), X509_get_subject_name(c.get())) != 1 ||
      !add(*c, *c, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
      !add(*c, *c, NID_key_usage, "critical,keyCertSign,cRLSign") ||
      !add(*c, *c, NID_subject_key_identifier, "hash") || !sign(*c, *key))
    return could_not();
  return to_pem(*c, *key);
}

result<credentials> make_node_certificate(const credentials& ca, const node_certificate_options& o,
                                          wall_time now) {
  if (auto ok = check(o.name, o.valid_for); !ok) return std::unexpected(ok.error());
  if (o.hosts.size() > hosts_max)
    return fail(errc::invalid_argument, "a certificate is for at most 100 hosts");
  for (const std::string& h : o.hosts)
    if (!is_host(h))
      return fail(errc::invalid_argument,
                  "'" + h + "' is no host: a DNS name, or an address without its port");
  const x509_ptr issuer = certificate_of(ca.certificate);
  const key_ptr issuer_key = key_of(ca.key);
  if (!issuer || X509_check_ca(issuer.get()) != 1)
    return fail(errc::bad_certificate, "what should sign is no certificate authority");
  if (!issuer_key || X509_check_private_key(issuer.get(), issuer_key.get()) != 1)
    return fail(errc::bad_certificate,
                "the key is not that of the certificate authority's certificate");
  const wall_time ca_ends = time_of(X509_get0_notAfter(issuer.get()));
  if (ca_ends <= now)
    return fail(errc::expired_certificate,
                "the certificate authority's time is over: make another (odeon cert ca)");
  if (now + o.valid_for > ca_ends)
    return fail(errc::invalid_argument,
                "the node would outlive its certificate authority: make it valid for less");
  const key_ptr key = make_key(o.key);
  if (!key) return could_not();
  const wall_time begins =
      std::max(now - certificate_backdating, time_of(X509_get0_notBefore(issuer.get())));
  const x509_ptr c = begin(o.name, *key, begins, now + o.valid_for);
  if (!c || X509_set_issuer_name(c.get(), X509_get_subject_name(issuer.get())) != 1 ||
      !add(*c, *issuer, NID_basic_constraints, "critical,CA:FALSE") ||
      !add(*c, *issuer, NID_key_usage, "critical,digitalSignature") ||
      !add(*c, *issuer, NID_ext_key_usage, "serverAuth,clientAuth") ||
      !add(*c, *issuer, NID_subject_key_identifier, "hash") ||
      !add(*c, *issuer, NID_authority_key_identifier, "keyid:always") || !add_names(*c, o) ||
      !sign(*c, *issuer_key))
    return could_not();
  return to_pem(*c, *key);
}

result<certificate_info> read_certificate(std::string_view pem) {
  const x509_ptr c = certificate_of(pem);
  if (!c) return fail(errc::bad_certificate, "this is no certificate in PEM form");
  certificate_names names = names_of(*c);
  certificate_info out;
  out.subject = std::move(names.common);
  out.node = std::move(names.node);
  out.hosts = std::move(names.hosts);
  std::array<char, 256> issuer{};
  const int n = X509_NAME_get_text_by_NID(X509_get_issuer_name(c.get()), NID_commonName,
                                          issuer.data(), static_cast<int>(issuer.size()));
  if (n > 0) out.issuer.assign(issuer.data(), static_cast<std::size_t>(n));
  const ASN1_INTEGER* serial = X509_get0_serialNumber(c.get());
  out.serial =
      hex(std::as_bytes(std::span(serial->data, static_cast<std::size_t>(serial->length))));
  out.not_before = time_of(X509_get0_notBefore(c.get()));
  out.not_after = time_of(X509_get0_notAfter(c.get()));
  out.is_ca = X509_check_ca(c.get()) == 1;
  EVP_PKEY* key = X509_get0_pubkey(c.get());
  std::array<char, 64> group{};
  std::size_t size = 0;
  if (key && EVP_PKEY_get_group_name(key, group.data(), group.size(), &size) == 1)
    out.key = std::string_view(group.data(), size) == "prime256v1" ? "P-256" : group.data();
  else if (key && EVP_PKEY_get0_type_name(key))
    out.key = EVP_PKEY_is_a(key, "ED25519") == 1 ? "Ed25519" : EVP_PKEY_get0_type_name(key);
  ERR_clear_error();
  digest print{};
  unsigned length = print.size();
  if (X509_digest(c.get(), EVP_sha256(), reinterpret_cast<unsigned char*>(print.data()), &length))
    out.fingerprint = hex(print);
  return out;
}

}  // namespace odeon
