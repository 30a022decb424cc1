// The PROXY protocol, versions 1 and 2: the true client, as a proxy in front of us tells it.
//
// Read what a connection sends first, once its peer is known to be a trusted proxy; never guess
// whether there is a header (§5 of the specification at haproxy.org, doc/proxy-protocol.txt, whose
// sections are cited here). What does not match the protocol exactly is an error; a wrong
// signature, version, family or length is one before the rest has come. Views point into the text
// that was given and live as long as it. Pure functions.
#ifndef GATEPOST_SMTP_PROXY_HEADER_HPP
#define GATEPOST_SMTP_PROXY_HEADER_HPP

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "smtp/config.hpp"
#include "smtp/ip.hpp"
#include "smtp/result.hpp"

namespace gatepost::smtp {

// §2.1: the longest line of version 1, with its CRLF.
inline constexpr std::size_t max_proxy_v1_octets = 107;

// Version 2 could say 16 + 65535. Real ones have 28 to 600 octets: addresses take 216 at most, an
// SNI and a unique id 400, certificate facts a few hundred. A proxy that sends more is not the one
// we trust.
inline constexpr std::size_t max_proxy_v2_octets = 4096;

// §2.2.5: "an opaque byte sequence of up to 128 bytes".
inline constexpr std::size_t max_proxy_unique_id_octets = 128;

enum class proxy_command : std::uint8_t {
  local,  // the proxy speaks for itself (a health check): the connection's own endpoints hold
  proxy,  // it relays a client
};

enum class proxy_transport : std::uint8_t { unspecified, stream, datagram };

// Type-length-value entries, §2.2. A view; a list that read_proxy_header() gives is well-formed.
class proxy_tlvs {
 public:
  struct entry {
    std::uint8_t type = 0;
    std::string_view value;
  };

  class iterator {
   public:
    explicit iterator(std::string_view rest) noexcept : rest_(rest) {}
    GATEPOST_DECL entry operator*() const noexcept;
    GATEPOST_DECL iterator& operator++() noexcept;
    friend bool operator==(const iterator& a, const iterator& b) noexcept {
      return a.rest_.size() == b.rest_.size();
    }

   private:
    std::string_view rest_;
  };

  proxy_tlvs() = default;
  explicit proxy_tlvs(std::string_view octets) noexcept : octets_(octets) {}

  bool empty() const noexcept { return octets_.empty(); }
  iterator begin() const noexcept { return iterator(octets_); }
  iterator end() const noexcept { return iterator({}); }

  // The value of the first entry of that type.
  GATEPOST_DECL std::optional<std::string_view> find(std::uint8_t type) const noexcept;

 private:
  std::string_view octets_;
};

// What the proxy says about TLS between the client and itself, §2.2.6. The texts are the peer's:
// they may hold any octet.
struct proxy_tls {
  bool used = false;  // the client spoke TLS
  bool certificate_in_connection = false;
  bool certificate_in_session = false;  // in this connection or the one it resumes
  bool verified = false;                // the certificate was, successfully
  std::string_view version;             // "TLSv1.3"
  std::string_view cipher;
  std::string_view common_name;          // of the certificate's subject
  std::string_view signature_algorithm;  // of the proxy's own certificate
  std::string_view key_algorithm;        // of the proxy's own certificate
};

struct proxy_header {
  unsigned version = 0;
  proxy_command command = proxy_command::local;
  proxy_transport transport = proxy_transport::unspecified;

  // Both or none. None: local, UNKNOWN, or an address family that is not IP; the connection's own
  // endpoints hold. Addresses are as sent: see ip_address::unmapped().
  std::optional<endpoint> source;       // the client
  std::optional<endpoint> destination;  // where the client connected to

  std::size_t consumed = 0;  // octets of the header: what follows them is the client's

  // Version 2 with endpoints or a Unix socket only; else empty.
  proxy_tlvs tlvs;
  std::string_view authority;    // the host name that the client asked for (SNI)
  std::string_view unique_id;    // of the connection, for logs; any octets
  bool checksum_given = false;   // there was a CRC32c; it was right
  std::optional<proxy_tls> tls;  // absent where the proxy says nothing of it
};

// Errors: need_more (call again with more, from the first octet), bad_proxy_header.
GATEPOST_DECL result<proxy_header> read_proxy_header(std::string_view input) noexcept;

}  // namespace gatepost::smtp

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/impl/proxy_header.ipp"
#endif

#endif  // GATEPOST_SMTP_PROXY_HEADER_HPP
