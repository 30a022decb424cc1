// This header stands alone.
#include "checks/dmarc/report_store.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/checks/dmarc/report_kit.hpp"

namespace gatepost::checks::dmarc {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using std::chrono::sys_seconds;

const sys_seconds start{seconds(1'700'000'000)};
const sys_seconds ever = start + hours(24 * 365);

report_policy changed_policy(unsigned change, const std::string& domain = "example.com") {
  report_policy p = sample_policy(domain);
  p.published.pct = change;
  return p;
}

// All that is closed; what is open is closed with it.
std::vector<report> all_of(memory_report_store& store, sys_seconds now = ever) {
  std::vector<report> all;
  for (const std::uint64_t id : store.close(now, seconds(0))) all.push_back(*store.closed(id));
  return all;
}

std::uint64_t messages_in(const report& r) {
  std::uint64_t n = 0;
  for (const counted_row& row : r.rows) n += row.count;
  return n;
}

TEST(ReportStore, CountsWhatIsAlike) {
  memory_report_store store;
  store.add(sample_policy(), sample_row(), start);
  store.add(sample_policy(), sample_row(), start + hours(1));
  store.add(sample_policy(), sample_row("mail.example.com"), start + hours(1));
  store.add(sample_policy("example.net"), sample_row("example.net"), start + hours(2));
  EXPECT_TRUE(store.close(start + hours(23), hours(24)).empty());
  const auto due = store.close(start + hours(24), hours(24));
  ASSERT_EQ(due.size(), 1u);
  const auto r = store.closed(due[0]);
  ASSERT_TRUE(r);
  EXPECT_EQ(r->policy, sample_policy());
  EXPECT_EQ(r->begin, start);
  EXPECT_EQ(r->end, start + hours(24));
  ASSERT_EQ(r->rows.size(), 2u);
  EXPECT_EQ(r->rows[0], (counted_row{sample_row(), 2}));
  EXPECT_EQ(r->rows[1].count, 1u);
}

// --- Closing -------------------------------------------------------------------------------------

TEST(ReportStore, HasWhatIsClosedUntilItIsSettled) {
  memory_report_store store;
  store.add(sample_policy(), sample_row(), start);
  const auto due = store.close(start + hours(24), hours(24));
  ASSERT_EQ(due.size(), 1u);
  const auto r = store.closed(due[0]);
  const report as_closed = *r;
  store.add(sample_policy(), sample_row(), start + hours(25));
  EXPECT_EQ(store.close(start + hours(26), hours(24)), due);
  EXPECT_EQ(*store.closed(due[0]), as_closed);
  const std::uint64_t before = store.changes();
  store.settle(due[0]);
  EXPECT_GT(store.changes(), before);
  EXPECT_EQ(store.closed(due[0]), nullptr);
  EXPECT_EQ(*r, as_closed);  // whoever has it keeps it
  store.settle(due[0]);
  store.settle(12345);
  EXPECT_EQ(store.closed(12345), nullptr);
  EXPECT_TRUE(store.close(start + hours(26), hours(24)).empty());
  const auto next = store.close(start + hours(49), hours(24));
  ASSERT_EQ(next.size(), 1u);
  EXPECT_NE(next, due);
  EXPECT_EQ(store.closed(next[0])->begin, start + hours(25));
}

TEST(ReportStore, SettlesNothingThatStillCounts) {
  memory_report_store store;
  store.add(sample_policy(), sample_row(), start);
  for (std::uint64_t id = 0; id < 5; ++id) {
    EXPECT_EQ(store.closed(id), nullptr);
    store.settle(id);
  }
  EXPECT_EQ(all_of(store).size(), 1u);
}

// RFC 9990 §3.1.1.4: periods do not overlap; §3.5.1: what is the same in two would be one
// Report-ID. §3.3: a changed policy may end a period.
TEST(ReportStore, KeepsThePeriodsOfADomainApart) {
  memory_report_store store;
  store.add(changed_policy(1), sample_row(), start);
  store.add(changed_policy(2), sample_row(), start);  // in the same second
  store.add(changed_policy(3), sample_row(), start + hours(1));
  store.add(changed_policy(3), sample_row(), start + seconds(2));  // another thread is late
  EXPECT_TRUE(store.close(start + hours(1), hours(24)).empty());
  const auto first = store.close(start + hours(24), hours(24));
  ASSERT_EQ(first.size(), 1u);
  store.add(changed_policy(3), sample_row(), start + hours(24));
  const auto second = store.close(start + hours(25), hours(24));
  ASSERT_EQ(second.size(), 3u);
  EXPECT_EQ(second[0], first[0]);
  // One that begins before the last one has ended begins with that end.
  store.add(changed_policy(3), sample_row(), start + hours(24));
  const auto all = all_of(store, start + hours(30));
  ASSERT_EQ(all.size(), 4u);
  const sys_seconds ends[] = {start + seconds(1), start + hours(1), start + hours(25),
                              start + hours(30)};
  sys_seconds begin = start;
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(all[i].begin, begin) << i;
    EXPECT_EQ(all[i].end, ends[i]) << i;
    begin = all[i].end;
  }
  EXPECT_EQ(messages_in(all[2]), 3u);
}

// What was counted while the clock was wrong does not stay forever.
TEST(ReportStore, BearsAClockThatIsSetBack) {
  memory_report_store store;
  store.add(sample_policy(), sample_row(), start + hours(24 * 365));
  store.add(sample_policy(), sample_row(), start);
  const auto due = store.close(start, hours(24));
  ASSERT_EQ(due.size(), 1u);
  const auto r = store.closed(due[0]);
  EXPECT_EQ(messages_in(*r), 2u);
  EXPECT_GT(r->end, r->begin);
  store.settle(due[0]);
  store.add(sample_policy(), sample_row(), start);
  EXPECT_TRUE(store.close(start, hours(24)).empty());
  EXPECT_EQ(store.close(start + hours(24), hours(24)).size(), 1u);
}

// Periods of a clock that was far ahead do not push those of today out of their time: they would
// be a second long, and as many as there are rounds.
TEST(ReportStore, CountsTodayBehindAClockThatWasAhead) {
  memory_report_store store;
  const sys_seconds ahead = start + hours(24 * 365);
  store.add(changed_policy(1), sample_row(), ahead - hours(24));
  EXPECT_EQ(store.close(ahead, hours(24)).size(), 1u);
  store.add(changed_policy(1), sample_row(), ahead);
  // It is put right. The first ends what is open, as its policy is another.
  for (unsigned i = 0; i < 2; ++i) {
    store.add(changed_policy(2), sample_row(), start + seconds(i));
    EXPECT_EQ(store.close(start + seconds(i), hours(24)).size(), 2u);
  }
  store.add(changed_policy(3), sample_row(), start + hours(1));
  const auto all = all_of(store, start + hours(2));
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(all[2].begin, start);
  EXPECT_EQ(all[2].end, start + hours(1));
  EXPECT_EQ(messages_in(all[2]), 2u);
  EXPECT_EQ(all[3].begin, start + hours(1));
}

// --- Bounds --------------------------------------------------------------------------------------

// RFC 9990 §3.3: a mix of policies where a domain changes its own without end.
TEST(ReportStore, BoundsThePoliciesOfOneDomain) {
  memory_report_store store({.reports_per_domain = 2});
  for (unsigned change = 0; change < 100; ++change)
    store.add(changed_policy(change), sample_row(), start + seconds(change));
  store.add(sample_policy("example.net"), sample_row(), start);
  EXPECT_EQ(store.dropped(), 0u);
  const auto all = all_of(store);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].policy.published.pct, 0u);
  EXPECT_EQ(messages_in(all[0]), 1u);
  EXPECT_EQ(all[1].policy.published.pct, 1u);
  EXPECT_EQ(messages_in(all[1]), 99u);
  EXPECT_EQ(all[2].policy.domain, "example.net");
}

