// A scripted server for client_session: a conversation as a table, played with every cut and every
// loss.
//
//     client_script s;
//     s.server("220 mx.example ESMTP\r\n").client("EHLO localhost\r\n").server("250
//     mx.example\r\n")
//         .sends(message, "Subject: hi\r\n\r\n")
//         .client("MAIL FROM:<a@b.example>\r\n").server("250 ok\r\n")...
//         .quits().client("QUIT\r\n").server("221 bye\r\n");
//     EXPECT_EQ(s.check(), "");
//
// A client() step is one write: its text is compared octet by octet, so that the script shows what
// travels in one segment. check() plays the script as it stands, with each octet of the server by
// itself, with each of its texts cut in two at each place, and with the connection lost or timed
// out in each step and in the middle of each text. What it returns is what went wrong, for people;
// nothing is printed, and no test framework is needed.
#ifndef GATEPOST_SMTP_TESTING_CLIENT_SCRIPT_HPP
#define GATEPOST_SMTP_TESTING_CLIENT_SCRIPT_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "smtp/client_session.hpp"
#include "smtp/config.hpp"

namespace gatepost::smtp::testing {

// How a played script went.
struct client_run {
  client_run() = default;

  std::string problem;                        // empty: as written
  std::vector<transaction_outcome> outcomes;  // one for each sends()
  client_failure failure;                     // where the session failed
  server_features features;                   // at the end
  std::vector<std::string> transcript;        // "C: MAIL FROM:<>", "S: 250 ok"
  bool logged_in = false;
  bool end_sent = false;  // a write with the end of a message was begun
};

class client_script {
 public:
  explicit client_script(client_options options = {}) : options_(std::move(options)) {}

  // --- The conversation --------------------------------------------------------------------------
  GATEPOST_DECL client_script& server(std::string_view text);
  GATEPOST_DECL client_script& client(std::string_view text);
  // The handshake; it succeeds, and the certificate is verified.
  GATEPOST_DECL client_script& starts_tls();
  GATEPOST_DECL client_script& tls_fails();
  // A transaction begins. The message is given in pieces of `piece` octets; 0: in one, the last.
  GATEPOST_DECL client_script& sends(transaction t, std::string_view text = {},
                                     std::size_t piece = 0);
  // As sends(), but the message breaks off behind `text`.
  GATEPOST_DECL client_script& breaks_off(transaction t, std::string_view text);
  GATEPOST_DECL client_script& quits();
  // The server talks while the client is idle.
  GATEPOST_DECL client_script& server_while_idle(std::string_view text);
  // The server talks before the client has said what comes next, or while it writes the message.
  GATEPOST_DECL client_script& server_too_early(std::string_view text);
  // The session fails with this; only as the last step.
  GATEPOST_DECL client_script& fails(std::error_code why);

  // --- Playing it --------------------------------------------------------------------------------
  GATEPOST_DECL client_run play() const;
  // Each octet of the server by itself.
  GATEPOST_DECL client_run play_octets() const;
  // The connection is lost in the step of this number (of steps()): a write was begun, and of a
  // text of the server `heard` octets were read.
  GATEPOST_DECL client_run play_lost(std::size_t step, std::error_code why = errc::connection_lost,
                                     std::size_t heard = 0) const;
  std::size_t steps() const { return steps_.size(); }

  // All of the above; empty: every run went as it should. Where the connection is lost, that is:
  // the session failed; a recipient is `delivered` only where it was without the loss, too; and it
  // is in doubt exactly where the end of the message was sent and the reply not read.
  GATEPOST_DECL std::string check() const;

 private:
  enum class kind : std::uint8_t {
    server,
    client,
    starts_tls,
    tls_fails,
    sends,
    breaks_off,
    quits,
    server_while_idle,
    server_too_early,
    fails,
  };

  struct step {
    kind what;
    std::string text = {};
    transaction message = {};
    std::size_t piece = 0;
    std::error_code error = {};
  };

  // Where a run cuts what the server says, and where it loses the connection.
  struct variation {
    std::size_t piece = 0;           // 0: whole texts
    std::size_t cut_step = no_step;  // this text is cut
    std::size_t cut_at = 0;          // here
    std::size_t lost_step = no_step;
    std::size_t lost_at = 0;  // octets of its text that are heard before
    std::error_code lost_why = {};
  };

  class player;

  static constexpr std::size_t no_step = ~std::size_t{0};

  GATEPOST_DECL client_script& add(step s);
  client_run run(const variation& v) const;
  std::string check_cuts() const;
  std::string check_losses(const client_run& whole) const;
  static std::string fault_of_loss(const client_run& now, const client_run& whole);

  client_options options_;
  std::vector<step> steps_;
};

}  // namespace gatepost::smtp::testing

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/testing/impl/client_script.ipp"
#endif

#endif  // GATEPOST_SMTP_TESTING_CLIENT_SCRIPT_HPP
