// Typed answers of the DNS: what was found, or why nothing was.
//
// An answer is never just empty: it says whether the name does not exist, has no such records, or
// could not be asked about. Names are in A-label form without a final dot. Values only; the
// resolver that gives them is in smtp/dns/resolver.hpp.
#ifndef GATEPOST_SMTP_DNS_ANSWER_HPP
#define GATEPOST_SMTP_DNS_ANSWER_HPP

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "smtp/config.hpp"

namespace gatepost::smtp::dns {

enum class status : std::uint8_t {
  found,
  no_such_name,       // NXDOMAIN (RFC 1035 §4.1.1, RFC 8020)
  no_data,            // the name exists, and has no record of this type (RFC 2308 §2.2)
  temporary_failure,  // nobody answered, or not with an answer: ask again later
};

constexpr std::string_view to_string(status s) {
  switch (s) {
    case status::found: return "found";
    case status::no_such_name: return "no such name";
    case status::no_data: return "no data";
    case status::temporary_failure: return "temporary failure";
  }
  return "?";
}

// Why there is no answer.
enum class failure : std::uint8_t {
  none,              // there is one
  other,             // see answer::reason()
  timeout,           // nobody answered in time
  unreachable,       // no server could be sent to
  server_failure,    // SERVFAIL: also what a validating resolver says of forged data
  refused,           // REFUSED
  format_error,      // FORMERR
  not_implemented,   // NOTIMP
  other_rcode,       // any other code of RFC 1035 §4.1.1 and RFC 6891 §6.1.3
  malformed,         // octets that are no DNS message, or contradict themselves
  mismatched,        // another id, another question, or no response at all
  truncated,         // cut off (TC), and not to be had whole
  cname_chain,       // more aliases than response_options::aliases, or a loop
  too_many_records,  // more than response_options::records
  referral,          // the server does not recurse, and points to others
  overload,          // more questions at a time than we allow ourselves
  shut_down,         // the resolver is gone
};

constexpr std::string_view to_string(failure f) {
  switch (f) {
    case failure::none: return "none";
    case failure::other: return "failure";
    case failure::timeout: return "timeout";
    case failure::unreachable: return "name server unreachable";
    case failure::server_failure: return "SERVFAIL";
    case failure::refused: return "REFUSED";
    case failure::format_error: return "FORMERR";
    case failure::not_implemented: return "NOTIMP";
    case failure::other_rcode: return "unexpected RCODE";
    case failure::malformed: return "malformed answer";
    case failure::mismatched: return "answer to another question";
    case failure::truncated: return "truncated answer";
    case failure::cname_chain: return "CNAME chain too long";
    case failure::too_many_records: return "too many records";
    case failure::referral: return "referral instead of an answer";
    case failure::overload: return "too many questions at a time";
    case failure::shut_down: return "resolver shut down";
  }
  return "?";
}

template <class Record>
class answer {
 public:
  // Not asked yet: a temporary failure.
  answer() : answer(dns::status::temporary_failure) { failure_ = dns::failure::other; }

  // At least one record.
  static answer found(std::vector<Record> records, std::chrono::seconds ttl) {
    answer a(dns::status::found);
    a.records_ = std::move(records);
    a.ttl_ = ttl;
    return a;
  }
  static answer no_such_name(std::chrono::seconds ttl) {
    return nothing(dns::status::no_such_name, ttl);
  }
  static answer no_data(std::chrono::seconds ttl) { return nothing(dns::status::no_data, ttl); }
  static answer temporary_failure(std::string reason) {
    answer a(dns::status::temporary_failure);
    a.reason_ = std::move(reason);
    a.failure_ = dns::failure::other;
    return a;
  }
  static answer temporary_failure(dns::failure why) {
    answer a = temporary_failure(std::string(to_string(why)));
    a.failure_ = why;
    return a;
  }

  dns::status status() const { return status_; }
  bool has_records() const { return status_ == dns::status::found; }
  // The name exists or not, but there is an answer.
  bool is_definite() const { return status_ != dns::status::temporary_failure; }
  const std::vector<Record>& records() const { return records_; }
  // How long this may be kept; of a negative answer, by RFC 2308 §5.
  std::chrono::seconds ttl() const { return ttl_; }
  // For caches.
  answer& set_ttl(std::chrono::seconds ttl) {
    ttl_ = ttl;
    return *this;
  }
  // Of a temporary failure: "timeout", "SERVFAIL", ...
  const std::string& reason() const { return reason_; }
  // The same to decide by and to count; `none` where there is an answer.
  dns::failure failure() const { return failure_; }

  // The resolver has validated it by DNSSEC, and we trust that resolver (the AD bit, RFC 4035
  // §3.2.3).
  bool authenticated() const { return authenticated_; }
  answer& set_authenticated(bool yes) {
    authenticated_ = yes;
    return *this;
  }

 private:
  explicit answer(dns::status s) : status_(s) {}
  static answer nothing(dns::status s, std::chrono::seconds ttl) {
    answer a(s);
    a.ttl_ = ttl;
    return a;
  }

  dns::status status_;
  dns::failure failure_ = dns::failure::none;
  bool authenticated_ = false;
  std::vector<Record> records_;
  std::chrono::seconds ttl_{0};
  std::string reason_;
};

struct mx_record {
  std::uint16_t preference = 0;
  std::string exchange;  // empty: null MX (RFC 7505)

  friend bool operator==(const mx_record&, const mx_record&) = default;
};

struct tlsa_record {  // RFC 6698 §2
  std::uint8_t usage = 0;
  std::uint8_t selector = 0;
  std::uint8_t matching = 0;
  std::string data;

  friend bool operator==(const tlsa_record&, const tlsa_record&) = default;
};

}  // namespace gatepost::smtp::dns

#endif  // GATEPOST_SMTP_DNS_ANSWER_HPP
