// This header stands alone.
#include "checks/dmarc/report_store.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/checks/dmarc/report_kit.hpp"

namespace gatepost::checks::dmarc {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using std::chrono::sys_seconds;

const sys_seconds start{seconds(1'700'000'000)};

TEST(ReportStore, CountsWhatIsAlike) {
  memory_report_store store;
  store.add(sample_policy(), sample_row(), start);
  store.add(sample_policy(), sample_row(), start + hours(1));
  store.add(sample_policy(), sample_row("mail.example.com"), start + hours(1));
  store.add(sample_policy("example.net"), sample_row("example.net"), start + hours(2));
  EXPECT_TRUE(store.take(start + hours(23), hours(24)).empty());
  auto due = store.take(start + hours(24), hours(24));
  ASSERT_EQ(due.size(), 1u);
  EXPECT_EQ(due[0].policy, sample_policy());
  EXPECT_EQ(due[0].begin, start);
  EXPECT_EQ(due[0].end, start + hours(24));
  ASSERT_EQ(due[0].rows.size(), 2u);
  EXPECT_EQ(due[0].rows[0], (counted_row{sample_row(), 2}));
  EXPECT_EQ(due[0].rows[1].count, 1u);
  due = store.take(start + hours(48), hours(24));
  ASSERT_EQ(due.size(), 1u);
  EXPECT_EQ(due[0].policy.domain, "example.net");
  EXPECT_TRUE(store.take(start + hours(96), hours(24)).empty());
}

// RFC 9990 §3.2: a changed policy makes a report of its own.
TEST(ReportStore, OneReportForOnePolicy) {
  memory_report_store store;
  report_policy changed = sample_policy();
  changed.published.p = policy::none;
  store.add(sample_policy(), sample_row(), start);
  store.add(changed, sample_row(), start);
  EXPECT_EQ(store.take(start, seconds(0)).size(), 2u);
}

TEST(ReportStore, IsBounded) {
  memory_report_store store({.reports = 2, .rows = 2, .all_rows = 3});
  for (const char* domain : {"a.example", "b.example", "c.example"})
    for (const char* from : {"1.example", "2.example", "3.example", "1.example"})
      store.add(sample_policy(domain), sample_row(from), start);
  EXPECT_EQ(store.dropped(), 4u);  // of c.example
  const auto due = store.take(start, seconds(0));
  ASSERT_EQ(due.size(), 2u);
  EXPECT_EQ(due[0].rows.size(), 2u);
  EXPECT_EQ(due[0].rows[0].count, 2u);
  EXPECT_EQ(due[0].dropped, 1u);
  EXPECT_EQ(due[1].rows.size(), 1u);
  EXPECT_EQ(due[1].dropped, 2u);
  store.add(sample_policy("c.example"), sample_row(), start);  // there is room again
  EXPECT_EQ(store.take(start, seconds(0)).size(), 1u);
}

TEST(ReportStore, AsOctets) {
  std::vector<report> reports = {sample_report(), sample_report(regime::rfc7489)};
  reports[1].policy.published = *parse_record("v=DMARC1; p=none; np=x; rua=mailto:a@example.com");
  const std::string text = write_reports(reports);
  const auto read = read_reports(text);
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, reports);
  EXPECT_EQ(read_reports(write_reports({}))->size(), 0u);
  for (std::size_t n = 0; n < text.size(); ++n) EXPECT_FALSE(read_reports(text.substr(0, n))) << n;
  EXPECT_FALSE(read_reports(text + "x"));
  EXPECT_FALSE(read_reports(text, {.rows = 1}));
  EXPECT_FALSE(read_reports(text, {.reports = 1}));
  EXPECT_FALSE(read_reports(text, {.text_octets = 20}));
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string damaged = text;
    damaged[i] = '\xff';
    read_reports(damaged);  // whatever it says, it ends
  }
}

class report_file : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) / "gatepost_report_store";
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_;
};

TEST_F(report_file, SurvivesARestart) {
  const auto file = folder_ / "reports";
  memory_report_store before;
  before.add(sample_policy(), sample_row(), start);
  before.add(sample_policy(), sample_row(), start);
  EXPECT_FALSE(before.save(file));
  EXPECT_FALSE(before.save(file));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "reports.new"));
  memory_report_store after;
  after.add(sample_policy(), sample_row(), start + hours(5));
  EXPECT_FALSE(after.load(file));
  const auto due = after.take(start + hours(24), hours(24));
  ASSERT_EQ(due.size(), 1u);
  EXPECT_EQ(due[0].begin, start);
  ASSERT_EQ(due[0].rows.size(), 1u);
  EXPECT_EQ(due[0].rows[0].count, 3u);
}

TEST_F(report_file, WhatCannotBeDone) {
  memory_report_store store;
  EXPECT_EQ(store.load(folder_ / "absent"), std::errc::no_such_file_or_directory);
  std::ofstream(folder_ / "damaged") << "hello";
  EXPECT_EQ(store.load(folder_ / "damaged"), std::errc::illegal_byte_sequence);
  EXPECT_EQ(store.save(folder_ / "no" / "such" / "folder"), std::errc::no_such_file_or_directory);
  EXPECT_TRUE(store.take(start, seconds(0)).empty());
}

}  // namespace
}  // namespace gatepost::checks::dmarc
