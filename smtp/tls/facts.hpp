// What is known about a TLS connection once its handshake is done: values for logs, checks and the
// Received field (RFC 8314 §4.3 names cipher and group there).
//
// Every string is made safe before it is put here: printable ASCII, without CR, LF or NUL, whatever
// the peer has written into its certificate or its SNI.
#ifndef GATEPOST_SMTP_TLS_FACTS_HPP
#define GATEPOST_SMTP_TLS_FACTS_HPP

#include <chrono>
#include <string>
#include <vector>

namespace gatepost::smtp {

// One certificate. Times are UTC.
struct certificate_facts {
  certificate_facts() = default;

  bool present = false;  // false: there is no certificate, and all else is empty
  std::string subject;   // as RFC 4514 writes it, e.g. "CN=mx.example.test,O=Example"
  std::string issuer;
  std::string sha256;                  // fingerprint of the DER form, 64 lower-case hex digits
  std::vector<std::string> dns_names;  // of subjectAltName, lower case; may begin with "*."
  std::vector<std::string> emails;     // of subjectAltName
  std::chrono::sys_seconds not_before{};
  std::chrono::sys_seconds not_after{};
};

struct tls_facts {
  tls_facts() = default;

  std::string version;      // "TLSv1.3"; empty before the handshake is done
  std::string cipher;       // the IANA name, "TLS_AES_128_GCM_SHA256"
  int cipher_bits = 0;      // strength of the cipher's key
  std::string group;        // of the key exchange, "X25519"; empty where there was none
  std::string server_name;  // SNI that the client sent (RFC 6066 §3), lower case
  std::string alpn;         // empty: SMTP uses none
  bool resumed = false;     // the keys come from an earlier session

  // The other side's certificate. For a server: the client's, where one was asked for and sent.
  certificate_facts peer;
  bool peer_verified = false;     // chain is trusted, and for a client the host name fits too
  std::string peer_not_verified;  // why not; empty where peer_verified
};

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_TLS_FACTS_HPP
