// What an SPF evaluation found out (RFC 7208 §2.6), and the notes by which other checks find it.
//
// Plain values: DMARC and Authentication-Results need this header and no more.
//
//     if (const auto* mail = ctx.transaction_notes().find<spf::mail_note>())
//       if (mail->outcome.result == spf::result::pass) aligned(mail->outcome.domain());
#ifndef GATEPOST_CHECKS_SPF_OUTCOME_HPP
#define GATEPOST_CHECKS_SPF_OUTCOME_HPP

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "smtp/config.hpp"

namespace gatepost::checks::spf {

enum class result : std::uint8_t { none, neutral, pass, fail, softfail, temperror, permerror };

// As in Received-SPF (RFC 7208 §9.1) and Authentication-Results (RFC 8601 §2.7.2).
constexpr std::string_view to_string(result r) {
  switch (r) {
    case result::none: return "none";
    case result::neutral: return "neutral";
    case result::pass: return "pass";
    case result::fail: return "fail";
    case result::softfail: return "softfail";
    case result::temperror: return "temperror";
    case result::permerror: return "permerror";
  }
  return "?";
}

// Whose permission was asked for (RFC 7208 §2.3, §2.4).
enum class identity : std::uint8_t { helo, mail_from };

constexpr std::string_view to_string(identity i) {
  return i == identity::helo ? "helo" : "mailfrom";
}

enum class trace_kind : std::uint8_t { record, term };

// One thing that happened in an evaluation, in order.
struct trace_entry {
  trace_kind kind = trace_kind::record;
  unsigned depth = 0;   // includes around it
  std::string domain;   // whose record
  std::string text;     // the record, or the term as written
  std::string finding;  // of a term: "match", "no match", "include", "redirect"
};

class owned_record;  // record_cache.hpp

struct outcome {
  outcome() = default;  // returned from coroutines, so no aggregate

  spf::result result = result::none;
  spf::identity identity = identity::mail_from;
  std::string sender;  // the mailbox, with the null sender's postmaster@helo (§2.4), in A-labels

  // That was asked about, as the client wrote it: what may align (RFC 7489 §3.1.2). Lies in
  // `sender`. Empty: there is none.
  std::string_view domain() const& {
    return std::string_view(sender).substr(sender.rfind('@') + 1);
  }
  std::string_view domain() && = delete;

  // The directive that matched, as written; empty: none did. Lies in `matched_record`.
  std::string_view mechanism;
  std::shared_ptr<const owned_record> matched_record;
  std::string mechanism_domain;    // whose record that is, where it is not `domain`: by redirect
  std::string explanation;         // of a fail, by the domain's owner (§6.2); empty: none was given
  std::string explanation_domain;  // who says so
  std::string problem;             // of temperror and permerror: why

  unsigned dns_terms = 0;     // see evaluation_limits
  unsigned void_lookups = 0;  // see evaluation_limits

  std::vector<trace_entry> trace;  // where it was asked for
};

// Left in the session's notes when the HELO identity was evaluated. HELO or EHLO again replaces it,
// and it is gone where the client is not judged any more: it has authenticated, or is another one
// (XCLIENT) and exempt.
struct helo_note {
  spf::outcome outcome;
};

// Left in the transaction's notes when the MAIL FROM identity was evaluated.
struct mail_note {
  spf::outcome outcome;
};

}  // namespace gatepost::checks::spf

#endif  // GATEPOST_CHECKS_SPF_OUTCOME_HPP
