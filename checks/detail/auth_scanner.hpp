// Reads the value of an Authentication-Results field from left to right (RFC 8601 §2.2).
#ifndef GATEPOST_CHECKS_DETAIL_AUTH_SCANNER_HPP
#define GATEPOST_CHECKS_DETAIL_AUTH_SCANNER_HPP

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace gatepost::checks::detail::auth {

inline bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// A field's value, read from left to right.
class scanner {
 public:
  explicit scanner(std::string_view text) : text_(text) {}

  bool at_end() const { return at_ == text_.size(); }
  std::size_t position() const { return at_; }
  void back_to(std::size_t position) { at_ = position; }

  // CFWS (RFC 5322 §3.2.2). False where a comment is not closed. `skipped` tells whether there was
  // any.
  bool skip_blanks() {
    const std::size_t begin = at_;
    while (!at_end()) {
      if (is_blank(text_[at_]))
        ++at_;
      else if (text_[at_] != '(')
        break;
      else if (!skip_comment())
        return false;
    }
    skipped_ = at_ != begin;
    return true;
  }
  bool skipped() const { return skipped_; }

  bool take(char c) {
    if (at_end() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  template <class Predicate>
  std::string_view take_while(Predicate allowed) {
    const std::size_t begin = at_;
    while (!at_end() && allowed(text_[at_])) ++at_;
    return text_.substr(begin, at_ - begin);
  }

  // RFC 5322 §3.2.4, unfolded and unescaped. Nothing where it is not closed.
  std::optional<std::string> take_quoted() {
    if (!take('"')) return std::nullopt;
    std::string out;
    while (!at_end()) {
      char c = text_[at_++];
      if (c == '"') return out;
      if (c == '\r' || c == '\n') continue;
      if (c == '\\' && !at_end()) c = text_[at_++];
      out += c;
    }
    return std::nullopt;
  }

  std::string_view rest() const { return text_.substr(at_); }

  // A comment, if one begins here. False where it is not closed.
  bool skip_comment_here() { return at_end() || text_[at_] != '(' || skip_comment(); }

 private:
  bool skip_comment() {
    for (std::size_t depth = 0; !at_end();) {
      const char c = text_[at_++];
      if (c == '\\' && !at_end())
        ++at_;
      else if (c == '(')
        ++depth;
      else if (c == ')' && --depth == 0)
        return true;
    }
    return false;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  bool skipped_ = false;
};

// As generously as any mail program might.
inline std::string take_any_id(scanner& in) {
  if (!in.skip_blanks()) return {};
  const auto plain = [](char c) {
    return !is_blank(c) && std::string_view(";(\"/,").find(c) == std::string_view::npos;
  };
  // mx."example"(comment).org: some program may take that for one word.
  std::string id;
  for (std::size_t begin = in.position();; begin = in.position()) {
    id += in.take_while(plain);
    if (auto quoted = in.take_quoted()) id += *quoted;
    if (!in.skip_comment_here() || in.position() == begin) return id;
  }
}

// Where a version may stand. What does not begin with a digit is none at all.
inline bool is_other_version_next(scanner& in) {
  if (!in.skip_blanks()) return false;
  if (in.take('/')) in.skip_blanks();
  const auto word = in.take_while([](char c) { return !is_blank(c) && c != ';' && c != '('; });
  if (word.empty() || word.front() < '0' || word.front() > '9') return false;
  const std::size_t zeros = std::min(word.find_first_not_of('0'), word.size());
  return word.substr(zeros) != "1";
}

// Whether an Authentication-Results value has a version other than 1 (RFC 8601 §2.5), behind its id
// as the grammar has it or as some program may take it: "a.example(x)2".
inline bool has_other_version(std::string_view value) {
  scanner generous(value);
  take_any_id(generous);
  if (is_other_version_next(generous)) return true;
  scanner strict(value);
  strict.skip_blanks();
  if (!strict.take_quoted())
    strict.take_while([](char c) { return !is_blank(c) && c != ';' && c != '(' && c != '"'; });
  return is_other_version_next(strict);
}

}  // namespace gatepost::checks::detail::auth

#endif  // GATEPOST_CHECKS_DETAIL_AUTH_SCANNER_HPP