// Also where some of them are waiting: one always counts.
TEST(ReportStore, CountsBesideWhatIsNotSettled) {
  memory_report_store store({.reports_per_domain = 1});
  for (int day = 0; day < 3; ++day) {
    store.add(changed_policy(1), sample_row(), start + hours(24 * day));
    store.add(changed_policy(2), sample_row(), start + hours(24 * day + 1));
    EXPECT_EQ(store.close(start + hours(24 * (day + 1)), hours(24)).size(), day + 1u);
  }
  for (const report& r : all_of(store)) EXPECT_EQ(messages_in(r), 2u);
}

// One wildcard record gives its owner as many domains as he wants.
TEST(ReportStore, BoundsTheReportsOfOneOrganization) {
  memory_report_store store({.reports_per_organization = 3});
  const auto add = [&store](const std::string& domain, const std::string& organization) {
    report_policy p = sample_policy(domain);
    p.organization = organization;
    store.add(p, sample_row(domain), start);
  };
  for (int i = 0; i < 100; ++i) add("d" + std::to_string(i) + ".example.com", "example.com");
  EXPECT_EQ(store.dropped(), 97u);
  add("d0.example.com", "example.com");
  for (int i = 0; i < 100; ++i) add("d" + std::to_string(i) + ".test", "");
  EXPECT_EQ(store.dropped(), 97u);
  const auto due = store.close(ever, hours(1));
  ASSERT_EQ(due.size(), 103u);
  add("d0.example.com", "example.com");  // what is closed counts, too
  EXPECT_EQ(store.dropped(), 98u);
  store.settle(due[0]);
  add("d0.example.com", "example.com");
  add("d100.example.com", "example.com");
  EXPECT_EQ(store.dropped(), 99u);
}

