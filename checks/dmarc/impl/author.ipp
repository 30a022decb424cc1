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

// Blanks and comments may stand around the '@' and the dots of an address; elsewhere they part its
// words, and whatever cannot stand in an address always does.
struct address_words {
  std::vector<std::string> all;
  bool clean = true;  // nothing but blanks and comments parts them
};

// Reads address-lists, one element after the other. Time and memory are proportional to the text.
class from_reader {
 public:
  explicit from_reader(authors& out) : out_(out) {}

  // The value of a field.
  void read(std::string_view text) {
    text_ = text;
    at_ = 0;
    comments_end_ = quotes_end_ = true;
    while (at_ < text_.size()) step();
    end_element();
  }

 private:
  void step() {
    const char c = text_[at_];
    switch (c) {
      case '(': take_comment(); return;
      case '"': take_quoted(); return;
      case '<': take_angle(); return;
      case ',': end_element(); break;
      case ';': end_element(); break;  // the end of a group; some use it between mailboxes
      case ':': begin_group(); break;
      default: plain_ += c;
    }
    ++at_;
  }

  void take_comment() {
    const std::size_t end = comment_end(at_);
    // One that is never closed is none, or it would hide all that follows.
    plain_ += end == text_.npos ? parting : ' ';
    at_ = end == text_.npos ? at_ + 1 : end;
  }

  // Of the comment that begins at `from`. npos: it is not closed, and no later one is looked at.
  std::size_t comment_end(std::size_t from) {
    std::size_t depth = 0;
    for (std::size_t i = from; comments_end_ && i < text_.size(); ++i) {
      if (text_[i] == '\\')
        ++i;
      else if (text_[i] == '(')
        ++depth;
      else if (text_[i] == ')' && --depth == 0)
        return i + 1;
    }
    comments_end_ = false;
    out_.malformed = true;
    return text_.npos;
  }

  // A display name or a local part: its content does not matter, a '@' in it least of all.
  void take_quoted() {
    const std::size_t end = quoted_end(at_);
    plain_ += end == text_.npos ? parting : quoted_mark;
    at_ = end == text_.npos ? at_ + 1 : end;
  }

  // The same of a quoted string.
  std::size_t quoted_end(std::size_t from) {
    for (std::size_t i = from + 1; quotes_end_ && i < text_.size(); ++i) {
      if (text_[i] == '\\')
        ++i;
      else if (text_[i] == '"')
        return i + 1;
    }
    quotes_end_ = false;
    out_.malformed = true;
    return text_.npos;
  }

  // RFC 5322 §3.4 angle-addr.
  void take_angle() {
    const std::string inside = take_brackets();
    angle_ = true;
    const address_words words = words_of(behind_route(inside));
    add(words);
    const auto domain = domain_of(words);
    check_display_name(domain);
    // "a@shown.example <>"; and what stands before a bracket may be all that is shown, where a
    // comment or a quote does not end.
    if (!domain || !comments_end_ || !quotes_end_) add_words(words_of(plain_));
    plain_.clear();
  }

  // What stands in them, without comments and with marks for what is quoted. Comments may hold
  // brackets, quoted strings too, but behind the '@' there are none.
  std::string take_brackets() {
    std::string inside;
    bool domain = false;
    for (++at_; at_ < text_.size() && text_[at_] != '>';) {
      const char c = text_[at_];
      std::size_t end = text_.npos;
      if (c == '(') end = comment_end(at_);
      if (c == '"' && !domain) end = quoted_end(at_);
      domain = domain || c == '@';
      if (end != text_.npos)
        inside += c == '(' ? ' ' : quoted_mark;
      else
        inside += c == '(' || c == '"' ? parting : c;
      at_ = end == text_.npos ? at_ + 1 : end;
    }
    if (at_ >= text_.size()) out_.malformed = true;
    at_ = std::min(at_ + 1, text_.size());
    return inside;
  }

  // RFC 5322 §4.4 obs-route: what ends at the first colon, if it is nothing but domains.
  static std::string_view behind_route(std::string_view inside) {
    const std::size_t colon = inside.find(':');
    if (colon == inside.npos) return inside;
    for (std::string_view route = inside.substr(0, colon); !route.empty();) {
      const std::size_t comma = std::min(route.find(','), route.size());
      const address_words hop = words_of(route.substr(0, comma));
      const bool good = hop.all.empty() ||
                        (hop.all.size() == 1 && hop.all[0].starts_with('@') &&
                         std::all_of(hop.all[0].begin() + 1, hop.all[0].end(), is_domain_octet));
      if (!hop.clean || !good) return inside;
      route.remove_prefix(std::min(comma + 1, route.size()));
    }
    return inside.substr(colon + 1);
  }

  // "a@real.example <b@shown.example>": a '@' outside quotes is no phrase, and somebody shows it.
  // Many write the address itself there; whoever is shown that is shown no other domain.
  void check_display_name(const std::optional<std::string>& of) {
    if (plain_.find('@') == plain_.npos) return;
    const auto shown = domain_of(words_of(plain_));
    if (!shown || shown != of) out_.malformed = true;
  }

  // An address before a ':' is shown as well, where the group is not.
  void begin_group() {
    if (plain_.find('@') != plain_.npos) {
      out_.malformed = true;
      add_words(words_of(plain_));
    }
    plain_.clear();
    angle_ = false;
  }

  // Without a '@' it is no mailbox but a piece of a name, as in "Doe, John <a@example.com>".
  void end_element() {
    const bool address = plain_.find('@') != plain_.npos;
    if (!angle_ && address) add(words_of(plain_));
    if (angle_ && address) {
      out_.malformed = true;
      add_words(words_of(plain_));
    }
    plain_.clear();
    angle_ = false;
  }

