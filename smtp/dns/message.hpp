// DNS messages: writes queries, and reads responses into typed answers (RFC 1035 §4, RFC 2308, RFC
// 6891).
//
// A response is read strictly and once: id and question must be those asked, every count must be
// true, nothing may follow the last record, compression pointers go backwards only. Whatever does
// not hold becomes a typed temporary failure, never an empty answer. Sans-I/O: no function here
// sends anything, and all may be called from any thread.
//
// Names are text by RFC 1035 §5.1 without a final dot: octets other than printable ASCII, and a dot
// or backslash within a label, are written \DDD. A name is compared without regard to case and
// kept as it was sent.
#ifndef GATEPOST_SMTP_DNS_MESSAGE_HPP
#define GATEPOST_SMTP_DNS_MESSAGE_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "smtp/config.hpp"
#include "smtp/dns/answer.hpp"
#include "smtp/ip.hpp"
#include "smtp/result.hpp"

namespace gatepost::smtp::dns {

enum class record_type : std::uint16_t {
  a = 1,
  cname = 5,
  ptr = 12,
  mx = 15,
  txt = 16,
  aaaa = 28,
  tlsa = 52,  // RFC 6698 §7.1
};

constexpr std::string_view to_string(record_type t) {
  switch (t) {
    case record_type::a: return "A";
    case record_type::cname: return "CNAME";
    case record_type::ptr: return "PTR";
    case record_type::mx: return "MX";
    case record_type::txt: return "TXT";
    case record_type::aaaa: return "AAAA";
    case record_type::tlsa: return "TLSA";
  }
  return "?";
}

// What is asked, always of class IN.
struct question {
  std::string name;
  record_type type = record_type::a;
};

// --- Queries -------------------------------------------------------------------------------------

// Whether the resolver shall say that it has validated the answer.
enum class dnssec : std::uint8_t {
  off,
  ad,         // the AD bit: only its verdict (RFC 6840 §5.7)
  dnssec_ok,  // the DO bit as well: signatures come along (RFC 3225); needs EDNS
};

// DNS flag day 2020: fits into one packet on any path, so that no fragment can be forged.
inline constexpr std::uint16_t default_payload = 1232;

struct query_options {
  // Must be hard to guess (RFC 5452 §9.2).
  std::uint16_t id = 0;
  // What we take by UDP, told by EDNS (RFC 6891 §6.2.3); 0: no EDNS, and 512 octets.
  std::uint16_t payload = default_payload;
  dnssec security = dnssec::off;
};

// The query, recursion desired. errc::bad_domain where the name is none: empty, an empty label, a
// label of more than 63 octets, more than 255 in all, a broken escape. One final dot is taken.
GATEPOST_DECL result<std::string> encode_query(const question& asked,
                                               const query_options& options = {});

// A query as read_query() found it.
struct query {
  question asked;
  query_options options;
};

// Whether the text is a name that encode_query() takes.
GATEPOST_DECL bool is_name(std::string_view text);

// Reads what encode_query() writes: one question, no record but OPT. For servers in tests. Error:
// errc::bad_argument.
GATEPOST_DECL result<query> read_query(std::string_view message);

// --- Responses -----------------------------------------------------------------------------------

// Whether the AD bit counts: only where the resolver is ours, and so is the path to it (RFC 4035
// §4.9.3).
enum class ad_bit : std::uint8_t { ignored, trusted };

struct response_options {
  // CNAME records in a row. RFC 1034 §3.6.2 advises against any chain; hosting makes chains of
  // three or four.
  std::size_t aliases = 8;
  // Records of one answer. No use of mail's needs so many; a PTR answer of thousands is an attack.
  std::size_t records = 512;
  ad_bit ad = ad_bit::ignored;
};

// An answer of any type: ip_address for A and AAAA, mx_record, tlsa_record, std::string for TXT
// (its strings joined), PTR and CNAME (a name; the root is empty).
using any_answer =
    std::variant<answer<ip_address>, answer<mx_record>, answer<std::string>, answer<tlsa_record>>;

// Aliases that lead to a name of which the message says nothing: no record, no SOA, and not that it
// does not exist. Whoever asked has to go on with that name (RFC 1034 §5.3.3 step 4c).
struct open_alias {
  std::string target;
  std::size_t aliases = 0;  // CNAME records up to there
  std::chrono::seconds ttl{0};
  bool authenticated = false;
};

// What one message says.
struct response {
  any_answer said;                      // failure::referral where `open` is set
  std::optional<open_alias> open = {};  // never where CNAME was asked for
};

// The response to the query with that question and id. CNAME records are followed within the
// message (not where CNAME was asked for). The TTL is the least of all records used; a negative
// answer's comes from its SOA (RFC 2308 §5), 0 where it has none. The alternative is that of the
// question's type, failures included.
GATEPOST_DECL response read_step(std::string_view message, const question& asked, std::uint16_t id,
                                 const response_options& options = {});

// The same for who does not go on.
GATEPOST_DECL any_answer read_response(std::string_view message, const question& asked,
                                       std::uint16_t id, const response_options& options = {});

// A failure with the alternative of that type.
GATEPOST_DECL any_answer failed(record_type type, failure why);

// The same for a name that cannot exist, whoever is asked: with a TTL of 0.
GATEPOST_DECL any_answer no_such_name(record_type type);

// What an answer of any type says, but for its records.
inline dns::status status_of(const any_answer& a) {
  return std::visit([](const auto& x) { return x.status(); }, a);
}
inline dns::failure failure_of(const any_answer& a) {
  return std::visit([](const auto& x) { return x.failure(); }, a);
}

}  // namespace gatepost::smtp::dns

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/dns/impl/message.ipp"
#endif

#endif  // GATEPOST_SMTP_DNS_MESSAGE_HPP