// A policy that changes where no report has room is mixed into the last one.
TEST(ReportStore, MixesWhereThereIsNoRoom) {
  memory_report_store store({.reports_per_organization = 1});
  store.add(changed_policy(1), sample_row(), start);
  store.add(changed_policy(2), sample_row(), start);
  EXPECT_EQ(store.dropped(), 0u);
  const auto all = all_of(store);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].rows[0].count, 2u);
}

// Rows whose sizes a stranger chooses.
report_row large_row(int i) {
  report_row row = sample_row("d" + std::to_string(i) + ".example.com");
  row.dkim.assign(10, {std::string(200, 'd'), std::string(60, 's'), auth_result::fail});
  return row;
}

report_policy policy_of_organization(int i) {
  return sample_policy("organization" + std::to_string(i) + ".test");
}

TEST(ReportStore, BoundsMemory) {
  struct bounds_case {
    const char* what;
    report_limits limits;
  };
  constexpr std::size_t bound = 100'000;
  const bounds_case cases[] = {
      {"by what is free", {.octets = 9 * bound}},
      {"of an organization", {.octets_per_organization = bound}},
  };
  for (const bounds_case& c : cases) {
    SCOPED_TRACE(c.what);
    memory_report_store store(c.limits);
    for (int i = 0; i < 100; ++i) store.add(sample_policy(), large_row(i), start);
    store.add(sample_policy(), large_row(0), start);  // takes nothing
    store.add(sample_policy("other.test"), large_row(0), start);
    EXPECT_EQ(store.dropped(), 0u);
    auto due = store.close(ever, hours(1));
    ASSERT_EQ(due.size(), 2u);
    const report r = *store.closed(due[0]);
    EXPECT_EQ(messages_in(r) + r.dropped, 101u);
    EXPECT_EQ(r.rows[0].count, 2u);
    std::size_t octets = 0;
    for (const counted_row& row : r.rows) octets += memory_of(row.row);
    EXPECT_LE(octets, bound);
    EXPECT_GE(octets, bound / 2);
    EXPECT_GT(memory_of(large_row(0)), 2600u);
    // Settled ones give their room back.
    for (const std::uint64_t id : due) store.settle(id);
    store.add(sample_policy(), large_row(0), start);
    due = store.close(ever, hours(1));
    ASSERT_EQ(due.size(), 1u);
    EXPECT_EQ(store.closed(due[0])->dropped, 0u);
  }
}

