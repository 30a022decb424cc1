#ifndef GATEPOST_CHECKS_DKIM_IMPL_VERIFY_IPP
#define GATEPOST_CHECKS_DKIM_IMPL_VERIFY_IPP

#include <algorithm>
#include <system_error>
#include <utility>

#include "checks/dkim/verify.hpp"
#include "smtp/utf8.hpp"

namespace gatepost::checks::dkim {
namespace detail {

inline void decide(signature_result& r, outcome o, std::string_view reason) {
  r.outcome = o;
  r.reason = std::string(reason);
}

// A time of a tag, which may be far away, as seconds of our clock.
inline std::int64_t seconds_of(std::uint64_t time) {
  constexpr std::uint64_t far = 1'000'000'000'000'000;
  return static_cast<std::int64_t>(std::min(time, far));
}

}  // namespace detail

GATEPOST_DECL verification::verification(const verify_options& options, time_point now)
    : options_(options),
      now_(std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count()) {}

GATEPOST_DECL void verification::header(std::string_view text,
                                        const smtp::result<smtp::header_view>& fields) {
  if (!fields) {
    candidates_.emplace_back();
    detail::decide(candidates_.back().result, outcome::permerror,
                   std::error_code(fields.error()).message());
    return;
  }
  const header_text header{text, fields->fields};
  for (const smtp::field_view& f : header.fields) {
    if (!smtp::equal_ignoring_case(f.name, "dkim-signature")) continue;
    if (candidates_.size() == options_.max_signatures)
      ++skipped_;
    else
      candidates_.push_back(read(header, f));
  }
}

GATEPOST_DECL verification::candidate verification::read(const header_text& header,
                                                         const smtp::field_view& field) {
  candidate c;
  auto s = parse_signature(field.value, signature_kind::dkim);
  if (!s) {
    signature_outline outline = outline_of(field.value);
    c.result.domain = std::move(outline.domain);
    c.result.selector = std::move(outline.selector);
    detail::decide(c.result, outcome::permerror, s.problem());
    return c;
  }
  c.signature = *std::move(s);
  c.result.domain = c.signature.domain;
  c.result.identity = c.signature.identity;
  c.result.selector = c.signature.selector;
  c.result.algorithm = std::string(to_string(c.signature.algorithm));
  c.result.b = c.signature.b64;
  if (const auto no = objection(c.signature)) {
    detail::decide(c.result, no->outcome, no->reason);
    return c;
  }
  c.header = header_hash(header, field, c.signature);
  c.question = ask(c.signature.key_name());
  c.body = hashes_.want(c.signature.body, c.signature.length);
  c.open = true;
  return c;
}

// Why a signature is not worth a question.
GATEPOST_DECL std::optional<signature_result> verification::objection(const signature& s) const {
  signature_result r;
  if (s.algorithm == algorithm::rsa_sha1) {
    detail::decide(r, options_.weak_algorithm, "rsa-sha1 is too weak (RFC 8301)");
    return r;
  }
  const bool expired =
      s.expires_at && now_ > detail::seconds_of(*s.expires_at) + options_.expiry_grace.count();
  if (expired && options_.expired != outcome::pass) {
    detail::decide(r, options_.expired, "the signature has expired");
    return r;
  }
  if (options_.future_limit && s.signed_at &&
      detail::seconds_of(*s.signed_at) > now_ + options_.future_limit->count()) {
    detail::decide(r, outcome::permerror, "the signature is of the future");
    return r;
  }
  return std::nullopt;
}

GATEPOST_DECL std::size_t verification::ask(const std::string& name) {
  const auto same = std::find(questions_.begin(), questions_.end(), name);
  const auto index = static_cast<std::size_t>(same - questions_.begin());
  if (same == questions_.end()) questions_.push_back(name);
  return index;
}

GATEPOST_DECL void verification::answer(std::size_t question,
                                        const smtp::dns::answer<std::string>& txt) {
  for (candidate& c : candidates_) {
    if (!c.open || c.answered || c.question != question) continue;
    c.answered = true;
    if (!txt.is_definite()) {
      c.open = false;
      detail::decide(c.result, outcome::temperror, "the key could not be fetched");
      continue;
    }
    // RFC 6376 §6.1.2
    auto chosen = choose_key(txt.records(), c.signature, options_.keys, options_.cache);
    if (!chosen) {
      c.open = false;
      detail::decide(c.result, outcome::permerror, chosen.problem());
      continue;
    }
    c.key = chosen->key;
    c.result.testing = chosen->testing;
    c.result.key_bits = c.key->bits();
  }
}

GATEPOST_DECL report verification::finish() {
  hashes_.finish();
  std::vector<signature_result> results;
  results.reserve(candidates_.size());
  for (candidate& c : candidates_) {
    if (c.open) conclude(c);
    results.push_back(std::move(c.result));
  }
  return report(std::move(results), skipped_);
}

// RFC 6376 §6.1.3
GATEPOST_DECL void verification::conclude(candidate& c) const {
  if (!c.key) return detail::decide(c.result, outcome::temperror, "the key could not be fetched");
  // §3.5 l=: it must not be more than there is.
  if (hashes_.too_short(c.body))
    return detail::decide(c.result, outcome::permerror, "l= is more than the body has");
  const digest& hash = hashes_.hash(c.body);
  const bool same =
      c.signature.bh.size() == hash.size() &&
      std::equal(hash.begin(), hash.end(), c.signature.bh.begin(),
                 [](std::uint8_t a, char b) { return a == static_cast<unsigned char>(b); });
  if (!same) return detail::decide(c.result, outcome::fail, "the body was changed");
  if (!c.key->verifies(c.header, c.signature.b))
    return detail::decide(c.result, outcome::fail, "the signature does not fit the header");
  accept(c);
}

GATEPOST_DECL void verification::accept(candidate& c) const {
  c.result.outcome = outcome::pass;
  c.result.unsigned_octets = hashes_.octets_behind(c.body);
  if (c.result.unsigned_octets == 0) return;
  detail::decide(c.result, options_.unsigned_octets,
                 "octets at the end of the body are not signed");
}

}  // namespace gatepost::checks::dkim

#endif  // GATEPOST_CHECKS_DKIM_IMPL_VERIFY_IPP
