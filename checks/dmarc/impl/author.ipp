#ifndef GATEPOST_CHECKS_DMARC_IMPL_AUTHOR_IPP
#define GATEPOST_CHECKS_DMARC_IMPL_AUTHOR_IPP

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "checks/dmarc/author.hpp"
#include "checks/dmarc/tree_walk.hpp"
#include "smtp/utf8.hpp"

namespace gatepost::checks::dmarc {
namespace detail {

// Reads an address-list, one element after the other.
class from_reader {
 public:
  from_reader(std::string_view text, authors& out) : text_(text), out_(out) {}

  void read() {
    while (at_ < text_.size()) step();
    end_element();
  }

 private:
  void step() {
    const char c = text_[at_];
    switch (c) {
      case '(': at_ = comment_end(); return;
      case '"': take_quoted(); return;
      case '<': take_angle(); return;
      case ',': end_element(); break;
      case ';': end_element(); break;  // the end of a group; some use it between mailboxes
      case ':': begin_group(); break;
      default: plain_ += c;
    }
    ++at_;
  }

  std::size_t comment_end() const {
    std::size_t depth = 0;
    for (std::size_t i = at_; i < text_.size(); ++i) {
      if (text_[i] == '\\')
        ++i;
      else if (text_[i] == '(')
        ++depth;
      else if (text_[i] == ')' && --depth == 0)
        return i + 1;
    }
    // Never closed: no comment, or it would hide all that follows.
    out_.malformed = true;
    return at_ + 1;
  }

  // A display name or a local part: its content does not matter, a '@' in it least of all.
  void take_quoted() {
    for (std::size_t i = at_ + 1; i < text_.size(); ++i) {
      if (text_[i] == '\\') {
        ++i;
      } else if (text_[i] == '"') {
        at_ = i + 1;
        plain_ += quoted_mark;
        return;
      }
    }
    out_.malformed = true;
    ++at_;
  }

  // RFC 5322 §3.4 angle-addr, §4.4 obs-route.
  void take_angle() {
    const auto rest = text_.substr(at_ + 1);
    std::string inside;
    std::size_t i = 0;
    for (bool quoted = false; i < rest.size() && (quoted || rest[i] != '>'); ++i) {
      if (rest[i] == '"') quoted = !quoted;
      if (quoted && rest[i] == '\\') ++i;
      if (!quoted && i < rest.size()) inside += rest[i] == '"' ? quoted_mark : rest[i];
    }
    if (i >= rest.size()) out_.malformed = true;
    at_ += std::min(i + 2, rest.size() + 1);
    if (const auto route = inside.rfind(':'); inside.starts_with('@') && route != inside.npos)
      inside.erase(0, route + 1);
    angle_ = true;
    add(inside);
    const auto domain = domain_of(inside);
    check_display_name(domain);
    if (!domain) add_words(plain_);  // "a@shown.example <>"
    plain_.clear();
  }

  // "a@real.example <b@shown.example>": a '@' outside quotes is no phrase, and somebody shows it.
  // Many write the address itself there; whoever is shown that is shown no other domain.
  void check_display_name(const std::optional<std::string>& of = std::nullopt) {
    if (plain_.find('@') == plain_.npos) return;
    const auto shown = domain_of(plain_);
    if (!shown || shown != of) out_.malformed = true;
  }

  void begin_group() {
    check_display_name();
    plain_.clear();
    angle_ = false;
  }

  // Without a '@' it is no mailbox but a piece of a name, as in "Doe, John <a@example.com>".
  void end_element() {
    const bool address = plain_.find('@') != plain_.npos;
    if (!angle_ && address) add(plain_);
    if (angle_ && address) out_.malformed = true;
    plain_.clear();
    angle_ = false;
  }

  // An addr-spec, perhaps with blanks and comments in it (obs-local-part, obs-domain).
  void add(std::string_view address) {
    if (out_.mailboxes == max_authors) {
      out_.malformed = true;
      return;
    }
    ++out_.mailboxes;
    if (const auto domain = domain_of(address)) return add_domain(*domain);
    out_.malformed = true;
    add_words(address);
  }

  // What has other words beside it is shown all the same.
  void add_words(std::string_view text) {
    for (const std::string& word : words_of(text))
      if (const auto domain = domain_of_word(word)) add_domain(*domain);
  }

  void add_domain(const std::string& domain) {
    if (std::find(out_.domains.begin(), out_.domains.end(), domain) == out_.domains.end())
      out_.domains.push_back(domain);
  }

  static std::optional<std::string> domain_of(std::string_view address) {
    const std::vector<std::string> words = words_of(address);
    if (words.size() != 1) return std::nullopt;
    return domain_of_word(words.front());
  }

  static std::optional<std::string> domain_of_word(std::string_view bare) {
    const auto sign = bare.find('@');
    if (sign == bare.npos || sign == 0 || bare.find('@', sign + 1) != bare.npos)
      return std::nullopt;
    const std::string_view domain = bare.substr(sign + 1);
    // A literal, for one, is no domain name, and DMARC has nothing to say of it.
    if (!std::all_of(domain.begin(), domain.end(), is_domain_octet)) return std::nullopt;
    return canonical_name(domain);
  }

  static bool is_domain_octet(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || !smtp::is_ascii(c);
  }

  // Blanks and comments may stand around the '@' and the dots; elsewhere they part words.
  static std::vector<std::string> words_of(std::string_view text) {
    std::vector<std::string> out;
    bool gap = true;
    std::size_t depth = 0;
    for (const char c : text) {
      if (c == '(') ++depth;
      const bool blank = depth > 0 || c == ' ' || c == '\t' || c == '\r' || c == '\n';
      if (c == ')' && depth > 0) --depth;
      if (blank) {
        gap = true;
        continue;
      }
      const bool joins = c == '.' || c == '@';
      const bool joined = !out.empty() && (out.back().back() == '.' || out.back().back() == '@');
      if (out.empty() || (gap && !joins && !joined)) out.emplace_back();
      out.back() += c;
      gap = false;
    }
    return out;
  }

  // Stands for a quoted string; a letter that may stand in a local part, and no '@'.
  static constexpr char quoted_mark = 'q';

  std::string_view text_;
  authors& out_;
  std::size_t at_ = 0;
  std::string plain_;   // of this element, outside comments and angle brackets
  bool angle_ = false;  // this element had an angle-addr
};

}  // namespace detail

GATEPOST_DECL authors read_authors(std::string_view from) {
  authors out;
  out.fields = 1;
  detail::from_reader(from, out).read();
  return out;
}

GATEPOST_DECL authors read_authors(std::span<const smtp::field_view> fields) {
  authors out;
  for (const smtp::field_view* field : smtp::all_fields(fields, "From")) {
    ++out.fields;
    detail::from_reader(field->value, out).read();
  }
  return out;
}

}  // namespace gatepost::checks::dmarc

#endif  // GATEPOST_CHECKS_DMARC_IMPL_AUTHOR_IPP
