// Addresses and paths of MAIL and RCPT: RFC 5321 §4.1.2, with RFC 6531 §3.3 where SMTPUTF8 is in
// use.
//
// The parsers take the grammar to the letter (no comments, no folding, no obsolete forms), read
// source routes and drop them, and answer with views into the text they were given: nothing is
// allocated or copied. `address` is the value to keep. Limits are those of RFC 5321 §4.5.3.1 unless
// the options say otherwise. All functions are pure and may be called from any thread.
//
//     const auto sender = parse_reverse_path("<\"a b\"@example.test>");
//     if (!sender) return sender.error();
//     address kept(sender->box);
#ifndef GATEPOST_SMTP_ADDRESS_HPP
#define GATEPOST_SMTP_ADDRESS_HPP

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "smtp/config.hpp"
#include "smtp/domain.hpp"
#include "smtp/result.hpp"
#include "smtp/utf8.hpp"

namespace gatepost::smtp {

inline constexpr std::size_t max_local_part_octets = 64;  // RFC 5321 §4.5.3.1.1
inline constexpr std::size_t max_path_octets = 256;       // RFC 5321 §4.5.3.1.3, with <> and route

// What an address may look like. The sizes are in octets, of the text as written (RFC 5321 §4.5.3.1
// lets a server take more than it asks for).
struct address_options {
  utf8_policy utf8 = utf8_policy::ascii_only;
  literal_tags tags = literal_tags::registered;
  std::size_t local_part = max_local_part_octets;
  std::size_t domain = max_domain_octets;
  std::size_t path = max_path_octets;
};

// A mailbox, as views into the text it was parsed from.
struct mailbox {
  std::string_view text;  // as written, without <> and source route: what goes on the wire again
  std::string_view local_part;  // as written, with its quotes if it has them
  std::string_view domain;      // as written, with brackets if a literal; empty for <Postmaster>
  domain_kind kind = domain_kind::none;
  bool quoted = false;  // the local part is a Quoted-string
  bool utf8 = false;    // an octet above 127 somewhere, the source route included

  // RFC 5321 §4.5.1: the one mailbox that every domain has.
  bool is_postmaster() const noexcept { return equal_ignoring_case(local_part, "postmaster"); }
};

// A reverse-path or forward-path.
struct path {
  mailbox box;
  std::string_view
      source_route;      // "@a.example,@b.example" without the colon; RFC 5321 app. C: ignore it
  std::size_t size = 0;  // octets from '<' to '>'

  // <>: the reverse-path of notifications (RFC 5321 §4.5.5).
  bool is_null() const noexcept { return box.text.empty(); }
};

// Errors of everything below: empty_address, missing_angle_bracket, bad_local_part,
// bad_quoted_string, local_part_too_long, missing_domain, bad_domain, domain_too_long,
// bad_address_literal, path_too_long, bad_source_route, non_ascii_address, bad_utf8, bad_idn.

// `Reverse-path`, with which the text begins; path::size tells where it ends. For command lines.
GATEPOST_DECL result<path> read_reverse_path(std::string_view text,
                                             const address_options& options = {});
// `Forward-path / "<Postmaster>"` (any case), with which the text begins.
GATEPOST_DECL result<path> read_forward_path(std::string_view text,
                                             const address_options& options = {});

// The same, of the whole text; trailing_characters where it is longer than the path.
GATEPOST_DECL result<path> parse_reverse_path(std::string_view text,
                                              const address_options& options = {});
GATEPOST_DECL result<path> parse_forward_path(std::string_view text,
                                              const address_options& options = {});

// `Mailbox`: the whole text, without <>. Its limit is that of a path less two octets.
GATEPOST_DECL result<mailbox> parse_mailbox(std::string_view text,
                                            const address_options& options = {});

// The local part without quotes and backslashes: "a\ b" and "a b" are one (RFC 5321 §4.1.2).
GATEPOST_DECL std::string unquote_local_part(std::string_view local_part);

// A mailbox to keep, or the null path. A regular value: the default is the null path; equal are
// addresses that name the same mailbox by RFC 5321 §2.4 and §4.1.2: the domains by their canonical
// spelling, the local parts octet by octet after unquoting, case included.
class address {
 public:
  address() = default;
  explicit address(const mailbox& box);

  // The same as assignment of address(box), in the memory that this has already.
  void assign(const mailbox& box);

  // Reads what text() gave: a mailbox, nothing for the null path, or a Postmaster without domain.
  static result<address> from_text(std::string_view text, const address_options& options = {});

  // As it was written; goes into "<" and ">" on the wire.
  const std::string& text() const noexcept { return text_; }
  std::string_view local_part() const noexcept {
    return std::string_view(text_).substr(0, local_size_);
  }
  std::string_view domain() const noexcept;
  domain_kind kind() const noexcept { return kind_; }
  bool is_null() const noexcept { return text_.empty(); }
  bool is_quoted() const noexcept { return !text_.empty() && text_.front() == '"'; }
  // Whether sending it needs SMTPUTF8 at the next hop (RFC 6531 §3.2).
  bool is_utf8() const noexcept { return utf8_; }
  bool is_postmaster() const noexcept { return equal_ignoring_case(local_part(), "postmaster"); }

  std::string unquoted_local_part() const { return unquote_local_part(local_part()); }
  // Lower case, A-labels, literals in one spelling: see canonical_domain() in smtp/domain.hpp.
  std::string canonical_domain() const { return smtp::canonical_domain(domain()); }

  // Whether both name the same domain; cheap for ASCII names.
  bool same_domain_as(const address& other) const;
  bool operator==(const address& other) const;

  // Goes with operator==.
  std::size_t hash() const;

 private:
  std::string text_;
  std::size_t local_size_ = 0;
  domain_kind kind_ = domain_kind::none;
  bool utf8_ = false;
};

}  // namespace gatepost::smtp

template <>
struct std::hash<gatepost::smtp::address> {
  std::size_t operator()(const gatepost::smtp::address& a) const { return a.hash(); }
};

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/impl/address.ipp"
#endif

#endif  // GATEPOST_SMTP_ADDRESS_HPP
