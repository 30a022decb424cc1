#ifndef GATEPOST_CHECKS_DKIM_IMPL_SIGNATURE_IPP
#define GATEPOST_CHECKS_DKIM_IMPL_SIGNATURE_IPP

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "checks/dkim/signature.hpp"
#include "smtp/domain.hpp"
#include "smtp/utf8.hpp"

namespace gatepost::checks::dkim {
namespace detail {

// RFC 6376 §3.5: numbers of l= have up to 76 digits, times up to 12.
inline constexpr std::size_t length_digits = 76;
inline constexpr std::size_t time_digits = 12;

// Letters, digits, hyphens, and the underscore that many selectors have.
inline bool is_label(std::string_view label) {
  const auto good = [](char c) {
    const char l = smtp::to_lower_ascii(c);
    return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  };
  return !label.empty() && label.size() <= smtp::max_label_octets && label.front() != '-' &&
         label.back() != '-' && std::all_of(label.begin(), label.end(), good);
}

// RFC 5322 §3.6.8 ftext.
inline bool is_field_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(),
                                      [](char c) { return c > ' ' && c < 0x7f && c != ':'; });
}

// Fills in a signature, tag by tag. Each step gives a problem's text, or an empty one.
class signature_reader {
 public:
  signature_reader(const tag_list& tags, signature_kind kind) : tags_(tags), kind_(kind) {}

  parsed<signature> read() {
    using step = std::string_view (signature_reader::*)();
    constexpr std::array<step, 11> steps{
        &signature_reader::version, &signature_reader::instance, &signature_reader::algorithm,
        &signature_reader::data,    &signature_reader::body,     &signature_reader::forms,
        &signature_reader::signer,  &signature_reader::fields,   &signature_reader::identity,
        &signature_reader::length,  &signature_reader::times,
    };
    for (const step s : steps) {
      const std::string_view wrong = (this->*s)();
      if (!wrong.empty()) return problem{wrong};
    }
    return std::move(out_);
  }

 private:
  bool dkim() const { return kind_ == signature_kind::dkim; }
  bool seal() const { return kind_ == signature_kind::arc_seal; }

  std::string_view version() {
    const tag* v = tags_.find("v");
    if (!dkim()) return {};
    if (v == nullptr) return "v= is missing";
    return v->value == "1" ? "" : "v= is not 1";
  }

  // RFC 8617 §4.2.1
  std::string_view instance() {
    if (dkim()) return {};
    const tag* i = tags_.find("i");
    const auto number = i == nullptr ? std::nullopt : parse_number(i->value, 2);
    if (!number || *number == 0 || *number > max_arc_instance)
      return "i= is missing or is not an instance from 1 to 50";
    out_.instance = static_cast<unsigned>(*number);
    const tag* cv = tags_.find("cv");
    if (!seal()) return {};
    if (cv == nullptr) return "cv= is missing";
    out_.cv = smtp::to_lower_ascii(cv->value);  // RFC 8617 §4.4: the words are ABNF, in any case
    const bool known = out_.cv == "none" || out_.cv == "pass" || out_.cv == "fail";
    return known ? "" : "cv= is neither none, pass nor fail";
  }

  std::string_view algorithm() {
    const tag* a = tags_.find("a");
    if (a == nullptr) return "a= is missing";
    for (const auto known :
         {algorithm::rsa_sha256, algorithm::ed25519_sha256, algorithm::rsa_sha1}) {
      if (a->value != to_string(known)) continue;
      out_.algorithm = known;
      return {};
    }
    return "the algorithm of a= is unknown";
  }

  std::string_view data() {
    const tag* b = tags_.find("b");
    if (b == nullptr) return "b= is missing";
    auto octets = decode_base64(b->value);
    if (!octets) return "b= is not base64";
    out_.b = *std::move(octets);
    out_.b64 = without_blanks(b->value);
    out_.b_octets = b->octets;
    return {};
  }

  std::string_view body() {
    if (seal()) return {};
    const tag* bh = tags_.find("bh");
    if (bh == nullptr) return "bh= is missing";
    auto octets = decode_base64(bh->value);
    if (!octets) return "bh= is not base64";
    out_.bh = *std::move(octets);
    return {};
  }

  std::string_view forms() {
    const tag* c = tags_.find("c");
    // RFC 8617 §5.1.1: seals are relaxed.
    if (seal()) out_.header = canonicalization::relaxed;
    if (c == nullptr || seal()) return {};
    const auto slash = std::min(c->value.find('/'), c->value.size());
    const auto header = form_of(c->value.substr(0, slash));
    auto body = std::optional(canonicalization::simple);
    if (slash < c->value.size()) body = form_of(c->value.substr(slash + 1));
    if (!header || !body) return "the canonicalization of c= is unknown";
    out_.header = *header;
    out_.body = *body;
    return {};
  }

  static std::optional<canonicalization> form_of(std::string_view text) {
    if (text == "simple") return canonicalization::simple;
    if (text == "relaxed") return canonicalization::relaxed;
    return std::nullopt;
  }

