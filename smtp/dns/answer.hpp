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

template <class Record>
class answer {
 public:
  // Not asked yet: a temporary failure.
  answer() : answer(dns::status::temporary_failure) {}

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
    return a;
  }

  dns::status status() const { return status_; }
  bool has_records() const { return status_ == dns::status::found; }
  // The name exists or not, but there is an answer.
  bool is_definite() const { return status_ != dns::status::temporary_failure; }
  const std::vector<Record>& records() const { return records_; }
  // How long this may be kept; of a negative answer, by RFC 2308 §5.
  std::chrono::seconds ttl() const { return ttl_; }
  // Of a temporary failure: "timeout", "SERVFAIL", ...
  const std::string& reason() const { return reason_; }

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
