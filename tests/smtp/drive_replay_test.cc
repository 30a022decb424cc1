// Whole conversations through the driver, with a policy and a delivery behind it: cut at each
// octet, and with each mishap at each octet and at each question. Always the same holds: what the
// server says are whole replies; the session comes to its end; and there is a 250 for a message
// only where the delivery has it, once, with all of its text.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "smtp/auth.hpp"
#include "smtp/drive.hpp"
#include "smtp/ip.hpp"
#include "smtp/memory_budget.hpp"
#include "smtp/testing/script.hpp"
#include "tests/support/memory_sessions.hpp"

namespace gatepost::smtp {
namespace {

using namespace std::chrono_literals;
using namespace tests;  // NOLINT(google-build-using-namespace)
using testing::fake_delivery;

struct conversation {
  const char* name;
  std::vector<std::string> texts;     // what the client sends
  std::vector<std::string> messages;  // what of it is kept where nothing goes wrong
  std::size_t replies_each = 1;       // to one message
  bool lmtp = false;
  bool auth_first = false;
  std::size_t handshake_behind = 0;  // so many of the texts; 0: there is none
};

// Asks twice, and takes what it is told. Throws where it is told to, at the n-th step.
class two_steps final : public authenticator {
 public:
  std::unique_ptr<auth_exchange> start(std::string_view, const session_facts&) override {
    return std::make_unique<exchange>(*this);
  }
  std::size_t steps = 0;
  std::size_t throws_at = 0;  // 0: never

 private:
  class exchange final : public auth_exchange {
   public:
    explicit exchange(two_steps& all) : all_(all) {}
    asio::awaitable<auth_answer> step(std::string response, bool) override {
      if (++all_.steps == all_.throws_at) throw std::runtime_error("the directory is down");
      if (++asked_ < 3) co_return auth_answer::challenge("?");
      co_return auth_answer::success(std::move(response));
    }

   private:
    two_steps& all_;
    int asked_ = 0;
  };
};

const std::string envelope = "MAIL FROM:<a@client.example>\r\nRCPT TO:<b@example.test>\r\n";

const conversation conversations[] = {
    {.name = "one_by_data",
     .texts = {"EHLO client.example\r\n", "MAIL FROM:<a@client.example>\r\n",
               "RCPT TO:<b@example.test>\r\n", "RCPT TO:<c@example.test>\r\n", "DATA\r\n",
               "Subject: x\r\n\r\n..hi\r\n.\r\n", "QUIT\r\n"},
     .messages = {"Subject: x\r\n\r\n.hi\r\n"}},
    {.name = "pipelined",
     .texts = {"EHLO client.example\r\n", envelope + "DATA\r\n",
               "a: b\r\n\r\n1\r\n.\r\n" + envelope + "DATA\r\n", "a: b\r\n\r\n2\r\n.\r\nQUIT\r\n"},
     .messages = {"a: b\r\n\r\n1\r\n", "a: b\r\n\r\n2\r\n"}},
    {.name = "chunks",
     .texts = {"EHLO client.example\r\n", envelope + "BDAT 8\r\na: b\r\n\r\n", "BDAT 4\r\nhi\r\n",
               "BDAT 0 LAST\r\nQUIT\r\n"},
     .messages = {"a: b\r\n\r\nhi\r\n"}},
    {.name = "refused_and_reset",
     .texts = {"HELO client.example\r\n", "RCPT TO:<b@example.test>\r\n", "WHAT\r\n", envelope,
               "RSET\r\n", envelope + "DATA\r\n", "no header\r\n.\r\n",
               "VRFY x\r\nNOOP\r\nQUIT\r\n"},
     .messages = {"no header\r\n"}},
    {.name = "lmtp",
     .texts = {"LHLO client.example\r\n", envelope + "RCPT TO:<c@example.test>\r\nDATA\r\n",
               "a: b\r\n\r\nx\r\n.\r\n", "QUIT\r\n"},
     .messages = {"a: b\r\n\r\nx\r\n"},
     .replies_each = 2,
     .lmtp = true},
    {.name = "auth",
     .texts = {"EHLO client.example\r\n", "AUTH LOGIN\r\n", "dXNlcg==\r\n", "cHc=\r\n",
               envelope + "DATA\r\n", "a: b\r\n\r\nx\r\n.\r\n", "QUIT\r\n"},
     .messages = {"a: b\r\n\r\nx\r\n"},
     .auth_first = true},
    {.name = "prdr",
     .texts = {"EHLO client.example\r\n",
               "MAIL FROM:<a@client.example> PRDR\r\nRCPT TO:<b@example.test>\r\n"
               "RCPT TO:<c@example.test>\r\nDATA\r\n",
               "a: b\r\n\r\nx\r\n.\r\n", "QUIT\r\n"},
     .messages = {"a: b\r\n\r\nx\r\n"},
     .replies_each = 3},
    {.name = "starttls",
     .texts = {"EHLO client.example\r\n", "STARTTLS\r\n", "EHLO client.example\r\n",
               envelope + "DATA\r\n", "a: b\r\n\r\nx\r\n.\r\n", "QUIT\r\n"},
     .messages = {"a: b\r\n\r\nx\r\n"},
     .handshake_behind = 2},
    {.name = "xclient",
     .texts = {"EHLO proxy.example\r\n", "XFORWARD NAME=a.example ADDR=192.0.2.8\r\n",
               "XCLIENT NAME=client.example ADDR=192.0.2.99 HELO=client.example\r\n",
               "EHLO client.example\r\n", envelope + "DATA\r\n", "a: b\r\n\r\nx\r\n.\r\n",
               "QUIT\r\n"},
     .messages = {"a: b\r\n\r\nx\r\n"}},
    {.name = "etrn",
     .texts = {"EHLO client.example\r\n", "ETRN example.test\r\n", "ETRN\r\n",
               envelope + "ETRN example.test\r\nDATA\r\n", "a: b\r\n\r\nx\r\n.\r\n", "QUIT\r\n"},
     .messages = {"a: b\r\n\r\nx\r\n"}},
    {.name = "smuggling",
     .texts = {"EHLO client.example\r\n", envelope + "DATA\r\n",
               "a: b\r\n\r\nx\n.\nMAIL FROM:<evil@evil.example>\r\n.\r\n", "QUIT\r\n"},
     .messages = {}},
};

class drive_replay : public ::testing::TestWithParam<conversation> {
 protected:
  drive_replay() { f.options.memory = &budget; }

