#ifndef GATEPOST_CHECKS_SPF_IMPL_EVALUATE_TERMS_IPP
#define GATEPOST_CHECKS_SPF_IMPL_EVALUATE_TERMS_IPP

#include <algorithm>
#include <cstdint>
#include <span>
#include <tuple>
#include <utility>

#include "checks/spf/detail/names.hpp"
#include "checks/spf/evaluate.hpp"
#include "smtp/domain.hpp"

namespace gatepost::checks::spf {
namespace detail {

inline spf::result result_of(qualifier q) {
  switch (q) {
    case qualifier::pass: return result::pass;
    case qualifier::fail: return result::fail;
    case qualifier::softfail: return result::softfail;
    case qualifier::neutral: return result::neutral;
  }
  return result::neutral;
}

// Eight octets in network order.
inline std::uint64_t word_at(const std::uint8_t* octets) {
  std::uint64_t word = 0;
  for (int i = 0; i < 8; ++i) word = word << 8 | octets[i];
  return word;
}

// The first `bits` of two words; at most 64.
inline bool share_bits(std::uint64_t a, std::uint64_t b, unsigned bits) {
  return bits == 0 || (a ^ b) >> (64 - bits) == 0;
}

inline bool share_prefix_v4(const smtp::ip_address& a, const smtp::ip_address& b, unsigned bits) {
  const auto word = [](std::span<const std::uint8_t> o) {
    return std::uint64_t{o[0]} << 56 | std::uint64_t{o[1]} << 48 | std::uint64_t{o[2]} << 40 |
           std::uint64_t{o[3]} << 32;
  };
  return share_bits(word(a.octets()), word(b.octets()), bits);
}

// Of one family. `bits`: at most as many as they have.
inline bool share_prefix(const smtp::ip_address& a, const smtp::ip_address& b, unsigned bits) {
  if (a.is_v4()) return share_prefix_v4(a, b, bits);
  const std::uint8_t* left = a.octets().data();
  const std::uint8_t* right = b.octets().data();
  if (bits <= 64) return share_bits(word_at(left), word_at(right), bits);
  return word_at(left) == word_at(right) &&
         share_bits(word_at(left + 8), word_at(right + 8), bits - 64);
}

}  // namespace detail

GATEPOST_DECL void evaluation::evaluate_next(const directive& d) {
  switch (d.mechanism) {
    case mechanism::all: return matched(d);
    case mechanism::ip4:
    case mechanism::ip6: return in_network(d.address, d) ? matched(d) : not_matched(d);
    default: return look_up(d);
  }
}

GATEPOST_DECL void evaluation::look_up(const directive& d) {
  if (too_many_terms()) return;
  if (d.domain.needs_local_part && !has_ascii_local_part()) {
    ++outcome_.dns_terms;
    return not_matched(d);
  }
  const bool needs_names = d.domain.needs_validated_name || d.mechanism == mechanism::ptr;
  if (needs_names && waits_for_names()) return;
  ++outcome_.dns_terms;
  if (d.mechanism == mechanism::ptr) return match_ptr(d);
  const target where = target_of(d.domain);
  if (d.mechanism == mechanism::include) {
    note(trace_kind::term, d.text, "include");
    return enter(where, origin::include);
  }
  // RFC 7208 §4.8 leaves it open what a malformed name gives; it does not exist.
  if (!where.is_valid) return not_matched(d);
  if (d.mechanism == mechanism::mx) return ask(step::mx, record_type::mx, where.name);
  // RFC 7208 §5.7: exists asks for an A record whatever the client's address is.
  if (d.mechanism == mechanism::exists) return ask(step::exists, record_type::a, where.name);
  ask(step::addresses, address_type(), where.name);
}

// RFC 7208 §5.3
GATEPOST_DECL void evaluation::took_addresses(const directive& d,
                                              const smtp::dns::answer<smtp::ip_address>& said) {
  if (!said.is_definite()) return fail_for_now(questions_[0], said.reason());
  if (!said.has_records()) return void_lookup(d);
  const auto& all = said.records();
  const bool match = std::any_of(all.begin(), all.end(), [&](const smtp::ip_address& address) {
    return in_network(address, d);
  });
  return match ? matched(d) : not_matched(d);
}

// RFC 7208 §5.7
GATEPOST_DECL void evaluation::took_exists(const directive& d,
                                           const smtp::dns::answer<smtp::ip_address>& said) {
  if (!said.is_definite()) return fail_for_now(questions_[0], said.reason());
  return said.has_records() ? matched(d) : void_lookup(d);
}

// RFC 7208 §5.4
GATEPOST_DECL void evaluation::took_mx(const directive& d,
                                       const smtp::dns::answer<smtp::dns::mx_record>& said) {
  if (!said.is_definite()) return fail_for_now(questions_[0], said.reason());
  if (!said.has_records()) return void_lookup(d);
  // RFC 7208 §4.6.4
  if (said.records().size() > options_.limits.mx_hosts)
    return finish(result::permerror, std::string(questions_[0].name) + " has too many MX records");
  take_hosts(said.records());
  if (hosts_.empty()) return not_matched(d);
  ask_addresses(step::mx_addresses);
}

// The names of an mx in the order of preference.
GATEPOST_DECL void evaluation::take_hosts(const std::vector<smtp::dns::mx_record>& all) {
  hosts_.clear();
  if (all.size() == 1) return add_host(all[0].exchange);
  std::vector<const smtp::dns::mx_record*> sorted;
  sorted.reserve(all.size());
  for (const smtp::dns::mx_record& mx : all) sorted.push_back(&mx);
  std::sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) {
    return std::tie(a->preference, a->exchange) < std::tie(b->preference, b->exchange);
  });
  for (const smtp::dns::mx_record* mx : sorted) add_host(mx->exchange);
}

