// The SMTP server engine: octets and verdicts in, actions out. No sockets, no clock, no waiting.
//
// Whoever drives it asks next() what to do, does it, says how it went, and asks again:
//
//     read       read into prepare(), then received(n); or lost(), or timed_out()
//     flush      send output() (before every read, start_tls and close, too), then sent(n)
//     pause      wait for `wait`, with what is to be said (the tarpit)
//     ask        put the question of `stage` to policy and delivery, then answer()
//     auth_step  give `text` to the authenticator, then answer_auth()
//     etrn       ask the delivery about the node in `text`, then answer_etrn()
//     body       hand `text` to whoever reads the message; refuse_message() if one of them objects
//     reset      the transaction is over; envelope() is cleared by the following next()
//     start_tls  flush, do the handshake, then tls_started(); if it fails, close
//     close      flush, then close
//
// Views in an action are good until the next prepare(). While a question is out the engine reads no
// further, so that back-pressure costs nothing. The order of commands is smtp/transitions.hpp, the
// end of a message is smtp/data_reader.hpp; the limits are those of the channel. RFC 5321 and the
// extensions in smtp/extension.hpp.
#ifndef GATEPOST_SMTP_SESSION_HPP
#define GATEPOST_SMTP_SESSION_HPP

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "smtp/channel.hpp"
#include "smtp/command.hpp"
#include "smtp/config.hpp"
#include "smtp/data_reader.hpp"
#include "smtp/envelope.hpp"
#include "smtp/facts.hpp"
#include "smtp/input_buffer.hpp"
#include "smtp/limit_counters.hpp"
#include "smtp/line_reader.hpp"
#include "smtp/reply.hpp"
#include "smtp/stage.hpp"
#include "smtp/transitions.hpp"
#include "smtp/verdict.hpp"

namespace gatepost::smtp {

enum class action_kind : std::uint8_t {
  read,
  flush,
  pause,
  ask,
  auth_step,
  etrn,
  body,
  reset,
  start_tls,
  close,
};

struct action {
  action_kind kind = action_kind::close;
  smtp::stage stage = smtp::stage::connect;  // ask
  std::string_view text = {};                // body, auth_step, etrn
  std::chrono::milliseconds wait{0};         // read: at most so long; pause: so long
  const smtp::reply* said = nullptr;  // reset: how the engine itself refused the message, if it did
};

// Why a session is over.
enum class session_end : std::uint8_t {
  open,         // it is not
  quit,         // QUIT
  client_left,  // its connection ended
  timeout,      // the client was silent too long, or the session lasted too long
  limit,        // a limit of the channel was reached
  policy,       // policy or delivery said so
  protocol,     // going on would not be safe: octets whose place is not known, another protocol
  shutdown,     // stop()
};

GATEPOST_DECL std::string_view to_string(session_end e);

// What the surroundings of a session can do.
struct session_abilities {
  bool tls = false;                    // start_tls can be done
  bool auth = false;                   // somebody answers auth_step
  limit_counters* counters = nullptr;  // where limits that are reached are counted; may be none
};

// What an authenticator says of one step of an AUTH exchange.
class auth_answer {
 public:
  static auth_answer challenge(std::string octets) {
    return {kind::challenge, std::move(octets), {}};
  }
  static auth_answer success(std::string identity) {
    return {kind::success, std::move(identity), {}};
  }
  static auth_answer failure(smtp::reply why = replies::auth_failed) {
    return {kind::failure, {}, std::move(why)};
  }

  enum class kind : std::uint8_t { challenge, success, failure };
  kind what() const { return kind_; }
  const std::string& text() const { return text_; }
  const smtp::reply& reply() const { return reply_; }

 private:
  auth_answer(kind k, std::string text, smtp::reply why)
      : kind_(k), text_(std::move(text)), reply_(std::move(why)) {}
  kind kind_;
  std::string text_;
  smtp::reply reply_;
};

// Sees every line of a session; secrets and message text are masked before it does.
class transcript_tap {
 public:
  virtual ~transcript_tap() = default;
  virtual void on_line(bool from_client, std::string_view line) = 0;
};

class session {
 public:
  // `channel` and `facts` outlive the session; `facts` is written to. A session over implicit TLS
  // has facts.tls set from the start.
  GATEPOST_DECL session(const channel& channel, session_facts& facts, buffer_pool& pool,
                        session_abilities can = {});

  GATEPOST_DECL action next();

  // --- read --------------------------------------------------------------------------------------
  GATEPOST_DECL std::span<char> prepare();
  GATEPOST_DECL void received(std::size_t octets);
  // Also while a question is out: nobody is there to be told anything.
  GATEPOST_DECL void lost(session_end why = session_end::client_left);
  GATEPOST_DECL void timed_out();
  // Gives the input's memory back if nothing is in it: call it before waiting for more.
  void idle() { input_.release_if_empty(); }

