// Signs messages: makes DKIM-Signature fields (RFC 6376 §5, RFC 8463), sans-I/O.
//
// The body goes through first, then the field is made from the header and the body's hash. Several
// signatures, of RSA and Ed25519 for instance, share the hash. What is signed is what the header
// has: nothing may be changed afterwards in the fields that options.fields names. l= is never
// written (RFC 6376 §8.2).
//
//     signing s(options);
//     s.body(piece); ...
//     for (const signing_key& key : keys) fields += s.field(header, key, now);   // on top of it
//
// One thread at a time.
#ifndef GATEPOST_CHECKS_DKIM_SIGN_HPP
#define GATEPOST_CHECKS_DKIM_SIGN_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checks/dkim/body_hash.hpp"
#include "checks/dkim/canonical.hpp"
#include "checks/dkim/crypto.hpp"
#include "checks/dkim/header_hash.hpp"
#include "checks/dkim/problem.hpp"
#include "smtp/config.hpp"

namespace gatepost::checks::dkim {

// Who signs: the key, and where its public half is in the DNS.
struct signing_key {
  // Problems: `domain` is not a name with a dot in it, `selector` is not one. Both become A-labels
  // in lower case.
  GATEPOST_DECL static parsed<signing_key> make(std::string_view domain, std::string_view selector,
                                                private_key key);

  std::string domain;    // d=
  std::string selector;  // s=
  private_key key;

  // Where the DNS has to have key.dns_record().
  std::string key_name() const { return selector + "._domainkey." + domain; }
};

// RFC 6376 §5.4.1: the fields that say what the mail is and who is to answer; also those by which a
// list or a client would show it otherwise.
GATEPOST_DECL std::vector<std::string> default_signed_fields();

struct sign_options {
  // Relaxed survives what relays do to white space (RFC 6376 §3.4).
  canonicalization header = canonicalization::relaxed;
  canonicalization body = canonicalization::relaxed;

  // Fields to sign where the message has them: every one of that name.
  std::vector<std::string> fields = default_signed_fields();

  // Of these, one more than there is is signed, so that none can be added later (RFC 6376 §5.4.2,
  // §8.15). From is always among them.
  std::vector<std::string> oversigned = {"From", "Sender", "Reply-To", "Subject",
                                         "Date", "To",     "Cc"};

  // x=: how long the signature is good. None: for ever, and replays too (RFC 6376 §8.6).
  std::optional<std::chrono::seconds> expires_after = std::nullopt;

  // i=: the local part before "@" and d=. Empty: no i=.
  std::string identity = {};
};

// How b= is written.
enum class b_layout : std::uint8_t {
  folded,  // with blanks in it, so that lines have up to 78 octets (RFC 5322 §2.1.1)
  whole,   // without, in a longer line; an RSA key of more than 5900 bits is folded all the same
};

class signing {
 public:
  using time_point = std::chrono::system_clock::time_point;

  GATEPOST_DECL explicit signing(sign_options options);

  // The next octets behind the header's empty line.
  void body(std::string_view text) { hashes_.update(text); }

  // One whole DKIM-Signature field with its CRLF, to be put on top of the header; empty where there
  // was no memory. Its lines have up to 78 octets, and smtp::write_field() leaves it as it is, so
  // verdict::add_header("DKIM-Signature", value_of(field)) is right. After the first call no more
  // of the body is taken.
  GATEPOST_DECL std::string field(const header_text& header, const signing_key& key,
                                  time_point now);

 private:
  std::string tags(const signing_key& key, std::string_view names, time_point now) const;
  std::vector<std::string> names(const header_text& header) const;

  sign_options options_;
  body_hashes hashes_;
  bool ended_ = false;
};

// What stands behind the colon, without the blanks and the line end around it.
GATEPOST_DECL std::string_view value_of(std::string_view field);

namespace detail {
// A signature's tags: those before b=, each with "; " behind it, and those behind b=, or nothing.
struct signed_tags {
  std::string before;
  std::string behind;
  b_layout layout = b_layout::folded;
};
// Writes the field with its signature; `covered` is the canonical form of all that it covers beside
// itself. Empty where the key does not sign. For ARC too.
GATEPOST_DECL std::string signed_field(std::string_view name, const signed_tags& tags,
                                       std::string_view covered, canonicalization how,
                                       const private_key& key);
// Base64 in words of a size that lines can hold, with a blank between them.
GATEPOST_DECL std::string in_words(std::string_view text);
}  // namespace detail

}  // namespace gatepost::checks::dkim

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/dkim/impl/sign.ipp"
#endif

#endif  // GATEPOST_CHECKS_DKIM_SIGN_HPP
