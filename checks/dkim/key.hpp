// Key records: what a selector's name in the DNS says (RFC 6376 §3.6.1, RFC 8463 §4).
//
//     "v=DKIM1; k=rsa; t=s; p=MIIBIjANBg..."
//
// A record owns its text. Pure functions; no I/O.
#ifndef GATEPOST_CHECKS_DKIM_KEY_HPP
#define GATEPOST_CHECKS_DKIM_KEY_HPP

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "checks/dkim/crypto.hpp"
#include "checks/dkim/problem.hpp"
#include "checks/dkim/signature.hpp"
#include "checks/text_cache.hpp"
#include "smtp/config.hpp"

namespace gatepost::checks::dkim {

// A longer record is not read: 16384 bits of RSA, the most that BoringSSL takes, are 2800 octets.
inline constexpr std::size_t max_key_record_octets = 8192;

struct key_record {
  std::optional<key_type> type = key_type::rsa;  // k=; none: a type that we do not know
  std::string data;                              // p=, decoded; empty: the key is revoked
  bool sha256 = true;                            // h= allows it
  bool email = true;                             // s= allows it
  bool testing = false;                          // t=y; see signature_result::testing
  bool strict = false;                           // t=s: i= has exactly the domain of d=
};

// Problems: the record is to be discarded, and why.
GATEPOST_DECL parsed<key_record> parse_key_record(std::string_view text);

// Which keys are good enough.
struct key_policy {
  // RFC 8301 §3.2: less is not to be taken for valid, 1024 has to be.
  unsigned min_rsa_bits = 1024;
  // RFC 8301 §3.2 asks for 4096 and allows more. Each doubling takes four times as long; 8192 bits
  // are 0.3 ms.
  unsigned max_rsa_bits = 8192;
};

// A record as it was read, and its key: an entry of a text_cache. Reading a record, and what the
// first verification by a key prepares, cost a quarter of a verification; most mail is signed by
// few keys. Immutable.
class owned_key {
 public:
  GATEPOST_DECL explicit owned_key(std::string_view text);

  const std::string& text() const { return text_; }
  const parsed<key_record>& record() const { return record_; }
  // None: the record has none, or none of its type.
  const std::optional<public_key>& key() const { return key_; }

  // What it holds, about.
  GATEPOST_DECL std::size_t octets() const;
  // Only good keys are.
  bool worth_keeping() const { return key_.has_value(); }

 private:
  std::string text_;
  parsed<key_record> record_;
  std::optional<public_key> key_;
};

using key_cache = text_cache<owned_key>;

// The key of a record, which is one, for a signature. Problems, RFC 6376 §6.1.2: revoked, of
// another type, not for this hash or for mail, too short or too long, not a key; i= against t=s.
GATEPOST_DECL parsed<public_key> key_for(const owned_key& from, const signature& s,
                                         const key_policy& policy);

// Records of one name that are looked at. There should be one (RFC 6376 §3.6.2.2); a second one
// appears where somebody changes keys.
inline constexpr std::size_t max_key_records = 8;

struct chosen_key {
  public_key key;
  bool testing = false;
};

// The first of the name's records that has a key for the signature (RFC 6376 §6.1.2 lets a verifier
// try them all). Problems: those of the first record that is one, else of the first. Records that
// are in `cache`, or are put there, are not read again.
GATEPOST_DECL parsed<chosen_key> choose_key(std::span<const std::string> records,
                                            const signature& s, const key_policy& policy,
                                            key_cache* cache = nullptr);

}  // namespace gatepost::checks::dkim

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/dkim/impl/key.ipp"
#endif

#endif  // GATEPOST_CHECKS_DKIM_KEY_HPP