  static std::string whole() {
    std::string all;
    for (const std::string& text : GetParam().texts) all += text;
    return all;
  }

  void begin() {
    f.settings.lmtp = GetParam().lmtp;
    for (const extension e :
         {extension::prdr, extension::xclient, extension::xforward, extension::etrn})
      f.settings.extensions.add(e);
    f.settings.xclient_from = {*parse_ip_network("192.0.2.0/24")};
    f.options.tls = GetParam().handshake_behind > 0;
    if (GetParam().auth_first) {
      f.settings.extensions.add(extension::auth);
      f.settings.auth_mechanisms = {"LOGIN"};
      f.settings.auth_without_tls = f.settings.require_auth = true;
      f.options.authenticator = &auth;
    }
    f.delivery.answers(reply(250, {2, 0, 0}, "Kept"));
    said = f.begin();
  }

  // Sends, as long as anybody listens.
  void send(std::string_view octets) {
    const std::size_t handshake = at_handshake();
    const std::size_t before = sent < handshake ? std::min(octets.size(), handshake - sent) : 0;
    say(octets.substr(0, before));
    if (before == octets.size()) return;
    if (sent == handshake && !f.session->ended()) f.session->starts_tls();
    say(octets.substr(before));
  }
  void send_all() {
    for (const std::string& text : GetParam().texts) send(text);
  }

  void say(std::string_view octets) {
    sent += octets.size();
    if (!f.session->ended()) said += f.says(octets);
  }

  // So many octets come before the handshake.
  static std::size_t at_handshake() {
    if (GetParam().handshake_behind == 0) return std::string::npos;
    std::size_t octets = 0;
    for (std::size_t i = 0; i < GetParam().handshake_behind; ++i)
      octets += GetParam().texts[i].size();
    return octets;
  }

  std::size_t kept_replies() const {
    std::size_t count = 0;
    for (std::size_t at = 0; (at = said.find("250 2.0.0 Kept", at)) != said.npos; ++at) ++count;
    return count;
  }

  // What holds always, once the client is done.
  void check_end() {
    said += f.session->heard();
    EXPECT_TRUE(f.session->ended());
    EXPECT_EQ(testing::reply_fault(said), "");
    const auto& kept = f.delivery.kept;
    const auto revoked = [](const testing::kept_message& m) { return m.revoked; };
    const auto stays = kept.size() - std::count_if(kept.begin(), kept.end(), revoked);
    EXPECT_LE(kept_replies(), stays * GetParam().replies_each) << "a 250 for nothing";
    for (const testing::kept_message& m : kept)
      EXPECT_THAT(GetParam().messages, ::testing::Contains(m.received));
    EXPECT_EQ(budget.used(), 0u);
  }

  // And what does where nothing goes wrong.
  void check_whole() {
    check_end();
    EXPECT_EQ(f.session->ended_by(), "quit");
    EXPECT_EQ(kept_replies(), GetParam().messages.size() * GetParam().replies_each);
    ASSERT_EQ(f.delivery.kept.size(), GetParam().messages.size());
    for (std::size_t i = 0; i < f.delivery.kept.size(); ++i)
      EXPECT_EQ(f.delivery.kept[i].received, GetParam().messages[i]);
  }

