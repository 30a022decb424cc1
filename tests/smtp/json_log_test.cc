// This header stands alone.
#include "smtp/json_log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "tests/support/json.hpp"

namespace gatepost::smtp {
namespace {

using ::testing::HasSubstr;

class json_log_test : public ::testing::Test {
 protected:
  json_log_test() {
    path_ = std::filesystem::path(::testing::TempDir()) /
            ("json_log_" +
             std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()));
    std::filesystem::remove(path_);
    options_.file = path_.string();
    facts_.id = "35ABC";
    facts_.client = {*parse_ip_address("192.0.2.1"), 4321};
  }

  json_log& log() {
    if (!log_) {
      std::string problem;
      log_ = json_log::open(options_, problem);
      EXPECT_EQ(problem, "");
    }
    return *log_;
  }

  std::vector<std::string> lines(const std::filesystem::path& from) {
    std::ifstream in(from);
    std::vector<std::string> all;
    for (std::string line; std::getline(in, line);) all.push_back(line);
    return all;
  }
  std::vector<std::string> lines() { return lines(path_); }

  std::filesystem::path path_;
  json_log_options options_;
  std::unique_ptr<json_log> log_;
  session_facts facts_;
  envelope envelope_;
};

TEST_F(json_log_test, a_message_is_one_object) {
  facts_.helo = "client.example";
  const reply said(250, {2, 0, 0}, "OK");
  log().on_message({facts_, envelope_, "accepted", "q1", said, 1234, std::chrono::milliseconds(5)});
  ASSERT_EQ(lines().size(), 1u);
  EXPECT_NO_THROW(tests::parse_json(lines().front()));
  EXPECT_THAT(lines().front(),
              HasSubstr(R"("event":"message","session":"35ABC","client":"192.0.2.1:4321")"));
  EXPECT_THAT(lines().front(),
              HasSubstr(R"("result":"accepted","queue":"q1","reply":"250 2.0.0 OK")"));
  EXPECT_THAT(lines().front(), HasSubstr(R"("size":1234,"seconds":0.005000})"));
}

// By a proxy at a Unix socket comes whom the proxy tells of, and nobody before.
TEST_F(json_log_test, a_client_behind_a_unix_socket) {
  facts_.unix_peer = "/run/proxy";
  const reply said(250, {2, 0, 0}, "OK");
  log().on_message({facts_, envelope_, "accepted", "q1", said, 1234, {}});
  facts_.trusted_hop = true;
  log().on_message({facts_, envelope_, "accepted", "q1", said, 1234, {}});
  EXPECT_THAT(lines().at(0), HasSubstr(R"("client":"unix:/run/proxy")"));
  EXPECT_THAT(lines().at(1), HasSubstr(R"("client":"192.0.2.1:4321","peer":"unix:/run/proxy")"));
}

// What a client chose cannot end a line, nor make one of its own.
TEST_F(json_log_test, hostile_text_stays_inside_its_string) {
  facts_.helo = "x\"}\r\n{\"event\":\"forged\xff\x80{}%s";
  log().on_session_end({facts_, "quit", 1, 2, {}});
  ASSERT_EQ(lines().size(), 1u);
  EXPECT_NO_THROW(tests::parse_json(lines().front()));
  EXPECT_THAT(lines().front(), HasSubstr(R"("helo":"x\"}\u000d\u000a{\"event\":\"forged)"));
}

TEST_F(json_log_test, levels) {
  options_.at_least = log_level::warning;
  log().on_connection({facts_, true, {}});
  log().on_session_end({facts_, "quit", 1, 2, {}});
  EXPECT_EQ(lines().size(), 0u);
  log().on_connection({facts_, false, "connections"});
  log().on_trouble({"spool", "disk full", "35ABC"});
  log().on_trouble({.where = "tls", .what = "no", .session_id = "35ABD", .by_client = true});
  ASSERT_EQ(lines().size(), 3u);
  EXPECT_THAT(lines()[2], HasSubstr(R"("level":"warning","event":"trouble")"));
  EXPECT_THAT(lines()[0], HasSubstr(R"("accepted":false,"refused_by":"connections")"));
  EXPECT_THAT(lines()[1], HasSubstr(R"("level":"error","event":"trouble")"));
}

TEST_F(json_log_test, passing_verdicts_are_for_debugging) {
  log().on_verdict({facts_, envelope_, "connect", "helo", verdict::pass(), {}});
  EXPECT_EQ(lines().size(), 0u);
  log().on_verdict(
      {facts_, envelope_, "connect", "helo", verdict::refuse({550, {5, 7, 1}, "no"}), {}});
  ASSERT_EQ(lines().size(), 1u);
  EXPECT_THAT(lines()[0], HasSubstr(R"("check":"helo","verdict":"refuse","reason":"no")"));
}

TEST_F(json_log_test, reopen_follows_rotation) {
  log().on_trouble({"a", "before", {}});
  const auto moved = path_.string() + ".1";
  std::filesystem::rename(path_, moved);
  log().on_trouble({"a", "still the old file", {}});
  EXPECT_EQ(log().reopen(), "");
  log().on_trouble({"a", "after", {}});
  EXPECT_EQ(lines(moved).size(), 2u);
  EXPECT_EQ(lines().size(), 1u);
}

TEST_F(json_log_test, a_file_that_cannot_be_written_is_named) {
  options_.file = "/proc/no/such/log";
  std::string problem;
  EXPECT_EQ(json_log::open(options_, problem), nullptr);
  EXPECT_THAT(problem, HasSubstr("/proc/no/such: there is no such folder"));
}

TEST_F(json_log_test, transcripts_by_network_and_by_share) {
  options_.transcript_clients = *parse_network_set("192.0.2.0/24");
  EXPECT_TRUE(log().wants_transcript(facts_));
  facts_.client.address = *parse_ip_address("198.51.100.1");
  EXPECT_FALSE(log().wants_transcript(facts_));

  options_.transcript_share = 0.25;
  log_.reset();
  int wanted = 0;
  for (int i = 0; i < 4000; ++i) {
    facts_.id = "35ABC" + std::to_string(i);
    const bool wants = log().wants_transcript(facts_);
    EXPECT_EQ(wants, log().wants_transcript(facts_));  // the same session, the same answer
    wanted += wants;
  }
  EXPECT_GT(wanted, 800);
  EXPECT_LT(wanted, 1200);
}

TEST_F(json_log_test, many_threads_write_whole_lines) {
  std::vector<std::thread> threads;
  json_log& shared = log();
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&shared] {
      for (int i = 0; i < 200; ++i) shared.on_trouble({"thread", "some text to write", {}});
    });
  for (std::thread& t : threads) t.join();
  ASSERT_EQ(lines().size(), 800u);
  for (const std::string& line : lines()) ASSERT_NO_THROW(tests::parse_json(line)) << line;
}

}  // namespace
}  // namespace gatepost::smtp
