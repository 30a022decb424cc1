// This header stands alone.
#include <gtest/gtest.h>

#include <algorithm>
#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <atomic>
#include <chrono>
#include <exception>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "checks/dmarc/record.hpp"
#include "checks/dmarc/report.hpp"
#include "checks/dmarc/report_store.hpp"
#include "checks/dmarc/report_xml.hpp"
#include "examples/border_mta/reports.hpp"
#include "smtp/ip.hpp"
#include "smtp/json_log.hpp"
#include "smtp/testing/fake_resolver.hpp"
#include "tests/support/shared_data.hpp"

namespace border_mta {
namespace {

namespace dmarc = gatepost::checks::dmarc;
namespace fs = std::filesystem;
namespace smtp = gatepost::smtp;
using namespace std::chrono_literals;

std::chrono::sys_seconds now() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

// what() is nothing that a line could be made of: telling it fails, as it may without memory.
struct untold : std::exception {
  const char* what() const noexcept override { return nullptr; }
};

// Of the names at odd.test, one never gets an answer and two throw.
class odd_resolver final : public smtp::dns::resolver {
 public:
  using texts = smtp::dns::answer<std::string>;
  using addresses = smtp::dns::answer<smtp::ip_address>;

  asio::awaitable<texts> txt(std::string name) override {
    if (name.ends_with("silent.odd.test")) {
      const auto executor = co_await asio::this_coro::executor;
      asio::steady_timer never(executor, asio::steady_timer::time_point::max());
      ++silent;
      co_await never.async_wait(asio::use_awaitable);
    }
    if (name.ends_with("throws.odd.test")) throw std::runtime_error("no such luck");
    if (name.ends_with("untold.odd.test")) {
      ++untold_questions;
      throw untold();
    }
    texts found = co_await table.txt(std::move(name));
    co_return found;
  }
  asio::awaitable<addresses> a(std::string name) override { return table.a(std::move(name)); }
  asio::awaitable<addresses> aaaa(std::string name) override { return table.aaaa(std::move(name)); }
  asio::awaitable<smtp::dns::answer<smtp::dns::mx_record>> mx(std::string name) override {
    return table.mx(std::move(name));
  }
  asio::awaitable<texts> ptr(smtp::ip_address address) override { return table.ptr(address); }
  asio::awaitable<smtp::dns::answer<smtp::dns::tlsa_record>> tlsa(std::string name) override {
    return table.tlsa(std::move(name));
  }

  smtp::testing::fake_resolver table;
  int silent = 0;  // questions
  int untold_questions = 0;
};

class BorderMtaReports : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / "border_mta_reports";
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "out");
    settings_.sender.email = "dmarc@receiver.test";
    settings_.interval = 1h;
    settings_.save_every = 1ms;
    settings_.directory = folder_ / "out";
    settings_.file = folder_ / "counts";
    pace_.folder_again = 1ms;
    std::string problem;
    smtp::json_log_options to_file;
    to_file.file = folder_ / "log";
    log_ = smtp::json_log::open(to_file, problem);
    ASSERT_TRUE(log_) << problem;
  }
  void TearDown() override { fs::remove_all(folder_); }

  static dmarc::report_policy policy(const std::string& domain, const std::string& rua) {
    return {.domain = domain, .published = *dmarc::parse_record("v=DMARC1; p=none; rua=" + rua)};
  }

  // Messages that came yesterday.
  void count(const std::string& domain, const std::string& rua, int times = 1) {
    count(policy(domain, rua), times);
  }
  void count(const dmarc::report_policy& p, int times = 1,
             std::chrono::sys_seconds when = now() - 24h) {
    dmarc::report_row row;
    row.source = *smtp::parse_ip_address("192.0.2.1");
    row.header_from = p.domain;
    for (int i = 0; i < times; ++i) store_->add(p, row, when);
  }

  void make() {
    reporter_ = std::make_unique<reporter>(
        settings_, *store_, reporter_surroundings{io_, dns_, *log_, nullptr, sign_}, pace_);
  }
  void start() {
    if (!reporter_) make();
    reporter_->start();
  }

  // Runs until it is so; false: that does not come.
  template <class Condition>
  bool until(Condition is_so) {
    const auto end = std::chrono::steady_clock::now() + 60s;
    while (!is_so() && std::chrono::steady_clock::now() < end) io_.run_one_for(100ms);
    return is_so();
  }

  void stop() {
    reporter_->stop();
    io_.run();
    io_.restart();
    reporter_->finish();
  }

  // As after a crash: what was not saved is lost.
  void kill() {
    reporter_->stop();
    io_.run();
    io_.restart();
    reporter_.reset();
    store_ = std::make_unique<dmarc::memory_report_store>();
  }

  std::vector<std::string> files() const {
    std::vector<std::string> all;
    for (const auto& entry : fs::directory_iterator(folder_ / "out"))
      all.push_back(entry.path().filename());
    std::sort(all.begin(), all.end());
    return all;
  }

  std::size_t lines_with(const std::string& part) const {
    std::size_t found = 0;
    std::ifstream in(folder_ / "log");
    for (std::string line; std::getline(in, line);) found += line.find(part) != line.npos;
    return found;
  }

  // Reports that are on the disk.
  std::vector<dmarc::report> saved() const {
    std::vector<dmarc::report> all;
    dmarc::memory_report_store copy;
    EXPECT_FALSE(copy.load(settings_.file));
    for (const auto id : copy.close(now() + 24h, 0s)) all.push_back(*copy.closed(id));
    return all;
  }
  std::size_t left() const { return fs::exists(settings_.file) ? saved().size() : 0; }

  fs::path folder_;
  reports_section settings_;
  reporter_pace pace_;
  letter_signer sign_;
  std::unique_ptr<smtp::json_log> log_;
  asio::io_context io_{1};
  odd_resolver dns_;
  std::unique_ptr<dmarc::memory_report_store> store_ =
      std::make_unique<dmarc::memory_report_store>();
  std::unique_ptr<reporter> reporter_;
};

