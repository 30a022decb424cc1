// What TLS offers to those who want to make a server work: renegotiation, and handshakes by the
// thousand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "smtp/server.hpp"
#include "smtp/tls/self_signed.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/running_server.hpp"

namespace gatepost::smtp {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using tests::raw_client;
using tests::running_server;

constexpr const char* openssl = "/usr/bin/openssl";

class server_tls_abuse : public ::testing::Test {
 protected:
  server_tls_abuse() {
    const pem_pair pem = make_self_signed({"mx.example.test"}, 5);
    tls_server_options o;
    o.certificates.push_back(certificate_source::from_pem(pem.cert_pem, pem.key_pem));
    const auto loaded = context_.load(o);
    EXPECT_TRUE(loaded) << loaded.error;
  }

  server_options options() const {
    server_options o;
    o.tls = &context_;
    return o;
  }

  server_context context_;
};

// OpenSSL's client with `input`, and what it says until it ends; it is not told to end.
std::string s_client(std::uint16_t port, const std::string& options, const std::string& input) {
  int ends[2];
  if (::pipe(ends) != 0) return "no pipe";
  const std::string command = "timeout 20 " + std::string(openssl) +
                              " s_client -connect 127.0.0.1:" + std::to_string(port) +
                              " -starttls smtp " + options + " 2>&1 <&" + std::to_string(ends[0]);
  FILE* out = ::popen(command.c_str(), "r");
  ::close(ends[0]);
  const bool written =
      ::write(ends[1], input.data(), input.size()) == static_cast<ssize_t>(input.size());
  std::string said = written ? "" : "nothing written";
  char buffer[4096];
  while (out != nullptr && std::fgets(buffer, sizeof buffer, out) != nullptr) said += buffer;
  ::close(ends[1]);
  if (out != nullptr) ::pclose(out);
  return said;
}

TEST_F(server_tls_abuse, renegotiation_ends_the_session) {
  if (::access(openssl, X_OK) != 0) {
    if (std::getenv("CI") != nullptr) FAIL() << openssl << " is absent";
    GTEST_SKIP() << openssl << " is absent: not tested";
  }
  running_server server(options(), {{.address = "127.0.0.1:0"}});
  // To this client a line that begins with R is the order to renegotiate, and Q to leave.
  const std::string asked = s_client(server.port(), "-tls1_2 -crlf", "R\n");
  EXPECT_THAT(asked, HasSubstr("RENEGOTIATING"));
  ASSERT_TRUE(server.log.ended(1)) << asked;
  EXPECT_THAT(server.log.troubles(),
              ElementsAre(HasSubstr("the peer asked for renegotiation, which is refused")));
  // The same client without it is served.
  const std::string polite = s_client(server.port(), "-tls1_2 -crlf", "quit\n");
  EXPECT_THAT(polite, HasSubstr("221 2.0.0 Bye"));
  EXPECT_THAT(asked, Not(HasSubstr("221 2.0.0 Bye")));
  ASSERT_TRUE(server.log.ended(2)) << polite;
}

TEST_F(server_tls_abuse, who_is_turned_away_costs_no_handshake) {
  server_options o = options();
  o.connections.per_network = 1;
  running_server server(o, {{.address = "127.0.0.1:0", .implicit_tls = true}});
  raw_client first(server.port());  // accepted before those that come after it
  for (int i = 0; i < 20; ++i) {
    raw_client next(server.port());
    EXPECT_TRUE(next.closed());  // not an octet, and none was waited for
  }
  EXPECT_EQ(server.log.refused("connections_per_network"), 20);
  EXPECT_EQ(server->counters().accepted, 1u);
}

}  // namespace
}  // namespace gatepost::smtp
