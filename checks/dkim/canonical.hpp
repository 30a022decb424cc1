// Canonicalisation: the one form of a header field or body in which it is signed (RFC 6376 §3.4).
//
// A body goes through in pieces of any size, and its canonical form comes out in pieces as well,
// most of them views of what went in; what is held back is a count of line ends and two flags, so
// memory does not grow with the body. Lines end with CRLF; a lone CR or LF is an octet like others.
// No I/O, no crypto; a body_canonicalizer belongs to one thread at a time.
//
//     body_canonicalizer body(canonicalization::relaxed);
//     body.update(piece, [&](std::string_view octets) { hash.update(octets); });
//     body.finish([&](std::string_view octets) { hash.update(octets); });
#ifndef GATEPOST_CHECKS_DKIM_CANONICAL_HPP
#define GATEPOST_CHECKS_DKIM_CANONICAL_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "smtp/config.hpp"

namespace gatepost::checks::dkim {

enum class canonicalization : std::uint8_t { simple, relaxed };

constexpr std::string_view to_string(canonicalization c) {
  return c == canonicalization::simple ? "simple" : "relaxed";
}

// Appends the canonical form of one field (RFC 6376 §3.4.1, §3.4.2), CRLF at its end included.
// `field` is the whole field as it stands in the message, with or without its final CRLF; `name`
// and `value` are its parts by smtp::field_view.
GATEPOST_DECL void append_canonical_field(std::string& out, canonicalization how,
                                          std::string_view field, std::string_view name,
                                          std::string_view value);

// The value of a signature's field as it was signed: without what stands behind "b=" (RFC 6376
// §3.7). `offset` and `size` are the range of that tag, by tag::octets.
GATEPOST_DECL std::string without_signature(std::string_view text, std::size_t offset,
                                            std::size_t size);

class body_canonicalizer {
 public:
  explicit body_canonicalizer(canonicalization how) noexcept : how_(how) {}

  canonicalization how() const noexcept { return how_; }

  // Octets of the body in order. `sink` is called with each piece of the canonical form, while
  // `text` is good; the pieces are never empty.
  template <class Sink>
  void update(std::string_view text, Sink&& sink) {
    if (how_ == canonicalization::simple)
      update_simple(text, sink);
    else
      update_relaxed(text, sink);
  }

  // The body has ended: gives the rest. Once.
  template <class Sink>
  void finish(Sink&& sink) {
    if (cr_) flush(sink, "\r");
    // RFC 6376 §3.4.3: an empty body is a CRLF, and a last line without CRLF gets one. §3.4.4: the
    // latter only.
    if (how_ == canonicalization::simple || begun_) sink(std::string_view("\r\n"));
  }

 private:
  // Line ends that are written at once.
  static constexpr std::string_view line_ends = "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n";

  // Gives what was held back, then `text`: octets that are no trailing line ends.
  template <class Sink>
  void flush(Sink& sink, std::string_view text) {
    begun_ = true;
    while (lines_ > 0) {
      const auto n = std::min<std::uint64_t>(lines_, line_ends.size() / 2);
      sink(line_ends.substr(0, 2 * n));
      lines_ -= n;
    }
    if (space_) sink(std::string_view(" "));
    space_ = false;
    if (!text.empty()) sink(text);
  }

  // A CR ended the text before: takes the LF, or gives the CR. Octets taken.
  template <class Sink>
  std::size_t resume(std::string_view text, Sink& sink) {
    if (!cr_ || text.empty()) return 0;
    cr_ = false;
    if (text.front() == '\n') {
      end_line();
      return 1;
    }
    flush(sink, "\r");
    return 0;
  }

  void end_line() {
    ++lines_;
    space_ = false;  // RFC 6376 §3.4.4: white space at the end of a line is ignored
  }

  template <class Sink>
  void update_simple(std::string_view text, Sink& sink) {
    text.remove_prefix(resume(text, sink));
    // All line ends at the beginning belong to those that are held back.
    while (text.starts_with("\r\n")) {
      ++lines_;
      text.remove_prefix(2);
    }
    if (text.empty()) return;
    const bool cr = text.back() == '\r';
    if (cr) text.remove_suffix(1);
    std::uint64_t lines = 0;
    for (; text.ends_with("\r\n"); text.remove_suffix(2)) ++lines;
    if (!text.empty()) flush(sink, text);
    lines_ += lines;
    cr_ = cr;
  }

  template <class Sink>
  void update_relaxed(std::string_view text, Sink& sink) {
    std::size_t at = resume(text, sink);
    while (at < text.size()) {
      at = take_special(text, at, sink);
      const std::size_t end = plain_until(text, at);
      if (end > at) flush(sink, text.substr(at, end - at));
      at = end;
    }
  }

  // White space and line ends from text[at] on, as far as they are not part of a plain run.
  template <class Sink>
  std::size_t take_special(std::string_view text, std::size_t at, Sink& sink) {
    for (; at < text.size(); ++at) {
      if (text[at] == ' ' || text[at] == '\t') {
        space_ = true;
      } else if (text[at] != '\r') {
        break;
      } else if (at + 1 == text.size()) {
        cr_ = true;
      } else if (text[at + 1] == '\n') {
        end_line();
        ++at;
      } else {
        flush(sink, "\r");
      }
    }
    return at;
  }

  // Where the octets that stay as they are end. They include a single blank between two others, and
  // a line end between two lines that have no white space there.
  GATEPOST_DECL static std::size_t plain_until(std::string_view text, std::size_t at) noexcept;

  canonicalization how_;
  bool begun_ = false;       // something was given
  bool space_ = false;       // relaxed: white space, not given yet
  bool cr_ = false;          // a CR ended the text
  std::uint64_t lines_ = 0;  // line ends, not given yet
};

}  // namespace gatepost::checks::dkim

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/dkim/impl/canonical.ipp"
#endif

#endif  // GATEPOST_CHECKS_DKIM_CANONICAL_HPP