TEST_F(BorderMtaReports, BecomeFilesForThoseWhoWantThem) {
  dns_.table.add_txt("a.test._report._dmarc.b.test", {"v=DMARC1"});
  sign_ = [](const std::string& domain, std::string message) {
    return "X-Signed: " + domain + "\r\n" + message;
  };
  count("a.test", "mailto:x@a.test,mailto:y@b.test,mailto:z@c.test,mailto:x@a.test", 3);
  count("nobody.test", "mailto:z@c.test");
  start();
  EXPECT_TRUE(
      until([&] { return files().size() == 1 && left() == 0 && fs::exists(settings_.file); }));
  stop();
  ASSERT_EQ(files().size(), 1u);
  const std::string text = gatepost::tests::read_file(folder_ / "out" / files()[0]);
  EXPECT_TRUE(
      text.starts_with("X-Signed: receiver.test\r\nFrom: dmarc@receiver.test\r\n"
                       "To: x@a.test, y@b.test\r\n"))
      << text;
  EXPECT_TRUE(text.ends_with("--\r\n")) << text;
  // The name is the Report-ID.
  const std::string id = files()[0].substr(0, files()[0].size() - 4);
  EXPECT_TRUE(id.ends_with("-a.test@receiver.test")) << id;
  EXPECT_NE(text.find("<" + id + ">"), text.npos) << text;
  EXPECT_EQ(fs::status(folder_ / "out" / files()[0]).permissions() & fs::perms::others_all,
            fs::perms::none);
  EXPECT_EQ(lines_with("a.test: 3 messages, the report to x@a.test, y@b.test is "), 1u);
  EXPECT_EQ(left(), 0u);
  EXPECT_EQ(lines_with("\"level\":\"error\""), 0u);
}

TEST_F(BorderMtaReports, WaitForTheirTime) {
  settings_.interval = 25h;
  count("a.test", "mailto:x@a.test");
  start();
  EXPECT_TRUE(until([&] { return left() == 1; }));
  stop();
  EXPECT_TRUE(files().empty());
}

// More than are served at the same time.
TEST_F(BorderMtaReports, AreManyInOneRound) {
  for (int i = 0; i < 100; ++i) count("d" + std::to_string(i) + ".test", "mailto:x@c.test");
  for (int i = 0; i < 100; i += 2)
    dns_.table.add_txt("d" + std::to_string(i) + ".test._report._dmarc.c.test", {"v=DMARC1;"});
  start();
  EXPECT_TRUE(until([&] { return files().size() == 50 && left() == 0; }));
  stop();
  EXPECT_EQ(files().size(), 50u);
  EXPECT_EQ(left(), 0u);
}