// One that cannot be asked about is none, nor is that of a null MX (RFC 7505).
GATEPOST_DECL void evaluation::add_host(std::string_view name) {
  const std::string_view asked = detail::without_dot(name);
  if (valid_name(asked)) hosts_.emplace_back(asked);
}

// In the order of preference, as if one had been asked for after the other.
GATEPOST_DECL void evaluation::took_mx_addresses(const directive& d) {
  for (std::size_t i = 0; i < hosts_.size(); ++i) {
    if (!hosts_[i].definite) return fail_for_now(questions_[i], hosts_[i].reason);
    if (hosts_[i].matched) return matched(d);
  }
  // RFC 7208 §4.6.4 counts terms, not questions: one of a domain that has hosts is void only if
  // none of them has an address.
  const bool none =
      std::none_of(hosts_.begin(), hosts_.end(), [](const host& h) { return h.found; });
  return none ? void_lookup(d) : not_matched(d);
}

// RFC 7208 §5.5. The client's names are known.
GATEPOST_DECL void evaluation::match_ptr(const directive& d) {
  if (names_void_) return void_lookup(d);
  const std::string_view above = target_of(d.domain).name;
  const bool match = std::any_of(names_.begin(), names_.end(), [&](const std::string& name) {
    return smtp::is_subdomain_of(name, above);
  });
  return match ? matched(d) : not_matched(d);
}

// Whether the client's names have to be asked for first; then they are. Once per evaluation.
GATEPOST_DECL bool evaluation::waits_for_names() {
  if (names_known_) return false;
  target_ = smtp::reverse_name(client_);
  ask(step::ptr_names, record_type::ptr, target_);
  single_.address = client_;
  return true;
}

GATEPOST_DECL void evaluation::took_ptr_names(const smtp::dns::answer<std::string>& said) {
  names_void_ = said.is_definite() && !said.has_records();
  hosts_.clear();
  for (const std::string& name : said.records()) {
    // RFC 7208 §4.6.4: what is beyond the limit is ignored.
    if (hosts_.size() == options_.limits.ptr_names) break;
    add_host(name);
  }
  names_known_ = hosts_.empty();
  if (!names_known_) ask_addresses(step::ptr_addresses);
}

// RFC 7208 §5.5: a name counts if it has the client's address; one that cannot be asked about does
// not.
GATEPOST_DECL void evaluation::took_ptr_addresses() {
  for (host& h : hosts_)
    if (h.matched) names_.push_back(std::move(h.name));
  names_known_ = true;
}

GATEPOST_DECL void evaluation::matched(const directive& d) {
  note(trace_kind::term, d.text, "match");
  conclude(detail::result_of(d.qualifier), &d);
}

GATEPOST_DECL void evaluation::not_matched(const directive& d) {
  note(trace_kind::term, d.text, "no match");
  ++top().next;
}

// RFC 7208 §4.6.4
GATEPOST_DECL void evaluation::void_lookup(const directive& d) {
  if (++outcome_.void_lookups <= options_.limits.void_lookups) return not_matched(d);
  finish(result::permerror, "too many void lookups, at \"" + std::string(d.text) + "\" of " +
                                std::string(top().domain));
}

// RFC 7208 §4.6.4
GATEPOST_DECL bool evaluation::too_many_terms() {
  if (outcome_.dns_terms < options_.limits.dns_terms) return false;
  finish(result::permerror, "too many DNS lookups, in the record of " + std::string(top().domain));
  return true;
}

GATEPOST_DECL bool evaluation::in_network(const smtp::ip_address& address,
                                          const directive& d) const {
  // RFC 7208 §5: an address of the other family never matches.
  if (address.family() != client_.family()) return false;
  return detail::share_prefix(address, client_, address.is_v4() ? d.bits4 : d.bits6);
}

// RFC 8616 §4: without it, terms that have %{s} or %{l} do not match.
GATEPOST_DECL bool evaluation::has_ascii_local_part() const {
  return detail::is_ascii(std::string_view(outcome_.sender).substr(0, local_part_));
}

// Lies in the frame, in its record, or in target_.
GATEPOST_DECL evaluation::target evaluation::target_of(const macro_string& spec) {
  if (spec.empty()) return {top().domain, true};  // RFC 7208 §4.8; it has been asked about
  if (spec.plain && spec.text.size() <= max_name_octets)
    return {detail::without_dot(spec.text), spec.is_name};
  target_ = expand_domain(spec, spec.plain ? macro_values{} : values());
  return {target_, valid_name(target_)};
}

GATEPOST_DECL macro_values evaluation::values() const {
  const std::string& mailbox = outcome_.sender;
  macro_values v;
  v.sender = mailbox;
  v.local_part = std::string_view(mailbox).substr(0, local_part_);
  v.sender_domain = std::string_view(mailbox).substr(local_part_ + 1);
  v.domain = top().domain;
  v.validated_name = validated_name();
  v.helo = helo_;
  v.receiver = options_.receiver;
  v.client = client_;
  v.time = time_;
  return v;
}

// RFC 7208 §7.3: the domain itself, a name below it, any name, in this order.
GATEPOST_DECL std::string_view evaluation::validated_name() const {
  const std::string_view domain = top().domain;
  std::string_view best = names_.empty() ? std::string_view("unknown") : names_.front();
  bool below = false;
  for (const std::string& name : names_) {
    if (!smtp::is_subdomain_of(name, domain)) continue;
    if (name.size() == domain.size()) return name;
    if (!below) best = name;
    below = true;
  }
  return best;
}

}  // namespace gatepost::checks::spf

#endif  // GATEPOST_CHECKS_SPF_IMPL_EVALUATE_TERMS_IPP
