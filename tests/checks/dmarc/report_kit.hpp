// Reports for tests.
#ifndef GATEPOST_TESTS_CHECKS_DMARC_REPORT_KIT_HPP
#define GATEPOST_TESTS_CHECKS_DMARC_REPORT_KIT_HPP

#include <string>

#include "checks/dmarc/report.hpp"

namespace gatepost::checks::dmarc {

inline report_policy sample_policy(const std::string& domain = "example.com",
                                   regime r = regime::rfc9989) {
  return {.domain = domain,
          .regime = r,
          .published = *parse_record("v=DMARC1; p=reject; sp=quarantine; np=none; t=y; pct=50; "
                                     "fo=1:d; adkim=s; rua=mailto:a@example.com!1m; aspf=x")};
}

inline report_row sample_row(const std::string& from = "example.com") {
  report_row row;
  row.source = *smtp::parse_ip_address("2001:db8::1");
  row.disposition = policy::quarantine;
  row.reasons = {{override_type::policy_test_mode, "t=y"}};
  row.header_from = from;
  row.envelope_from = "bounce.example.com";
  row.dkim = {{"example.com", "s1", auth_result::fail}, {"<&>", "\"\x01\xff", auth_result::pass}};
  row.spf = authenticated_spf{"bounce.example.com", auth_result::softfail};
  return row;
}

inline report sample_report(regime r = regime::rfc9989) {
  using std::chrono::seconds;
  using std::chrono::sys_seconds;
  report out{.policy = sample_policy("example.com", r),
             .begin = sys_seconds(seconds(1013662812)),
             .end = sys_seconds(seconds(1013749130)),
             .rows = {{sample_row(), 3}, {sample_row("mail.example.com"), 1}},
             .dropped = 7};
  out.rows[1].row.passed = out.rows[1].row.spf_aligned = true;
  out.rows[1].row.disposition = policy::none;
  out.rows[1].row.reasons.clear();
  out.rows[1].row.spf.reset();
  return out;
}

}  // namespace gatepost::checks::dmarc

#endif  // GATEPOST_TESTS_CHECKS_DMARC_REPORT_KIT_HPP