TEST(ReportStore, BoundsTheMemoryOfAll) {
  constexpr std::size_t bound = 200'000;
  memory_report_store store({.octets = bound});
  for (int i = 0; i < 200; ++i) store.add(policy_of_organization(i), large_row(0), start);
  std::size_t octets = 0;
  const auto all = all_of(store);
  for (const report& r : all) octets += memory_of(r.policy) + memory_of(r.rows[0].row);
  EXPECT_LE(octets, bound);
  EXPECT_GE(octets, bound / 2);
  EXPECT_EQ(all.size() + store.dropped(), 200u);
}

// Some who take all that they can have leave room for all others.
TEST(ReportStore, LeavesRoomForOthers) {
  for (const int greedy : {1, 8, 50}) {
    SCOPED_TRACE(greedy);
    memory_report_store store({.octets = 4u << 20});
    for (int i = 0; i < 400; ++i)
      for (int who = 0; who < greedy; ++who)
        store.add(policy_of_organization(who), large_row(i), start);
    for (int i = 0; i < 20; ++i) store.add(policy_of_organization(100 + i), large_row(i), start);
    EXPECT_EQ(store.dropped(), 0u);
    EXPECT_EQ(all_of(store).size(), greedy + 20u);
  }
}

// RFC 9990 §3.1.1.2: a report has a record at least.
TEST(ReportStore, HasNoReportWithoutARow) {
  memory_report_store store({.octets = 2000});
  store.add(sample_policy(), large_row(0), start);
  EXPECT_EQ(store.dropped(), 1u);
  EXPECT_TRUE(all_of(store).empty());
}

TEST(ReportStore, BoundsTheLargestPolicies) {
  std::string text = "v=DMARC1; p=none; rua=mailto:a@example.com";
  for (int i = 0; i < 15; ++i) text += ",mailto:a@example.com?subject=" + std::string(900, 'x');
  report_policy p = sample_policy();
  p.published = *parse_record(text);
  EXPECT_GT(memory_of(p), 13'500u);
  memory_report_store store({.octets_per_organization = 1u << 20, .reports_per_domain = 1000});
  for (unsigned i = 0; i < 1000; ++i) {
    p.published.pct = i;
    store.add(p, sample_row(), start);
  }
  const auto all = all_of(store);
  EXPECT_GT(all.size(), 1u);
  EXPECT_LE(all.size() * memory_of(p), 1u << 20);
  EXPECT_EQ(messages_in(all.back()) + all.size() - 1, 1000u);
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

// What counts goes on counting, what is closed is as it was, and both know what they dropped.
TEST_F(report_file, SurvivesARestart) {
  const auto file = folder_ / "reports";
  memory_report_store before({.octets_per_organization = 20'000});
  for (int i = 0; i < 10; ++i) before.add(sample_policy(), large_row(i), start);
  before.add(sample_policy("example.net"), sample_row(), start + hours(1));
  const auto due = before.close(start + hours(24), hours(24));
  ASSERT_EQ(due.size(), 1u);
  const report closed = *before.closed(due[0]);
  ASSERT_GT(closed.dropped, 0u);
  EXPECT_FALSE(before.save(file));
  EXPECT_FALSE(before.save(file));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
  // A kill: the report is handed on again, as the same one.
  memory_report_store after;
  EXPECT_FALSE(after.load(file));
  const auto again = after.close(start + hours(24), hours(24));
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(*after.closed(again[0]), closed);
  after.settle(again[0]);
  after.add(sample_policy("example.net"), sample_row(), start + hours(24));
  after.add(sample_policy(), sample_row(), start + hours(2));
  EXPECT_FALSE(after.save(file));
  memory_report_store last;
  EXPECT_FALSE(last.load(file));
  const auto all = all_of(last);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].policy.domain, "example.net");
  EXPECT_EQ(all[0].begin, start + hours(1));
  EXPECT_EQ(all[0].rows[0].count, 2u);
  EXPECT_EQ(messages_in(all[1]), 1u);
}

// What had room has it behind a restart, too, whoever came first.
TEST_F(report_file, LosesNothingByItsBounds) {
  const auto file = folder_ / "reports";
  const report_limits cases[] = {{.octets = 300'000}, {.octets_per_organization = 20'000}};
  for (const report_limits& limits : cases) {
    memory_report_store before(limits);
    before.add(policy_of_organization(1), large_row(0), start);
    for (const int who : {2, 1})
      for (int i = 0; i < 100; ++i) before.add(policy_of_organization(who), large_row(i), start);
    EXPECT_FALSE(before.save(file));
    memory_report_store after(limits);
    EXPECT_FALSE(after.load(file));
    EXPECT_EQ(after.dropped(), 0u);
    const auto all = all_of(before);
    ASSERT_EQ(all.size(), 2u);
    EXPECT_GT(all[0].dropped, 0u);
    EXPECT_EQ(all_of(after), all);
  }
}

// The periods before a restart are not those behind it.
TEST_F(report_file, KeepsPeriodsApart) {
  const auto file = folder_ / "reports";
  memory_report_store before;
  before.add(changed_policy(1), sample_row(), start);
  before.add(changed_policy(2), sample_row(), start);
  EXPECT_EQ(before.close(start + seconds(1), seconds(0)).size(), 2u);
  EXPECT_FALSE(before.save(file));
  memory_report_store after;
  EXPECT_FALSE(after.load(file));
  after.add(changed_policy(2), sample_row(), start);
  const auto all = all_of(after);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[2].begin, all[1].end);
}

TEST_F(report_file, CountsWhatHasNoRoomAnyMore) {
  const auto file = folder_ / "reports";
  report with_drops = sample_report();  // 4 messages in 2 rows, and 7 dropped
  report empty = with_drops;
  empty.rows.clear();
  std::ofstream(file, std::ios::binary) << write_reports({with_drops, empty, with_drops});
  memory_report_store none({.octets = 1000});
  EXPECT_FALSE(none.load(file));
  EXPECT_EQ(none.dropped(), 11u + 7u + 11u);
  memory_report_store one({.reports_per_organization = 1});
  EXPECT_FALSE(one.load(file));
  EXPECT_EQ(one.dropped(), 7u + 11u);
  const auto all = all_of(one);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0], with_drops);
}

