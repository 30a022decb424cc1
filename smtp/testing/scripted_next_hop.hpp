// The server at the other end of your client: takes everything, unless the test says otherwise.
//
//     scripted_next_hop hop;
//     hop.offers({"PIPELINING", "SIZE 1000"}).says("RCPT TO:<full@", "452 4.2.2 over quota");
//     hop.says_once("DATA", "451 4.3.0 not now").closes_at("QUIT");
//     co_spawn(io, hop.serve(connection.server()), ...);
//     ...
//     EXPECT_EQ(hop.messages.at(0).text, "Subject: x\r\n");
//
// Speaks over any smtp::transport: testing::memory_transport, or a socket by testing::loopback_hop.
// Where several rules fit a command, the newest counts. Besides commands there are the line "" for
// the greeting,
// "." for the end of a message, and in LMTP ". <recipient>" for each of its recipients. One thread.
#ifndef GATEPOST_SMTP_TESTING_SCRIPTED_NEXT_HOP_HPP
#define GATEPOST_SMTP_TESTING_SCRIPTED_NEXT_HOP_HPP

#include <asio/awaitable.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "smtp/config.hpp"
#include "smtp/tls/context.hpp"
#include "smtp/transport.hpp"

namespace gatepost::smtp::testing {

// A message that was taken.
struct hop_message {
  hop_message() = default;

  std::string mail;  // the command: "MAIL FROM:<a@b> SIZE=3"
  std::vector<std::string>
      rcpt;          // "RCPT TO:<c@d>": those that were accepted, and in LMTP got a 2xx
  std::string text;  // without transparency dots
  bool tls = false;
  std::size_t session = 0;  // number of the connection, from 1
};

class scripted_next_hop {
 public:
  // --- What it says
  // ---------------------------------------------------------------------------------- To lines
  // that begin so, in any case of letters: this reply, of one or more lines, without the last CRLF.
  GATEPOST_DECL scripted_next_hop& says(std::string line, std::string reply);
  // The same, once.
  GATEPOST_DECL scripted_next_hop& says_once(std::string line, std::string reply);
  // Instead of an answer it closes the connection, or says nothing more on it.
  GATEPOST_DECL scripted_next_hop& closes_at(std::string line);
  GATEPOST_DECL scripted_next_hop& falls_silent_at(std::string line);
  // EHLO keywords. At first: PIPELINING, 8BITMIME, SMTPUTF8, CHUNKING, ENHANCEDSTATUSCODES.
  GATEPOST_DECL scripted_next_hop& offers(std::vector<std::string> keywords);
  scripted_next_hop& speaks_lmtp() {
    lmtp_ = true;
    return *this;
  }
  // STARTTLS is offered and done. `context` outlives the sessions.
  scripted_next_hop& speaks_tls(const server_context& context) {
    tls_ = &context;
    return *this;
  }

  // --- What it has heard
  // -----------------------------------------------------------------------------
  std::vector<hop_message> messages;
  std::vector<std::string> commands;  // of all sessions, in order; without message text
  std::size_t sessions = 0;

  // --- One session
  // ----------------------------------------------------------------------------------- Ends with
  // the connection closed. `connection` and this outlive it.
  GATEPOST_DECL asio::awaitable<void> serve(transport& connection);

 private:
  class session;

  enum class what : std::uint8_t { reply, close, silence };
  struct rule {
    std::string line;
    what does = what::reply;
    std::string reply;
    bool once = false;
  };
  struct answer {
    answer() = default;
    what does = what::reply;
    std::string reply;
  };

  // To this line; `usual` where no rule fits.
  answer answer_to(std::string_view line, std::string_view usual);

  // By the transport's clock. A test that needs more has lost its client.
  static constexpr std::chrono::minutes patience{1};

  std::vector<rule> rules_;
  std::vector<std::string> keywords_{"PIPELINING", "8BITMIME", "SMTPUTF8", "CHUNKING",
                                     "ENHANCEDSTATUSCODES"};
  const server_context* tls_ = nullptr;
  bool lmtp_ = false;
};

}  // namespace gatepost::smtp::testing

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/testing/impl/scripted_next_hop.ipp"
#endif

#endif  // GATEPOST_SMTP_TESTING_SCRIPTED_NEXT_HOP_HPP
