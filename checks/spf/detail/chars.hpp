// ASCII in no locale, for the parsers of SPF.
#ifndef GATEPOST_CHECKS_SPF_DETAIL_CHARS_HPP
#define GATEPOST_CHECKS_SPF_DETAIL_CHARS_HPP

namespace gatepost::checks::spf::detail {

inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
inline char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
inline bool is_alpha(char c) { return lower(c) >= 'a' && lower(c) <= 'z'; }
inline bool is_alnum(char c) { return is_alpha(c) || is_digit(c); }

}  // namespace gatepost::checks::spf::detail

#endif  // GATEPOST_CHECKS_SPF_DETAIL_CHARS_HPP
