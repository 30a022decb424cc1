// What was wrong with the octets of a message text, and where it was seen first.
//
// RFC 5321 §2.3.8 wants CR and LF as CRLF only, §4.5.3.1.6 bounds the line, and RFC 5322 §3.5
// leaves out NUL. The readers of message text go on decoding when they meet such an octet and
// remember it here: the engine refuses the message at its true end, so the connection stays in step
// with its peer.
#ifndef GATEPOST_SMTP_VIOLATIONS_HPP
#define GATEPOST_SMTP_VIOLATIONS_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "smtp/errc.hpp"

namespace gatepost::smtp {

enum class violation : std::uint8_t {
  bare_cr,    // a CR that no LF follows
  bare_lf,    // an LF that no CR precedes
  nul,        // a NUL octet
  long_line,  // a line with more octets than the limit, CRLF counted, a stuffed dot not
};

inline constexpr std::array all_violations{violation::bare_cr, violation::bare_lf, violation::nul,
                                           violation::long_line};

// The same, as the error code that replies and logs use.
constexpr errc to_errc(violation v) noexcept {
  switch (v) {
    case violation::bare_cr: return errc::bare_cr;
    case violation::bare_lf: return errc::bare_lf;
    case violation::nul: return errc::nul_byte;
    case violation::long_line: return errc::line_too_long;
  }
  return errc::bad_argument;
}

// The set of violations met so far. A violation once met stays until the set is assigned anew.
class violations {
 public:
  constexpr bool none() const noexcept { return kinds_ == 0; }
  constexpr bool has(violation v) const noexcept { return (kinds_ & bit(v)) != 0; }

  // Where `v` was met first: the octets that the peer had sent for this message before it. For
  // long_line that is the first octet of the line, after a stuffed dot. Meaningful only where
  // has(v).
  constexpr std::uint64_t at(violation v) const noexcept { return at_[index(v)]; }

  // The violation with the lowest offset: the one to name in a reply.
  constexpr std::optional<violation> first() const noexcept {
    std::optional<violation> best;
    for (const violation v : all_violations) {
      if (has(v) && (!best || at(v) < at(*best))) best = v;
    }
    return best;
  }

  // Keeps the first of each kind.
  constexpr void add(violation v, std::uint64_t offset) noexcept {
    if (has(v)) return;
    kinds_ = static_cast<std::uint8_t>(kinds_ | bit(v));
    at_[index(v)] = offset;
  }

 private:
  static constexpr std::size_t index(violation v) noexcept { return static_cast<std::size_t>(v); }
  static constexpr unsigned bit(violation v) noexcept { return 1U << index(v); }

  std::array<std::uint64_t, all_violations.size()> at_{};
  std::uint8_t kinds_ = 0;
};

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_VIOLATIONS_HPP
