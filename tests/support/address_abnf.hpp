// The address grammar of RFC 5321 §4.1.2 and §4.1.3 once more, written down rule by rule.
//
// A slow matcher to judge the fast parser by: each rule maps a position to all positions where a
// match that begins there may end. It knows ASCII only, and the sizes of RFC 5321 §4.5.3.1 as the
// last step. Choices that the grammar leaves open are made as in smtp/domain.hpp: no
// General-address-literal.
#ifndef GATEPOST_TESTS_SUPPORT_ADDRESS_ABNF_HPP
#define GATEPOST_TESTS_SUPPORT_ADDRESS_ABNF_HPP

#include <cstddef>
#include <functional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

namespace gatepost::tests::abnf {

using ends = std::set<std::size_t>;
using rule = std::function<ends(std::string_view, std::size_t)>;

// %dLOW-HIGH
inline rule octet(int low, int high) {
  return [low, high](std::string_view text, std::size_t at) -> ends {
    if (at >= text.size()) return {};
    const int value = static_cast<unsigned char>(text[at]);
    return value >= low && value <= high ? ends{at + 1} : ends{};
  };
}

// "literal", which has no case (RFC 5234 §2.3).
inline rule literal(std::string_view wanted) {
  return [wanted](std::string_view text, std::size_t at) -> ends {
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      if (at + i >= text.size()) return {};
      const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : +c; };
      if (lower(text[at + i]) != lower(wanted[i])) return {};
    }
    return {at + wanted.size()};
  };
}

inline rule any_of(std::vector<rule> rules) {
  return [rules = std::move(rules)](std::string_view text, std::size_t at) {
    ends all;
    for (const auto& r : rules) all.merge(r(text, at));
    return all;
  };
}

inline rule sequence(std::vector<rule> rules) {
  return [rules = std::move(rules)](std::string_view text, std::size_t at) {
    ends now{at};
    for (const auto& r : rules) {
      if (now.empty()) break;
      ends next;
      for (const std::size_t begin : now) next.merge(r(text, begin));
      now = std::move(next);
    }
    return now;
  };
}

// LEAST*MOST rule
inline rule repeat(std::size_t least, std::size_t most, rule r) {
  return [least, most, r = std::move(r)](std::string_view text, std::size_t at) {
    ends all;
    ends now{at};
    for (std::size_t count = 0; count <= most && !now.empty(); ++count) {
      if (count >= least) all.insert(now.begin(), now.end());
      ends next;
      for (const std::size_t begin : now) next.merge(r(text, begin));
      for (const std::size_t known : all) next.erase(known);
      now = std::move(next);
    }
    return all;
  };
}

inline constexpr std::size_t unbounded = static_cast<std::size_t>(-1);

inline rule many(rule r) { return repeat(0, unbounded, std::move(r)); }
inline rule optionally(rule r) { return repeat(0, 1, std::move(r)); }

// Any octet of a list.
inline rule one_of(std::string_view list) {
  return [list](std::string_view text, std::size_t at) -> ends {
    return at < text.size() && list.find(text[at]) != list.npos ? ends{at + 1} : ends{};
  };
}

inline rule alpha() { return any_of({octet('A', 'Z'), octet('a', 'z')}); }
inline rule digit() { return octet('0', '9'); }
inline rule hexdig() { return any_of({digit(), octet('A', 'F'), octet('a', 'f')}); }
inline rule let_dig() { return any_of({alpha(), digit()}); }

// Local-part = Dot-string / Quoted-string
inline rule local_part() {
  const rule atext = any_of({alpha(), digit(), one_of("!#$%&'*+-/=?^_`{|}~")});
  const rule atom = repeat(1, unbounded, atext);
  const rule dot_string = sequence({atom, many(sequence({literal("."), atom}))});
  const rule quoted_pair = sequence({octet(92, 92), octet(32, 126)});
  const rule qtext = any_of({octet(32, 33), octet(35, 91), octet(93, 126)});
  const rule qcontent = any_of({qtext, quoted_pair});
  const rule quoted_string = sequence({octet(34, 34), many(qcontent), octet(34, 34)});
  return any_of({dot_string, quoted_string});
}