// RFC 7489 §7.2.1: a size limit is about what is encoded.
TEST_F(BorderMtaReports, ObeySizeLimits) {
  count("a.test", "mailto:x@a.test!100");
  count("b.test", "mailto:x@b.test!100,mailto:y@b.test!1m");
  start();
  EXPECT_TRUE(until([&] { return fs::exists(settings_.file) && left() == 0; }));
  stop();
  ASSERT_EQ(files().size(), 1u);
  EXPECT_NE(gatepost::tests::read_file(folder_ / "out" / files()[0]).find("To: y@b.test\r\n"),
            std::string::npos);
}

// A To field in ASCII has A-labels. Who has no place in it is told of.
TEST_F(BorderMtaReports, GoToMailboxesInAscii) {
  const std::string domain =
      "b\xc3\xbc"
      "cher.test";
  count("xn--bcher-kva.test", "mailto:x@" + domain + ",mailto:\xc3\xbc@" + domain);
  start();
  EXPECT_TRUE(until([&] { return fs::exists(settings_.file) && left() == 0; }));
  stop();
  ASSERT_EQ(files().size(), 1u);
  EXPECT_NE(
      gatepost::tests::read_file(folder_ / "out" / files()[0]).find("To: x@xn--bcher-kva.test\r\n"),
      std::string::npos);
  EXPECT_EQ(lines_with(" gets no report: a To field has no place for it in ASCII"), 1u);
}

TEST_F(BorderMtaReports, HaveNamesThatEveryFolderTakes) {
  std::string name;
  for (int i = 0; i < 4; ++i) name += std::string(60, static_cast<char>('a' + i)) + '.';
  count(name + "test", "mailto:x@" + name + "test");
  count("b.test", "mailto:x@b.test");
  start();
  EXPECT_TRUE(until([&] { return files().size() == 2 && left() == 0; }));
  stop();
  for (const std::string& file : files()) {
    EXPECT_LT(file.size(), 240u);
    EXPECT_TRUE(file.ends_with(".eml"));
  }
}

// --- The DNS -------------------------------------------------------------------------------------

// A slow one holds up neither the others, nor those who have answered of its own.
TEST_F(BorderMtaReports, WaitForTheDnsAlone) {
  count("a.test", "mailto:x@a.test,mailto:y@silent.odd.test");
  count("b.test", "mailto:x@b.test");
  pace_.question = 1h;
  pace_.questions = 1h;
  start();
  EXPECT_TRUE(until([&] { return files().size() == 1 && dns_.silent == 1; }));
  stop();
  EXPECT_TRUE(files()[0].find("-b.test@") != std::string::npos);
  ASSERT_EQ(left(), 1u);
  EXPECT_EQ(saved()[0].policy.domain, "a.test");
}

TEST_F(BorderMtaReports, GoWithoutThoseWhoNeverAnswer) {
  dns_.table.fails("a.test._report._dmarc.fails.test", "SERVFAIL");
  dns_.table.add_txt("a.test._report._dmarc.b.test", {"v=DMARC1"});
  count("a.test", "mailto:w@silent.odd.test,mailto:x@fails.test,mailto:y@b.test");
  pace_.question = 20ms;
  pace_.again = 1ms;
  pace_.attempts = 3;
  start();
  EXPECT_TRUE(until([&] { return files().size() == 1 && left() == 0; }));
  stop();
  EXPECT_GE(dns_.silent, 4);
  EXPECT_NE(gatepost::tests::read_file(folder_ / "out" / files()[0]).find("To: y@b.test\r\n"),
            std::string::npos);
  EXPECT_EQ(dns_.table.open(), 0u);
}

// All questions of one report have an end, too: those behind it are not asked.
TEST_F(BorderMtaReports, BoundTheQuestionsOfOne) {
  count("a.test", "mailto:w@1.silent.odd.test,mailto:x@2.silent.odd.test,mailto:y@b.test");
  pace_.question = 1h;
  pace_.questions = 300ms;
  start();
  EXPECT_TRUE(until([&] { return dns_.silent == 1; }));
  EXPECT_TRUE(until([&] { return left() == 1; }));
  stop();
  EXPECT_EQ(dns_.silent, 1);
  for (const std::string& asked : dns_.table.asked()) EXPECT_FALSE(asked.ends_with("b.test"));
  EXPECT_TRUE(files().empty());
}

