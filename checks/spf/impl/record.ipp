#ifndef GATEPOST_CHECKS_SPF_IMPL_RECORD_IPP
#define GATEPOST_CHECKS_SPF_IMPL_RECORD_IPP

#include <algorithm>
#include <array>
#include <cstddef>

#include "checks/spf/detail/chars.hpp"
#include "checks/spf/record.hpp"

namespace gatepost::checks::spf {
namespace detail {

inline constexpr std::string_view version = "v=spf1";

// What may follow the name of a mechanism (§5).
enum class argument : std::uint8_t { none, optional_domain, domain, network };

struct mechanism_syntax {
  std::string_view name;
  spf::mechanism mechanism;
  detail::argument argument;
  bool cidr;  // of a name; that of a network belongs to it
};

// The commonest first.
inline constexpr std::array<mechanism_syntax, 8> mechanisms{{
    {"ip4", mechanism::ip4, argument::network, false},
    {"include", mechanism::include, argument::domain, false},
    {"a", mechanism::a, argument::optional_domain, true},
    {"mx", mechanism::mx, argument::optional_domain, true},
    {"ptr", mechanism::ptr, argument::optional_domain, false},
    {"ip6", mechanism::ip6, argument::network, false},
    {"all", mechanism::all, argument::none, false},
    {"exists", mechanism::exists, argument::domain, false},
}};

inline bool same_word(std::string_view text, std::string_view lower_case) {
  const auto same = [](char a, char b) { return lower(a) == b; };
  return std::equal(text.begin(), text.end(), lower_case.begin(), lower_case.end(), same);
}

inline const mechanism_syntax* find_mechanism(std::string_view name) {
  for (const mechanism_syntax& m : mechanisms)
    if (same_word(name, m.name)) return &m;
  return nullptr;
}

// RFC 7208 §12 name
inline bool is_modifier_name(std::string_view name) {
  const auto allowed = [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.'; };
  return !name.empty() && is_alpha(name.front()) && std::all_of(name.begin(), name.end(), allowed);
}

// "0" or a number without leading zeros, up to `most`; nothing for all else.
inline std::optional<std::uint8_t> read_prefix_length(std::string_view text, unsigned most) {
  if (text.empty() || text.size() > 3 || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  unsigned value = 0;
  for (const char c : text) {
    if (!is_digit(c)) return std::nullopt;
    value = value * 10 + static_cast<unsigned>(c - '0');
  }
  if (value > most) return std::nullopt;
  return static_cast<std::uint8_t>(value);
}

// Where the name of a mechanism or modifier ends: at a mark, or with the term.
inline std::size_t end_of_name(std::string_view term) {
  std::size_t at = 0;
  while (at < term.size() && term[at] != '=' && term[at] != ':' && term[at] != '/') ++at;
  return at;
}

inline bool read_qualifier(char c, qualifier& into) {
  switch (c) {
    case '+': into = qualifier::pass; return true;
    case '-': into = qualifier::fail; return true;
    case '~': into = qualifier::softfail; return true;
    case '?': into = qualifier::neutral; return true;
    default: return false;
  }
}

// Where the digits at the end of `text` begin.
inline std::size_t digits_at_end(std::string_view text) {
  std::size_t at = text.size();
  while (at > 0 && is_digit(text[at - 1])) --at;
  return at;
}

class record_reader {
 public:
  explicit record_reader(std::string_view text) : text_(text) {}

  parsed_record read() {
    const auto blanks = static_cast<std::size_t>(std::count(text_.begin(), text_.end(), ' '));
    parsed_.record.directives.reserve(std::min(blanks, usual_terms));
    // RFC 7208 §4.6.1: terms are separated by blanks, and by nothing else.
    for (std::size_t at = version.size(); at < text_.size() && parsed_;) {
      const std::size_t end = std::min(text_.find(' ', at), text_.size());
      if (end > at) term(text_.substr(at, end - at));
      at = end + 1;
    }
    return std::move(parsed_);
  }

 private:
  void term(std::string_view text) {
    term_ = text;
    const std::size_t mark = end_of_name(text);
    if (mark < text.size() && text[mark] == '=')
      return modifier(text.substr(0, mark), text.substr(mark + 1));
    directive& d = parsed_.record.directives.emplace_back();
    d.text = text;
    const std::size_t signs = read_qualifier(text[0], d.qualifier) ? 1 : 0;
    const mechanism_syntax* syntax = find_mechanism(text.substr(signs, mark - signs));
    if (syntax == nullptr) return fail("unknown mechanism");
    d.mechanism = syntax->mechanism;
    argument_of(*syntax, text.substr(mark), d);
  }

  // `rest` is what follows the name.
  bool argument_of(const mechanism_syntax& syntax, std::string_view rest, directive& d) {
    if (syntax.argument == argument::none) return rest.empty() || wrong("it takes no argument");
    if (syntax.argument == argument::network) return network(rest, d);
    if (syntax.cidr && !cidr_lengths(rest, d)) return false;
    if (rest.empty())
      return syntax.argument == argument::optional_domain || wrong("it needs a domain");
    if (rest[0] != ':') return wrong("it takes no prefix length");
    return domain_spec(rest.substr(1), d.domain);
  }

  // RFC 7208 §5.6
  bool network(std::string_view rest, directive& d) {
    if (!rest.starts_with(':')) return wrong("it needs a network");
    rest.remove_prefix(1);
    const bool v4 = d.mechanism == mechanism::ip4;
    const std::size_t slash = rest.rfind('/');
    const auto address = smtp::parse_ip_address(rest.substr(0, slash));
    if (!address || address->is_v4() != v4) return wrong("not an address of its family");
    d.address = *address;
    if (slash == rest.npos) return true;
    const auto bits = read_prefix_length(rest.substr(slash + 1), address->bits());
    if (!bits) return wrong("bad prefix length");
    (v4 ? d.bits4 : d.bits6) = *bits;
    return true;
  }

  // Takes a dual-cidr-length from the end of `rest`. No domain-spec ends in a slash and digits, so
  // whatever does is one (§5.3, §7.1).
  bool cidr_lengths(std::string_view& rest, directive& d) {
    const std::size_t at = digits_at_end(rest);
    if (at >= 2 && rest.substr(at - 2, 2) == "//") {
      const auto bits = read_prefix_length(rest.substr(at), 128);
      if (!bits) return wrong("bad prefix length");
      d.bits6 = *bits;
      rest = rest.substr(0, at - 2);
    }
    return v4_length(rest, d);
  }

  bool v4_length(std::string_view& rest, directive& d) {
    const std::size_t at = digits_at_end(rest);
    if (at < 1 || rest[at - 1] != '/') return true;
    const auto bits = read_prefix_length(rest.substr(at), 32);
    if (!bits) return wrong("bad prefix length");
    d.bits4 = *bits;
    rest = rest.substr(0, at - 1);
    return true;
  }

  bool domain_spec(std::string_view text, macro_string& into) {
    const auto parsed = parse_macro_string(text, macro_use::domain);
    into = parsed.value;
    return parsed ? true : wrong(parsed.problem);
  }

  // RFC 7208 §6
  void modifier(std::string_view name, std::string_view value) {
    if (!is_modifier_name(name)) return fail("not the name of a modifier");
    if (same_word(name, "redirect")) return known_modifier(value, parsed_.record.redirect);
    if (same_word(name, "exp")) return known_modifier(value, parsed_.record.explanation);
    const auto parsed = parse_macro_string(value, macro_use::modifier);
    if (!parsed) fail(parsed.problem);
  }

  void known_modifier(std::string_view value, std::optional<macro_string>& into) {
    // RFC 7208 §6: each of the two at most once.
    if (into) return fail("it stands twice");
    into.emplace();
    domain_spec(value, *into);
  }

  bool wrong(std::string_view why) {
    fail(why);
    return false;
  }

  void fail(std::string_view why) {
    parsed_.problem = why;
    parsed_.problem += ": \"";
    for (const char c : term_.substr(0, shown_octets))
      parsed_.problem += c > ' ' && c <= '~' ? c : '?';
    parsed_.problem += '"';
  }

  // Room for these is made at once; hardly any record has more.
  static constexpr std::size_t usual_terms = 32;

  // Of a term that is wrong: enough to find it.
  static constexpr std::size_t shown_octets = 80;

  std::string_view text_;
  std::string_view term_;
  parsed_record parsed_;
};

}  // namespace detail

GATEPOST_DECL bool is_record(std::string_view txt) {
  const std::size_t size = detail::version.size();
  // Nearly all write it like this.
  const bool usual = txt.starts_with(detail::version);
  return (usual || detail::same_word(txt.substr(0, size), detail::version)) &&
         (txt.size() == size || txt[size] == ' ');
}

GATEPOST_DECL parsed_record parse_record(std::string_view text) {
  return detail::record_reader(text).read();
}

}  // namespace gatepost::checks::spf

#endif  // GATEPOST_CHECKS_SPF_IMPL_RECORD_IPP
