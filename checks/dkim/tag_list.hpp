// Tag lists: "v=1; a=rsa-sha256; d=example.test", the syntax of DKIM's and ARC's fields and of key
// records (RFC 6376 §3.2).
//
// The grammar to the letter: a name given twice or an empty tag makes the whole list invalid; names
// and values keep their case. UTF-8 is taken in values (RFC 8616). Views point into the text that
// was given and live as long as it. Pure functions; no I/O.
#ifndef GATEPOST_CHECKS_DKIM_TAG_LIST_HPP
#define GATEPOST_CHECKS_DKIM_TAG_LIST_HPP

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checks/dkim/problem.hpp"
#include "smtp/config.hpp"
#include "smtp/header_edits.hpp"

namespace gatepost::checks::dkim {

// Tags of one list. All registered ones are 14; the rest is room for what comes.
inline constexpr std::size_t max_tags = 64;

struct tag {
  std::string_view name;
  std::string_view value;    // without white space at its ends; folds inside are still there
  smtp::octet_range octets;  // all that stands between "=" and ";", counted from the list's first
};

class tag_list {
 public:
  // Problems: a tag without name or "=", a character that may not stand there, a name given twice,
  // more than max_tags.
  GATEPOST_DECL static parsed<tag_list> parse(std::string_view text);

  // The tag of exactly that name, or nullptr.
  GATEPOST_DECL const tag* find(std::string_view name) const noexcept;
  std::span<const tag> tags() const noexcept { return tags_; }

 private:
  std::vector<tag> tags_;
};

// The value without any white space: what RFC 6376 §3.5 asks for in b= and bh=.
GATEPOST_DECL std::string without_blanks(std::string_view value);

// RFC 6376 §2.10 base64string: white space anywhere, the padding at the end may be missing. None:
// it is something else, or nothing.
GATEPOST_DECL std::optional<std::string> decode_base64(std::string_view value);

// RFC 6376 §2.11 dkim-quoted-printable: "=20" is an octet, white space is none.
GATEPOST_DECL std::optional<std::string> decode_quoted_printable(std::string_view value);

// A decimal number of at most `digits` digits; one that does not fit is the greatest that does.
GATEPOST_DECL std::optional<std::uint64_t> parse_number(std::string_view value, std::size_t digits);

// The parts of "a : b : c", without the white space around them; also the empty ones.
GATEPOST_DECL std::vector<std::string_view> split_colons(std::string_view value);

}  // namespace gatepost::checks::dkim

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/dkim/impl/tag_list.ipp"
#endif

#endif  // GATEPOST_CHECKS_DKIM_TAG_LIST_HPP
