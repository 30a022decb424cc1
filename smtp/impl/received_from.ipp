#ifndef GATEPOST_SMTP_IMPL_RECEIVED_FROM_IPP
#define GATEPOST_SMTP_IMPL_RECEIVED_FROM_IPP

#include <algorithm>

#include "smtp/received_from.hpp"
#include "smtp/utf8.hpp"

namespace gatepost::smtp {
namespace detail::received {

inline constexpr std::string_view blanks = " \t\r\n";

inline void skip_blanks(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
}

inline std::string_view first_word(std::string_view text) {
  return text.substr(0, std::min(text.find_first_of(blanks), text.size()));
}

inline bool begins_with(std::string_view text, std::string_view word) {
  return text.size() >= word.size() && equal_ignoring_case(text.substr(0, word.size()), word);
}

// What stands between the parentheses with which the text begins (RFC 5322 §3.2.2); nothing where
// they are not closed.
inline std::optional<std::string_view> take_comment(std::string_view& text) {
  std::size_t depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\')
      ++i;
    else if (text[i] == '(')
      ++depth;
    else if (text[i] == ')' && --depth == 0) {
      std::string_view inside = text.substr(1, i - 1);
      text.remove_prefix(i + 1);
      skip_blanks(inside);
      return inside;
    }
  }
  return std::nullopt;
}

// A word outside of comments, or a quoted string as a whole.
inline std::string_view take_word(std::string_view& text) {
  std::size_t size = std::min(text.find_first_of(" \t\r\n(;\""), text.size());
  if (text.starts_with('"')) {
    size = 1;
    while (size < text.size() && text[size] != '"') size += text[size] == '\\' ? 2 : 1;
    size = std::min(size + 1, text.size());
  }
  const std::string_view word = text.substr(0, size);
  text.remove_prefix(size);
  return word;
}

// "[192.0.2.1]" or "[IPv6:2001:db8::1]", with which the text begins; an untagged IPv6 address, too,
// as older servers write it. Behind it: the end, a blank, or a colon with the port.
inline std::optional<ip_address> literal_at(std::string_view text) {
  if (!text.starts_with('[')) return std::nullopt;
  const std::size_t end = text.find(']');
  if (end == text.npos) return std::nullopt;
  const std::string_view inside = text.substr(1, end - 1);
  std::string_view behind = text.substr(end + 1);
  if (behind.starts_with(':')) {
    behind.remove_prefix(1);
    behind.remove_prefix(std::min(behind.find_first_not_of("0123456789"), behind.size()));
  }
  if (!behind.empty() && blanks.find(behind.front()) == blanks.npos) return std::nullopt;
  auto address = parse_tagged_address(inside);
  if (!address) address = parse_ip_address(inside);
  if (!address) return std::nullopt;
  return address->unmapped();
}

// The value of "helo=" in what Exim writes behind an address.
inline std::string_view helo_attribute(std::string_view text) {
  while (!text.empty()) {
    skip_blanks(text);
    const std::string_view word = first_word(text);
    if (begins_with(word, "helo=")) return word.substr(5);
    text.remove_prefix(word.size());
  }
  return {};
}

// "192.0.2.1", or with the name that an ident server gave before it: "root@192.0.2.1".
inline std::optional<ip_address> bare_address(std::string_view text) {
  text = text.substr(text.find('@') + 1);  // npos + 1 is 0
  const auto address = parse_ip_address(text);
  if (!address) return std::nullopt;
  return address->unmapped();
}

// The comment behind the domain says nothing of the address: Exim, qmail, CommuniGate. Not so where
// the client's name is "helo" or "account": qmail writes the address into a comment behind this
// one, and CommuniGate the account's name into this.
inline bool tells_helo(std::string_view comment, std::string_view rest) {
  skip_blanks(rest);
  if (begins_with(comment, "helo ")) return rest.starts_with('(') || !literal_at(comment.substr(5));
  if (begins_with(comment, "account ")) return !literal_at(comment.substr(8));
  constexpr std::string_view beginnings[] = {"helo=", "port=", "ident="};
  return std::any_of(std::begin(beginnings), std::end(beginnings),
                     [comment](std::string_view b) { return begins_with(comment, b); });
}

inline bool is_plain(std::string_view word) {
  return word.find_first_of("()[]<>\"\\;,") == word.npos;
}

// "name [192.0.2.1]", "[192.0.2.1]", "192.0.2.1", and what may stand behind them.
inline bool read_comment(std::string_view comment, received_from& into) {
  if (const auto address = literal_at(comment)) {
    into.address = *address;
    if (const auto helo = helo_attribute(comment); !helo.empty()) {
      into.name = into.helo;
      into.helo = helo;
    }
    return true;
  }
  if (const auto address = bare_address(comment)) {
    into.address = *address;
    return true;
  }
  const std::string_view name = first_word(comment);
  comment.remove_prefix(name.size());
  skip_blanks(comment);
  const auto address = literal_at(comment);
  if (!address || !is_plain(name)) return false;
  into.address = *address;
  // Not the word for "no name", and not what Sendmail writes of an ident server.
  if (!equal_ignoring_case(name, "unknown") && name.find_first_of("@:") == name.npos)
    into.name = name;
  return true;
}

// "[192.0.2.1] (helo=x)", "name (HELO x) (192.0.2.1)": the address is elsewhere. Takes the comment
// that it is in.
inline bool read_around(std::string_view comment, std::string_view& rest, received_from& into) {
  const std::string_view domain = into.helo;
  into.helo =
      begins_with(comment, "helo ") ? first_word(comment.substr(5)) : helo_attribute(comment);
  if (const auto address = literal_at(domain)) {
    into.address = *address;
    return true;
  }
  skip_blanks(rest);
  if (!begins_with(comment, "helo ") || !rest.starts_with('(')) return false;
  const auto second = take_comment(rest);
  const auto address = second ? bare_address(*second) : std::nullopt;
  if (!address) return false;
  into.address = *address;
  if (!equal_ignoring_case(domain, "unknown")) into.name = domain;
  return true;
}

// RFC 3848, RFC 6531 §4.3; the last one is of old Exim.
inline bool is_authenticated_type(std::string_view type) {
  constexpr std::string_view types[] = {"ESMTPA",    "ESMTPSA",    "LMTPA",
                                        "LMTPSA",    "UTF8SMTPA",  "UTF8SMTPSA",
                                        "UTF8LMTPA", "UTF8LMTPSA", "ASMTP"};
  return std::any_of(std::begin(types), std::end(types),
                     [type](std::string_view t) { return equal_ignoring_case(t, type); });
}

// "(authenticated bits=0)", "(Authenticated sender: ann)" and the like: a word of its own.
inline bool says_authenticated(std::string_view comment) {
  constexpr std::string_view word = "authenticated";
  if (!begins_with(comment, word)) return false;
  comment.remove_prefix(word.size());
  return comment.empty() || comment.front() == ':' || blanks.find(comment.front()) != blanks.npos;
}

// Whether a clause behind the address tells of an authenticated client. Postfix and Sendmail write
// the comment between the address and "by", others behind. What is before it does not count: there
// the client has chosen its name in the DNS.
inline bool tells_authentication(std::string_view text) {
  bool is_type = false;
  bool is_value = false;
  for (skip_blanks(text); !text.empty() && text.front() != ';'; skip_blanks(text)) {
    if (text.front() == '(') {
      const auto comment = take_comment(text);
      if (!comment) return false;
      if (says_authenticated(*comment)) return true;
      continue;
    }
    const std::string_view word = take_word(text);
    if (word.empty()) return false;
    if (is_type && is_authenticated_type(word)) return true;
    // The value of a clause is no keyword, even if it is "with".
    is_type = !is_value && equal_ignoring_case(word, "with");
    is_value = !is_value;
  }
  return false;
}

}  // namespace detail::received

GATEPOST_DECL std::optional<received_from> read_received_from(std::string_view value) noexcept {
  namespace impl = detail::received;
  if (value.size() > max_received_octets) return std::nullopt;
  std::string_view rest = value;
  impl::skip_blanks(rest);
  if (!equal_ignoring_case(impl::take_word(rest), "from")) return std::nullopt;
  impl::skip_blanks(rest);
  received_from found;
  found.helo = impl::take_word(rest);
  if (found.helo.empty() || found.helo.starts_with('"')) return std::nullopt;
  impl::skip_blanks(rest);
  bool told = false;
  if (rest.starts_with('(')) {
    const auto comment = impl::take_comment(rest);
    if (!comment) return std::nullopt;
    told = impl::tells_helo(*comment, rest) ? impl::read_around(*comment, rest, found)
                                            : impl::read_comment(*comment, found);
  } else if (value.find("(Exim ") != value.npos) {
    const auto address = impl::literal_at(found.helo);
    told = address.has_value();
    if (told) found.address = *address;
  }
  if (!told || found.address.is_unspecified()) return std::nullopt;
  found.authenticated = impl::tells_authentication(rest);
  return found;
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_RECEIVED_FROM_IPP
