#ifndef GATEPOST_CHECKS_DMARC_IMPL_RECORD_IPP
#define GATEPOST_CHECKS_DMARC_IMPL_RECORD_IPP

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include "checks/dmarc/record.hpp"
#include "smtp/address.hpp"
#include "smtp/utf8.hpp"

namespace gatepost::checks::dmarc {
namespace detail {

// WSP of RFC 5234; line ends too, for some publish them.
inline std::string_view trim(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  const auto begin = std::min(text.find_first_not_of(blanks), text.size());
  return text.substr(begin, text.find_last_not_of(blanks) + 1 - begin);
}

// Takes the text up to the next `separator` off `rest`, and the separator.
inline std::string_view take_until(std::string_view& rest, char separator) {
  const auto end = std::min(rest.find(separator), rest.size());
  const std::string_view part = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return part;
}

struct tag_value {
  std::string_view name;
  std::string_view value;
};

// dmarc-tag = 1*ALPHA equals 1*dmarc-value; nothing where it is not.
inline std::optional<tag_value> split_tag(std::string_view text) {
  const auto equals = text.find('=');
  if (equals == text.npos) return std::nullopt;
  const tag_value tag{trim(text.substr(0, equals)), trim(text.substr(equals + 1))};
  if (tag.name.empty()) return std::nullopt;
  return tag;
}

template <class T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

inline std::optional<policy> parse_policy(std::string_view value) {
  for (const policy p : {policy::none, policy::quarantine, policy::reject})
    if (smtp::equal_ignoring_case(value, to_string(p))) return p;
  return std::nullopt;
}

inline std::optional<alignment_mode> parse_mode(std::string_view value) {
  if (smtp::equal_ignoring_case(value, "r")) return alignment_mode::relaxed;
  if (smtp::equal_ignoring_case(value, "s")) return alignment_mode::strict;
  return std::nullopt;
}

// dmarc-fo: each of 0, 1, d, s once at most, and not both 0 and 1.
inline std::optional<failure_options> parse_failure_options(std::string_view value) {
  failure_options fo{.all_fail = false};
  if (value.empty() || value.ends_with(':')) return std::nullopt;
  while (!value.empty()) {
    const std::string_view one = trim(take_until(value, ':'));
    bool* flag = one == "0"                            ? &fo.all_fail
                 : one == "1"                          ? &fo.any_fails
                 : smtp::equal_ignoring_case(one, "d") ? &fo.dkim
                 : smtp::equal_ignoring_case(one, "s") ? &fo.spf
                                                       : nullptr;
    if (flag == nullptr || std::exchange(*flag, true)) return std::nullopt;
  }
  if (fo.all_fail && fo.any_fails) return std::nullopt;
  return fo;
}

inline bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
inline bool is_digit(char c) { return c >= '0' && c <= '9'; }

inline std::optional<unsigned> hex_digit(char c) {
  if (is_digit(c)) return static_cast<unsigned>(c - '0');
  const char lower = smtp::to_lower_ascii(c);
  if (lower >= 'a' && lower <= 'f') return static_cast<unsigned>(lower - 'a' + 10);
  return std::nullopt;
}

// RFC 3986 §2.1. Nothing where a '%' is not followed by two digits.
inline std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const auto high = hex_digit(text[i + 1]);
    const auto low = hex_digit(text[i + 2]);
    if (!high || !low) return std::nullopt;
    out += static_cast<char>(*high * 16 + *low);
    i += 2;
  }
  return out;
}

// RFC 3986 §3.1 scheme, then the characters of §2.2 and §2.3. Octets above 127 are let through: the
// mailbox is judged by itself.
inline bool is_uri(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == text.npos || colon == 0 || colon + 1 == text.size()) return false;
  if (!is_alpha(text[0])) return false;
  for (const char c : text.substr(0, colon))
    if (!is_alpha(c) && !is_digit(c) && std::string_view("+-.").find(c) == std::string_view::npos)
      return false;
  for (const char c : text.substr(colon + 1)) {
    const auto u = static_cast<unsigned char>(c);
    if (u <= ' ' || u == 0x7f || std::string_view("\"<>\\^`{|}").find(c) != std::string_view::npos)
      return false;
  }
  return true;
}