  std::string_view signer() {
    const tag* d = tags_.find("d");
    const tag* s = tags_.find("s");
    if (d == nullptr) return "d= is missing";
    if (s == nullptr) return "s= is missing";
    out_.domain = dns_name(d->value, 2);
    if (out_.domain.empty()) return "d= is not a domain";
    out_.selector = dns_name(s->value, 1);
    if (out_.selector.empty()) return "s= is not a selector";
    return query();
  }

  // RFC 6376 §3.5 q=: unknown methods are ignored, but one has to be known.
  std::string_view query() {
    const tag* q = tags_.find("q");
    if (q == nullptr || !dkim()) return {};
    for (const std::string_view method : split_colons(q->value)) {
      if (method == "dns/txt") return {};
    }
    return "no query method of q= is known";
  }

  std::string_view fields() {
    const tag* h = tags_.find("h");
    // RFC 8617 §5.1.1 and §4.1.3: what a seal covers is fixed.
    if (seal()) return h == nullptr ? "" : "h= has no place in a seal";
    if (h == nullptr) return "h= is missing";
    bool from = false;
    bool sealed = false;
    for (const std::string_view name : split_colons(h->value)) {
      if (!is_field_name(name) && (dkim() || !name.empty())) return "h= is not a list of names";
      if (out_.names.size() == max_signed_fields) return "h= has too many names";
      from = from || smtp::equal_ignoring_case(name, "from");
      sealed = sealed || smtp::equal_ignoring_case(name, "arc-seal");
      if (!name.empty()) out_.names.emplace_back(name);
    }
    // RFC 6376 §5.4; RFC 8617 §4.1.2 does not ask for it, but forbids to sign seals.
    if (dkim() && !from) return "h= does not have From";
    return !dkim() && sealed ? "h= has ARC-Seal" : "";
  }

  std::string_view identity() {
    out_.identity = "@" + out_.domain;
    out_.identity_domain = out_.domain;
    const tag* i = tags_.find("i");
    if (i == nullptr || !dkim()) return {};
    const auto text = decode_quoted_printable(i->value);
    const std::size_t at = text ? text->rfind('@') : std::string::npos;
    if (at == std::string::npos) return "i= is not an identity";
    out_.identity_domain = dns_name(std::string_view(*text).substr(at + 1), 2);
    if (out_.identity_domain.empty()) return "the domain of i= is not a domain";
    out_.identity = text->substr(0, at + 1) + out_.identity_domain;
    // RFC 6376 §6.1.1
    return smtp::is_subdomain_of(out_.identity_domain, out_.domain)
               ? ""
               : "i= is neither in d= nor below it";
  }

  std::string_view length() {
    const tag* l = tags_.find("l");
    if (l == nullptr || seal()) return {};
    out_.length = parse_number(l->value, length_digits);
    return out_.length ? "" : "l= is not a number";
  }

  std::string_view times() {
    const tag* t = tags_.find("t");
    const tag* x = tags_.find("x");
    if (t != nullptr) {
      out_.signed_at = parse_number(t->value, time_digits);
      if (!out_.signed_at) return "t= is not a time";
    }
    if (x == nullptr || seal()) return {};
    // RFC 6376 §3.5: a value of more digits may be taken for infinite.
    out_.expires_at = parse_number(x->value, length_digits);
    if (!out_.expires_at) return "x= is not a time";
    return out_.signed_at && *out_.expires_at <= *out_.signed_at ? "x= is not after t=" : "";
  }

  const tag_list& tags_;
  signature_kind kind_;
  signature out_;
};

}  // namespace detail

GATEPOST_DECL std::string dns_name(std::string_view text, std::size_t least_labels) {
  if (text.size() > smtp::max_utf8_domain_octets) return {};
  std::string name;
  if (smtp::is_ascii(text)) {
    name = smtp::to_lower_ascii(text);
  } else if (auto labels = smtp::to_a_labels(text)) {  // RFC 8616 §5
    name = *std::move(labels);
  }
  std::size_t labels = 0;
  for (std::size_t at = 0; at <= name.size(); ++labels) {
    const std::size_t end = std::min(name.find('.', at), name.size());
    if (!detail::is_label(std::string_view(name).substr(at, end - at))) return {};
    at = end + 1;
  }
  return labels >= least_labels && name.size() <= smtp::max_domain_octets ? name : std::string();
}

GATEPOST_DECL parsed<signature> parse_signature(std::string_view value, signature_kind kind) {
  const auto tags = tag_list::parse(value);
  if (!tags) return problem{tags.problem()};
  return detail::signature_reader(*tags, kind).read();
}

GATEPOST_DECL signature_outline outline_of(std::string_view value) {
  const auto tags = tag_list::parse(value);
  if (!tags) return {};
  signature_outline out;
  if (const tag* d = tags->find("d")) out.domain = dns_name(d->value, 1);
  if (const tag* s = tags->find("s")) out.selector = dns_name(s->value, 1);
  return out;
}

}  // namespace gatepost::checks::dkim

#endif  // GATEPOST_CHECKS_DKIM_IMPL_SIGNATURE_IPP
