// A DKIM-Signature, ARC-Message-Signature or ARC-Seal field, parsed and checked by itself
// (RFC 6376 §3.5 and §6.1.1, RFC 8301, RFC 8463; RFC 8617 §4.1).
//
// What is returned owns its text, so it outlives the header. Domains are in A-labels and lower case
// (RFC 8616). Time is not looked at here; verify.hpp does. Pure functions; no I/O.
#ifndef GATEPOST_CHECKS_DKIM_SIGNATURE_HPP
#define GATEPOST_CHECKS_DKIM_SIGNATURE_HPP

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checks/dkim/canonical.hpp"
#include "checks/dkim/problem.hpp"
#include "checks/dkim/tag_list.hpp"
#include "smtp/config.hpp"
#include "smtp/header_edits.hpp"

namespace gatepost::checks::dkim {

enum class algorithm : std::uint8_t { rsa_sha256, ed25519_sha256, rsa_sha1 };

constexpr std::string_view to_string(algorithm a) {
  switch (a) {
    case algorithm::rsa_sha256: return "rsa-sha256";
    case algorithm::ed25519_sha256: return "ed25519-sha256";
    case algorithm::rsa_sha1: return "rsa-sha1";
  }
  return "?";
}

enum class signature_kind : std::uint8_t {
  dkim,         // DKIM-Signature
  arc_message,  // ARC-Message-Signature: i= is the instance, there is no v= (RFC 8617 §4.1.2)
  arc_seal,     // ARC-Seal: neither h= nor bh= nor c= (RFC 8617 §4.1.3)
};

// Names in h=. Real signatures have up to 40, oversigned ones twice that.
inline constexpr std::size_t max_signed_fields = 1000;

// RFC 8617 §4.2.1: instances run from 1 to 50.
inline constexpr unsigned max_arc_instance = 50;

struct signature {
  dkim::algorithm algorithm = dkim::algorithm::rsa_sha256;
  std::string b;    // octets of the signature
  std::string bh;   // octets of the body's hash
  std::string b64;  // b= as it was written, without white space
  canonicalization header = canonicalization::simple;
  canonicalization body = canonicalization::simple;
  std::string domain;    // d=
  std::string selector;  // s=
  // i= of DKIM: the agent or user; "@" and d= where the field does not say.
  std::string identity;
  std::string identity_domain;
  std::vector<std::string> names;           // h=, in its order and case
  std::optional<std::uint64_t> length;      // l=: octets of the canonical body that are signed
  std::optional<std::uint64_t> signed_at;   // t=, seconds since 1970
  std::optional<std::uint64_t> expires_at;  // x=
  unsigned instance = 0;                    // i= of ARC
  std::string cv;                           // cv= of ARC-Seal: none, pass or fail
  smtp::octet_range b_octets;  // where the value has what b= says; see without_signature()

  // Where its key is (RFC 6376 §3.6.2.1).
  std::string key_name() const { return selector + "._domainkey." + domain; }
};

// A domain or selector as the DNS has it: A-labels in lower case (RFC 8616 §5), underscores
// allowed. Empty where it is none, or has less labels than that.
GATEPOST_DECL std::string dns_name(std::string_view text, std::size_t least_labels);

// Reads the field's value: what stands behind the colon. Problems: RFC 6376 §6.1.1's, each a
// sentence.
GATEPOST_DECL parsed<signature> parse_signature(std::string_view value, signature_kind kind);

// What can be told of a field that does not parse, for logs: any of its parts may be empty.
struct signature_outline {
  std::string domain;
  std::string selector;
};
GATEPOST_DECL signature_outline outline_of(std::string_view value);

}  // namespace gatepost::checks::dkim

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/dkim/impl/signature.ipp"
#endif

#endif  // GATEPOST_CHECKS_DKIM_SIGNATURE_HPP