// Many of one organization whose DNS is slow leave workers for the others, whose time may come
// later.
TEST_F(BorderMtaReports, DoNotWaitForThoseOfOneOrganization) {
  pace_.question = 1h;
  pace_.questions = 1h;
  pace_.workers = 3;
  for (int i = 0; i < 10; ++i) {
    dmarc::report_policy p =
        policy("d" + std::to_string(i) + ".slow.test", "mailto:x@silent.odd.test");
    p.organization = "slow.test";
    count(p);
  }
  count("a.test", "mailto:x@a.test");
  start();
  EXPECT_TRUE(until([&] { return files().size() == 1 && left() == 10; }));
  count("b.test", "mailto:x@b.test");
  EXPECT_TRUE(until([&] { return files().size() == 2 && left() == 10; }));
  EXPECT_EQ(dns_.silent, 2);
  stop();
}

// All of an organization are served in the end, without another round.
TEST_F(BorderMtaReports, OfOneOrganizationComeOneAfterTheOther) {
  for (int i = 0; i < 30; ++i) {
    dmarc::report_policy p = policy("d" + std::to_string(i) + ".a.test", "mailto:x@d.a.test");
    p.published.rua[0].address = "x@" + p.domain;
    p.organization = "a.test";
    count(p);
  }
  settings_.save_every = 1h;
  start();
  EXPECT_TRUE(until([&] { return files().size() == 30; }));
  stop();
  EXPECT_EQ(left(), 0u);
}

TEST_F(BorderMtaReports, StopAtOnce) {
  count("a.test", "mailto:y@silent.odd.test");
  pace_.question = 1h;
  pace_.questions = 1h;
  start();
  EXPECT_TRUE(until([&] { return dns_.silent == 1; }));
  stop();  // ends, and much earlier than the question
  EXPECT_EQ(left(), 1u);
  EXPECT_EQ(lines_with("error"), 0u);
}

// --- When something is wrong ---------------------------------------------------------------------

TEST_F(BorderMtaReports, ThatThrowDoNotHoldUpOthers) {
  count("a.test", "mailto:x@throws.odd.test");
  count("b.test", "mailto:x@b.test");
  start();
  EXPECT_TRUE(until([&] { return files().size() == 1 && left() == 1; }));
  count("c.test", "mailto:x@c.test");  // nothing has ended
  EXPECT_TRUE(until([&] { return files().size() == 2; }));
  stop();
  EXPECT_EQ(lines_with("the report on a.test fails: no such luck; it is tried again in 3600 s"),
            1u);
  EXPECT_EQ(lines_with("\"level\":\"error\""), 1u);
  EXPECT_EQ(saved().at(0).policy.domain, "a.test");
}

TEST_F(BorderMtaReports, ThatThrowForeverAreThrownAway) {
  count("a.test", "mailto:x@throws.odd.test");
  pace_.again = 1ms;
  pace_.attempts = 2;
  start();
  EXPECT_TRUE(until([&] { return fs::exists(settings_.file) && left() == 0; }));
  stop();
  EXPECT_EQ(lines_with("fails: no such luck; it is tried again in 1 s"), 2u);
  EXPECT_EQ(lines_with("fails: no such luck; it is thrown away"), 1u);
}

// What cannot even be told is tried again as late as all others, and no sooner.
TEST_F(BorderMtaReports, ThatCannotBeToldArePutOff) {
  count("a.test", "mailto:x@untold.odd.test");
  start();
  EXPECT_TRUE(until([&] { return dns_.untold_questions == 1; }));
  count("b.test", "mailto:x@b.test");
  EXPECT_TRUE(until([&] { return files().size() == 1 && left() == 1; }));
  count("c.test", "mailto:x@c.test");
  EXPECT_TRUE(until([&] { return files().size() == 2 && left() == 1; }));
  stop();
  EXPECT_EQ(dns_.untold_questions, 1);
  EXPECT_EQ(lines_with("\"level\":\"error\""), 1u);
}

