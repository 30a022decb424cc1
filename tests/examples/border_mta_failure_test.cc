// Failure reports of border_mta: of which messages, for whom, and how many.
#include <gtest/gtest.h>

#include <algorithm>
#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "checks/dkim/result.hpp"
#include "checks/dmarc/check.hpp"
#include "checks/spf/outcome.hpp"
#include "checks/spf/record_cache.hpp"
#include "checks/testing.hpp"
#include "examples/border_mta/failure_reports.hpp"
#include "smtp/header_reader.hpp"
#include "smtp/ip.hpp"
#include "smtp/json_log.hpp"
#include "smtp/testing/fake_resolver.hpp"
#include "tests/support/shared_data.hpp"

namespace border_mta {
namespace {

namespace checks = gatepost::checks;
namespace dmarc = gatepost::checks::dmarc;
namespace fs = std::filesystem;
namespace smtp = gatepost::smtp;
using namespace std::chrono_literals;

// What SPF and DKIM leave of a message whose author's domain is a.test.
class evidence final : public checks::check {
 public:
  std::string_view name() const override { return "evidence"; }
  asio::awaitable<smtp::verdict> on_message(checks::context& ctx) override {
    checks::spf::mail_note mail;
    mail.outcome.result = checks::spf::result::fail;
    mail.outcome.sender = "someone@bounce.a.test";
    mail.outcome.matched_record = std::make_shared<checks::spf::owned_record>("v=spf1 -all");
    ctx.transaction_notes().emplace<checks::spf::mail_note>(mail);
    checks::dkim::signature_result s;
    s.outcome = checks::dkim::outcome::fail;
    s.domain = "a.test";
    s.selector = "s1";
    s.identity = "joe@a.test";
    ctx.transaction_notes().emplace<checks::dkim::report>(
        checks::dkim::report(std::vector<checks::dkim::signature_result>{s}));
    co_return smtp::verdict::pass();
  }
};

class BorderMtaFailure : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / "border_mta_failure";
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "out");
    settings_.sender.email = "dmarc@receiver.test";
    settings_.directory = folder_ / "out";
    settings_.failure.enabled = true;
    pace_.now = [this] { return now_; };
    std::string problem;
    smtp::json_log_options to_file;
    to_file.file = folder_ / "log";
    to_file.at_least = smtp::log_level::debug;
    log_ = smtp::json_log::open(to_file, problem);
    ASSERT_TRUE(log_) << problem;
  }
  void TearDown() override { fs::remove_all(folder_); }

  void start() {
    failure_surroundings around{io_, dns_, *log_};
    around.authserv_id = "mx.receiver.test";
    reporter_ = std::make_unique<failure_reporter>(settings_, around, pace_);
    reporter_->start(sign_);
  }

  // Until all that waits is written or dropped. io is out of work then.
  void run() {
    io_.run();
    io_.restart();
  }

  // A message in the name of `domain`, whose DMARC record ends with `record`.
  void send(const std::string& domain, const std::string& record, const std::string& fields = {},
            const std::string& sender = "<x@bounce.test>") {
    smtp::testing::fake_resolver zone;
    zone.add_txt("_dmarc." + domain, {"v=DMARC1; p=none; " + record});
    dmarc::check_options options;
    options.on_outcome = [this](const auto&... what) { reporter_->tell(what...); };
    checks::trial t;
    if (with_evidence_) t.add<evidence>();
    t.add<dmarc::check>(zone, std::move(options));
    t.facts().id = "S" + std::to_string(++sessions_);
    t.facts().client.address = *smtp::parse_ip_address("192.0.2.7");
    t.facts().unix_peer = unix_peer_;
    t.mail(sender);
    t.rcpt("<secret@receiver.test>");
    EXPECT_TRUE(t.message("From: x@" + domain + "\r\n" + fields + "\r\nHello\r\n").passes());
  }

  std::vector<std::string> files() const {
    std::vector<std::string> all;
    for (const auto& entry : fs::directory_iterator(folder_ / "out"))
      all.push_back(entry.path().filename());
    std::sort(all.begin(), all.end());
    return all;
  }
  std::string report(const std::string& name) const {
    return gatepost::tests::read_file(folder_ / "out" / name);
  }

  std::size_t lines_with(const std::string& part) const {
    std::size_t found = 0;
    std::ifstream in(folder_ / "log");
    for (std::string line; std::getline(in, line);) found += line.find(part) != line.npos;
    return found;
  }

  fs::path folder_;
  reports_section settings_;
  failure_pace pace_;
  letter_signer sign_;
  std::chrono::steady_clock::time_point now_ = std::chrono::steady_clock::now();
  bool with_evidence_ = false;
  std::string unix_peer_;
  int sessions_ = 0;
  std::unique_ptr<smtp::json_log> log_;
  asio::io_context io_{1};
  smtp::testing::fake_resolver dns_;
  std::unique_ptr<failure_reporter> reporter_;
};

