// This header stands alone.
#include "checks/volume_limit.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "checks/testing.hpp"

namespace gatepost::checks {
namespace {

using namespace std::chrono_literals;
using by = volume_limit_options::sender;

class VolumeLimit : public ::testing::Test {
 protected:
  void make(volume_limit_options options) {
    options.now = [this] { return now_; };
    t_.add<volume_limit>(std::move(options));
    t_.facts().client.address = *smtp::parse_ip_address("192.0.2.1");
  }

  int mail(const char* from = "<a@example.test>") { return t_.mail(from).reply().code(); }
  int rcpt(const char* to = "<b@example.test>") { return t_.rcpt(to).reply().code(); }

  std::chrono::steady_clock::time_point now_{1h};
  trial t_;
};

TEST_F(VolumeLimit, MessagesOfASession) {
  make({.messages = 2});
  EXPECT_EQ(mail(), 0);
  EXPECT_EQ(mail(), 0);
  EXPECT_EQ(mail(), 421);
  t_.leave();
  EXPECT_EQ(mail(), 0);
}

TEST_F(VolumeLimit, RecipientsOfAllMessagesOfASession) {
  make({.recipients = 3});
  mail();
  EXPECT_EQ(rcpt(), 0);
  EXPECT_EQ(rcpt(), 0);
  mail();
  EXPECT_EQ(rcpt(), 0);
  EXPECT_EQ(rcpt(), 452);
}

TEST_F(VolumeLimit, WhoGuessesIsSentAway) {
  make({.unknown_recipients = 3});
  mail();
  EXPECT_EQ(rcpt(), 0);
  t_.facts().bad_recipients = 2;
  EXPECT_EQ(rcpt(), 0);
  t_.facts().bad_recipients = 3;
  EXPECT_EQ(rcpt(), 421);
}

TEST_F(VolumeLimit, ZeroIsNoLimit) {
  make({.messages = 0, .recipients = 0, .unknown_recipients = 0});
  t_.facts().bad_recipients = 1000;
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(mail(), 0);
    for (int j = 0; j < 10; ++j) EXPECT_EQ(rcpt(), 0);
  }
}

TEST_F(VolumeLimit, MessagesOfAnIdentityOverItsSessions) {
  make({.sender_messages = {2, 2s}});
  EXPECT_EQ(mail(), 0);
  EXPECT_EQ(mail(), 0);
  EXPECT_EQ(mail(), 0) << "nobody is authenticated";
  t_.facts().auth_identity = "ann";
  EXPECT_EQ(mail(), 0);
  t_.leave();
  EXPECT_EQ(mail(), 0);
  EXPECT_EQ(mail(), 450);
  t_.facts().auth_identity = "bob";
  EXPECT_EQ(mail(), 0);
  t_.facts().auth_identity = "ann";
  now_ += 1s;
  EXPECT_EQ(mail(), 0);
  EXPECT_EQ(mail(), 450);
}

TEST_F(VolumeLimit, RecipientsOfANetwork) {
  make({.by = by::network, .sender_recipients = {2, 1h}});
  mail();
  EXPECT_EQ(rcpt(), 0);
  EXPECT_EQ(rcpt(), 0);
  EXPECT_EQ(rcpt(), 450);
  t_.facts().client.address = *smtp::parse_ip_address("192.0.2.2");
  EXPECT_EQ(rcpt(), 0);
}

TEST_F(VolumeLimit, MessagesOfAReversePath) {
  make({.by = by::reverse_path, .sender_messages = {1, 1h}});
  EXPECT_EQ(mail("<a@example.test>"), 0);
  EXPECT_EQ(mail("<\"a\"@EXAMPLE.test>"), 450);
  EXPECT_EQ(mail("<A@example.test>"), 0) << "RFC 5321 section 2.4: local parts have case";
  EXPECT_EQ(mail("<>"), 0);
  EXPECT_EQ(mail("<>"), 0);
}

TEST_F(VolumeLimit, SomeAreExempt) {
  make({.messages = 1});
  t_.facts().client.address = *smtp::parse_ip_address("127.0.0.1");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(mail(), 0);
}

}  // namespace
}  // namespace gatepost::checks