// The file has what was counted before, whole, while others go on counting.
TEST_F(report_file, IsWrittenWhileOthersCount) {
  const auto file = folder_ / "reports";
  memory_report_store store;
  for (int i = 0; i < 2000; ++i)
    store.add(sample_policy(), sample_row(std::to_string(i) + ".example.com"), start);
  std::atomic<bool> done = false;
  std::thread other([&] {
    for (unsigned i = 0; !done; ++i) {
      const std::string from = std::to_string(i % 5000) + ".example.com";
      store.add(changed_policy(i % 3), sample_row(from), start + seconds(i));
      for (const std::uint64_t id : store.close(start + seconds(i), seconds(10))) store.settle(id);
    }
  });
  for (int i = 0; i < 5; ++i) {
    EXPECT_FALSE(store.save(file));
    memory_report_store copy;
    EXPECT_FALSE(copy.load(file));
  }
  done = true;
  other.join();
}

TEST_F(report_file, WhatCannotBeDone) {
  memory_report_store store;
  EXPECT_EQ(store.load(folder_ / "absent"), std::errc::no_such_file_or_directory);
  EXPECT_EQ(store.load(folder_), std::errc::is_a_directory);
  std::ofstream(folder_ / "damaged") << "hello";
  EXPECT_EQ(store.load(folder_ / "damaged"), std::errc::illegal_byte_sequence);
  std::string other = write_reports({});
  other.replace(other.find(" 2\n"), 3, " 1\n");
  std::ofstream(folder_ / "other") << other;
  EXPECT_EQ(store.load(folder_ / "other"), std::errc::not_supported);
  EXPECT_EQ(store.load(folder_ / "damaged" / "x"), std::errc::not_a_directory);
  EXPECT_EQ(store.save(folder_ / "no" / "such" / "folder"), std::errc::no_such_file_or_directory);
  std::filesystem::create_directory(folder_ / "taken");
  EXPECT_EQ(store.save(folder_ / "taken"), std::errc::is_a_directory);
  EXPECT_FALSE(std::filesystem::exists(folder_ / ".taken.new"));
  EXPECT_TRUE(all_of(store).empty());
}

}  // namespace
}  // namespace gatepost::checks::dmarc