// The value of a field of the machine-readable part.
std::string told(const std::string& text, const std::string& field) {
  const std::string begin = "Content-Type: message/feedback-report\r\n\r\n";
  const std::size_t at = text.find(begin);
  if (at == text.npos) return "(no such part)";
  const std::string part = text.substr(at + begin.size());
  const auto header = smtp::read_header(part);
  const auto* found = header ? smtp::first_field(header->fields, field) : nullptr;
  std::string storage;
  return found == nullptr ? "(none)" : std::string(smtp::unfolded(found->value, storage));
}

TEST_F(BorderMtaFailure, IsAFileForThoseWhoWantIt) {
  dns_.add_txt("a.test._report._dmarc.b.test", {"v=DMARC1"});
  sign_ = [](const std::string& domain, std::string message) {
    return "X-Signed: " + domain + "\r\n" + message;
  };
  start();
  send("a.test", "ruf=mailto:x@a.test,mailto:y@b.test,mailto:z@c.test", "Subject: hello\r\n");
  run();
  ASSERT_EQ(files(), std::vector<std::string>{"failure-S1-1.eml"});
  const std::string text = report(files()[0]);
  EXPECT_TRUE(
      text.starts_with("X-Signed: receiver.test\r\nFrom: dmarc@receiver.test\r\n"
                       "To: x@a.test, y@b.test\r\n"))
      << text;
  EXPECT_NE(text.find("\r\nMessage-ID: <failure-S1-1@receiver.test>\r\n"), text.npos) << text;
  EXPECT_NE(text.find("\r\nAuto-Submitted: auto-generated\r\n"), text.npos) << text;
  EXPECT_NE(text.find("\r\n\r\nFrom: x@a.test\r\nSubject: hello\r\n\r\n--"), text.npos) << text;
  EXPECT_EQ(told(text, "Feedback-Type"), "auth-failure");
  EXPECT_EQ(told(text, "Auth-Failure"), "dmarc");
  EXPECT_EQ(told(text, "Original-Mail-From"), "<x@bounce.test>");
  EXPECT_EQ(told(text, "Source-IP"), "192.0.2.7");
  EXPECT_EQ(told(text, "Reported-Domain"), "a.test");
  EXPECT_TRUE(told(text, "Authentication-Results").starts_with("mx.receiver.test; dmarc=fail "));
  // Whom it was for is nobody's business, and the text is not the header's.
  EXPECT_EQ(text.find("secret"), text.npos) << text;
  EXPECT_EQ(text.find("Hello"), text.npos) << text;
  EXPECT_EQ(fs::status(folder_ / "out" / files()[0]).permissions() & fs::perms::others_all,
            fs::perms::none);
  EXPECT_EQ(lines_with("a.test: the failure report to x@a.test, y@b.test is "), 1u);
  EXPECT_EQ(lines_with("\"level\":\"error\""), 0u);
}

// RFC 9991 §4: what is asked for where an aligned signature or SPF fails.
TEST_F(BorderMtaFailure, TellsWhatSpfAndDkimSaw) {
  with_evidence_ = true;
  start();
  send("a.test", "ruf=mailto:x@a.test; fo=s");
  run();
  ASSERT_EQ(files().size(), 1u);
  const std::string text = report(files()[0]);
  EXPECT_EQ(told(text, "DKIM-Domain"), "a.test");
  EXPECT_EQ(told(text, "DKIM-Selector"), "s1");
  EXPECT_EQ(told(text, "DKIM-Identity"), "joe@a.test");
  EXPECT_EQ(told(text, "SPF-DNS"), "txt : bounce.a.test : \"v=spf1 -all\"");
  EXPECT_EQ(told(text, "Identity-Alignment"), "dkim, spf");
}

// Only the record of an aligned domain is shown: who sends chooses the others.
TEST_F(BorderMtaFailure, ShowsNoRecordOfOthers) {
  with_evidence_ = true;
  start();
  send("other.test", "ruf=mailto:x@other.test");
  run();
  ASSERT_EQ(files().size(), 1u);
  EXPECT_EQ(told(report(files()[0]), "SPF-DNS"), "(none)");
}