// RFC 6068: the one mailbox of "user@example.com?subject=x".
inline std::optional<std::string> mailto_address(std::string_view text) {
  const auto decoded = percent_decoded(text.substr(0, text.find('?')));
  if (!decoded) return std::nullopt;
  const auto box = smtp::parse_mailbox(*decoded, {.utf8 = smtp::utf8_policy::smtputf8});
  if (!box) return std::nullopt;
  return decoded;
}

// obs-dmarc-report-size = "!" 1*DIGIT [ "k" / "m" / "g" / "t" ]; in powers of 1024.
inline std::optional<std::uint64_t> parse_size(std::string_view text) {
  unsigned shift = 0;
  if (!text.empty() && is_alpha(text.back())) {
    const auto unit = std::string_view("kmgt").find(smtp::to_lower_ascii(text.back()));
    if (unit == std::string_view::npos) return std::nullopt;
    shift = 10 * (static_cast<unsigned>(unit) + 1);
    text = trim(text.substr(0, text.size() - 1));
  }
  const auto number = parse_number<std::uint64_t>(text);
  if (!number) return std::nullopt;
  constexpr auto most = std::numeric_limits<std::uint64_t>::max();
  return *number > (most >> shift) ? most : *number << shift;
}

inline std::optional<report_uri> parse_report_uri(std::string_view text) {
  report_uri out;
  if (const auto mark = text.rfind('!'); mark != text.npos) {
    const auto size = parse_size(trim(text.substr(mark + 1)));
    if (!size) return std::nullopt;
    out.max_octets = *size;
    text = trim(text.substr(0, mark));
  }
  if (!is_uri(text)) return std::nullopt;
  out.uri = text;
  constexpr std::string_view mailto = "mailto:";
  if (!smtp::equal_ignoring_case(text.substr(0, mailto.size()), mailto)) return out;
  auto address = mailto_address(text.substr(mailto.size()));
  if (!address) return std::nullopt;
  out.address = *std::move(address);
  return out;
}

// Reads the tags of one record behind its version.
class record_reader {
 public:
  void read(tag_value tag) {
    const auto* row = std::find_if(std::begin(tags), std::end(tags), [&](const tag_row& r) {
      return smtp::equal_ignoring_case(r.name, tag.name);
    });
    if (row == std::end(tags)) return;  // RFC 9989 §4.7: unknown tags are ignored
    const auto bit = 1u << (row - std::begin(tags));
    if ((seen_ & bit) != 0) return problem(row->name, "is there twice");
    seen_ |= bit;
    if (!row->read(record_, tag.value)) problem(row->name, "is not valid");
  }

  record take() {
    if (!record_.p && !record_.bad_policy) problem("p", "is missing");
    return std::move(record_);
  }

 private:
  struct tag_row {
    std::string_view name;
    bool (*read)(record&, std::string_view);
  };

  template <std::optional<policy> record::* Member, bool record::* Bad>
  static bool read_policy(record& r, std::string_view value) {
    r.*Member = parse_policy(value);
    if (!(r.*Member)) r.*Bad = true;
    return (r.*Member).has_value();
  }

  template <alignment_mode record::* Member>
  static bool read_mode(record& r, std::string_view value) {
    const auto mode = parse_mode(value);
    r.*Member = mode.value_or(alignment_mode::relaxed);
    return mode.has_value();
  }

  template <std::vector<report_uri> record::* Member>
  static bool read_uris(record& r, std::string_view value) {
    r.*Member = parse_report_uris(value);
    return !(r.*Member).empty();
  }

