// The SMTP and LMTP client engine: what the server says in, what to do next out. No sockets, no
// clock.
//
// Whoever drives it asks next() what to do, does it, tells how it went, and asks again:
//
//     write      write all of `text`, then written()
//     read       read something, then received()
//     start_tls  do the handshake, then tls_started() or lost()
//     want_body  body() with some of the message, or abandon()
//     idle       begin() a transaction, quit(), or keep the connection for later
//     done       QUIT was answered: close
//     failed     failure() says why: close
//
// `timeout` runs from the first action with that `wait` number; when it is over,
// lost(errc::timed_out). lost() and received() may come at any time, in the middle of a write too.
// A message that the server did not take is not a failure: the session is idle again, and outcome()
// tells of every recipient. After a failure in a transaction outcome() is complete as well.
//
// Pipelining (RFC 2920) and BDAT (RFC 3030) are used where they are offered; replies that answer
// nothing end the session, those behind the one to STARTTLS as an attack (RFC 3207). Memory is
// bounded by client_limits. RFC 5321; RFC 2033 for LMTP. Not thread-safe.
#ifndef GATEPOST_SMTP_CLIENT_SESSION_HPP
#define GATEPOST_SMTP_CLIENT_SESSION_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "smtp/client_commands.hpp"
#include "smtp/client_limits.hpp"
#include "smtp/config.hpp"
#include "smtp/data_writer.hpp"
#include "smtp/errc.hpp"
#include "smtp/extension.hpp"
#include "smtp/reply_reader.hpp"
#include "smtp/sasl_client.hpp"
#include "smtp/server_features.hpp"
#include "smtp/transaction.hpp"

namespace gatepost::smtp {

enum class client_protocol : std::uint8_t { smtp, lmtp };

enum class starttls_use : std::uint8_t {
  none,
  opportunistic,  // where it is offered (RFC 7435). A handshake that fails ends the session all the
                  // same
  required,       // or the session fails
};

enum class chunking_use : std::uint8_t {
  when_needed,   // BDAT for BINARYMIME only
  when_offered,  // BDAT instead of DATA
};

// Sees every line of a session, without CRLF. Secrets of AUTH are masked, message text is a count
// of octets.
class client_tap {
 public:
  enum class side : std::uint8_t { client, server };

  virtual ~client_tap() = default;
  virtual void on_line(side who, std::string_view line) = 0;
};

struct client_options {
  client_options() = default;

  // Our name: a domain or an address literal (RFC 5321 §4.1.1.1); anything else fails with
  // bad_config.
  std::string hello_name = "localhost";
  client_protocol protocol = client_protocol::smtp;
  starttls_use starttls = starttls_use::opportunistic;
  bool tls_active = false;  // the session begins under TLS (RFC 8314 §3)
  // The connection does not leave this machine, as by a Unix socket: no network is crossed, and
  // messages with REQUIRETLS may go there without TLS.
  bool local = false;

  // Log in by these, or fail. A password goes to a server whose certificate was verified, or under
  // TLS to a local one; anybody in between can pass for another (RFC 4954 §14, RFC 8314). Under TLS
  // whatever the certificate only where `auth_without_verification` says so, and also without TLS
  // where `auth_without_tls` does.
  std::optional<credentials> login;
  bool auth_without_tls = false;
  bool auth_without_verification = false;

  chunking_use chunking = chunking_use::when_needed;
  bool prdr = false;  // use PRDR where it is offered
  // 8-bit text goes to servers without 8BITMIME, too. RFC 6152 §3: must not; most get away with it.
  bool send_8bit_anyway = false;
  // A bare CR or LF in a message sent by DATA: `normalise` sends CRLF, `strict` fails the message.
  // BDAT sends the octets that it is given.
  smtp::line_ends line_ends = smtp::line_ends::normalise;
  extension_set ignored;  // not used even where offered: for servers that promise too much

