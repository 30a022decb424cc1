// What a TLS context is loaded from: certificates, authorities, versions, ciphers. Plain values;
// see smtp/tls/context.hpp for what is done with them. The defaults follow RFC 9325: TLS 1.2 and
// later, forward secrecy, AEAD.
#ifndef GATEPOST_SMTP_TLS_OPTIONS_HPP
#define GATEPOST_SMTP_TLS_OPTIONS_HPP

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gatepost::smtp {

// The values are those of the wire (RFC 8446 §4.1.2).
enum class tls_version : std::uint16_t {
  tls_1_0 = 0x0301,
  tls_1_1 = 0x0302,
  tls_1_2 = 0x0303,
  tls_1_3 = 0x0304,
};

// Cipher suites up to TLS 1.2 (those of TLS 1.3 are fixed): forward secrecy and AEAD only.
inline constexpr const char* modern_tls_ciphers =
    "[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305|"
    "ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305]:"
    "[ECDHE-ECDSA-AES256-GCM-SHA384|ECDHE-RSA-AES256-GCM-SHA384]";

// The same, then what old mail servers need. It is the default where TLS 1.0 or 1.1 is allowed:
// they have no AEAD. Against a passive listener even these are better than plain text (RFC 7435
// §1.2).
inline constexpr const char* compatible_tls_ciphers =
    "[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305|"
    "ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305]:"
    "[ECDHE-ECDSA-AES256-GCM-SHA384|ECDHE-RSA-AES256-GCM-SHA384]:"
    "ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA:"
    "AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-SHA:AES256-SHA";

// A certificate with its chain, leaf first, and its key: from files, or from PEM text where the
// text is not empty. Without a separate key, the key is in the chain's file or text.
struct certificate_source {
  certificate_source() = default;
  certificate_source(std::string chain, std::string key)  // two files
      : chain_file{std::move(chain)}, key_file{std::move(key)} {}

  static certificate_source from_pem(std::string chain, std::string key) {
    certificate_source source;
    source.chain_pem = std::move(chain);
    source.key_pem = std::move(key);
    return source;
  }

  std::string chain_file;
  std::string key_file;
  std::string chain_pem;
  std::string key_pem;
};

// How loading went. Each text is one line for an operator: which file, what is wrong, what to do.
struct [[nodiscard]] load_outcome {
  load_outcome() = default;

  explicit operator bool() const noexcept { return error.empty(); }

  std::string error;                  // empty: loaded
  std::vector<std::string> warnings;  // also where it is loaded
};

enum class client_certificates {
  none,     // not asked for
  request,  // asked for; tls_facts says whether one came and is trusted
  require,  // no handshake without a trusted one
};

struct tls_server_options {
  tls_server_options() = default;

  // The first serves clients that send no SNI, or a name that no certificate has.
  std::vector<certificate_source> certificates;
  tls_version min_version = tls_version::tls_1_2;
  tls_version max_version = tls_version::tls_1_3;
  std::string ciphers;  // in BoringSSL's syntax; empty: modern_tls_ciphers, or compatible where
                        // min_version is below TLS 1.2
  client_certificates clients = client_certificates::none;
  std::string client_ca_file;   // PEM: who may sign client certificates
  std::string client_ca_pem;    // the same as text
  bool session_tickets = true;  // resumption (RFC 5077, RFC 8446 §4.6.1); keys change by themselves
  bool allow_expired = false;   // an expired certificate is then a warning, not an error
};

enum class verification {
  opportunistic,  // accept any certificate; tls_facts says what a check would have found
  pkix,           // a trusted chain, and the server's name in subjectAltName
};

struct tls_client_options {
  tls_client_options() = default;

  // Trusted authorities: PEM text, else a file, else a directory as c_rehash makes it.
  std::string ca_pem;
  std::string ca_file;
  std::string ca_directory = "/etc/ssl/certs";
  verification verify = verification::opportunistic;  // unless the session says otherwise
  tls_version min_version = tls_version::tls_1_2;
  tls_version max_version = tls_version::tls_1_3;
  std::string ciphers;                            // as for the server
  std::optional<certificate_source> certificate;  // sent to servers that ask for one
};

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_TLS_OPTIONS_HPP
