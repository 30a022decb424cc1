// Certificates made on the spot: for demos, for tests, and for a first start before a real one is
// there. ECDSA P-256, a random serial number, the names as subjectAltName (RFC 5280 §4.2.1.6).
//
// Mail servers that deliver opportunistically (RFC 7435) accept a self-signed certificate; MTA-STS
// and most submission clients do not.
#ifndef GATEPOST_SMTP_TLS_SELF_SIGNED_HPP
#define GATEPOST_SMTP_TLS_SELF_SIGNED_HPP

#include <string>
#include <vector>

#include "smtp/config.hpp"

namespace gatepost::smtp {

// A certificate chain, leaf first, and the leaf's key, both PEM. Both empty: it could not be made
// (no names, a name that is not printable ASCII, or no memory).
struct pem_pair {
  pem_pair() = default;

  explicit operator bool() const noexcept { return !cert_pem.empty(); }

  std::string cert_pem;
  std::string key_pem;
};

// A certificate for these names: host names, "*." wildcards, IP addresses, mail addresses. It is
// valid from an hour ago for `days` from now; with negative days it expired that long ago.
GATEPOST_DECL pem_pair make_self_signed(const std::vector<std::string>& names, int days);

// A certificate authority of one's own.
GATEPOST_DECL pem_pair make_authority(const std::string& name, int days);

// A certificate as from make_self_signed, but signed by `authority`, whose chain follows the leaf.
GATEPOST_DECL pem_pair make_signed(const pem_pair& authority, const std::vector<std::string>& names,
                                   int days);

}  // namespace gatepost::smtp

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/tls/impl/self_signed.ipp"
#endif

#endif  // GATEPOST_SMTP_TLS_SELF_SIGNED_HPP