  memory_budget budget{1u << 20};
  two_steps auth;
  fake_session f;
  std::string said;
  std::size_t sent = 0;  // octets
};

// Each run needs surroundings of its own.
class replay final : public drive_replay {
 public:
  void TestBody() override {}
  using drive_replay::at_handshake;
  using drive_replay::auth;
  using drive_replay::begin;
  using drive_replay::check_end;
  using drive_replay::check_whole;
  using drive_replay::f;
  using drive_replay::said;
  using drive_replay::send;
  using drive_replay::send_all;
};

TEST_P(drive_replay, as_it_stands) {
  begin();
  send_all();
  check_whole();
}

TEST_P(drive_replay, cut_at_each_octet) {
  begin();
  send_all();
  const std::string once = said;
  const std::string all = whole();
  for (std::size_t at = 1; at < all.size(); ++at) {
    SCOPED_TRACE("cut at " + std::to_string(at));
    replay r;
    r.begin();
    r.send(std::string_view(all).substr(0, at));
    r.send(std::string_view(all).substr(at));
    r.check_whole();
    EXPECT_EQ(r.said, once);
  }
  replay octets;
  octets.begin();
  for (const char octet : all) octets.send({&octet, 1});
  octets.check_whole();
  EXPECT_EQ(octets.said, once);
}

struct mishap {
  const char* name;
  std::function<void(fake_session&)> happens;
  std::vector<std::string_view> ends_by;
};

const mishap mishaps[] = {
    {"the client leaves", [](fake_session& f) { f.session->leaves(); }, {"client left", "quit"}},
    {"the connection breaks",
     [](fake_session& f) { f.session->breaks_off(); },
     {"client left", "quit"}},
    {"silence", [](fake_session& f) { f.session->advance(6min); }, {"timeout", "quit"}},
    {"the session takes too long",
     [](fake_session& f) { f.session->advance(3h); },
     {"timeout", "quit"}},
    {"a stop at once", [](fake_session& f) { f.session->stop_now(); }, {"shutdown", "quit"}},
};

TEST_P(drive_replay, a_mishap_at_each_octet) {
  const std::string all = whole();
  for (const mishap& m : mishaps) {
    for (std::size_t at = 0; at <= all.size(); ++at) {
      SCOPED_TRACE(std::string(m.name) + " after " + std::to_string(at));
      replay r;
      r.begin();
      r.send(std::string_view(all).substr(0, at));
      m.happens(r.f);
      r.check_end();
      std::vector<std::string_view> ends_by = m.ends_by;
      if (at == replay::at_handshake()) ends_by.push_back("tls failed");
      EXPECT_THAT(ends_by, ::testing::Contains(r.f.session->ended_by()));
    }
  }
}

// Who has begun a transaction may finish it; nobody begins another one.
TEST_P(drive_replay, a_graceful_stop_at_each_octet) {
  const std::string all = whole();
  for (std::size_t at = 0; at <= all.size(); ++at) {
    SCOPED_TRACE(at);
    replay r;
    r.begin();
    r.send(std::string_view(all).substr(0, at));
    if (!r.f.session->ended()) r.f.session->stop();
    r.send(std::string_view(all).substr(at));
    r.check_end();
  }
}

// A check that throws, at each question, is a 4xx or, at connect, the end; and no message is kept
// for which the client did not hear 250.
TEST_P(drive_replay, the_policy_throws_at_each_question) {
  begin();
  send_all();
  const std::size_t questions = f.policy.questions;
  EXPECT_GT(questions, 3u);
  for (std::size_t n = 0; n < questions; ++n) {
    SCOPED_TRACE("question " + std::to_string(n));
    replay r;
    r.f.policy.fails_at(n);
    r.begin();
    r.send_all();
    r.check_end();
    EXPECT_THAT(r.said, ::testing::HasSubstr("Local error in processing"));
    EXPECT_THAT(r.f.events(), ::testing::Contains("trouble policy: the policy is broken"));
  }
}

TEST_P(drive_replay, the_authenticator_throws_at_each_step) {
  for (std::size_t n = 1; GetParam().auth_first && n <= 3; ++n) {
    SCOPED_TRACE(n);
    replay r;
    r.auth.throws_at = n;
    r.begin();
    r.send_all();
    r.check_end();
    EXPECT_THAT(r.said, ::testing::HasSubstr("454 4.7.0 Temporary authentication failure"));
    EXPECT_THAT(r.f.delivery.kept, ::testing::IsEmpty());  // require_auth
  }
}

TEST_P(drive_replay, the_delivery_fails_at_each_step) {
  using step = fake_delivery::step;
  for (const step s : {step::resolve, step::begin, step::write, step::commit}) {
    for (const auto how : {fake_delivery::fault::error, fake_delivery::fault::exception}) {
      for (std::size_t n = 1; n <= 4; ++n) {
        SCOPED_TRACE("step " + std::to_string(static_cast<int>(s)) + ", call " + std::to_string(n));
        replay r;
        r.f.delivery.fails_at(s, n, how);
        r.begin();
        r.send_all();
        r.check_end();
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(all, drive_replay, ::testing::ValuesIn(conversations),
                         [](const auto& p) { return std::string(p.param.name); });

}  // namespace
}  // namespace gatepost::smtp
