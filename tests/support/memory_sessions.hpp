// What the tests of the driver share: a session in memory with fakes around it.
#ifndef GATEPOST_TESTS_SUPPORT_MEMORY_SESSIONS_HPP
#define GATEPOST_TESTS_SUPPORT_MEMORY_SESSIONS_HPP

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "smtp/testing/fake_delivery.hpp"
#include "smtp/testing/fake_policy.hpp"
#include "smtp/testing/gate.hpp"
#include "smtp/testing/memory_session.hpp"
#include "tests/support/sessions.hpp"

namespace gatepost::tests {

// A session with its surroundings. Set the fakes up, then begin().
struct fake_session {
  explicit fake_session(smtp::channel settings = mx()) : settings(std::move(settings)) {}

  // The greeting.
  std::string begin() {
    session = std::make_unique<smtp::testing::memory_session>(settings, policy, delivery, options);
    return session->heard();
  }
  std::string says(std::string_view octets) { return session->says(octets); }
  // begin(), EHLO (or LHLO), MAIL and RCPT to each.
  std::string begin_message(std::initializer_list<std::string> to = {"b@example.test"},
                            std::string_view parameters = "") {
    begin();
    std::string said = says(settings.lmtp ? "LHLO client.example\r\n" : "EHLO client.example\r\n");
    said += says("MAIL FROM:<a@client.example>" + std::string(parameters) + "\r\n");
    for (const std::string& one : to) said += says("RCPT TO:<" + one + ">\r\n");
    return said;
  }
  // All of a message by DATA; gives what the server says of it.
  std::string sends(std::string_view text = "Subject: x\r\n\r\nhi\r\n") {
    says("DATA\r\n");
    return says(std::string(text) + ".\r\n");
  }
  // The events, without those of resolved recipients.
  std::vector<std::string> events() const {
    std::vector<std::string> all;
    for (const std::string& line : session->log.lines)
      if (line != "verdict rcpt delivery pass") all.push_back(line);
    return all;
  }

  smtp::channel settings;
  smtp::testing::gate gate;  // outlives the session
  smtp::testing::fake_policy policy;
  smtp::testing::fake_delivery delivery;
  smtp::testing::memory_session_options options;
  std::unique_ptr<smtp::testing::memory_session> session;
};

}  // namespace gatepost::tests

#endif  // GATEPOST_TESTS_SUPPORT_MEMORY_SESSIONS_HPP
