// Domains as they stand in SMTP commands: names, internationalised names, and address literals.
//
// The grammar is that of RFC 5321 §4.1.2 and §4.1.3 to the letter: letters, digits and hyphens, no
// underscore, no trailing dot. With SMTPUTF8 a name may hold U-labels (RFC 6531 §3.3) if IDNA 2008
// allows them (libidn2, non-transitional; upper case and width are mapped by UTS 46). Two names are
// the same if their canonical_domain() is. Nothing here allocates for ASCII names but what returns
// a string. All functions are pure and may be called from any thread.
#ifndef GATEPOST_SMTP_DOMAIN_HPP
#define GATEPOST_SMTP_DOMAIN_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "smtp/config.hpp"
#include "smtp/ip.hpp"
#include "smtp/result.hpp"
#include "smtp/utf8.hpp"

namespace gatepost::smtp {

// RFC 5321 §4.5.3.1.2
inline constexpr std::size_t max_domain_octets = 255;

// RFC 1035 §2.3.4. For a U-label it is the A-label that counts.
inline constexpr std::size_t max_label_octets = 63;

// What to_a_labels() reads: an octet of the result stands for at most one character, of four
// octets.
inline constexpr std::size_t max_utf8_domain_octets = 4 * max_domain_octets;

enum class domain_kind : std::uint8_t {
  none,             // no domain at all: the null path, or <Postmaster>
  name,             // mail.example.com
  ipv4_literal,     // [192.0.2.1]
  ipv6_literal,     // [IPv6:2001:db8::1]
  general_literal,  // [tag:content]
};

// Whether octets above 127 may stand in an address (RFC 6531 §3.3).
enum class utf8_policy : std::uint8_t { ascii_only, smtputf8 };

// Which tags a General-address-literal may have. RFC 5321 §4.1.3 wants them registered with IANA,
// and the registry holds nothing but IPv6, which has its own syntax: `registered` refuses them all.
enum class literal_tags : std::uint8_t { registered, any };

struct domain_options {
  utf8_policy utf8 = utf8_policy::ascii_only;
  literal_tags tags = literal_tags::registered;
};

// What the brackets of an address literal hold.
struct domain_literal {
  domain_kind kind = domain_kind::none;  // one of the three literals
  ip_address address = {};               // not of a general_literal
  std::string_view tag = {};             // of a general_literal; views into the text it came from
  std::string_view content = {};         // of a general_literal
};

// RFC 5321 `Domain / address-literal`: what kind it is, or what is wrong with it. Errors:
// missing_domain (empty), bad_domain, domain_too_long, bad_address_literal, non_ascii_address,
// bad_utf8, bad_idn.
GATEPOST_DECL result<domain_kind> parse_domain(std::string_view text, domain_options options = {});

// RFC 5321 `Domain`: a name, no literal.
GATEPOST_DECL bool valid_domain(std::string_view text, utf8_policy utf8 = utf8_policy::ascii_only);

// RFC 5321 §4.1.3 `address-literal`, brackets included. Error: bad_address_literal.
GATEPOST_DECL result<domain_literal> parse_domain_literal(
    std::string_view text, literal_tags tags = literal_tags::registered);

// The argument of EHLO or LHLO (RFC 5321 §4.1.1.1): a name or an address literal, in ASCII even
// where SMTPUTF8 is used (RFC 6531 §3.7.1). HELO takes names only by the grammar; literals are in
// use with it.
GATEPOST_DECL bool valid_helo_name(std::string_view text);

// The name in A-labels and lower case: what the DNS and comparisons want. A name of ASCII octets is
// only lower-cased: its A-labels are not decoded. Errors: missing_domain, bad_domain,
// domain_too_long; bad_utf8; bad_idn where a label is not allowed, or where the result is no domain
// of RFC 5321.
GATEPOST_DECL result<std::string> to_a_labels(std::string_view name);

// The one spelling of a domain that parse_domain() took: a name as by to_a_labels(), [192.0.2.1]
// without leading zeros, [IPv6:2001:db8::1] as by RFC 5952, the tag of a general literal in lower
// case. Text that is no domain comes back in ASCII lower case.
GATEPOST_DECL std::string canonical_domain(std::string_view domain);

// The literal in its canonical spelling, brackets included.
GATEPOST_DECL std::string to_text(const domain_literal& literal);

// A copy in lower case; octets other than A-Z stay.
GATEPOST_DECL std::string to_lower_ascii(std::string_view text);

// Whether `name` is `parent` or lies below it: mail.example.com is of example.com. Without regard
// to ASCII case; both as A-labels. Nothing is below the empty name.
GATEPOST_DECL bool is_subdomain_of(std::string_view name, std::string_view parent) noexcept;

namespace detail::domains {

// What is wrong with the octet at which a run of allowed ones ended: `ascii`, unless it is above
// 127.
GATEPOST_DECL errc wrong_octet(std::string_view text, std::size_t at, utf8_policy utf8, errc ascii);

// Where the domain that begins at text[at] ends, for parsers of longer texts.
struct domain_scan {
  errc error{};  // errc{}: none
  std::size_t end = 0;
  domain_kind kind = domain_kind::none;
  bool utf8 = false;
};
GATEPOST_DECL domain_scan scan_name(std::string_view text, std::size_t at, utf8_policy utf8);
GATEPOST_DECL domain_scan scan_domain(std::string_view text, std::size_t at,
                                      const domain_options& options);

}  // namespace detail::domains
}  // namespace gatepost::smtp

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/impl/domain.ipp"
#endif

#endif  // GATEPOST_SMTP_DOMAIN_HPP
