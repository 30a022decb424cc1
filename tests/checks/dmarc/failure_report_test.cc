// This header stands alone.
#include "checks/dmarc/failure_report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "smtp/header_reader.hpp"

namespace gatepost::checks::dmarc {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

const report_sender sender{
    .organization = "Receiver", .domain = "mx.receiver.example", .email = "dmarc@receiver.example"};
const std::chrono::system_clock::time_point now(std::chrono::seconds(1'800'000'000));

failed_message sample(const char* record = "v=DMARC1; p=reject; ruf=mailto:a@example.com") {
  failed_message m;
  m.outcome.result = result::fail;
  m.outcome.author_domain = m.outcome.record_domain = "example.com";
  m.outcome.record = *parse_record(record);
  m.found.spf = authenticated_spf{"bounce.test", auth_result::fail};
  m.found.dkim = {{"other.test", "s1", auth_result::permerror},
                  {"example.com", "s2", auth_result::fail}};
  m.source = *smtp::parse_ip_address("192.0.2.7");
  m.arrived = now;
  m.reverse_path = "x@bounce.test";
  m.header = "From: a@example.com\r\nSubject: x\r\n y\r\n";
  return m;
}

// The parts of the message, without its own header.
std::vector<std::string> parts_of(const std::string& message) {
  const std::string delimiter = "\r\n--=_dmarc failure_=";
  std::vector<std::string> parts;
  for (std::size_t at = message.find(delimiter); at != message.npos;) {
    const std::size_t begin = at + delimiter.size();
    at = message.find(delimiter, begin);
    parts.push_back(message.substr(begin, at - begin));
  }
  return parts;
}

std::string field_of(const std::string& part, const char* name) {
  const std::string fields = part.substr(part.find("\r\n\r\n") + 4);
  const auto header = smtp::read_header(fields);
  const auto* field = smtp::first_field(header->fields, name);
  std::string storage;
  return field == nullptr ? "(none)" : std::string(smtp::unfolded(field->value, storage));
}

// RFC 9991 §4, RFC 6591 §3.1.
TEST(FailureReport, SaysWhatTheRfcsAskFor) {
  const std::string text = write_failure_report(sample(), sender, "a@example.com", "17", now);
  EXPECT_THAT(text, StartsWith("From: dmarc@receiver.example\r\nTo: a@example.com\r\n"));
  EXPECT_THAT(text, HasSubstr("\r\nMessage-ID: <17@mx.receiver.example>\r\n"));
  EXPECT_THAT(text, HasSubstr("\r\nContent-Type: multipart/report; report-type=feedback-report;\r\n"
                              " boundary=\"=_dmarc failure_=\"\r\n"));
  const auto parts = parts_of(text);
  ASSERT_EQ(parts.size(), 4u);
  EXPECT_THAT(parts[0], HasSubstr("192.0.2.7"));
  EXPECT_THAT(parts[1], StartsWith("\r\nContent-Type: message/feedback-report\r\n\r\n"));
  const struct {
    const char* name;
    const char* value;
  } fields[] = {
      {"Feedback-Type", "auth-failure"},
      {"Version", "1"},
      {"User-Agent", "gatepost/1.0"},
      {"Original-Mail-From", "<x@bounce.test>"},
      {"Original-Rcpt-To", "(none)"},
      {"Source-IP", "192.0.2.7"},
      {"Reported-Domain", "example.com"},
      {"Auth-Failure", "dmarc"},
      {"Delivery-Result", "other"},
      {"Identity-Alignment", "dkim, spf"},
      {"DKIM-Domain", "example.com"},
      {"DKIM-Identity", "@example.com"},
      {"DKIM-Selector", "s2"},
      {"SPF-DNS", "(none)"},
      {"Incidents", "(none)"},
      {"Authentication-Results",
       "mx.receiver.example; dmarc=fail header.from=example.com; spf=fail "
       "smtp.mailfrom=bounce.test; dkim=permerror header.d=other.test header.s=s1; dkim=fail "
       "header.d=example.com header.s=s2"},
  };
  for (const auto& f : fields)
    EXPECT_EQ(field_of(parts[1], f.name), std::string(f.value)) << f.name;
  EXPECT_EQ(
      parts[2],
      "\r\nContent-Type: text/rfc822-headers\r\n\r\nFrom: a@example.com\r\nSubject: x\r\n y\r\n");
  EXPECT_EQ(parts[3], "--\r\n");
}

TEST(FailureReport, SaysMoreWhereItIsKnown) {
  failed_message m = sample();
  m.outcome.spf = mechanism_result::pass;
  m.forward_path = "b@receiver.example";
  m.spf_record = "v=spf1 -all";
  m.delivery = delivery_result::reject;
  m.dkim_identity = "joe@example.com";
  m.incidents = 12;
  const auto parts = parts_of(write_failure_report(m, sender, "a@example.com", "17", now));
  EXPECT_EQ(field_of(parts.at(1), "Original-Rcpt-To"), "<b@receiver.example>");
  EXPECT_EQ(field_of(parts.at(1), "SPF-DNS"), "txt : bounce.test : \"v=spf1 -all\"");
  EXPECT_EQ(field_of(parts.at(1), "Delivery-Result"), "reject");
  EXPECT_EQ(field_of(parts.at(1), "DKIM-Identity"), "joe@example.com");
  EXPECT_EQ(field_of(parts.at(1), "Identity-Alignment"), "dkim");
  EXPECT_EQ(field_of(parts.at(1), "Incidents"), "12");
}

// RFC 9991 §4: an aligned one, where there is such.
TEST(FailureReport, TellsOfOneSignature) {
  failed_message m = sample();
  ASSERT_NE(reported_signature(m.outcome, m.found), nullptr);
  EXPECT_EQ(reported_signature(m.outcome, m.found)->selector, "s2");
  m.found.dkim[1].result = auth_result::pass;
  ASSERT_NE(reported_signature(m.outcome, m.found), nullptr);
  EXPECT_EQ(reported_signature(m.outcome, m.found)->selector, "s1");
  m.found.dkim[0].result = auth_result::none;
  EXPECT_EQ(reported_signature(m.outcome, m.found), nullptr);
}

TEST(FailureReport, ShowsWholeLines) {
  EXPECT_EQ(reported_header("A: b\r\n"), "A: b\r\n");
  const std::string line = "A: " + std::string(95, 'b') + "\r\n";
  std::string lines;
  while (lines.size() <= max_reported_header) lines += line;
  EXPECT_EQ(reported_header(lines).size(), max_reported_header / 100 * 100);
  const std::string exact = std::string(max_reported_header - 2, 'a') + "\r\n";
  EXPECT_EQ(reported_header(exact + "B: c\r\n"), exact);
  EXPECT_EQ(reported_header("a" + exact), "");
}

// What the message's sender has chosen cannot end a field or a part.
TEST(FailureReport, NothingOfTheMessageCanBreakOut) {
  failed_message m = sample();
  const std::string evil = "x\r\n--=_dmarc failure_=--\r\nEvil: y";
  m.reverse_path = m.forward_path = m.dkim_identity = m.spf_record = evil;
  m.found.spf->domain = m.found.dkim[0].domain = m.found.dkim[1].selector = evil;
  m.header = {};
  const std::string text = write_failure_report(m, sender, "a@example.com\r\nBcc: b", evil, now);
  EXPECT_EQ(parts_of(text).size(), 4u);
  EXPECT_THAT(text, Not(HasSubstr("\r\nEvil:")));
  EXPECT_THAT(text, Not(HasSubstr("\r\nBcc:")));
}

TEST(FailureReport, ALongHeaderIsCutAtALine) {
  failed_message m = sample();
  std::string header;
  while (header.size() < 2 * max_reported_header) header += "X: " + std::string(70, 'y') + "\r\n";
  m.header = header;
  const auto parts = parts_of(write_failure_report(m, sender, "a@example.com", "17", now));
  EXPECT_LE(parts.at(2).size(), max_reported_header + 100);
  EXPECT_THAT(parts.at(2), ::testing::EndsWith("y\r\n"));
}

// RFC 9989 §4.7, fo=.
TEST(FailureReport, IsWrittenOnlyWhereItIsAskedFor) {
  constexpr auto pass = mechanism_result::pass;
  constexpr auto none = mechanism_result::none;
  const auto wanted = [](const char* tags, mechanism_result dkim, mechanism_result spf) {
    failed_message m =
        sample(("v=DMARC1; p=none; ruf=mailto:a@example.com" + std::string(tags)).c_str());
    m.outcome.dkim = dkim;
    m.outcome.spf = spf;
    m.outcome.result = dkim == pass || spf == pass ? result::pass : result::fail;
    return failure_report_wanted(m.outcome, m.found);
  };
  EXPECT_TRUE(wanted("", none, none));
  EXPECT_FALSE(wanted("", pass, none));
  EXPECT_FALSE(wanted("", none, pass));
  EXPECT_TRUE(wanted("; fo=1", pass, none));
  EXPECT_TRUE(wanted("; fo=1", none, pass));
  EXPECT_FALSE(wanted("; fo=1", pass, pass));
  EXPECT_TRUE(wanted("; fo=d", pass, pass));  // the other signature has failed
  EXPECT_TRUE(wanted("; fo=s", pass, none));
  EXPECT_FALSE(wanted("; psd=y", none, none));  // RFC 9991 §2

  failed_message m = sample("v=DMARC1; p=none; rua=mailto:a@example.com");
  EXPECT_FALSE(failure_report_wanted(m.outcome, m.found));
  m = sample();
  m.outcome.psd_policy = true;
  EXPECT_FALSE(failure_report_wanted(m.outcome, m.found));
  m = sample();
  m.outcome.result = result::temperror;
  EXPECT_FALSE(failure_report_wanted(m.outcome, m.found));
  m = sample();
  m.outcome.record.reset();
  EXPECT_FALSE(failure_report_wanted(m.outcome, m.found));
}

}  // namespace
}  // namespace gatepost::checks::dmarc
