// Scripted conversations for the server engine: no socket, no clock, every cut and every loss.
//
//     script s(settings);
//     s.server("220 ").client("EHLO a.example\r\n").server("250-")
//         .client("MAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\n")
//         .server("250 2.1.0 Sender OK\r\n")
//         .asks(stage::rcpt, verdict::refuse({550, {5, 1, 1}, "nobody"})).server("550 5.1.1
//         nobody\r\n") .client("QUIT\r\n").server("221 ").closed();
//     EXPECT_EQ(s.check(), "");
//
// What stands between two texts of the client belongs to the first: what the server says in return,
// in order, and what it asks, in order; how the two interleave does not matter, so that pipelining
// changes nothing. A server() text that ends in CRLF is compared whole; another one is how a reply
// begins, whose rest may be anything, further lines included. Questions that the script does not
// mention pass.
//
// check() plays the script as it stands; octet by octet; with each text of the client cut in two at
// each place; and with each mishap (loss, silence, a stop, a policy that throws) at each step. What
// it returns is what went wrong, for people; nothing is printed, and no test framework is needed.
#ifndef GATEPOST_SMTP_TESTING_SCRIPT_HPP
#define GATEPOST_SMTP_TESTING_SCRIPT_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "smtp/channel.hpp"
#include "smtp/config.hpp"
#include "smtp/facts.hpp"
#include "smtp/reply.hpp"
#include "smtp/session.hpp"
#include "smtp/stage.hpp"
#include "smtp/verdict.hpp"

namespace gatepost::smtp::testing {

// What is wrong with what a server said, by RFC 5321 §4.2 and §4.5.3.1.5; empty: it is a sequence
// of whole replies.
GATEPOST_DECL std::string reply_fault(std::string_view wire);

// How a played script went.
struct script_run {
  script_run() = default;

  std::string problem;                // empty: as written
  std::string wire;                   // all that the server said
  std::vector<std::string> messages;  // the text of each message for which stage::message was asked
  std::vector<std::string> questions;   // "connect", "helo", ..., "auth_step", "etrn", "start_tls"
  std::vector<std::string> refusals;    // what the engine itself said of messages (action::said)
  std::vector<std::string> transcript;  // "C: MAIL FROM:<>", "S: 250 2.1.0 Sender OK"
  std::size_t resets = 0;
  session_end ended_by = session_end::open;
  session_facts facts;  // as they stood at the end
};

class script {
 public:
  explicit script(channel settings = {}) : settings_(std::move(settings)) {}

  // --- Surroundings
  // --------------------------------------------------------------------------------
  GATEPOST_DECL script& facts(session_facts f);
  GATEPOST_DECL script& abilities(session_abilities can);

  // --- What the client does
  // ------------------------------------------------------------------------
  GATEPOST_DECL script& client(std::string_view octets);
  // Its connection ends; it says nothing for too long.
  GATEPOST_DECL script& leaves();
  GATEPOST_DECL script& stays_silent();

  // --- What else happens
  // ---------------------------------------------------------------------------
  GATEPOST_DECL script& stops();
  GATEPOST_DECL script& switches(const channel& settings);

  // --- What the engine does in return
  // --------------------------------------------------------------
  GATEPOST_DECL script& server(std::string_view text);
  // A question of this stage, and its answer.
  GATEPOST_DECL script& asks(stage s, verdict answer = verdict::pass());
  // The question of stage::message, answered with a reply of its own for each recipient.
  GATEPOST_DECL script& asks_message(reply overall, std::vector<reply> each = {});
  // The text of the message so far, when it is asked about or given up.
  GATEPOST_DECL script& text(std::string_view whole);
  // Somebody objects to the message when its first octets come.
  GATEPOST_DECL script& objects(reply why);
  // The authenticator gets this (nothing: AUTH came without a response) and answers.
  GATEPOST_DECL script& authenticates(std::optional<std::string> response, auth_answer answer);
  GATEPOST_DECL script& delivers_for(std::string_view node, reply answer);
  GATEPOST_DECL script& starts_tls();
  GATEPOST_DECL script& tls_fails();
  // The transaction is over.
  GATEPOST_DECL script& resets();
  GATEPOST_DECL script& pauses(std::chrono::milliseconds wait);
  // The connection is closed, for this reason.
  GATEPOST_DECL script& closed(session_end why = session_end::quit);

  // --- Playing it
  // ----------------------------------------------------------------------------------
  GATEPOST_DECL script_run play() const;

  // Everything below, on top of play(). Empty: all is as it should be.
  GATEPOST_DECL std::string check() const;
  // The same conversation octet by octet, and with each text cut in two at each place (of a text of
  // more than max_cut octets: at its ends).
  GATEPOST_DECL std::string check_splits() const;
  // After each text, and in the middle of it: the client leaves, or is silent, or the server stops.
  // At each question: the client leaves, the policy throws, or the server ends the session. Each
  // time the engine comes to its end, with the one reply that it owes, and leaves no transaction
  // open.
  GATEPOST_DECL std::string check_lost_at_every_step() const;

 private:
  static constexpr std::size_t max_cut = 2048;
  static constexpr std::size_t nowhere = ~std::size_t{0};

  enum class kind : std::uint8_t {
    client,
    leaves,
    stays_silent,
    stops,
    switches,
    server,
    asks,
    asks_message,
    text,
    objects,
    auth_step,
    etrn,
    starts_tls,
    tls_fails,
    resets,
    pauses,
    closed,
  };
  static bool is_move(kind k) { return k <= kind::switches; }

  struct step {
    kind what;
    std::string words = {};
    smtp::stage stage = smtp::stage::connect;
    verdict answer = {};
    smtp::reply said = {};
    std::vector<smtp::reply> each = {};
    std::optional<auth_answer> auth = {};
    bool has_response = false;
    std::chrono::milliseconds wait{0};
    session_end why = session_end::quit;
    const channel* settings = nullptr;
  };

  enum class mishap : std::uint8_t { none, client_leaves, silence, stop, end_now, policy_throws };

  // What is done differently in a run.
  struct variation {
    std::size_t piece = 0;           // 0: whole texts
    std::size_t cut_step = nowhere;  // this text is cut
    std::size_t cut_at = 0;          // here
    mishap trouble = mishap::none;
    std::size_t trouble_step = nowhere;      // before this step is done
    std::size_t trouble_at = nowhere;        // or when so much of its text was sent
    std::size_t trouble_question = nowhere;  // or at the question of this number
  };

  class player;

  GATEPOST_DECL script& add(step s);
  script_run run(const variation& v) const;
  std::string check_mishap(const variation& v) const;

  channel settings_;
  session_facts facts_;
  session_abilities can_{.tls = true, .auth = true};
  std::vector<step> steps_;
};

}  // namespace gatepost::smtp::testing

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/testing/impl/script.ipp"
#endif

#endif  // GATEPOST_SMTP_TESTING_SCRIPT_HPP
