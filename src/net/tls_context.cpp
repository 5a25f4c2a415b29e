#include "internal/tls_context.hpp"

#include <odeon/net/certificates.hpp>

#include <arpa/inet.h>
#include <openssl/sslerr.h>

#include <algorithm>
#include <array>
#include <chrono>

namespace odeon::net_detail {

namespace {

// The name of what is spoken above: that both offer it tells that both are Odeon's.
constexpr std::string_view our_name = "\x05odeon";

const unsigned char* raw(std::string_view s) {
  return reinterpret_cast<const unsigned char*>(s.data());
}
std::time_t seconds_of(wall_time t) {
  return std::chrono::floor<std::chrono::seconds>(t).time_since_epoch().count();
}

/// PEM itself, or the file's.
result<std::string> text_of(const std::string& pem_or_path) {
  if (pem_or_path.contains("-----BEGIN")) return pem_or_path;
  return read_small_file(pem_or_path);
}
std::string where(const std::string& pem_or_path) {
  return pem_or_path.contains("-----BEGIN") ? std::string("the text given") : pem_or_path;
}

int choose_name(SSL*, const unsigned char** out, unsigned char* size, const unsigned char* in,
                unsigned n, void*) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): OpenSSL's own parameter
  if (SSL_select_next_proto(const_cast<unsigned char**>(out), size, raw(our_name), our_name.size(),
                            in, n) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_NOACK;
  return SSL_TLSEXT_ERR_OK;
}

bool names_allowed(const std::vector<std::string>& allowed, X509& c) {
  const certificate_names names = names_of(c);
  return std::ranges::any_of(allowed, [&](const std::string& a) {
    return a == names.node || a == names.common ||
           std::ranges::find(names.hosts, a) != names.hosts.end();
  });
}

int place_of_notes() {
  static const int place = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return place;
}
int place_of_options() {
  static const int place = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return place;
}

tls_notes* notes_of(SSL* s) {
  return static_cast<tls_notes*>(SSL_get_ex_data(s, place_of_notes()));
}

std::string all_names(X509& c) {
  const certificate_names n = names_of(c);
  std::string out = n.node.empty() ? n.common : n.node;
  for (const std::string& h : n.hosts) out += ", " + h;
  return out;
}

/// The chain is good; is it somebody who may connect?
int look_at(int good, X509_STORE_CTX* chain) {
  auto* ssl =
      static_cast<SSL*>(X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx()));
  X509* c = X509_STORE_CTX_get_current_cert(chain);
  if (good == 1 && X509_STORE_CTX_get_error_depth(chain) == 0) {
    const auto* o = static_cast<const tls_options*>(
        SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), place_of_options()));
    if (!o->peers.empty() && !names_allowed(o->peers, *c)) {
      X509_STORE_CTX_set_error(chain, X509_V_ERR_CERT_REJECTED);
      good = 0;
    }
  }
  if (tls_notes* n = notes_of(ssl); good != 1 && n && c) n->refused = all_names(*c);
  return good;
}

result<void> use_own(SSL_CTX& c, const tls_options& o, wall_time now) {
  if (o.certificate.empty() && o.key.empty()) return {};
  const auto certificate = text_of(o.certificate);
  if (!certificate) return std::unexpected(certificate.error());
  const auto key = text_of(o.key);
  if (!key) return std::unexpected(key.error());
  const bio_ptr in = reading(*certificate);
  const x509_ptr own(PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr));
  const key_ptr k = key_of(*key);
  if (!own || SSL_CTX_use_certificate(&c, own.get()) != 1)
    return fail(errc::bad_certificate,
                where(o.certificate) + " holds no certificate that can be used: " + openssl_says());
  if (!k || SSL_CTX_use_PrivateKey(&c, k.get()) != 1 || SSL_CTX_check_private_key(&c) != 1)
    return fail(
        errc::bad_certificate,
        where(o.key) + " does not hold the key of the certificate in " + where(o.certificate));
  for (;;) {
    x509_ptr next(PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr));
    if (!next) break;
    if (SSL_CTX_add0_chain_cert(&c, next.get()) == 1) (void)next.release();
  }
  ERR_clear_error();
  const auto info = read_certificate(*certificate);
  if (info && info->not_after <= now)
    return fail(errc::expired_certificate,
                "the certificate in " + where(o.certificate) +
                    " has expired: make another (odeon cert node) and load it");
  return {};
}

