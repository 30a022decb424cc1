// Scripts and messages that the tests of client_session share.
#ifndef GATEPOST_TESTS_SMTP_CLIENT_SESSION_SUPPORT_HPP
#define GATEPOST_TESTS_SMTP_CLIENT_SESSION_SUPPORT_HPP

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <string_view>

#include "smtp/client_session.hpp"
#include "smtp/testing/client_script.hpp"

namespace gatepost::smtp {

using testing::client_run;
using testing::client_script;
using state = recipient_state;

inline address to_address(std::string_view text) {
  address_options options;
  options.utf8 = utf8_policy::smtputf8;
  const result<address> a = address::from_text(text, options);
  EXPECT_TRUE(a) << text;
  return a ? *a : address();
}

inline transaction message(std::initializer_list<std::string_view> to,
                           std::string_view from = "me@a.example") {
  transaction t;
  t.reverse_path = to_address(from);
  for (const std::string_view text : to) {
    recipient r;
    r.forward_path = to_address(text);
    t.recipients.push_back(r);
  }
  return t;
}

inline transaction to_two() { return message({"x@b.example", "y@b.example"}); }

inline client_options lock_step() {
  client_options o;
  o.ignored = {extension::pipelining};
  return o;
}

inline client_options chunked() {
  client_options o;
  o.chunking = chunking_use::when_offered;
  return o;
}

// EHLO and its reply, with these features.
inline client_script& greet(client_script& s, std::string_view features,
                            std::string_view verb = "EHLO") {
  std::string reply = "250-mx.example at your service\r\n";
  while (!features.empty()) {
    const std::size_t comma = features.find(',');
    reply.append("250-").append(features.substr(0, comma)).append("\r\n");
    features.remove_prefix(comma == std::string_view::npos ? features.size() : comma + 1);
  }
  reply[reply.rfind("250-") + 3] = ' ';
  return s.client(std::string(verb) + " localhost\r\n").server(reply);
}

// A script that is past EHLO.
inline client_script greeted(std::string_view features, client_options o = {}) {
  client_script s(o);
  s.server("220 mx.example ESMTP\r\n");
  return greet(s, features, o.protocol == client_protocol::lmtp ? "LHLO" : "EHLO");
}

inline client_script& closing(client_script& s) {
  return s.quits().client("QUIT\r\n").server("221 bye\r\n");
}

// "delivered 250, failed 550 5.1.1"
inline std::string summary(const transaction_outcome& o) {
  std::string out;
  for (const recipient_outcome& r : o.recipients) {
    if (!out.empty()) out += ", ";
    out += std::string(to_string(r.state)) + " " + std::to_string(r.reply.code());
    if (r.in_doubt) out += " in doubt";
    if (r.state != state::untried && !r.from_server) out += " (ours)";
  }
  return out;
}

inline constexpr std::string_view text = "Subject: hi\r\n\r\n.dot\r\nbye\r\n";
inline constexpr std::string_view stuffed = "Subject: hi\r\n\r\n..dot\r\nbye\r\n.\r\n";

inline constexpr std::string_view bdat_envelope =
    "MAIL FROM:<me@a.example>\r\nRCPT TO:<x@b.example>\r\n";

// Under TLS from the first octet, with a certificate that nobody has verified.
inline client_options with_login() {
  client_options o;
  o.login = credentials("user", "secret");
  o.tls_active = true;
  o.auth_without_verification = true;
  return o;
}

// One message to two recipients, of whom the second is refused.
inline client_script plain_message() {
  client_script s = greeted("PIPELINING");
  s.sends(to_two(), text)
      .client(
          "MAIL FROM:<me@a.example>\r\nRCPT TO:<x@b.example>\r\nRCPT TO:<y@b.example>\r\nDATA\r\n")
      .server("250 ok\r\n250 ok\r\n550 no\r\n354 go\r\n")
      .client(stuffed)
      .server("250 ok\r\n");
  return s;
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_TESTS_SMTP_CLIENT_SESSION_SUPPORT_HPP