  static bool read_psd(record& r, std::string_view value) {
    if (smtp::equal_ignoring_case(value, "y"))
      r.psd = psd_flag::yes;
    else if (smtp::equal_ignoring_case(value, "n"))
      r.psd = psd_flag::no;
    else
      return smtp::equal_ignoring_case(value, "u");
    return true;
  }

  static bool read_testing(record& r, std::string_view value) {
    r.testing = smtp::equal_ignoring_case(value, "y");
    return r.testing || smtp::equal_ignoring_case(value, "n");
  }

  static bool read_failure_options(record& r, std::string_view value) {
    const auto fo = parse_failure_options(value);
    if (!fo) return false;
    r.fo = *fo;
    r.fo_text = value;
    return true;
  }

  static bool read_percentage(record& r, std::string_view value) {
    const auto number = parse_number<unsigned>(value);
    if (!number || *number > 100) return false;
    r.pct = *number;
    return true;
  }

  static bool read_interval(record& r, std::string_view value) {
    const auto number = parse_number<std::uint32_t>(value);
    if (number) r.ri = *number;
    return number.has_value();
  }

  void problem(std::string_view name, std::string_view what) {
    if (record_.problems.size() == max_record_problems) return;
    record_.problems.push_back(std::string(name) + " " + std::string(what));
  }

  static constexpr tag_row tags[] = {
      {"p", &read_policy<&record::p, &record::bad_policy>},
      {"sp", &read_policy<&record::sp, &record::bad_policy>},
      {"np", &read_policy<&record::np, &record::bad_np>},
      {"psd", &read_psd},
      {"t", &read_testing},
      {"adkim", &read_mode<&record::adkim>},
      {"aspf", &read_mode<&record::aspf>},
      {"rua", &read_uris<&record::rua>},
      {"ruf", &read_uris<&record::ruf>},
      {"fo", &read_failure_options},
      {"pct", &read_percentage},
      {"ri", &read_interval},
  };

  record record_;
  unsigned seen_ = 0;
};

}  // namespace detail

GATEPOST_DECL std::string_view to_string(policy p) {
  switch (p) {
    case policy::none: return "none";
    case policy::quarantine: return "quarantine";
    case policy::reject: return "reject";
  }
  return "?";
}

GATEPOST_DECL std::string_view to_string(alignment_mode mode) {
  return mode == alignment_mode::strict ? "s" : "r";
}

GATEPOST_DECL record record::applied() const {
  record out = *this;
  if (valid()) return out;
  out.p = policy::none;
  out.sp = out.np = std::nullopt;
  return out;
}

GATEPOST_DECL record record::without_np() const {
  record out = *this;
  out.np = std::nullopt;
  out.bad_np = false;
  return out;
}

GATEPOST_DECL record record::with_default_policy() const {
  record out = *this;
  if (!bad_policy && !p) out.p = policy::none;
  return out;
}

GATEPOST_DECL std::optional<record> parse_record(std::string_view text) {
  if (text.size() > max_record_octets) return std::nullopt;
  // RFC 9989 §4.8: nothing stands before the version.
  if (!text.starts_with('v') && !text.starts_with('V')) return std::nullopt;
  // RFC 9989 §4.7: v comes first, and its value is case sensitive.
  const auto version = detail::split_tag(detail::take_until(text, ';'));
  if (!version || !smtp::equal_ignoring_case(version->name, "v") || version->value != "DMARC1")
    return std::nullopt;
  detail::record_reader reader;
  while (!text.empty())
    if (const auto tag = detail::split_tag(detail::take_until(text, ';'))) reader.read(*tag);
  return reader.take();
}

GATEPOST_DECL std::vector<report_uri> parse_report_uris(std::string_view list) {
  std::vector<report_uri> out;
  while (!list.empty() && out.size() < max_report_uris) {
    auto uri = detail::parse_report_uri(detail::trim(detail::take_until(list, ',')));
    if (uri) out.push_back(*std::move(uri));
  }
  return out;
}

}  // namespace gatepost::checks::dmarc

#endif  // GATEPOST_CHECKS_DMARC_IMPL_RECORD_IPP