  client_limits limits;
};

enum class client_action_kind : std::uint8_t {
  write,
  read,
  start_tls,
  want_body,
  idle,
  done,
  failed
};

struct client_action {
  client_action_kind kind = client_action_kind::failed;
  client_step step = client_step::idle;  // what this is part of, or waits for
  std::string_view text;                 // write: good until written()
  std::chrono::milliseconds timeout{0};  // write, read, start_tls
  std::uint32_t wait = 0;                // the timeout's number
};

// Why a session has ended before its time.
struct client_failure {
  client_failure() = default;
  client_failure(std::error_code error, client_step step) : error(error), step(step) {}

  std::error_code error;  // errc, or what lost() was told
  client_step step = client_step::connect;
  smtp::reply reply;  // the server's last words, where they were the reason; else empty
  std::string detail;

  // "connection lost (EHLO)", "server refuses its service (the greeting): 554 5.7.1 go away".
  GATEPOST_DECL std::string text() const;
};

enum class body_part : std::uint8_t { more_follows, last };

class client_session {
 public:
  // `tap` outlives the session; nullptr: no transcript.
  GATEPOST_DECL explicit client_session(client_options options = {}, client_tap* tap = nullptr);

  // What to do. The same answer until one of the functions below is called.
  GATEPOST_DECL client_action next();

  // --- How it went -------------------------------------------------------------------------------
  GATEPOST_DECL void received(std::string_view octets);
  GATEPOST_DECL void written();
  GATEPOST_DECL void tls_started();
  // The certificate of the connection's TLS was verified: no password, and nothing with REQUIRETLS
  // (RFC 8689 §4.2.1), is sent before this.
  void tls_verified() { tls_verified_ = true; }
  // The connection is gone or of no more use, for this reason; `detail` goes to failure().
  GATEPOST_DECL void lost(std::error_code why, std::string detail = {});

  // --- idle --------------------------------------------------------------------------------------
  // `t` outlives the transaction. Anywhere else than in `idle`: nobody is served.
  GATEPOST_DECL void begin(const transaction& t);
  // Whether the server takes another transaction (MAILMAX, RFC 9422); where not, quit().
  GATEPOST_DECL bool may_begin() const;
  GATEPOST_DECL void quit();

  // --- want_body ---------------------------------------------------------------------------------
  // Octets of the message in order, lines with CRLF. `text` is good until next() says something
  // else than write and read.
  GATEPOST_DECL void body(std::string_view text, body_part part);
  // The rest of the message cannot be had; the server must not take what it has got. Ends the
  // session where only that tells it so.
  GATEPOST_DECL void abandon();

  // --- What is known -----------------------------------------------------------------------------
  // Of the last transaction; complete when next() says idle, done or failed.
  const transaction_outcome& outcome() const { return outcome_; }
  transaction_outcome take_outcome() { return std::move(outcome_); }
  const client_failure& failure() const { return failure_; }
  const server_features& features() const { return features_; }
  bool tls_active() const { return tls_; }
  bool logged_in() const { return logged_in_; }
  // Transactions begun since the connection was made.
  std::uint32_t transactions() const { return transactions_; }

 private:
  // What is to be done once every awaited reply is there.
  enum class phase : std::uint8_t {
    greeting,
    hello,
    helo,
    starttls,
    tls,
    auth,
    idle,
    envelope,
    body,
    end_of_body,
    quit,
    done,
    leave,  // QUIT, then failed
    failed,
  };

  struct expectation {
    client_step step;
    std::uint32_t recipient;  // rcpt, and final_dot where each recipient has its own reply
  };

  // Of the transaction in progress.
  struct progress {
    bool mail_said = false;
    bool mail_accepted = false;
    bool mail_refused = false;
    bool data_said = false;
    bool data_accepted = false;
    bool body_refused = false;  // a chunk was refused, or the caller gave up between two
    bool end_sent = false;      // the end of the message was given to be written
    bool prdr_replies = false;  // 353 was said: each recipient has its own reply
    bool answered = false;      // there was some reply
    std::size_t next_rcpt = 0;  // in chosen_
    std::uint64_t octets = 0;   // of message text that were written
    std::string_view text;      // from body(), not yet in out_
    body_part part = body_part::more_follows;
  };