TEST_F(BorderMtaFailure, IsNotWritten) {
  start();
  const std::string ruf = "ruf=mailto:x@a.test";
  const std::string list = "List-Id: x\r\n";
  send("a.test", "rua=mailto:x@a.test");  // not asked for
  send("a.test", ruf + "; fo=d");         // there was no signature,
  send("a.test", ruf + "; fo=s");         // and SPF did not fail
  send("a.test", ruf + "; psd=y");        // RFC 9991 §2
  // Loops.
  send("a.test", ruf, {}, "<>");
  send("a.test", ruf, list + "Auto-Submitted: auto-replied\r\n");
  send("a.test", ruf, "auto-submitted: Auto-Generated; owner-token=x\r\n");
  send("a.test", ruf, "Auto-Submitted: no\r\nAuto-Submitted: auto-notified\r\n");
  send("a.test", ruf, "Auto-Submitted: nobody\r\n");
  send("a.test", ruf, "Content-Type:\r\n Multipart/Report; report-type=feedback-report\r\n");
  send("a.test", ruf, "Subject: Report Domain: b.test Submitter: a.test Report-ID: <1>\r\n");
  unix_peer_ = "/run/x";  // no address to tell
  send("a.test", ruf);
  run();
  EXPECT_EQ(files(), std::vector<std::string>{});
  EXPECT_EQ(dns_.asked(), std::vector<std::string>{});
  EXPECT_EQ(lines_with("\"event\""), 0u);
}

TEST_F(BorderMtaFailure, IsWrittenOfWhatAPersonSends) {
  start();
  send("a.test", "ruf=mailto:x@a.test", "Auto-Submitted: No (really)\r\n");
  send("b.test", "ruf=mailto:x@b.test", "Auto-Submitted:\r\n no;x=y\r\nSubject: Report\r\n");
  run();
  EXPECT_EQ(files().size(), 2u);
}

// RFC 9991 §5.
TEST_F(BorderMtaFailure, GoesToNobodyWhoHasNotAgreed) {
  dns_.fails("b.test._report._dmarc.fails.test", "SERVFAIL");
  start();
  send("a.test", "ruf=mailto:y@victim.test");
  send("b.test", "ruf=mailto:y@fails.test");
  run();
  EXPECT_TRUE(files().empty());
  EXPECT_EQ(lines_with(".test: nobody may have the failure report"), 2u);
}

TEST_F(BorderMtaFailure, ObeysSizeLimits) {
  start();
  send("a.test", "ruf=mailto:x@a.test!100,mailto:y@a.test!1m");
  run();
  ASSERT_EQ(files().size(), 1u);
  EXPECT_NE(report(files()[0]).find("\r\nTo: y@a.test\r\n"), std::string::npos);
}

// Whole lines, and not too many.
TEST_F(BorderMtaFailure, ShowsNoEndlessHeader) {
  std::string fields;
  while (fields.size() < 2 * dmarc::max_reported_header)
    fields += "X: " + std::string(180, 'y') + "\r\n";
  start();
  send("a.test", "ruf=mailto:x@a.test", fields);
  run();
  ASSERT_EQ(files().size(), 1u);
  const std::string text = report(files()[0]);
  EXPECT_GT(text.size(), dmarc::max_reported_header);
  EXPECT_LT(text.size(), dmarc::max_reported_header + 4096);
  EXPECT_NE(text.find("yyy\r\n\r\n--=_dmarc failure_=--\r\n"), text.npos);
}

// --- How many ------------------------------------------------------------------------------------

TEST_F(BorderMtaFailure, HasABudgetForEachOrganization) {
  settings_.failure.per_hour = 2;
  start();
  for (int i = 0; i < 5; ++i)
    send("d" + std::to_string(i) + ".a.test", "ruf=mailto:x@d" + std::to_string(i) + ".a.test");
  send("b.test", "ruf=mailto:x@b.test");
  run();
  EXPECT_EQ(files(),
            (std::vector<std::string>{"failure-S1-1.eml", "failure-S2-1.eml", "failure-S6-1.eml"}));
  now_ += 30min;  // one of two an hour
  for (int i = 0; i < 2; ++i) send("a.test", "ruf=mailto:x@a.test");
  run();
  EXPECT_EQ(files().size(), 4u);
}

