#ifndef GATEPOST_SMTP_IMPL_ADDRESS_IPP
#define GATEPOST_SMTP_IMPL_ADDRESS_IPP

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "smtp/address.hpp"
#include "smtp/detail/address_chars.hpp"

namespace gatepost::smtp {
namespace detail::addresses {

// Two octets of a path are "<" and ">".
inline constexpr std::size_t angle_brackets = 2;

// Reads one path or mailbox from left to right. Each part answers errc{} or what is wrong.
class address_reader {
 public:
  address_reader(std::string_view text, const address_options& options)
      : text_(text), options_(options) {}

  std::size_t at() const { return at_; }
  bool done() const { return at_ == text_.size(); }
  bool take(char c) {
    if (done() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  // Local-part = Dot-string / Quoted-string
  errc read_local_part(mailbox& box) {
    const std::size_t begin = at_;
    box.quoted = !done() && text_[at_] == '"';
    const errc error = box.quoted ? read_quoted_string() : read_dot_string();
    if (error != errc{}) return error;
    box.local_part = text_.substr(begin, at_ - begin);
    box.text = box.local_part;
    if (box.local_part.size() > options_.local_part) return errc::local_part_too_long;
    box.utf8 |= with_utf8() && !is_ascii(box.local_part);
    return {};
  }

  // "<Postmaster>" of RCPT (RFC 5321 §4.1.1.3), of which the local part is read already.
  bool take_bare_postmaster(const mailbox& box) {
    return !box.quoted && box.is_postmaster() && take('>');
  }

  // What follows the local part: "@" ( Domain / address-literal )
  errc read_at_domain(mailbox& box) {
    if (done() || text_[at_] == '>') return errc::missing_domain;
    if (!take('@')) return wrong_octet(errc::bad_local_part);
    if (done() || text_[at_] == '>') return errc::missing_domain;
    const auto scan =
        domains::scan_domain(text_, at_, {.utf8 = options_.utf8, .tags = options_.tags});
    if (scan.error != errc{}) return scan.error;
    box.domain = text_.substr(at_, scan.end - at_);
    box.text = {box.local_part.data(), box.local_part.size() + 1 + box.domain.size()};
    box.kind = scan.kind;
    box.utf8 |= scan.utf8;
    at_ = scan.end;
    return box.domain.size() > options_.domain ? errc::domain_too_long : errc{};
  }

  // A-d-l ":" with A-d-l = At-domain *( "," At-domain )
  errc read_source_route(path& p) {
    const std::size_t begin = at_;
    do {
      if (!take('@')) return errc::bad_source_route;
      const auto scan = domains::scan_name(text_, at_, options_.utf8);
      if (scan.error != errc{}) return route_error(scan.error);
      p.box.utf8 |= scan.utf8;
      at_ = scan.end;
    } while (take(','));
    p.source_route = text_.substr(begin, at_ - begin);
    return take(':') ? errc{} : wrong_octet(errc::bad_source_route);
  }

  // What is wrong with the octet that follows a mailbox, if it is not ">".
  errc expected_end(const mailbox& box) const {
    if (done()) return errc::missing_angle_bracket;
    if (box.kind != domain_kind::name) return errc::bad_address_literal;
    return wrong_octet(errc::bad_domain);
  }

 private:
  // Atom *("." Atom)
  errc read_dot_string() {
    do {
      const std::size_t begin = at_;
      at_ = skip_octets(address_chars::atext);
      if (at_ == begin) return wrong_octet(errc::bad_local_part);
    } while (take('.'));
    return {};
  }

  // DQUOTE *QcontentSMTP DQUOTE
  errc read_quoted_string() {
    ++at_;
    for (;;) {
      at_ = skip_octets(address_chars::qtext);
      if (take('"')) return {};
      if (!take('\\')) return wrong_octet(errc::bad_quoted_string);
      // quoted-pairSMTP = %d92 %d32-126, which RFC 6531 does not extend.
      if (done() || text_[at_] < ' ' || text_[at_] > '~') return errc::bad_quoted_string;
      ++at_;
    }
  }

  bool with_utf8() const { return options_.utf8 == utf8_policy::smtputf8; }

  std::size_t skip_octets(address_chars::address_class c) const {
    return with_utf8() ? address_chars::skip_with_utf8(c, text_, at_)
                       : address_chars::skip(c, text_, at_);
  }

  // The mistakes of a name that are not of the route as such keep their own code.
  static errc route_error(errc e) {
    const bool of_grammar = e == errc::bad_domain || e == errc::missing_domain;
    return of_grammar ? errc::bad_source_route : e;
  }

  errc wrong_octet(errc ascii) const {
    return domains::wrong_octet(text_, at_, options_.utf8, ascii);
  }

  std::string_view text_;
  const address_options& options_;
  std::size_t at_ = 0;
};

enum class path_direction : bool { reverse, forward };

// Mailbox ">", or Postmaster and ">" in a forward-path without a route.
inline errc read_inside_path(address_reader& in, path_direction direction, path& p) {
  errc error = in.read_local_part(p.box);
  if (error != errc{}) return error;
  const bool may_be_bare = direction == path_direction::forward && p.source_route.empty();
  if (may_be_bare && in.take_bare_postmaster(p.box)) return {};
  error = in.read_at_domain(p.box);
  if (error != errc{}) return error;
  return in.take('>') ? errc{} : in.expected_end(p.box);
}

inline result<path> read_path(std::string_view text, const address_options& options,
                              path_direction direction) {
  if (text.empty()) return errc::empty_address;
  address_reader in(text, options);
  path p;
  if (!in.take('<')) return errc::missing_angle_bracket;
  if (in.take('>')) {
    if (direction == path_direction::forward) return errc::empty_address;
    p.size = in.at();
    return p;
  }
  if (text.substr(1).starts_with('@')) {
    const errc error = in.read_source_route(p);
    if (error != errc{}) return error;
  }
  const errc error = read_inside_path(in, direction, p);
  if (error != errc{}) return error;
  p.size = in.at();
  if (p.size > options.path) return errc::path_too_long;
  return p;
}

inline result<path> whole(result<path> p, std::string_view text) {
  if (p && p->size != text.size()) return errc::trailing_characters;
  return p;
}

}  // namespace detail::addresses

GATEPOST_DECL result<path> read_reverse_path(std::string_view text,
                                             const address_options& options) {
  return detail::addresses::read_path(text, options, detail::addresses::path_direction::reverse);
}

GATEPOST_DECL result<path> read_forward_path(std::string_view text,
                                             const address_options& options) {
  return detail::addresses::read_path(text, options, detail::addresses::path_direction::forward);
}

GATEPOST_DECL result<path> parse_reverse_path(std::string_view text,
                                              const address_options& options) {
  return detail::addresses::whole(read_reverse_path(text, options), text);
}

GATEPOST_DECL result<path> parse_forward_path(std::string_view text,
                                              const address_options& options) {
  return detail::addresses::whole(read_forward_path(text, options), text);
}

GATEPOST_DECL result<mailbox> parse_mailbox(std::string_view text, const address_options& options) {
  if (text.empty()) return errc::empty_address;
  detail::addresses::address_reader in(text, options);
  mailbox box;
  errc error = in.read_local_part(box);
  if (error == errc{}) error = in.read_at_domain(box);
  if (error != errc{}) return error;
  if (!in.done()) return in.expected_end(box);
  if (text.size() + detail::addresses::angle_brackets > options.path) return errc::path_too_long;
  return box;
}

GATEPOST_DECL std::string unquote_local_part(std::string_view local_part) {
  if (!local_part.starts_with('"')) return std::string(local_part);
  std::string out;
  const std::size_t end = local_part.size() - 1;
  for (std::size_t at = 1; at < end; ++at) {
    if (local_part[at] == '\\') ++at;
    out += local_part[at];
  }
  return out;
}

GATEPOST_DECL address::address(const mailbox& box)
    : text_(box.text),
      local_size_(box.local_part.size()),
      kind_(box.kind),
      utf8_(box.utf8 && !is_ascii(box.text)) {}

GATEPOST_DECL void address::assign(const mailbox& box) {
  text_.assign(box.text);
  local_size_ = box.local_part.size();
  kind_ = box.kind;
  utf8_ = box.utf8 && !is_ascii(box.text);
}

GATEPOST_DECL result<address> address::from_text(std::string_view text,
                                                 const address_options& options) {
  if (text.empty()) return address();
  if (equal_ignoring_case(text, "postmaster")) {
    return address(mailbox{.text = text, .local_part = text, .domain = {}});
  }
  const auto box = parse_mailbox(text, options);
  if (!box) return box.error();
  return address(*box);
}

GATEPOST_DECL std::string_view address::domain() const noexcept {
  if (kind_ == domain_kind::none) return {};
  return std::string_view(text_).substr(local_size_ + 1);
}

GATEPOST_DECL bool address::same_domain_as(const address& other) const {
  if (kind_ != other.kind_) return false;
  const std::string_view mine = domain();
  const std::string_view theirs = other.domain();
  if (mine == theirs) return true;
  if (kind_ == domain_kind::name && is_ascii(mine) && is_ascii(theirs)) {
    return equal_ignoring_case(mine, theirs);
  }
  return canonical_domain() == other.canonical_domain();
}

GATEPOST_DECL bool address::operator==(const address& other) const {
  if (text_ == other.text_) return true;
  if (is_null() != other.is_null() || !same_domain_as(other)) return false;
  if (!is_quoted() && !other.is_quoted()) return local_part() == other.local_part();
  return unquoted_local_part() == other.unquoted_local_part();
}

GATEPOST_DECL std::size_t address::hash() const {
  const std::hash<std::string_view> hash_of;
  constexpr std::size_t spread = 0x9E3779B97F4A7C15u;  // keeps (a, b) apart from (b, a)
  return hash_of(unquoted_local_part()) * spread + hash_of(canonical_domain());
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_ADDRESS_IPP