// What the DNS has used up of patience, files and signatures have still.
TEST_F(BorderMtaReports, HaveTheirAttemptsForEachTrouble) {
  dns_.table.fails("a.test._report._dmarc.fails.test", "SERVFAIL");
  count("a.test", "mailto:x@a.test,mailto:y@fails.test");
  pace_.again = 1ms;
  pace_.attempts = 2;
  std::atomic<int> signings = 0;
  sign_ = [&](const std::string&, std::string message) {
    if (++signings < 3) throw std::runtime_error("no key today");
    return message;
  };
  start();
  EXPECT_TRUE(until([&] { return fs::exists(settings_.file) && left() == 0; }));
  stop();
  EXPECT_EQ(signings, 3);
  EXPECT_EQ(files().size(), 1u);
  EXPECT_EQ(lines_with("it is thrown away"), 0u);
}

// What is wrong with one file is told of that one.
TEST_F(BorderMtaReports, WhoseFileIsTakenWaitAlone) {
  count("a.test", "mailto:x@a.test");
  make();
  const auto id = store_->close(now(), settings_.interval).at(0);
  const dmarc::report_sender us{.organization = "", .domain = "receiver.test", .email = ""};
  const std::string name = dmarc::report_id(*store_->closed(id), us) + ".eml";
  fs::create_directories(folder_ / "out" / name);
  count("b.test", "mailto:x@b.test");
  start();
  EXPECT_TRUE(until([&] { return files().size() == 2 && left() == 1; }));
  stop();
  EXPECT_EQ(lines_with("the report on a.test fails: "), 1u);
  EXPECT_EQ(lines_with("\"level\":\"error\""), 1u);
}

// The folder's troubles are told once, until it works again.
TEST_F(BorderMtaReports, WaitForTheFolder) {
  fs::rename(folder_ / "out", folder_ / "away");
  count("a.test", "mailto:x@a.test", 4);
  count("b.test", "mailto:x@b.test", 2);
  std::atomic<int> tries = 0;
  sign_ = [&](const std::string&, std::string message) {
    ++tries;  // on the helper's thread
    return message;
  };
  start();
  EXPECT_TRUE(until([&] { return tries >= 6; }));
  EXPECT_EQ(lines_with("cannot be written: "), 1u);
  EXPECT_EQ(lines_with("\"level\":\"error\""), 1u);
  EXPECT_EQ(left(), 2u);
  fs::rename(folder_ / "away", folder_ / "out");
  EXPECT_TRUE(until([&] { return files().size() == 2 && left() == 0; }));
  EXPECT_EQ(lines_with("reports are written again"), 1u);
  fs::rename(folder_ / "out", folder_ / "away");
  count("c.test", "mailto:x@c.test");
  EXPECT_TRUE(until([&] { return lines_with("cannot be written: ") == 2; }));
  stop();
  fs::rename(folder_ / "away", folder_ / "out");
  EXPECT_EQ(left(), 1u);
}

// An error that might be of one file is the folder's, where it takes no other either.
TEST_F(BorderMtaReports, WaitForAFolderThatIsOdd) {
  const fs::path odd = folder_ / "odd";
  fs::create_symlink(odd, odd);  // ELOOP
  settings_.directory = odd;
  pace_.again = 1ms;
  pace_.attempts = 1;
  count("a.test", "mailto:x@a.test");
  std::atomic<int> tries = 0;
  sign_ = [&](const std::string&, std::string message) {
    ++tries;
    return message;
  };
  start();
  EXPECT_TRUE(until([&] { return tries >= 4 || (fs::exists(settings_.file) && left() == 0); }));
  EXPECT_EQ(lines_with("all reports are kept"), 1u);
  EXPECT_EQ(lines_with("\"level\":\"error\""), 1u);
  fs::remove(odd);
  fs::create_symlink(folder_ / "out", odd);
  EXPECT_TRUE(until([&] { return files().size() == 1 && left() == 0; }));
  stop();
}