TEST_F(BorderMtaFailure, HasABudgetInAll) {
  settings_.failure.per_hour = 1;
  settings_.failure.in_all = 3;
  start();
  // What is beyond the budget of one costs the others nothing.
  for (int i = 0; i < 9; ++i) send("a.test", "ruf=mailto:x@a.test");
  for (int i = 0; i < 4; ++i) {
    const std::string domain = "d" + std::to_string(i) + ".test";
    send(domain, "ruf=mailto:x@" + domain);
  }
  run();
  EXPECT_EQ(files().size(), 3u);
  now_ += 1h;
  send("d3.test", "ruf=mailto:x@d3.test");
  run();
  EXPECT_EQ(files().size(), 4u);
}

// One line now, and one about all others later.
TEST_F(BorderMtaFailure, IsDroppedWhereManyWait) {
  pace_.waiting = 2;
  start();
  for (int i = 0; i < 5; ++i) send("a.test", "ruf=mailto:x@a.test");
  EXPECT_EQ(lines_with("1 messages more have no failure report: "), 1u);
  run();
  EXPECT_EQ(files().size(), 2u);
  send("a.test", "ruf=mailto:x@a.test");  // there is room again
  run();
  EXPECT_EQ(files().size(), 3u);
  EXPECT_EQ(lines_with("\"level\":\"warning\""), 1u);
  reporter_->finish();
  EXPECT_EQ(lines_with("2 messages more have no failure report: "), 1u);
  EXPECT_EQ(lines_with("\"level\":\"warning\""), 2u);
}

// --- When something is wrong ---------------------------------------------------------------------

// A question that is open does not hold up the others, nor the end.
TEST_F(BorderMtaFailure, StopsAtOnce) {
  dns_.delay(1h);
  pace_.dns = {1h, 1h};
  start();
  send("a.test", "ruf=mailto:y@b.test");
  send("b.test", "ruf=mailto:x@b.test");
  const auto end = std::chrono::steady_clock::now() + 60s;
  while ((dns_.open() == 0 || lines_with(" the failure report to ") == 0) &&
         std::chrono::steady_clock::now() < end)
    io_.run_one_for(100ms);
  EXPECT_EQ(files(), std::vector<std::string>{"failure-S2-1.eml"});
  reporter_->stop();
  send("c.test", "ruf=mailto:x@c.test");
  run();  // ends, and much earlier than the question
  reporter_->finish();
  EXPECT_EQ(files().size(), 1u);
  EXPECT_EQ(dns_.open(), 0u);
  EXPECT_EQ(lines_with("\"level\":\"error\""), 0u);
}

TEST_F(BorderMtaFailure, GoesWithoutThoseWhoNeverAnswer) {
  dns_.delay(1h);
  pace_.dns = {10ms, 1h};
  start();
  send("a.test", "ruf=mailto:x@a.test,mailto:y@b.test");
  run();
  ASSERT_EQ(files().size(), 1u);
  EXPECT_NE(report(files()[0]).find("\r\nTo: x@a.test\r\n"), std::string::npos);
}

TEST_F(BorderMtaFailure, ThatThrowsDoesNotHoldUpOthers) {
  int signings = 0;
  sign_ = [&](const std::string&, std::string message) {
    if (++signings == 1) throw std::runtime_error("no key today");
    return message;
  };
  start();
  send("a.test", "ruf=mailto:x@a.test");
  run();
  send("a.test", "ruf=mailto:x@a.test");
  run();
  EXPECT_EQ(files(), std::vector<std::string>{"failure-S2-1.eml"});
  EXPECT_EQ(lines_with("a failure report is thrown away: no key today"), 1u);
}

TEST_F(BorderMtaFailure, TellsOnceThatTheFolderIsNotThere) {
  start();
  fs::rename(folder_ / "out", folder_ / "away");
  for (int i = 0; i < 3; ++i) send("a.test", "ruf=mailto:x@a.test");
  run();
  EXPECT_EQ(lines_with("the failure report on a.test is lost: "), 1u);
  EXPECT_EQ(lines_with("\"level\":\"error\""), 1u);
  fs::rename(folder_ / "away", folder_ / "out");
  send("a.test", "ruf=mailto:x@a.test");
  run();
  EXPECT_EQ(files().size(), 1u);
  EXPECT_EQ(lines_with("failure reports are written again"), 1u);
}

// Items that nobody began go with io, after the reporter.
TEST_F(BorderMtaFailure, LeavesWhatWasNotBegun) {
  start();
  send("a.test", "ruf=mailto:x@a.test");
  std::ofstream(folder_ / "out" / ".failure-S1-1.eml.new") << "half";
  reporter_->start(sign_);
  EXPECT_TRUE(files().empty());
  reporter_.reset();
}

}  // namespace
}  // namespace border_mta
