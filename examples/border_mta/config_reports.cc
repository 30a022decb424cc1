// [checks.dmarc.reports] and [checks.dmarc.reports.failure]

#include <chrono>
#include <filesystem>
#include <string>

#include "examples/border_mta/sections.hpp"
#include "smtp/address.hpp"

namespace border_mta {

using namespace std::chrono_literals;

namespace smtp = gatepost::smtp;

namespace {

// RFC 9990 §3.5.2: the report passes DMARC, so its author has a domain that the DNS knows.
void check_email(fields& f, const reports_section& r) {
  const std::string& email = r.sender.email;
  if (email.empty() && r.any())
    return f.reject("email", "nobody is named whom the reports come from",
                    "write for example email = \"dmarc-reports@example.com\"");
  const auto box = smtp::parse_mailbox(email);
  const bool good = box && box->kind == smtp::domain_kind::name &&
                    box->domain.find('.') != std::string_view::npos;
  if (!email.empty() && !good)
    f.reject("email", '"' + email + "\" is no mailbox that reports can come from",
             "write for example \"dmarc-reports@example.com\"");
}

void check_places(fields& f, const reports_section& r) {
  if (r.directory.empty() && r.any())
    f.reject("directory", "there is no folder for the reports",
             "write for example directory = \"/var/lib/gatepost/reports\"");
  const std::filesystem::path file = r.file;
  if (!r.file.empty() && file.parent_path() == r.directory && file.extension() == report_ending)
    f.reject("file", "it would be taken for a report, and be sent",
             "write another name, which does not end with .eml");
}

void check_counted(fields& f, bool enabled, bool counted) {
  if (enabled && !counted)
    f.reject("enabled", "[checks.dmarc] is off, and so there is nothing to report",
             "write enabled = true in [checks.dmarc], or take this out");
}

void visit_failure(fields& f, failure_section& s, bool counted) {
  f.flag("enabled", s.enabled);
  f.number("per_hour", s.per_hour, {1, 1000});
  f.number("in_all", s.in_all, {1, 100'000});
  check_counted(f, s.enabled, counted);
}

}  // namespace

void visit_reports(fields& f, reports_section& r, bool counted) {
  f.flag("enabled", r.enabled);
  f.text("organization", r.sender.organization);
  f.text("email", r.sender.email);
  f.text("contact", r.sender.contact);
  // A day is usual; seconds are for trying things out.
  f.wait("interval", r.interval, {1s, 24h * 7});
  f.path("directory", r.directory);
  f.path("file", r.file);
  f.wait("save_every", r.save_every, {100ms, 1h});
  f.table("failure", [&] { visit_failure(f, r.failure, counted); });
  check_email(f, r);
  check_places(f, r);
  check_counted(f, r.enabled, counted);
}

}  // namespace border_mta