// A crash behind the writing: it is the same report, in the same file.
TEST_F(BorderMtaReports, AreTheSameAfterACrash) {
  count("a.test", "mailto:x@a.test", 4);
  std::string counts;
  sign_ = [&](const std::string&, std::string message) {
    if (counts.empty()) counts = gatepost::tests::read_file(settings_.file);
    return message;
  };
  start();
  EXPECT_TRUE(until([&] { return files().size() == 1 && left() == 0; }));
  const std::string name = files().at(0);
  kill();
  std::ofstream(settings_.file, std::ios::binary) << counts;  // as it was before
  std::ofstream(folder_ / "out" / ("." + name + ".new")) << "half";
  std::ofstream(folder_ / "out" / ".other.eml.new") << "half";
  make();
  EXPECT_EQ(reporter_->load(), "");
  EXPECT_EQ(files(), std::vector{name});
  fs::remove(folder_ / "out" / name);                    // sent meanwhile
  count(policy("a.test", "mailto:x@a.test"), 1, now());  // another period
  start();
  EXPECT_TRUE(until([&] { return files().size() == 1 && left() == 1; }));
  stop();
  EXPECT_EQ(files(), std::vector{name});
  const auto next = saved();
  ASSERT_EQ(next.size(), 1u);
  EXPECT_EQ(next[0].rows[0].count, 1u);
}

TEST_F(BorderMtaReports, BeginAnewWithoutDamagedCounts) {
  std::ofstream(settings_.file) << "hello";
  make();
  EXPECT_EQ(reporter_->load(), "");
  EXPECT_EQ(lines_with("counts: is damaged; it was moved to "), 1u);
  EXPECT_EQ(gatepost::tests::read_file(settings_.file + ".damaged"), "hello");
  EXPECT_FALSE(fs::exists(settings_.file));
  count("a.test", "mailto:x@a.test", 2);
  reporter_->finish();
  EXPECT_EQ(left(), 1u);
}

TEST_F(BorderMtaReports, KeepAllDamagedCounts) {
  for (const char* text : {"one", "two", "three"}) {
    std::ofstream(settings_.file) << text;
    make();
    EXPECT_EQ(reporter_->load(), "");
  }
  EXPECT_EQ(gatepost::tests::read_file(settings_.file + ".damaged"), "one");
  EXPECT_EQ(gatepost::tests::read_file(settings_.file + ".damaged.2"), "two");
  EXPECT_EQ(gatepost::tests::read_file(settings_.file + ".damaged.3"), "three");
}

TEST_F(BorderMtaReports, LeaveCountsOfAnotherVersion) {
  std::string other = dmarc::write_reports({});
  other.replace(other.find(" 2\n"), 3, " 3\n");
  std::ofstream(settings_.file, std::ios::binary) << other;
  make();
  EXPECT_TRUE(reporter_->load().starts_with(settings_.file + ": another version has written it; "));
  EXPECT_EQ(gatepost::tests::read_file(settings_.file), other);
}

// What cannot be read stays where it is.
TEST_F(BorderMtaReports, LeaveCountsThatCannotBeRead) {
  fs::create_directory(settings_.file);
  make();
  EXPECT_EQ(reporter_->load(), settings_.file +
                                   ": cannot be read: Is a directory; see to its "
                                   "name and permissions");
  EXPECT_TRUE(fs::is_directory(settings_.file));
  EXPECT_FALSE(fs::exists(settings_.file + ".damaged"));
}

// A report whose end is not saved would be another one after a crash.
TEST_F(BorderMtaReports, WaitForTheirCounts) {
  settings_.file = folder_ / "later" / "counts";
  count("a.test", "mailto:x@a.test");
  start();
  EXPECT_TRUE(until([&] { return lines_with("counts: cannot be written: ") == 1; }));
  for (int i = 0; i < 20; ++i) io_.run_one_for(100ms);
  EXPECT_TRUE(files().empty());
  EXPECT_EQ(lines_with("counts: cannot be written: "), 1u);
  fs::create_directory(folder_ / "later");
  EXPECT_TRUE(until([&] { return files().size() == 1; }));
  stop();
  EXPECT_EQ(lines_with("counts: is written again"), 1u);
}

TEST_F(BorderMtaReports, TellWhatIsDropped) {
  store_ = std::make_unique<dmarc::memory_report_store>(
      dmarc::report_limits{.reports_per_organization = 0});
  count("a.test", "mailto:x@a.test", 7);
  start();
  EXPECT_TRUE(until([&] { return lines_with("\"level\":\"warning\"") == 1; }));
  EXPECT_EQ(lines_with("7 messages more are in no report"), 1u);
  count("a.test", "mailto:x@a.test", 2);
  EXPECT_TRUE(until([&] { return lines_with("2 messages more are in no report") == 1; }));
  stop();
  EXPECT_EQ(lines_with("\"level\":\"warning\""), 2u);
}

}  // namespace
}  // namespace border_mta
