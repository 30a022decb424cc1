#ifndef GATEPOST_CHECKS_DKIM_IMPL_SIGN_IPP
#define GATEPOST_CHECKS_DKIM_IMPL_SIGN_IPP

#include <algorithm>
#include <utility>

#include "checks/dkim/sign.hpp"
#include "checks/dkim/signature.hpp"
#include "checks/dkim/tag_list.hpp"
#include "smtp/base64.hpp"
#include "smtp/domain.hpp"
#include "smtp/header_edits.hpp"
#include "smtp/header_reader.hpp"
#include "smtp/utf8.hpp"

namespace gatepost::checks::dkim {
namespace detail {

// Octets of base64 between two blanks: a line of them fits 78 octets.
inline constexpr std::size_t word_octets = 70;

inline bool has_name(const std::vector<std::string>& names, std::string_view name) {
  return std::any_of(names.begin(), names.end(), [&](const std::string& other) {
    return smtp::equal_ignoring_case(other, name);
  });
}

inline std::string base64_of(const digest& d) {
  return smtp::base64_encode({reinterpret_cast<const char*>(d.data()), d.size()});
}

// RFC 6376 §2.11, for a local part: what is no dkim-safe-char becomes "=XX".
inline std::string quoted_printable(std::string_view text) {
  static constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet > 0x20 && octet != 0x7f && c != ';' && c != '=') {
      out += c;
    } else {
      out += '=';
      out += digits[octet >> 4];
      out += digits[octet & 15];
    }
  }
  return out;
}

GATEPOST_DECL std::string in_words(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); at += word_octets) {
    if (at != 0) out += ' ';
    out += text.substr(at, word_octets);
  }
  return out;
}

// Where a field is folded depends on the lengths of its words alone. So the field is written with a
// signature of the right length, signed without it (RFC 6376 §3.7), and gets the true one.
GATEPOST_DECL std::string signed_field(std::string_view name, const signed_tags& tags,
                                       std::string_view covered, canonicalization how,
                                       const private_key& key) {
  const std::string blank = smtp::base64_encode(std::string(key.signature_size(), '\0'));
  const std::string ending = tags.behind.empty() ? "" : "; " + tags.behind;
  std::string field;
  const std::string room = tags.layout == b_layout::folded ? in_words(blank) : blank;
  smtp::write_field(field, name, tags.before + "b=" + room + ending);
  const std::string_view whole = std::string_view(field).substr(0, field.size() - 2);
  const std::string_view value = whole.substr(whole.find(':') + 1);
  const auto list = tag_list::parse(value);
  const tag* b = list ? list->find("b") : nullptr;
  if (b == nullptr) return {};
  std::string canonical(covered);
  append_own_field(canonical, how, whole, name, value, b->octets);
  sha256 hash;
  hash.update(canonical);
  const std::string text = smtp::base64_encode(key.sign(hash.finish()));
  if (text.size() != blank.size()) return {};
  std::size_t at = whole.size() - value.size() + b->octets.offset;
  for (const char c : text) {
    while (field[at] == ' ' || field[at] == '\r' || field[at] == '\n') ++at;
    field[at++] = c;
  }
  return field;
}

}  // namespace detail

GATEPOST_DECL parsed<signing_key> signing_key::make(std::string_view domain,
                                                    std::string_view selector, private_key key) {
  std::string d = dns_name(domain, 2);
  if (d.empty()) return problem{"the domain of a signing key is not a domain"};
  std::string s = dns_name(selector, 1);
  if (s.empty()) return problem{"the selector of a signing key is not a selector"};
  return signing_key{std::move(d), std::move(s), std::move(key)};
}

GATEPOST_DECL std::vector<std::string> default_signed_fields() {
  return {"From",
          "Sender",
          "Reply-To",
          "Subject",
          "Date",
          "Message-ID",
          "To",
          "Cc",
          "MIME-Version",
          "Content-Type",
          "Content-Transfer-Encoding",
          "Content-ID",
          "Content-Description",
          "Resent-Date",
          "Resent-From",
          "Resent-Sender",
          "Resent-To",
          "Resent-Cc",
          "Resent-Message-ID",
          "In-Reply-To",
          "References",
          "List-Id",
          "List-Help",
          "List-Unsubscribe",
          "List-Unsubscribe-Post",
          "List-Subscribe",
          "List-Post",
          "List-Owner",
          "List-Archive",
          "Autocrypt"};
}

GATEPOST_DECL signing::signing(sign_options options) : options_(std::move(options)) {
  // RFC 6376 §5.4: From must be signed.
  if (!detail::has_name(options_.oversigned, "From"))
    options_.oversigned.insert(options_.oversigned.begin(), "From");
  hashes_.want(options_.body, std::nullopt);
}

GATEPOST_DECL std::vector<std::string> signing::names(const header_text& header) const {
  std::vector<std::string> all = options_.oversigned;
  for (const std::string& name : options_.fields) {
    if (!detail::has_name(all, name)) all.push_back(name);
  }
  std::vector<std::string> out;
  for (const std::string& name : all) {
    const std::size_t more = detail::has_name(options_.oversigned, name) ? 1 : 0;
    std::size_t count = smtp::count_fields(header.fields, name) + more;
    for (; count > 0 && out.size() < max_signed_fields; --count) out.push_back(name);
  }
  return out;
}

// All up to "b=".
GATEPOST_DECL std::string signing::tags(const signing_key& key, std::string_view names,
                                        time_point now) const {
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  const bool rsa = key.key.type() == key_type::rsa;
  std::string v = "v=1; a=";
  v += to_string(rsa ? algorithm::rsa_sha256 : algorithm::ed25519_sha256);
  v.append("; c=").append(to_string(options_.header)).append("/").append(to_string(options_.body));
  v.append("; d=").append(key.domain).append("; s=").append(key.selector).append(";");
  if (!options_.identity.empty())
    v.append(" i=")
        .append(detail::quoted_printable(options_.identity))
        .append("@" + key.domain + ";");
  v.append(" t=").append(std::to_string(seconds)).append(";");
  if (options_.expires_after)
    v.append(" x=").append(std::to_string(seconds + options_.expires_after->count())).append(";");
  v.append(" h=").append(names).append("; bh=").append(detail::base64_of(hashes_.hash(0)));
  return v + "; ";
}

GATEPOST_DECL std::string signing::field(const header_text& header, const signing_key& key,
                                         time_point now) {
  if (!ended_) hashes_.finish();
  ended_ = true;
  const std::vector<std::string> signed_names = names(header);
  std::string list;
  for (const std::string& name : signed_names) list += (list.empty() ? "" : " : ") + name;
  std::string canonical;
  for (const smtp::field_view* f : pick_fields(header.fields, signed_names, nullptr))
    append_canonical_field(canonical, options_.header, header.field(*f), f->name, f->value);
  return detail::signed_field("DKIM-Signature", {tags(key, list, now), {}}, canonical,
                              options_.header, key.key);
}

GATEPOST_DECL std::string_view value_of(std::string_view field) {
  constexpr std::string_view blanks = " \t\r\n";
  const std::size_t colon = field.find(':');
  if (colon == field.npos) return {};
  const std::size_t begin = field.find_first_not_of(blanks, colon + 1);
  if (begin == field.npos) return {};
  return field.substr(begin, field.find_last_not_of(blanks) + 1 - begin);
}

}  // namespace gatepost::checks::dkim

#endif  // GATEPOST_CHECKS_DKIM_IMPL_SIGN_IPP