  // --- flush -------------------------------------------------------------------------------------
  std::string_view output() const { return std::string_view(output_).substr(sent_); }
  GATEPOST_DECL void sent(std::size_t octets);

  // --- answers -----------------------------------------------------------------------------------
  // To every stage but `message`.
  GATEPOST_DECL void answer(const verdict& v);
  // To stage::message. `each`: one reply per recipient, for LMTP and PRDR; empty: `overall` for
  // each.
  GATEPOST_DECL void answer_message(const reply& overall, std::span<const reply> each = {});
  GATEPOST_DECL void answer_auth(const auth_answer& a);
  GATEPOST_DECL void answer_etrn(const reply& r);
  GATEPOST_DECL void tls_started();

  // While a message comes in: refuse it. The rest is read and thrown away, up to limits.drain.
  GATEPOST_DECL void refuse_message(reply why);

  // --- At any time -------------------------------------------------------------------------------
  // Ends the session with this reply, as soon as it is sent. A question that is out needs no
  // answer.
  GATEPOST_DECL void end(const reply& last_words, session_end why);
  // A limit was reached: it is counted. Where that ends the session, say so before end() or lost().
  GATEPOST_DECL void reached(limit_kind k);
  // Lets a transaction in progress finish; then, or at once, 421 (RFC 5321 §3.8).
  void stop() { stopping_ = true; }
  // The settings change; how lines end, with the next one: AUTH or a certificate told who the
  // client is. `channel` outlives the session.
  GATEPOST_DECL void switch_channel(const channel& channel);

  const smtp::envelope& envelope() const { return envelope_; }
  // For the delivery to fill in a recipient while stage::rcpt is asked.
  smtp::recipient& asked_recipient() { return envelope_.recipients().back(); }
  smtp::phase phase() const { return phase_; }
  const smtp::channel& settings() const { return *channel_; }
  const session_facts& facts() const { return facts_; }
  session_end ended_by() const { return ended_by_; }
  // The limit or wait that ended the session, if one did.
  GATEPOST_DECL std::optional<limit_kind> ended_by_limit() const;
  // For auth_step: the mechanism as the channel spells it, whether an exchange begins with this
  // step, and whether `text` is a response at all: AUTH may come without one.
  std::string_view auth_mechanism() const { return auth_mechanism_; }
  bool auth_begins() const { return auth_begins_; }
  bool has_auth_response() const { return has_auth_response_; }
  // True where each recipient gets a reply of its own at stage::message.
  GATEPOST_DECL bool replies_per_recipient() const;
  std::uint64_t message_size() const { return message_size_; }
  // True while message text is awaited: the driver then applies limits.min_body_rate.
  bool in_message() const { return phase_ == smtp::phase::body; }
  // The client has sent more than was dealt with.
  bool has_input() const { return !input_.empty(); }
  // A command line has begun and not ended.
  bool in_line() const { return !in_message() && lines_.pending() > 0; }
  // Command lines that have ended, good or bad.
  std::uint64_t lines() const { return lines_ended_; }
  bool closed() const { return phase_ == smtp::phase::closed; }

  // nullptr: no transcript.
  void set_tap(transcript_tap* tap) { tap_ = tap; }

 private:
  enum class utf8_use : std::uint8_t { none, with_smtputf8, judged_by_handler };
  struct handler_row {
    smtp::verb verb;
    void (session::*handle)(const command_line&);
    std::optional<extension> needs;  // 502 where the channel does not offer it
    bool before_tls;                 // may come before TLS where the channel requires it
    bool idle;                       // counts against limits.idle_commands
    utf8_use utf8 = utf8_use::none;
  };
  static const handler_row* find_handler(smtp::verb v);

  // --- Reading (session_reading.ipp)
  // -------------------------------------------------------------- True: `todo` is what next() has
  // to say. False: go on.
  bool decide(action& todo);
  bool read(action& todo);
  bool read_command(action& todo);
  bool read_auth_line(action& todo);
  bool read_data(action& todo);
  bool read_chunk(action& todo);
  bool take_text(const data_step& step, std::uint64_t size, action& todo);
  bool read_more(action& todo) const;
  line_reader::result next_line(std::size_t limit);
  bool fault_is_new() const;
  void weigh_line(const line_reader::result& step);
  void bad_line(line_status status, limit_kind line);
  void handle(std::string_view line);
  const fixed_reply* objection_to(const command_line& c, const handler_row& row) const;
  void tap_command(const command_line& c, std::string_view line);
  void end_of_text();
  void end_of_chunk();
  void judge_message(const violations& seen);
  const fixed_reply* reply_for(const violations& seen) const;

