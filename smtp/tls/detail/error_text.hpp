// BoringSSL's error queue, said so that an operator knows what to do. For smtp/tls's .ipp only.
#ifndef GATEPOST_SMTP_TLS_DETAIL_ERROR_TEXT_HPP
#define GATEPOST_SMTP_TLS_DETAIL_ERROR_TEXT_HPP

#include <string>

#include "smtp/tls/detail/openssl.hpp"
#include "smtp/tls/detail/peer_check.hpp"
#include "smtp/tls/options.hpp"

namespace gatepost::smtp::tls_detail {

inline const char* version_text(tls_version version) {
  switch (version) {
    case tls_version::tls_1_0: return "TLSv1";
    case tls_version::tls_1_1: return "TLSv1.1";
    case tls_version::tls_1_2: return "TLSv1.2";
    case tls_version::tls_1_3: return "TLSv1.3";
  }
  return "TLS";
}

// Empties the thread's queue. Returns the first entry of the TLS library, which is the cause; other
// libraries' entries are details of it. 0: there is none.
inline std::uint32_t take_error() {
  std::uint32_t cause = 0;
  while (const std::uint32_t next = ERR_get_error()) {
    const bool better = ERR_GET_LIB(next) == ERR_LIB_SSL && ERR_GET_LIB(cause) != ERR_LIB_SSL;
    if (cause == 0 || better) cause = next;
  }
  return cause;
}

// The peer has sent a fatal alert (RFC 8446 §6.2).
inline std::string text_of_alert(int alert) {
  const std::string name = SSL_alert_desc_string_long(alert);
  const std::string text = "the peer refused with alert \"" + name + "\"";
  switch (alert) {
    case SSL_AD_PROTOCOL_VERSION: return text + "; it does not accept our TLS versions";
    case SSL_AD_HANDSHAKE_FAILURE: return text + "; probably no cipher or version in common";
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_CERTIFICATE_EXPIRED: return text + "; it does not trust the certificate sent to it";
    case SSL_AD_CERTIFICATE_REQUIRED: return text + "; it asks for a certificate of ours";
    case SSL_AD_UNRECOGNIZED_NAME: return text + "; it does not know the server name asked for";
    default: return text;
  }
}

inline std::string text_of_version_clash(const tls_snapshot& snapshot) {
  const std::string range =
      std::string{version_text(snapshot.min_version)} + " to " + version_text(snapshot.max_version);
  if (snapshot.server) {
    return "the client offers no TLS version from " + range +
           "; update the client, or allow older versions (min_version)";
  }
  return "the server chose a TLS version that is not from " + range +
         "; update the server, or allow older versions (min_version)";
}

// What a reason of the TLS library means for people; empty where its name has to do.
inline std::string text_of_reason(int reason, const tls_snapshot& snapshot,
                                  const peer_check& check) {
  switch (reason) {
    case SSL_R_UNSUPPORTED_PROTOCOL: return text_of_version_clash(snapshot);
    case SSL_R_NO_SHARED_CIPHER:
      return "no cipher in common with the client; allow more of them (ciphers), or update it";
    case SSL_R_NO_COMMON_SIGNATURE_ALGORITHMS:
      return "the peer cannot use the kind of key that the certificate has";
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST: return "the client speaks HTTP, not TLS";
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_INVALID_SSL_SESSION:
      return "what the peer sent is not TLS; is one side in plain text here?";
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
      return "the peer's certificate is not verified: " + check.problem;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return "the client sent no certificate, and one is required";
    case SSL_R_NO_RENEGOTIATION: return "the peer asked for renegotiation, which is refused";
    case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC:
      return "a record was damaged or forged on its way";
    default: return {};
  }
}

// `where` begins the line, e.g. "TLS handshake".
inline std::string explain(std::uint32_t error, const char* where, const tls_snapshot& snapshot,
                           const peer_check& check) {
  const int reason = ERR_GET_REASON(error);
  const bool of_tls = ERR_GET_LIB(error) == ERR_LIB_SSL;
  std::string text;
  if (of_tls && reason >= SSL_AD_REASON_OFFSET) text = text_of_alert(reason - SSL_AD_REASON_OFFSET);
  if (of_tls && text.empty()) text = text_of_reason(reason, snapshot, check);
  const char* name = ERR_reason_error_string(error);
  if (text.empty()) return std::string{where} + " failed: " + (name ? name : "unknown error");
  return std::string{where} + " failed: " + text + (name ? " (" + std::string{name} + ")" : "");
}

}  // namespace gatepost::smtp::tls_detail

#endif  // GATEPOST_SMTP_TLS_DETAIL_ERROR_TEXT_HPP
