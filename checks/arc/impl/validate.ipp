#ifndef GATEPOST_CHECKS_ARC_IMPL_VALIDATE_IPP
#define GATEPOST_CHECKS_ARC_IMPL_VALIDATE_IPP

#include <algorithm>
#include <system_error>
#include <utility>

#include "checks/arc/validate.hpp"
#include "smtp/domain.hpp"

namespace gatepost::checks::arc {
namespace detail {

inline arc_set set_of(const chain_link& l) {
  arc_set s;
  s.instance = l.seal_signature.instance;
  s.domain = l.seal_signature.domain;
  s.selector = l.seal_signature.selector;
  s.cv = l.seal_signature.cv;
  std::string storage;
  s.results = std::string(smtp::unfolded(l.payload, storage));
  return s;
}

inline bool same(const dkim::digest& hash, std::string_view octets) {
  return octets == std::string_view(reinterpret_cast<const char*>(hash.data()), hash.size());
}

}  // namespace detail

GATEPOST_DECL validation::validation(validate_options options, time_point now)
    : options_(std::move(options)),
      now_(std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count()) {}

GATEPOST_DECL void validation::fail(std::string_view why) {
  report_.chain = chain_status::fail;
  report_.reason = std::string(why);
}

GATEPOST_DECL void validation::header(std::string_view text,
                                      const smtp::result<smtp::header_view>& fields) {
  if (!fields) return fail(std::error_code(fields.error()).message());
  const dkim::header_text header{text, fields->fields};
  report_.instances = count_instances(header);
  auto chain = read_chain(header);
  if (!chain) return fail(chain.problem());
  if (chain->empty()) return;
  if (chain->size() > options_.max_sets) return fail("the chain is too long");
  report_.chain = chain_status::pass;
  const std::vector<dkim::digest> sealed = seal_hashes(header, *chain);
  for (std::size_t i = 0; i < chain->size(); ++i) {
    const chain_link& l = (*chain)[i];
    report_.sets.push_back(detail::set_of(l));
    seals_.push_back(make_job(l.seal_signature, sealed[i]));
    if (i + 1 < chain->size() && options_.oldest_pass == find_oldest_pass::no) continue;
    const dkim::signature& s = l.message_signature;
    messages_.push_back(make_job(s, dkim::header_hash(header, *l.message, s)));
    messages_.back().body = hashes_.want(s.body, s.length);
  }
}

GATEPOST_DECL validation::job validation::make_job(dkim::signature s, const dkim::digest& header) {
  job j;
  const std::string name = s.key_name();
  const auto known = std::find(questions_.begin(), questions_.end(), name);
  j.question = static_cast<std::size_t>(known - questions_.begin());
  if (known == questions_.end()) questions_.push_back(name);
  j.signature = std::move(s);
  j.header = header;
  return j;
}

GATEPOST_DECL void validation::answer(std::size_t question,
                                      const smtp::dns::answer<std::string>& txt) {
  if (!txt.is_definite()) return;
  for (std::vector<job>* jobs : {&seals_, &messages_}) {
    for (job& j : *jobs) {
      if (j.question != question) continue;
      j.temporary = false;
      auto chosen = dkim::choose_key(txt.records(), j.signature, options_.keys, options_.cache);
      j.wrong = chosen.problem();
      if (chosen) j.key = chosen->key;
    }
  }
}

// Empty: the signature is right.
GATEPOST_DECL std::string_view validation::judge(const job& j) const {
  // RFC 8617 §4.1.2 has the algorithms of DKIM, where rsa-sha1 is gone (RFC 8301).
  if (j.signature.algorithm == dkim::algorithm::rsa_sha1) return "rsa-sha1 is too weak";
  if (!j.key) return j.wrong;
  const auto expires = j.signature.expires_at;
  if (expires && now_ >= 0 && static_cast<std::uint64_t>(now_) > *expires)
    return "a message signature has expired";
  if (j.body) {
    const bool whole = !hashes_.too_short(*j.body) && hashes_.octets_behind(*j.body) == 0;
    if (!whole) return "a message signature does not cover the body";
    if (!detail::same(hashes_.hash(*j.body), j.signature.bh)) return "the body was changed";
  }
  if (j.key->verifies(j.header, j.signature.b)) return {};
  return j.body ? "a message signature does not fit the header" : "a seal does not fit the chain";
}

GATEPOST_DECL report validation::finish() {
  hashes_.finish();
  if (report_.chain != chain_status::pass) return std::move(report_);
  // RFC 8617 §5.2 step 4: the last message signature; step 6: every seal, the last one first.
  std::vector<const job*> needed{&messages_.back()};
  for (std::size_t i = seals_.size(); i-- > 0;) needed.push_back(&seals_[i]);
  for (const job* j : needed) {
    const std::string_view wrong = judge(*j);
    if (wrong.empty()) continue;
    // A signature that no key can make right does not wait for one.
    report_.temporary = j->temporary && j->signature.algorithm != dkim::algorithm::rsa_sha1;
    fail(wrong);
    return std::move(report_);
  }
  find_oldest();
  find_trusted();
  return std::move(report_);
}

GATEPOST_DECL void validation::find_oldest() {
  if (options_.oldest_pass == find_oldest_pass::no) return;
  std::size_t i = messages_.size() - 1;
  while (i > 0 && judge(messages_[i - 1]).empty()) --i;
  report_.oldest_pass = i == 0 ? 0 : static_cast<unsigned>(i + 1);
}

GATEPOST_DECL void validation::find_trusted() {
  const auto trusted = [&](const arc_set& s) {
    const auto& all = options_.trusted_sealers;
    return std::any_of(all.begin(), all.end(), [&](const std::string& domain) {
      return smtp::is_subdomain_of(s.domain, domain);
    });
  };
  for (std::size_t i = report_.sets.size(); i > 0 && trusted(report_.sets[i - 1]); --i)
    report_.trusted_from = report_.sets[i - 1].instance;
}

}  // namespace gatepost::checks::arc

#endif  // GATEPOST_CHECKS_ARC_IMPL_VALIDATE_IPP
