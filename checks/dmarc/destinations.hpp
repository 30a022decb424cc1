// Where reports may go: addresses outside the owner's organization have to agree (RFC 9990 §4,
// RFC 7489 §7.1).
//
// Sans-I/O, like the evaluator: it says which TXT records it needs, and has the list when there is
// nothing left to ask. Only mailto: addresses are taken.
//
//     destinations d(policy);
//     while (const auto q = d.next()) d.answer(ask(*q));
//     for (const report_uri& to : d.verified(encoded_octets(file))) ...
#ifndef GATEPOST_CHECKS_DMARC_DESTINATIONS_HPP
#define GATEPOST_CHECKS_DMARC_DESTINATIONS_HPP

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checks/dmarc/evaluate.hpp"
#include "checks/dmarc/record.hpp"
#include "checks/dmarc/report.hpp"
#include "smtp/config.hpp"
#include "smtp/dns/answer.hpp"

namespace gatepost::checks::dmarc {

struct destination_options {
  // Addresses of one record that are served, from the first on. RFC 9990 §3.5: up to the
  // receiver's limit.
  std::size_t addresses = 5;

  // Of failure reports: who permits them may name another address by ruf=, as for others by rua=
  // (RFC 9991 §5).
  bool failure_reports = false;

  // For rfc7489, where without it only the policy's domain itself is of the organization; outlives
  // the destinations.
  const public_suffix_list* suffixes = nullptr;
};

class destinations {
 public:
  // `uris`: rua, or ruf for failure reports.
  GATEPOST_DECL destinations(std::string_view policy_domain, regime r, std::vector<report_uri> uris,
                             destination_options options = {});
  explicit destinations(const report_policy& p, destination_options options = {})
      : destinations(p.domain, p.regime, p.published.rua, options) {}

  // The name whose TXT records have to be asked for; nothing when all is known.
  GATEPOST_DECL std::optional<std::string> next();
  GATEPOST_DECL void answer(const smtp::dns::answer<std::string>& records);

  const std::vector<report_uri>& verified() const { return verified_; }
  // Those of them that take a report of that many octets: the file as the message carries it,
  // gzipped and in base64 (RFC 7489 §7.2.1: after compression and after any encoding);
  // encoded_octets().
  GATEPOST_DECL std::vector<report_uri> verified(std::uint64_t octets) const;
  // Some address could not be verified because the DNS did not answer, about its permission or
  // about whether it needs one: try again later.
  bool incomplete() const { return incomplete_; }

 private:
  void begin();
  bool settle_relation();
  bool take_permission(const smtp::dns::answer<std::string>& records);
  void not_permitted(bool definitely);
  void done_with_one();

  std::string domain_;
  evaluation_options walk_;
  std::vector<report_uri> uris_;
  bool failure_reports_ = false;
  std::size_t at_ = 0;
  std::string host_;  // of the address that is being looked at; empty: not begun
  std::unique_ptr<evaluator> relation_;
  bool relation_unknown_ = false;  // the DNS did not say whether it is one organization
  bool asks_permission_ = false;
  std::vector<report_uri> verified_;
  bool incomplete_ = false;
};

}  // namespace gatepost::checks::dmarc

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/dmarc/impl/destinations.ipp"
#endif

#endif  // GATEPOST_CHECKS_DMARC_DESTINATIONS_HPP
