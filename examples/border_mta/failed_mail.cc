#include "examples/border_mta/failed_mail.hpp"

#include <algorithm>
#include <chrono>
#include <string_view>

#include "checks/dkim/result.hpp"
#include "checks/dmarc/check.hpp"
#include "checks/spf/outcome.hpp"
#include "checks/spf/record_cache.hpp"
#include "smtp/domain.hpp"
#include "smtp/facts.hpp"
#include "smtp/header_reader.hpp"
#include "smtp/utf8.hpp"

namespace border_mta {

namespace checks = gatepost::checks;
namespace dmarc = gatepost::checks::dmarc;
namespace smtp = gatepost::smtp;

namespace {

bool begins_with(std::string_view text, std::string_view words) {
  return smtp::equal_ignoring_case(text.substr(0, words.size()), words);
}

bool says_automatic(const smtp::field_view& field) {
  std::string storage;
  const std::string_view value = smtp::unfolded(field.value, storage);
  if (smtp::equal_ignoring_case(field.name, "Auto-Submitted")) {
    // RFC 3834 §5: a keyword, perhaps with parameters and comments behind it.
    const std::string_view keyword = value.substr(0, value.find_first_of(" \t;("));
    return !smtp::equal_ignoring_case(keyword, "no");
  }
  // RFC 6522, which bounces and reports of abuse or failure are by.
  if (smtp::equal_ignoring_case(field.name, "Content-Type"))
    return begins_with(value, "multipart/report");
  // RFC 9990 §3.5.2: an aggregate report is no multipart/report.
  return smtp::equal_ignoring_case(field.name, "Subject") && begins_with(value, "Report Domain:");
}

// RFC 9991 §4 wants the record where SPF fails for an aligned domain. Others may have chosen any.
std::string spf_record_of(const checks::context& ctx, const dmarc::evaluation& e) {
  const auto* mail = ctx.transaction_notes().find<checks::spf::mail_note>();
  if (mail == nullptr || !mail->outcome.matched_record) return {};
  const checks::spf::outcome& o = mail->outcome;
  const std::string& whose =
      e.organizational_domain.empty() ? e.author_domain : e.organizational_domain;
  // By a redirect the record would be that of another domain.
  if (!o.mechanism_domain.empty() || !smtp::is_subdomain_of(o.domain(), whose)) return {};
  return o.matched_record->text();
}

std::string dkim_identity_of(const checks::context& ctx, const dmarc::evaluation& e,
                             const dmarc::identifiers& found) {
  const dmarc::authenticated_dkim* const told = dmarc::reported_signature(e, found);
  const auto* report = ctx.transaction_notes().find<checks::dkim::report>();
  if (told == nullptr || report == nullptr) return {};
  for (const checks::dkim::signature_result& s : report->signatures())
    if (s.domain == told->domain && s.selector == told->selector) return s.identity;
  return {};
}

}  // namespace

bool is_automatic(const checks::context& ctx) {
  const auto& header = ctx.fields();
  return ctx.envelope().reverse_path().is_null() || !header ||
         std::any_of(header->fields.begin(), header->fields.end(), says_automatic);
}

failed_mail failed_mail_of(const checks::context& ctx, const dmarc::evaluation& e,
                           const dmarc::identifiers& found) {
  const smtp::session_facts& facts = ctx.facts();
  failed_mail mail;
  mail.told.outcome = e;
  mail.told.found = found;
  const auto* note = ctx.transaction_notes().find<dmarc::outcome_note>();
  mail.told.source = note != nullptr ? note->client : facts.client.address;
  mail.told.arrived = std::chrono::system_clock::now();
  mail.told.reverse_path = ctx.envelope().reverse_path().text();
  mail.told.dkim_identity = dkim_identity_of(ctx, e, found);
  mail.told.spf_record = spf_record_of(ctx, e);
  mail.header = dmarc::reported_header(ctx.header());
  mail.id = "failure-" + facts.id + '-' + std::to_string(facts.transactions);
  return mail;
}

}  // namespace border_mta
