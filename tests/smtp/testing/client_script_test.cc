// This header stands alone.
#include "smtp/testing/client_script.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gatepost::smtp::testing {
namespace {

using ::testing::HasSubstr;

transaction message() {
  transaction t;
  t.recipients.emplace_back().forward_path = *address::from_text("b@b.example");
  return t;
}

client_script hello() {
  client_script s;
  s.server("220 x\r\n").client("EHLO localhost\r\n").server("250-x\r\n250 PIPELINING\r\n");
  return s;
}

TEST(client_script, a_script_that_fits) {
  client_script s = hello();
  s.sends(message(), "a")
      .client("MAIL FROM:<>\r\nRCPT TO:<b@b.example>\r\nDATA\r\n")
      .server("250 ok\r\n250 ok\r\n354 ok\r\n")
      .client("a\r\n.\r\n")
      .server("250 ok\r\n");
  EXPECT_EQ(s.check(), "");
  EXPECT_EQ(s.play().outcomes.at(0).count(recipient_state::delivered), 1u);
  EXPECT_EQ(s.play_octets().outcomes.at(0).count(recipient_state::delivered), 1u);
  EXPECT_TRUE(s.play_lost(7).outcomes.at(0).in_doubt());
  EXPECT_FALSE(s.play_lost(5).outcomes.at(0).in_doubt());
  EXPECT_EQ(s.play_lost(0, errc::timed_out).failure.error, errc::timed_out);
}

TEST(client_script, says_what_does_not_fit) {
  client_script other_text;
  other_text.server("220 x\r\n").client("HELO localhost\r\n");
  EXPECT_EQ(other_text.check(),
            "step 1: the session says write \"EHLO localhost\\r\\n\"; the script has \"HELO "
            "localhost\\r\\n\"; expected HELO localhost\\r\\n");

  client_script too_short;
  too_short.server("220 x\r\n");
  EXPECT_THAT(too_short.check(), HasSubstr("the script has its end"));

  client_script too_long = hello();
  too_long.server("250 x\r\n");
  EXPECT_THAT(too_long.check(), HasSubstr("step 3: the session says idle"));

  client_script other_failure;
  other_failure.server("boo\r\n").fails(errc::timed_out);
  EXPECT_THAT(other_failure.check(), HasSubstr("step 1: the session says failed"));

  client_script no_failure = hello();
  no_failure.fails(errc::timed_out);
  EXPECT_THAT(no_failure.check(), HasSubstr("step 3"));

  client_script no_tls = hello();
  no_tls.starts_tls();
  EXPECT_THAT(no_tls.check(), HasSubstr("step 3"));
}

TEST(client_script, keeps_a_transcript) {
  client_script s = hello();
  s.quits().client("QUIT\r\n").server("221 bye\r\n");
  EXPECT_THAT(s.play().transcript,
              ::testing::ElementsAre("S: 220 x", "C: EHLO localhost", "S: 250-x",
                                     "S: 250 PIPELINING", "C: QUIT", "S: 221 bye"));
}

}  // namespace
}  // namespace gatepost::smtp::testing
