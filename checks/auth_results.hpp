// Authentication-Results (RFC 8601): writing our own, reading others', finding forged ones.
//
// Checks leave what they found as an auth_method in the notes (add_auth_result()), and the check
// `auth_results` (checks/auth_results_check.hpp) writes the field. Values only; no I/O.
//
//     add_auth_result(ctx.transaction_notes(), {.method = "spf", .result = "pass",
//                     .properties = {{"smtp", "mailfrom", "a@example.com"}}});
#ifndef GATEPOST_CHECKS_AUTH_RESULTS_HPP
#define GATEPOST_CHECKS_AUTH_RESULTS_HPP

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checks/notes.hpp"
#include "smtp/config.hpp"
#include "smtp/header_edits.hpp"
#include "smtp/header_reader.hpp"
#include "smtp/result.hpp"

namespace gatepost::checks {

// A written value, comment or reason is cut to this: the longest mailbox has 320 octets, and a line
// of a header 998.
inline constexpr std::size_t max_auth_text_octets = 512;

struct auth_results_limits {
  std::size_t octets = 64u << 10;  // of a field that is read; real ones have up to 4 KiB
  std::size_t methods = 100;       // a message with that many signatures is an attack
  std::size_t properties = 50;     // of one method; the registry knows up to six
};

// "smtp.mailfrom=a@example.com"
struct auth_property {
  std::string ptype;  // smtp, header, body, policy (RFC 8601 §2.3)
  std::string property;
  std::string value;

  friend bool operator==(const auth_property&, const auth_property&) = default;
};

// What one method found. RFC 8601 §2.2 resinfo.
struct auth_method {
  std::string method;        // "spf", "dkim", "dmarc", ... (RFC 8601 §2.7)
  unsigned version = 1;      // of the method; written where it is not 1
  std::string result;        // "pass", "fail", "none", ...
  std::string comment = {};  // behind the result, for people; not kept by the parser
  std::string reason = {};
  std::vector<auth_property> properties = {};

  friend bool operator==(const auth_method&, const auth_method&) = default;
};

// A whole field.
struct auth_results_view {
  std::string authserv_id;
  unsigned version = 1;
  std::vector<auth_method> methods = {};  // none: the field says "none"

  friend bool operator==(const auth_results_view&, const auth_results_view&) = default;
};

// The value of a field, on one line; smtp::write_field() folds it. Whatever the texts hold, they
// end neither their value nor the field: what is no keyword is made one, and what is no token is
// quoted.
GATEPOST_DECL std::string write_auth_results(std::string_view authserv_id,
                                             std::span<const auth_method> methods);

// Reads the value of a field. Errors: header_field_too_long, too_many_parameters,
// bad_header_field.
GATEPOST_DECL smtp::result<auth_results_view> parse_auth_results(
    std::string_view value, const auth_results_limits& limits = {});

// The authserv-id of a field's value, unquoted; read as generously as any mail program might.
// Empty: there is none.
GATEPOST_DECL std::string authserv_id_of(std::string_view value);

// Whether two authserv-ids name the same server: without regard to case, as A-labels, without a
// final dot.
GATEPOST_DECL bool same_authserv_id(std::string_view a, std::string_view b);

// RFC 8601 §5: the Authentication-Results fields that claim one of these ids, those without any,
// and those of whatever server with a version other than 1, which nobody here can read.
// ARC-Authentication-Results (RFC 8617) are others' to judge and not among them.
GATEPOST_DECL std::vector<smtp::octet_range> forged_auth_results(
    std::span<const smtp::field_view> fields, std::span<const std::string> authserv_ids);

// The note: what was found so far. One in the session's notes (what holds for every message: iprev,
// AUTH) and one in the transaction's.
struct collected_auth_results {
  std::vector<auth_method> methods;
};

GATEPOST_DECL void add_auth_result(notes& where, auth_method found);

// An order that does not depend on who was faster: auth, iprev, spf, dkim, arc, dmarc, then others
// by name; of one method as they were.
GATEPOST_DECL void sort_auth_results(std::vector<auth_method>& methods);

// What both scopes hold, in that order.
GATEPOST_DECL std::vector<auth_method> all_auth_results(const notes& session,
                                                        const notes& transaction);

}  // namespace gatepost::checks

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/impl/auth_results.ipp"
#endif

#endif  // GATEPOST_CHECKS_AUTH_RESULTS_HPP
