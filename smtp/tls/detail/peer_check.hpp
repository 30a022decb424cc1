// Judging the other side's certificate during a handshake, and what a context's sessions share. For
// smtp/tls's .ipp only.
#ifndef GATEPOST_SMTP_TLS_DETAIL_PEER_CHECK_HPP
#define GATEPOST_SMTP_TLS_DETAIL_PEER_CHECK_HPP

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "smtp/tls/detail/credentials.hpp"
#include "smtp/tls/detail/openssl.hpp"
#include "smtp/tls/options.hpp"
#include "smtp/tls/peer.hpp"

namespace gatepost::smtp::tls_detail {

// What one load() made. Never changed afterwards, so that threads share it without a lock.
struct tls_snapshot {
  bool server = false;
  tls_version min_version = tls_version::tls_1_2;
  tls_version max_version = tls_version::tls_1_3;
  client_certificates clients = client_certificates::none;  // server
  verification verify = verification::opportunistic;        // client
  std::vector<credentials> certificates;                    // the first is the default
  std::map<std::string, std::size_t, std::less<>> by_name;  // index into certificates
  bssl::UniquePtr<SSL_CTX> ctx;
};

// One session's part in it; the engine owns it and SSL's application data points to it.
struct peer_check {
  client_certificates clients = client_certificates::none;  // server
  verification verify = verification::opportunistic;        // client, as are all below
  std::string host;
  verify_hook hook;
  bool keep_session = false;
  bssl::UniquePtr<SSL_SESSION> session;

  std::string problem;  // out: why the certificate is not verified
};

inline std::string joined(const std::vector<std::string>& names) {
  static constexpr std::size_t shown = 5;  // a log line has to stay readable
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < shown; ++i) {
    text += (i == 0 ? "" : ", ") + names[i];
  }
  return names.size() > shown ? text + ", ..." : text;
}

inline std::string text_of_problem(long error, const certificate_facts& at,
                                   const certificate_facts& leaf, const std::string& host) {
  switch (error) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      if (leaf.dns_names.empty()) return "the certificate names no host, so not " + host;
      return "the certificate is for " + joined(leaf.dns_names) + ", not for " + host;
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return "the certificate " + at.subject + " expired on " + date_text(at.not_after);
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return "the certificate " + at.subject + " is not valid before " + date_text(at.not_before);
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
      return "the certificate " + at.subject + " signs itself and is not among the trusted ones";
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return "the issuer of " + at.subject + ", " + at.issuer +
             ", is neither trusted nor in the chain that was sent";
    default: return X509_verify_cert_error_string(error);
  }
}

inline std::string problem_of(X509_STORE_CTX* store, const std::string& host) {
  const X509* at = X509_STORE_CTX_get_current_cert(store);
  const X509* leaf = X509_STORE_CTX_get0_cert(store);
  return text_of_problem(X509_STORE_CTX_get_error(store), at ? facts_of(at) : certificate_facts{},
                         leaf ? facts_of(leaf) : certificate_facts{}, host);
}

// The hook decides; `trusted` is what PKIX says.
inline bool ask_hook(peer_check& check, X509_STORE_CTX* store, bool trusted) {
  std::vector<std::string> chain;
  for (const X509* certificate : X509_STORE_CTX_get0_untrusted(store)) {
    chain.push_back(der_of(certificate));
  }
  verify_request request;
  request.chain = chain;
  request.host = check.host;
  request.trusted = trusted;
  request.problem = check.problem;
  verify_answer answer = check.hook(request);
  check.problem = answer.accepted ? std::string{} : std::move(answer.reason);
  if (!answer.accepted && check.problem.empty()) check.problem = "refused by the verification hook";
  return answer.accepted;
}

// Whether the certificate is good; check.problem says why not.
inline bool judge(peer_check& check, X509_STORE_CTX* store, bool server) {
  bool good = X509_verify_cert(store) == 1;
  check.problem = good ? std::string{} : problem_of(store, check.host);
  if (server) return good;
  if (good && check.host.empty()) {
    check.problem = "no host name was given to compare the certificate with";
    good = false;
  }
  return check.hook ? ask_hook(check, store, good) : good;
}

inline bool may_go_on(const peer_check& check, bool server) {
  if (server) return check.clients != client_certificates::require;
  return check.verify == verification::opportunistic && !check.hook;
}

// BoringSSL's certificate verification callback, for both roles. What it leaves in `store` as the
// error stays with the session, so that a resumed session knows it, too.
inline int verify_peer(X509_STORE_CTX* store, void*) {
  auto* ssl =
      static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto& check = *static_cast<peer_check*>(SSL_get_app_data(ssl));
  const bool server = SSL_is_server(ssl) == 1;
  bool good = false;
  try {  // no exception may pass through BoringSSL
    good = judge(check, store, server);
  } catch (...) {
    check.problem = "the verification of the certificate failed";
  }
  if (good) {
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
  }
  if (X509_STORE_CTX_get_error(store) == X509_V_OK) {
    X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
  }
  return may_go_on(check, server) ? 1 : 0;
}

// Chooses the certificate by SNI: the exact name, then the wildcard one label up (RFC 9525 §6.3),
// else the default, as a mail server serves clients whose names it does not know (RFC 6066 §3).
inline const credentials& choose(const tls_snapshot& snapshot, const char* server_name) {
  const std::string name = host_key(server_name ? server_name : "");
  auto found = snapshot.by_name.find(name);
  if (found == snapshot.by_name.end()) {
    const std::size_t dot = name.find('.');
    if (dot != std::string::npos) found = snapshot.by_name.find("*" + name.substr(dot));
  }
  return snapshot.certificates[found == snapshot.by_name.end() ? 0 : found->second];
}

inline bool use_credentials(SSL* ssl, const credentials& chosen) {
  std::vector<CRYPTO_BUFFER*> chain;
  for (const auto& certificate : chosen.chain) chain.push_back(certificate.get());
  return SSL_set_chain_and_key(ssl, chain.data(), chain.size(), chosen.key.get(), nullptr) == 1;
}

// BoringSSL's certificate callback; `arg` is the snapshot.
inline int choose_certificate(SSL* ssl, void* arg) {
  try {
    const auto& snapshot = *static_cast<const tls_snapshot*>(arg);
    const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    return use_credentials(ssl, choose(snapshot, name)) ? 1 : 0;
  } catch (...) {
    return 0;
  }
}

// BoringSSL's new-session callback of clients: 1 takes the reference.
inline int keep_session(SSL* ssl, SSL_SESSION* session) {
  auto* check = static_cast<peer_check*>(SSL_get_app_data(ssl));
  if (!check || !check->keep_session) return 0;
  check->session.reset(session);
  return 1;
}

}  // namespace gatepost::smtp::tls_detail

#endif  // GATEPOST_SMTP_TLS_DETAIL_PEER_CHECK_HPP
