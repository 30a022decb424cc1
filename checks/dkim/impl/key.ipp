#ifndef GATEPOST_CHECKS_DKIM_IMPL_KEY_IPP
#define GATEPOST_CHECKS_DKIM_IMPL_KEY_IPP

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "checks/dkim/key.hpp"
#include "checks/dkim/tag_list.hpp"

namespace gatepost::checks::dkim {
namespace detail {

inline bool names_one_of(const tag* t, std::string_view a, std::string_view b) {
  const std::vector<std::string_view> parts = split_colons(t->value);
  return std::any_of(parts.begin(), parts.end(),
                     [&](std::string_view part) { return part == a || part == b; });
}

inline std::optional<key_type> type_of(std::string_view k) {
  if (k == "rsa") return key_type::rsa;
  if (k == "ed25519") return key_type::ed25519;
  return std::nullopt;
}

inline std::optional<public_key> key_of(const key_record& record) {
  if (record.data.empty() || !record.type) return std::nullopt;
  return *record.type == key_type::rsa ? public_key::from_rsa(record.data)
                                       : public_key::from_ed25519(record.data);
}

}  // namespace detail

GATEPOST_DECL parsed<key_record> parse_key_record(std::string_view text) {
  if (text.size() > max_key_record_octets) return problem{"the key record is too long"};
  const auto tags = tag_list::parse(text);
  if (!tags) return problem{"the key record is not a list of tags"};
  const tag* v = tags->find("v");
  // RFC 6376 §3.6.1: it has to be the first tag, and have this value; else discard the record.
  if (v != nullptr && (v->value != "DKIM1" || v != &tags->tags().front()))
    return problem{"v= of the key record is not DKIM1, or not the first tag"};
  const tag* p = tags->find("p");
  if (p == nullptr) return problem{"the key record has no p="};
  key_record record;
  if (!p->value.empty()) {
    auto data = decode_base64(p->value);
    if (!data) return problem{"p= of the key record is not base64"};
    record.data = *std::move(data);
  }
  if (const tag* k = tags->find("k")) record.type = detail::type_of(k->value);
  if (const tag* h = tags->find("h")) record.sha256 = detail::names_one_of(h, "sha256", "sha256");
  if (const tag* s = tags->find("s")) record.email = detail::names_one_of(s, "email", "*");
  if (const tag* t = tags->find("t")) {
    record.testing = detail::names_one_of(t, "y", "y");
    record.strict = detail::names_one_of(t, "s", "s");
  }
  return record;
}

GATEPOST_DECL owned_key::owned_key(std::string_view text)
    : text_(text), record_(parse_key_record(text_)) {
  if (record_) key_ = detail::key_of(*record_);
}

GATEPOST_DECL std::size_t owned_key::octets() const {
  // Of an RSA key: the modulus, what makes computing with it fast, and the library's own parts.
  const std::size_t key = key_ ? 1024 + key_->bits() / 2 : 0;
  return sizeof(*this) + text_.capacity() + (record_ ? record_->data.capacity() : 0) + key;
}

GATEPOST_DECL parsed<public_key> key_for(const owned_key& from, const signature& s,
                                         const key_policy& policy) {
  const key_record& record = *from.record();
  const key_type wanted =
      s.algorithm == algorithm::ed25519_sha256 ? key_type::ed25519 : key_type::rsa;
  if (record.type != wanted) return problem{"the key is of another type than the signature"};
  if (record.data.empty()) return problem{"the key is revoked"};
  if (!record.sha256) return problem{"the key is not for this hash algorithm"};
  if (!record.email) return problem{"the key is not for mail"};
  // RFC 6376 §3.6.1 t=s
  if (record.strict && s.identity_domain != s.domain)
    return problem{"the key asks that i= has the domain of d="};
  const std::optional<public_key>& key = from.key();
  if (!key) return problem{"p= of the key record is not a key of its type"};
  if (wanted == key_type::rsa && key->bits() < policy.min_rsa_bits)
    return problem{"the key is too short"};
  if (wanted == key_type::rsa && key->bits() > policy.max_rsa_bits)
    return problem{"the key is too long"};
  return *key;
}

GATEPOST_DECL parsed<chosen_key> choose_key(std::span<const std::string> records,
                                            const signature& s, const key_policy& policy,
                                            key_cache* cache) {
  std::string_view of_text;
  std::string_view of_key;
  for (const std::string& text : records.first(std::min(records.size(), max_key_records))) {
    const auto from = cache != nullptr ? cache->get(text) : std::make_shared<const owned_key>(text);
    if (!from->record()) {
      if (of_text.empty()) of_text = from->record().problem();
      continue;
    }
    auto key = key_for(*from, s, policy);
    if (key) return chosen_key{*std::move(key), from->record()->testing};
    if (of_key.empty()) of_key = key.problem();
  }
  if (!of_key.empty()) return problem{of_key};
  return problem{of_text.empty() ? "there is no key record" : of_text};
}

}  // namespace gatepost::checks::dkim

#endif  // GATEPOST_CHECKS_DKIM_IMPL_KEY_IPP