  // An addr-spec, perhaps with blanks and comments in it (obs-local-part, obs-domain).
  void add(const address_words& words) {
    if (out_.mailboxes == max_authors) return leave_out();
    ++out_.mailboxes;
    if (const auto domain = domain_of(words)) return add_domain(*domain);
    out_.malformed = true;
    add_words(words);
  }

  // What has other words beside it is shown all the same, and so is what is no domain as a whole.
  void add_words(const address_words& words) {
    for (const std::string& word : words.all) {
      for (std::size_t at = word.find('@'); at != word.npos; at = word.find('@', at + 1)) {
        if (words_seen_++ >= max_authors) return leave_out();
        if (const auto domain = domain_shown_in(std::string_view(word).substr(at + 1)))
          add_domain(*domain);
      }
    }
  }

  void leave_out() {
    out_.complete = false;
    out_.malformed = true;
  }

  void add_domain(const std::string& domain) {
    if (std::find(out_.domains.begin(), out_.domains.end(), domain) == out_.domains.end())
      out_.domains.push_back(domain);
  }

  static std::optional<std::string> domain_of(const address_words& words) {
    if (!words.clean || words.all.size() != 1) return std::nullopt;
    const std::string& word = words.all.front();
    const auto sign = word.find('@');
    if (sign == word.npos || sign == 0) return std::nullopt;
    // RFC 2047 §5: never in an addr-spec; but some programs decode it there, and show an address.
    if (word.find("=?") < sign) return std::nullopt;
    const std::string_view domain = std::string_view(word).substr(sign + 1);
    // A literal, for one, is no domain name, and DMARC has nothing to say of it.
    if (!std::all_of(domain.begin(), domain.end(), is_domain_octet)) return std::nullopt;
    return canonical_name(domain);
  }

  // The most of `text` that is a domain: what it begins with, with or without the letters of other
  // scripts, by whole labels. A single label is no domain that has lost the others.
  static std::optional<std::string> domain_shown_in(std::string_view text) {
    constexpr std::size_t longest = 255;
    const std::string_view seen = text.substr(0, longest);
    const auto all = std::find_if_not(seen.begin(), seen.end(), is_domain_octet);
    if (all != seen.end() && is_control(*all)) return std::nullopt;
    const auto ascii =
        std::find_if_not(seen.begin(), all, [](char c) { return smtp::is_ascii(c); });
    if (auto whole = canonical_name({seen.begin(), all})) {
      if (all == text.end() || whole->find('.') != whole->npos) return whole;
      return std::nullopt;
    }
    for (std::string_view part(seen.begin(), ascii); part.find('.') != part.npos;) {
      if (auto domain = canonical_name(part); domain && domain->find('.') != domain->npos)
        return domain;
      part = part.substr(0, part.rfind('.'));
    }
    return std::nullopt;
  }

  static bool is_control(char c) {
    const auto octet = static_cast<unsigned char>(c);
    return octet < 0x20 || octet == 0x7f;
  }

  static bool is_domain_octet(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || !smtp::is_ascii(c);
  }

  static address_words words_of(std::string_view text) {
    // A comment that is never closed is none.
    const bool has_comments = comments_close(text);
    address_words out;
    enum class gap { none, blank, other } before = gap::other;
    std::size_t depth = 0;
    for (const char c : text) {
      if (has_comments && c == '(') ++depth;
      const bool blank = depth > 0 || c == ' ' || c == '\t' || c == '\r' || c == '\n';
      if (depth > 0 && c == ')') --depth;
      if (blank) {
        before = std::max(before, gap::blank);
      } else if (std::string_view("()<>\\:;,").find(c) != std::string_view::npos) {
        before = gap::other;
        out.clean = false;
      } else {
        add_octet(out.all, c, before == gap::blank, before == gap::other);
        before = gap::none;
      }
    }
    return out;
  }

  static bool comments_close(std::string_view text) {
    std::size_t depth = 0;
    for (const char c : text) {
      if (c == '(') ++depth;
      if (c == ')' && depth > 0) --depth;
    }
    return depth == 0;
  }

  static void add_octet(std::vector<std::string>& words, char c, bool behind_blank, bool apart) {
    const auto joins = [](char x) { return x == '.' || x == '@'; };
    if (words.empty() || apart || (behind_blank && !joins(c) && !joins(words.back().back())))
      words.emplace_back();
    words.back() += c;
  }

  // Stands for a quoted string, which may be in a local part but in no domain.
  static constexpr char quoted_mark = '"';
  // Stands for what cannot be in an address.
  static constexpr char parting = '\\';

  authors& out_;
  std::string_view text_;
  std::size_t at_ = 0;
  bool comments_end_ = true;  // false: one was not closed
  bool quotes_end_ = true;
  std::string plain_;   // of this element, outside comments and angle brackets
  bool angle_ = false;  // this element had an angle-addr
  std::size_t words_seen_ = 0;
};

}  // namespace detail

GATEPOST_DECL authors read_authors(std::string_view from) {
  authors out;
  out.fields = 1;
  detail::from_reader(out).read(from);
  return out;
}

GATEPOST_DECL authors read_authors(std::span<const smtp::field_view> fields) {
  authors out;
  detail::from_reader reader(out);
  for (const smtp::field_view* field : smtp::all_fields(fields, "From")) {
    ++out.fields;
    reader.read(field->value);
  }
  return out;
}

}  // namespace gatepost::checks::dmarc

#endif  // GATEPOST_CHECKS_DMARC_IMPL_AUTHOR_IPP