// Domain = sub-domain *("." sub-domain), with labels of 63 octets at most
inline rule domain() {
  const rule inner = any_of({alpha(), digit(), literal("-")});
  const rule ldh_str = sequence({repeat(0, 61, inner), let_dig()});
  const rule sub_domain = sequence({let_dig(), optionally(ldh_str)});
  return sequence({sub_domain, many(sequence({literal("."), sub_domain}))});
}

// Snum: a value from 0 to 255 in one to three digits
inline rule snum() {
  return any_of({repeat(1, 2, digit()), sequence({octet('0', '1'), digit(), digit()}),
                 sequence({literal("2"), octet('0', '4'), digit()}),
                 sequence({literal("25"), octet('0', '5')})});
}

inline rule ipv4() { return sequence({snum(), repeat(3, 3, sequence({literal("."), snum()}))}); }

// N groups with colons between them
inline rule groups(std::size_t n) {
  const rule hex = repeat(1, 4, hexdig());
  if (n == 0) return sequence({});
  return sequence({hex, repeat(n - 1, n - 1, sequence({literal(":"), hex}))});
}

// IPv6-addr = IPv6-full / IPv6-comp / IPv6v4-full / IPv6v4-comp
inline rule ipv6() {
  std::vector<rule> forms{groups(8), sequence({groups(6), literal(":"), ipv4()})};
  for (std::size_t left = 0; left <= 6; ++left) {
    for (std::size_t right = 0; left + right <= 6; ++right) {
      forms.push_back(sequence({groups(left), literal("::"), groups(right)}));
      if (left + right > 4) continue;
      const rule tail = right == 0 ? ipv4() : sequence({groups(right), literal(":"), ipv4()});
      forms.push_back(sequence({groups(left), literal("::"), tail}));
    }
  }
  return any_of(std::move(forms));
}

inline rule address_literal() {
  return sequence(
      {literal("["), any_of({ipv4(), sequence({literal("IPv6:"), ipv6()})}), literal("]")});
}

inline rule domain_or_literal() { return any_of({domain(), address_literal()}); }

// A-d-l ":"
inline rule source_route() {
  const rule at_domain = sequence({literal("@"), domain()});
  return sequence({at_domain, many(sequence({literal(","), at_domain})), literal(":")});
}

inline bool matches(const rule& r, std::string_view text) {
  return r(text, 0).contains(text.size());
}

// The sizes of RFC 5321 §4.5.3.1.
inline constexpr std::size_t local_part_limit = 64;
inline constexpr std::size_t domain_limit = 255;
inline constexpr std::size_t path_limit = 256;

// Whether text[at..] is `Mailbox` and ends before `end`.
inline bool is_mailbox(std::string_view text, std::size_t at, std::size_t end) {
  static const rule local = local_part();
  static const rule right = domain_or_literal();
  const std::string_view inside = text.substr(0, end);
  for (const std::size_t sign : local(inside, at)) {
    if (sign >= end || text[sign] != '@' || sign - at > local_part_limit) continue;
    if (end - sign - 1 <= domain_limit && right(inside, sign + 1).contains(end)) return true;
  }
  return false;
}

inline bool is_mailbox(std::string_view text) {
  return text.size() + 2 <= path_limit && is_mailbox(text, 0, text.size());
}

// Path = "<" [ A-d-l ":" ] Mailbox ">"
inline bool is_path(std::string_view text) {
  static const rule route = source_route();
  if (text.size() < 2 || text.size() > path_limit) return false;
  if (text.front() != '<' || text.back() != '>') return false;
  ends begins = route(text, 1);
  begins.insert(1);
  for (const std::size_t begin : begins) {
    if (is_mailbox(text, begin, text.size() - 1)) return true;
  }
  return false;
}

// Reverse-path = Path / "<>"
inline bool is_reverse_path(std::string_view text) { return text == "<>" || is_path(text); }

// "<Postmaster>" / Forward-path
inline bool is_forward_path(std::string_view text) {
  return matches(literal("<postmaster>"), text) || is_path(text);
}

}  // namespace gatepost::tests::abnf

#endif  // GATEPOST_TESTS_SUPPORT_ADDRESS_ABNF_HPP
