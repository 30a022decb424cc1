// One list of the DNS (RFC 5782): what it is asked about, what its answers mean, what they weigh.
//
//     dnsbl_list list;
//     list.zone = "bl.example.test";
//     list.codes = {"127.0.0.2-9", "127.0.0.10-11=0.5"};
//     const dnsbl_reader reader(list, default_blocked_codes());
//     reader.read(addresses).meaning == dnsbl_meaning::listed
//
// An answer outside of 127.0.0.0/8 never counts: a zone that was given up, or a resolver that
// invents answers, would list everybody. An answer that means "you are blocked" never counts,
// either. Values only, no I/O; any thread.
#ifndef GATEPOST_CHECKS_DNSBL_LIST_HPP
#define GATEPOST_CHECKS_DNSBL_LIST_HPP

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "smtp/config.hpp"
#include "smtp/ip.hpp"

namespace gatepost::checks {

// What a list is asked about.
enum class dnsbl_subject : std::uint8_t {
  ipv4,         // the client's address (RFC 5782 §2.1)
  ipv6,         // by nibbles (RFC 5782 §2.4)
  helo,         // the name in HELO (RFC 5782 §3: lists of names)
  sender,       // the domain of the reverse-path
  client_name,  // the name that the DNS confirms for the client (iprev)
};

GATEPOST_DECL std::string_view to_string(dnsbl_subject s);

struct dnsbl_list {
  std::string zone = {};
  // What replies and logs call it; empty: the zone. For zones with a secret key in their name.
  std::string name = {};

  std::vector<dnsbl_subject> subjects = {dnsbl_subject::ipv4, dnsbl_subject::ipv6};

  // The answers that count: "127.0.0.2", "127.0.0.2-11", "127.0.0.[2-4,9]", "127.0.0.0/24"; each
  // may have a weight of its own behind "=". Without any, every answer in 127.0.0.0/8 counts.
  std::vector<std::string> codes = {};

  // Negative: a list of the good. Several codes in one answer: the greatest weight counts.
  double weight = 1.0;

  // Who is on it is not judged by the other lists at all.
  bool allow = false;

  const std::string& shown_name() const { return name.empty() ? zone : name; }
};

// A pattern of IPv4 addresses.
class dnsbl_codes {
 public:
  // Nothing where the text is no pattern.
  GATEPOST_DECL static std::optional<dnsbl_codes> parse(std::string_view text);

  GATEPOST_DECL bool contains(const smtp::ip_address& address) const;

 private:
  std::array<std::bitset<256>, 4> octets_;
};

// Answers that say that we may not ask: 127.255.255.0/24 (Spamhaus and others), 127.0.0.1 (URIBL,
// SURBL; RFC 5782 §5 has it that nobody is listed so) and 127.0.0.255 (DNSWL).
GATEPOST_DECL std::vector<std::string> default_blocked_codes();

enum class dnsbl_meaning : std::uint8_t {
  clean,  // not listed, or by other codes only
  listed,
  blocked,  // we may not ask this list
  odd,      // no answer that a list gives: nothing in 127.0.0.0/8
};

struct dnsbl_reading {
  dnsbl_meaning meaning = dnsbl_meaning::clean;
  double weight = 0;           // where listed
  smtp::ip_address code = {};  // what decided
};

// A list, ready to read its answers.
class dnsbl_reader {
 public:
  // Throws std::invalid_argument where problem_of() finds one.
  GATEPOST_DECL dnsbl_reader(const dnsbl_list& list, std::span<const std::string> blocked);

  // Of the A records that the list has for a name.
  GATEPOST_DECL dnsbl_reading read(std::span<const smtp::ip_address> answers) const;

 private:
  struct weighed {
    dnsbl_codes codes;
    double weight;
  };

  std::vector<dnsbl_codes> blocked_;
  std::vector<weighed> codes_;
  double weight_;
};

// Whether the text can stand in dnsbl_list::codes.
GATEPOST_DECL bool is_dnsbl_code(std::string_view text);

// What is wrong with a list, for people; empty: nothing.
GATEPOST_DECL std::string problem_of(const dnsbl_list& list);

// The text of a list's TXT record as it may stand in a reply: one line, printable ASCII, at most
// `most` octets.
GATEPOST_DECL std::string dnsbl_reason(std::string_view txt, std::size_t most);

}  // namespace gatepost::checks

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/impl/dnsbl_list.ipp"
#endif

#endif  // GATEPOST_CHECKS_DNSBL_LIST_HPP