  // --- Commands (session_commands.ipp)
  // ------------------------------------------------------------
  void on_hello(const command_line& c);
  void on_mail(const command_line& c);
  bool is_unwanted(std::string_view solicit) const;
  const fixed_reply* as_it_is_spoken(const fixed_reply* why) const;
  void on_rcpt(const command_line& c);
  void on_data(const command_line& c);
  void on_bdat(const command_line& c);
  void on_rset(const command_line& c);
  void on_noop(const command_line& c);
  void on_quit(const command_line& c);
  void on_vrfy(const command_line& c);
  void on_help(const command_line& c);
  void on_starttls(const command_line& c);
  void on_auth(const command_line& c);
  void on_etrn(const command_line& c);
  void on_xclient(const command_line& c);
  void on_xforward(const command_line& c);
  bool apply_xclient(const attribute& a, session_facts& to);
  const fixed_reply* chunk_refusal(std::uint64_t size) const;
  void count_idle_command();

  // --- Answers
  // ------------------------------------------------------------------------------------
  void answer_connect(const verdict& v);
  void answer_hello(const verdict& v);
  void answer_mail(const verdict& v);
  void answer_rcpt(const verdict& v);
  void answer_data(const verdict& v);
  void greet();
  void say_hello();
  void say_extension(const extension_row& row, std::string& line);
  extension_set offered() const;

  // --- Talking
  // ------------------------------------------------------------------------------------
  void say(const fixed_reply& r);
  void say(const reply& r);
  std::string_view quoted_id(int code) const;
  void bad_command(const fixed_reply& r);
  void bad_command(const reply& r);
  void count_bad_command(limit_kind by = limit_kind::bad_commands);
  void tap_output(std::size_t from);
  void tap_input(std::string_view line);
  void close_session(session_end why);
  void end_by(limit_kind k, const reply& last_words);
  void end_transaction(const reply* said = nullptr);

  const smtp::channel* channel_;
  session_facts& facts_;
  smtp::envelope envelope_;
  input_buffer input_;
  line_reader lines_;
  std::size_t line_limit_ = 0;     // of the line that is being read, as it was begun
  std::uint64_t line_octets_ = 0;  // of a line that is thrown away, as far as they were not counted
  std::uint64_t lines_ended_ = 0;
  std::optional<smtp::line_ends> next_line_ends_;  // of the settings that were switched to
  bool line_refused_ = false;    // the client has heard of the fault of the line that is being read
  bool announces_text_ = false;  // a line that went wrong: what follows it may be message text
  data_reader data_;
  chunk_reader chunk_;
  std::string output_;
  std::size_t sent_ = 0;

  smtp::phase phase_ = smtp::phase::greeting;
  std::optional<smtp::stage> question_;  // to be asked by next()
  std::optional<smtp::stage> asked_;     // an answer to it is awaited
  std::optional<action_kind> step_;      // auth_step, etrn or start_tls: to be returned by next()
  std::chrono::milliseconds pause_{0};
  bool chunked_ = false;  // the message comes by BDAT
  bool last_chunk_ = false;
  bool text_ended_ = false;  // the end of the text was read; next() deals with it
  bool skipping_chunks_ =
      false;  // a chunk was refused: those sent ahead are no mistake of the client's
  smtp::phase phase_before_chunk_ = smtp::phase::start;
  bool reset_ = false;  // a reset action is due
  bool clear_ = false;  // the envelope is cleared by the next next()
  bool stopping_ = false;
  bool spoke_ = false;       // one good command has come
  bool after_auth_ = false;  // what is no command may be a secret
  ip_address first_client_;  // before any XCLIENT: the peer, or whom a PROXY header told
  session_abilities can_;
  session_end ended_by_ = session_end::open;
  std::optional<limit_kind> limit_;                      // the last one that was reached
  smtp::protocol next_protocol_ = smtp::protocol::none;  // of the HELO that is being asked about

  std::optional<reply> refused_;      // the message that comes in will get this reply
  std::optional<reply> reset_reply_;  // see action::said
  std::uint64_t drained_ = 0;
  std::uint64_t message_size_ = 0;
  std::uint64_t chunk_octets_ = 0;
  std::uint32_t idle_commands_ = 0;
  std::uint32_t excess_recipients_ = 0;
  std::uint32_t auth_failures_ = 0;
  std::string auth_mechanism_;
  std::string previous_helo_;
  bool auth_begins_ = false;
  bool has_auth_response_ = false;
  std::string step_text_;
  transcript_tap* tap_ = nullptr;
};

}  // namespace gatepost::smtp

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/impl/session.ipp"
#endif

#endif  // GATEPOST_SMTP_SESSION_HPP