  // --- Session (client_session.ipp) --------------------------------------------------------------
  std::optional<client_action> step();
  client_action act(client_action_kind kind, client_step s) const;
  client_step current_step() const;
  std::chrono::milliseconds timeout_of(client_step s) const;
  void forget_answered();
  bool must_read() const;
  void say(std::string_view line, client_step s);
  void say(std::string_view line, client_step s, std::string_view shown);
  void say_hello(std::string_view verb);
  void say_auth();
  void on_reply(const server_reply& r);
  void on_unexpected(const server_reply& r);
  void on_greeting(const server_reply& r);
  void on_hello(const server_reply& r);
  void on_starttls(const server_reply& r);
  void on_auth(const server_reply& r);
  void on_quit();
  void after_hello();
  std::string_view why_no_password() const;
  void begin_auth();
  void leave(errc why, client_step s, const server_reply* r, std::string detail = {});
  void fail(std::error_code why, client_step s, const server_reply* r = nullptr,
            std::string detail = {});
  void tap_reply(const server_reply& r);
  void tap_line(std::string_view line);

  // --- Transactions (client_transaction.ipp) -----------------------------------------------------
  void refuse_early(const transaction& t);
  void step_envelope();
  void write_envelope();
  void say_data();
  void say_empty_message();
  void step_body();
  void write_text();
  void write_chunk();
  void end_text();
  void refuse_text();
  void expect_final();
  void on_rset(const server_reply& r);
  void on_mail(const server_reply& r);
  void on_rcpt(const server_reply& r, std::uint32_t recipient);
  void on_data(const server_reply& r);
  void on_chunk(const server_reply& r);
  void on_final(const server_reply& r, std::uint32_t recipient);
  void begin_prdr();
  void settle(std::uint32_t recipient, client_step s, const server_reply& r);
  void settle_accepted(client_step s, const server_reply& r);
  void settle_open(client_step s, const server_reply& r, std::uint32_t said_of);
  void settle_lost(const client_failure& why);
  void finish();

  bool in_transaction() const { return transaction_ != nullptr; }
  bool pipelines() const { return features_.has(extension::pipelining); }
  bool is_lmtp() const { return options_.protocol == client_protocol::lmtp; }
  bool was_accepted(std::uint32_t recipient) const;
  void expect(client_step s, std::uint32_t recipient) { expected_.push_back({s, recipient}); }
  std::size_t awaited() const { return expected_.size() - answered_; }

  client_options options_;
  client_tap* tap_;
  reply_reader reader_;
  server_features features_;
  phase phase_ = phase::greeting;
  client_failure failure_;
  bool tls_;
  bool tls_verified_ = false;
  bool logged_in_ = false;
  std::uint32_t wait_ = 0;

  // Replies to come: [answered_, size) are awaited, and of these the server may send those before
  // released_: a reply to what was not written yet answers nothing.
  std::vector<expectation> expected_;
  std::size_t answered_ = 0;
  std::size_t released_ = 0;

  // To be written, from out_start_ on, once ready_. Changed by next() and written() alone, because
  // a write may be under way whenever something is received.
  std::string out_;
  std::size_t out_start_ = 0;
  bool ready_ = false;
  client_step out_step_ = client_step::hello;

  std::unique_ptr<sasl_client> sasl_;
  std::string auth_line_;  // the response to be said; not for the AUTH command
  std::size_t auth_steps_ = 0;

  const transaction* transaction_ = nullptr;
  progress now_;
  transaction_outcome outcome_;
  sending_plan plan_;
  data_writer writer_;
  std::vector<std::uint32_t> chosen_;    // recipients to send, ascending
  std::vector<std::uint32_t> accepted_;  // those of them that RCPT accepted, ascending
  std::uint32_t transactions_ = 0;
  bool needs_reset_ = false;  // the server holds a transaction that we have given up
};

}  // namespace gatepost::smtp

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/impl/client_session.ipp"
#endif

#endif  // GATEPOST_SMTP_CLIENT_SESSION_HPP