result<void> use_trusted(SSL_CTX& c, const tls_options& o) {
  if (o.trust_system) SSL_CTX_set_default_verify_paths(&c);
  if (o.trusted.empty()) {
    if (!o.trust_system)
      return fail(errc::bad_certificate,
                  "nobody is trusted: give the certificate of an authority (trusted)");
    return {};
  }
  const auto text = text_of(o.trusted);
  if (!text) return std::unexpected(text.error());
  const bio_ptr in = reading(*text);
  int count = 0;
  for (;;) {
    const x509_ptr next(PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr));
    if (!next) break;
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(&c), next.get()) != 1) break;
    SSL_CTX_add_client_CA(&c, next.get());  // a server names those it takes
    ++count;
  }
  ERR_clear_error();
  if (count == 0)
    return fail(errc::bad_certificate, where(o.trusted) + " holds no certificate of an authority");
  return {};
}

bool is_address(const std::string& host) {
  std::array<unsigned char, 16> room;
  return ::inet_pton(AF_INET, host.c_str(), room.data()) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), room.data()) == 1;
}

}  // namespace

result<tls_context_ptr> tls_context::make(const tls_options& o, wall_time now) {
  std::shared_ptr<tls_context> out(new tls_context(o));
  out->context_ = {SSL_CTX_new(TLS_method()), SSL_CTX_free};
  SSL_CTX* c = out->context_.get();
  if (!c) return fail(errc::internal, "OpenSSL makes no context: " + openssl_says());
  SSL_CTX_set_min_proto_version(c, o.allow_tls_1_2 ? TLS1_2_VERSION : TLS1_3_VERSION);
  // Of TLS 1.2: nothing without forward secrecy or authenticated encryption.
  SSL_CTX_set_cipher_list(c, "ECDHE+AESGCM:ECDHE+CHACHA20");
  SSL_CTX_set_options(
      c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                          SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  if (auto r = use_own(*c, o, now); !r) return std::unexpected(r.error());
  if (auto r = use_trusted(*c, o); !r) return std::unexpected(r.error());
  SSL_CTX_set_ex_data(c, place_of_options(), &out->options_);

  // No session is resumed: a ticket says only that the server has accepted, and is never taken.
  SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_set_session_id_context(c, raw(our_name), our_name.size());
  SSL_CTX_set_num_tickets(c, 1);
  SSL_CTX_set_session_ticket_cb(
      c, [](SSL*, void*) { return 1; },
      [](SSL*, SSL_SESSION*, const unsigned char*, std::size_t, SSL_TICKET_STATUS,
         void*) -> SSL_TICKET_RETURN { return SSL_TICKET_RETURN_IGNORE; },
      nullptr);
  SSL_CTX_sess_set_new_cb(c, [](SSL* s, SSL_SESSION*) {
    if (tls_notes* n = notes_of(s)) n->confirmed = true;
    return 0;
  });
  SSL_CTX_set_alpn_select_cb(c, choose_name, nullptr);
  SSL_CTX_set_alpn_protos(c, raw(our_name), our_name.size());
  return out;
}

ssl_ptr tls_context::server(wall_time now) const {
  ssl_ptr s(SSL_new(context_.get()));
  if (!s) return s;
  SSL_set_verify(
      s.get(),
      options_.mutual ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT : SSL_VERIFY_NONE,
      look_at);
  X509_VERIFY_PARAM_set_time(SSL_get0_param(s.get()), seconds_of(now));
  SSL_set_accept_state(s.get());
  return s;
}

ssl_ptr tls_context::client(const std::string& host, wall_time now) const {
  ssl_ptr s(SSL_new(context_.get()));
  if (!s) return s;
  SSL_set_verify(s.get(), SSL_VERIFY_PEER, look_at);
  X509_VERIFY_PARAM* check = SSL_get0_param(s.get());
  X509_VERIFY_PARAM_set_time(check, seconds_of(now));
  const bool address = is_address(host);
  if (!address) SSL_set_tlsext_host_name(s.get(), host.c_str());
  if (options_.verify_host) {
    X509_VERIFY_PARAM_set_hostflags(check, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    const int set = address ? X509_VERIFY_PARAM_set1_ip_asc(check, host.c_str())
                            : X509_VERIFY_PARAM_set1_host(check, host.data(), host.size());
    if (set != 1) return nullptr;
  }
  SSL_set_connect_state(s.get());
  return s;
}

void take_notes(SSL& s, tls_notes* where) noexcept { SSL_set_ex_data(&s, place_of_notes(), where); }
bool will_confirm(SSL& s) noexcept {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(&s, &name, &size);
  return size > 0 && SSL_version(&s) >= TLS1_3_VERSION;
}

std::string identity_of(SSL& s) {
  X509* c = SSL_get0_peer_certificate(&s);
  if (!c) return {};
  certificate_names n = names_of(*c);
  if (!n.node.empty()) return std::move(n.node);
  return n.hosts.empty() ? std::move(n.common) : std::move(n.hosts.front());
}

// --- What errors mean
// -----------------------------------------------------------------------------

namespace {

error refused_by_us(const std::string& who, const std::string& peer, long why) {
  const std::string its = "the certificate of " + peer + (who.empty() ? "" : " (" + who + ")");
  switch (why) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return {errc::expired_certificate,
              its + " has expired: renew it there (odeon cert node), or set this side's clock"};
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return {errc::expired_certificate,
              its + " is not valid yet: compare the clocks of both sides"};
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return {errc::bad_certificate, its +
                                         " is for other hosts: connect by one of its names, or "
                                         "make one that has this name (odeon cert node --host)"};
    case X509_V_ERR_CERT_REJECTED:
      return {errc::bad_certificate,
              its + " is of nobody who may connect: add its name to the peers, or refuse it"};
    default:
      return {errc::bad_certificate, its + " is not trusted (" +
                                         X509_verify_cert_error_string(why) +
                                         "): have it signed by an authority that this side trusts"};
  }
}

/// By what OpenSSL tells of the alert or of the bytes.
error by_reason(int reason, const std::string& peer, const std::string& says, bool shaking) {
  switch (reason) {
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return {errc::bad_certificate, peer + " shows no certificate: give it one (odeon cert node)"};
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
      return {errc::expired_certificate,
              peer + " says that this side's certificate has expired: renew it (odeon cert node)"};
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
      return {errc::bad_certificate, peer + " refuses this side's certificate (" + says +
                                         "): use one that an authority it trusts has signed"};
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_WRONG_SSL_VERSION:
      return {errc::incompatible_peer, peer + " speaks no version of TLS that this side does (" +
                                           says + "): let it speak TLS 1.3"};
    default: break;
  }
  if (shaking)
    return {errc::protocol_violation, peer + " does not speak TLS as it should (" + says +
                                          "): check the address and the port"};
  return {errc::protocol_violation,
          "the connection to " + peer + " was altered on its way (" + says + ")"};
}

}  // namespace

error tls_error(SSL& s, const tls_notes& notes, const std::string& peer, bool shaking) {
  const unsigned long code = ERR_peek_error();
  const int reason = ERR_GET_REASON(code);
  const std::string says = openssl_says();
  const long verified = SSL_get_verify_result(&s);
  if (shaking && reason == SSL_R_CERTIFICATE_VERIFY_FAILED)
    return refused_by_us(notes.refused, peer, verified);
  return by_reason(reason, peer, says, shaking);
}

}  // namespace odeon::net_detail
