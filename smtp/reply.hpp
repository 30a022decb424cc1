// An SMTP reply: basic code, enhanced status code (RFC 3463), text; and the named replies of this
// server.
//
// Every reply that gatepost sends is one of these. The text may be anything: CR, LF, other control
// characters and what is not UTF-8 are made harmless here and nowhere else, '\n' separates the
// lines of a multi-line reply, and a long line is cut to RFC 5321 §4.5.3.1.5's 512 octets.
#ifndef GATEPOST_SMTP_REPLY_HPP
#define GATEPOST_SMTP_REPLY_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "smtp/config.hpp"

namespace gatepost::smtp {

// The three numbers of an RFC 3463 code, "class.subject.detail". All zero: none.
struct enhanced_code {
  std::uint8_t klass = 0;
  std::uint16_t subject = 0;
  std::uint16_t detail = 0;

  constexpr bool empty() const { return klass == 0; }
  friend constexpr bool operator==(const enhanced_code&, const enhanced_code&) = default;
};

// A reply whose text is a literal; costs nothing to make or to copy.
struct fixed_reply {
  std::uint16_t code;
  enhanced_code enhanced;
  std::string_view text;
};

class reply {
 public:
  // RFC 5321 §4.5.3.1.5: a reply line's total length, CRLF included.
  static constexpr std::size_t max_line = 512;
  // Lines of one reply; the rest of a longer text is dropped.
  static constexpr std::size_t max_lines = 100;

  // No reply at all: code() is 0.
  reply() = default;

  // A named reply. Implicit, so that a named reply can stand wherever a reply is asked for.
  reply(const fixed_reply& r) : code_(r.code), enhanced_(r.enhanced), fixed_(r.text) {}  // NOLINT

  // A code that is none (RFC 5321 §4.2: 200 to 599) becomes 451. Where the class of `enhanced`
  // contradicts `code`, or a number has more than three digits (RFC 3463 §2), it becomes X.0.0.
  GATEPOST_DECL reply(int code, enhanced_code enhanced, std::string text);

  int code() const { return code_; }
  enhanced_code enhanced() const { return enhanced_; }
  std::string_view text() const { return owned_.empty() ? fixed_ : std::string_view(owned_); }

  bool empty() const { return code_ == 0; }
  bool positive() const { return code_ >= 200 && code_ < 400; }
  bool temporary() const { return code_ >= 400 && code_ < 500; }
  bool permanent() const { return code_ >= 500; }

  // The same reply with "(id)" behind its last line: what a sender quotes when asking why.
  GATEPOST_DECL reply quoting(std::string_view id) const;

  // Appends the wire form. `with_enhanced`: the enhanced code too (RFC 2034 §4: not in 3xx replies,
  // and not in those to HELO and EHLO, which carry none). `id`: as quoting(id) has it; empty:
  // without.
  GATEPOST_DECL void append_to(std::string& out, bool with_enhanced = true,
                               std::string_view id = {}) const;

  // One line for logs: "550 5.1.1 no such user".
  GATEPOST_DECL std::string to_string() const;

  friend bool operator==(const reply& a, const reply& b) {
    return a.code_ == b.code_ && a.enhanced_ == b.enhanced_ && a.text() == b.text();
  }

 private:
  std::uint16_t code_ = 0;
  enhanced_code enhanced_;
  std::string_view fixed_;
  std::string owned_;
};

// As much of `text` as fits into `room`, without half a UTF-8 sequence at its end.
GATEPOST_DECL std::string_view cut_text(std::string_view text, std::size_t room);

// Appends the wire form of a named reply, without a temporary.
GATEPOST_DECL void append_reply(std::string& out, const fixed_reply& r, bool with_enhanced = true,
                                std::string_view id = {});

// The replies of the engine. RFC 5321 §4.2.2 and §4.2.3 give the codes, RFC 3463 and RFC 5248 the
// enhanced ones.
namespace replies {

inline constexpr fixed_reply ok{250, {2, 0, 0}, "OK"};
inline constexpr fixed_reply sender_ok{250, {2, 1, 0}, "Sender OK"};
inline constexpr fixed_reply recipient_ok{250, {2, 1, 5}, "Recipient OK"};
inline constexpr fixed_reply chunk_ok{250, {2, 0, 0}, "Chunk received"};
inline constexpr fixed_reply start_mail_input{354, {}, "End data with <CR><LF>.<CR><LF>"};
inline constexpr fixed_reply start_prdr{353, {}, "Per-recipient replies follow"};
inline constexpr fixed_reply bye{221, {2, 0, 0}, "Bye"};
inline constexpr fixed_reply ready_for_tls{220, {2, 0, 0}, "Ready to start TLS"};
inline constexpr fixed_reply cannot_verify{
    252, {2, 5, 2}, "Cannot VRFY user; send some mail, I'll try my best"};
inline constexpr fixed_reply authenticated{235, {2, 7, 0}, "Authentication succeeded"};

inline constexpr fixed_reply shutting_down{
    421, {4, 3, 2}, "Server is shutting down, try again later"};
inline constexpr fixed_reply idle_too_long{421, {4, 4, 2}, "Timed out waiting for your command"};
inline constexpr fixed_reply session_too_long{421, {4, 4, 2}, "Session has lasted too long"};
inline constexpr fixed_reply too_slow{421, {4, 4, 2}, "Data arrives too slowly"};
inline constexpr fixed_reply too_many_errors{421, {4, 7, 0}, "Too many errors"};
inline constexpr fixed_reply too_many_connections{
    421, {4, 7, 0}, "Too many connections from your network, try again later"};
inline constexpr fixed_reply server_busy{421, {4, 3, 2}, "Too many connections, try again later"};
inline constexpr fixed_reply too_many_sessions{421, {4, 7, 0}, "Too many sessions, slow down"};
inline constexpr fixed_reply too_many_transactions{
    421, {4, 7, 0}, "Too many messages in this session"};
inline constexpr fixed_reply dropped{421, {4, 7, 0}, "Service not available to you"};

inline constexpr fixed_reply local_error{
    451, {4, 3, 0}, "Local error in processing, try again later"};
inline constexpr fixed_reply took_too_long{
    451, {4, 3, 0}, "Processing took too long, try again later"};
inline constexpr fixed_reply too_many_recipients{452, {4, 5, 3}, "Too many recipients"};
inline constexpr fixed_reply split_recipients{
    452, {4, 5, 3}, "Send this recipient in a message of its own"};
inline constexpr fixed_reply no_storage{452, {4, 3, 1}, "Insufficient system storage"};
inline constexpr fixed_reply tls_unavailable{
    454, {4, 7, 0}, "TLS not available due to temporary reason"};

inline constexpr fixed_reply unknown_command{500, {5, 5, 2}, "Command not recognised"};
inline constexpr fixed_reply line_too_long{500, {5, 5, 6}, "Line too long"};
inline constexpr fixed_reply bare_line_end{
    500, {5, 5, 2}, "A line ends with CR LF; bare CR or LF is not accepted"};
inline constexpr fixed_reply control_character{500, {5, 5, 2}, "Command has a control character"};
inline constexpr fixed_reply not_ascii{500, {5, 5, 2}, "Command has a character that is not ASCII"};
inline constexpr fixed_reply not_offered{502, {5, 5, 1}, "Command not implemented"};
inline constexpr fixed_reply bad_sequence{503, {5, 5, 1}, "Bad sequence of commands"};
inline constexpr fixed_reply lhlo_first{503, {5, 5, 1}, "Send LHLO first"};
inline constexpr fixed_reply hello_first{503, {5, 5, 1}, "Send HELO or EHLO first"};
inline constexpr fixed_reply mail_first{503, {5, 5, 1}, "Send MAIL first"};
inline constexpr fixed_reply rcpt_first{503, {5, 5, 1}, "Send RCPT first"};
inline constexpr fixed_reply nested_mail{503, {5, 5, 1}, "Sender already specified"};
inline constexpr fixed_reply already_tls{503, {5, 5, 1}, "TLS is already active"};
inline constexpr fixed_reply already_authenticated{503, {5, 5, 1}, "Already authenticated"};
inline constexpr fixed_reply data_after_bdat{503, {5, 5, 1}, "DATA and BDAT may not be mixed"};
inline constexpr fixed_reply binary_needs_bdat{503, {5, 5, 1}, "BODY=BINARYMIME needs BDAT"};
inline constexpr fixed_reply early_data{
    554, {5, 5, 1}, "Commands after STARTTLS must wait for TLS"};
inline constexpr fixed_reply cancelled_auth{501, {5, 7, 0}, "Authentication cancelled"};
inline constexpr fixed_reply bad_base64{501, {5, 5, 2}, "Response is not valid base64"};
inline constexpr fixed_reply tls_first{530, {5, 7, 0}, "Must issue a STARTTLS command first"};
inline constexpr fixed_reply auth_required{530, {5, 7, 0}, "Authentication required"};
inline constexpr fixed_reply auth_needs_tls{
    538, {5, 7, 11}, "Encryption required for requested authentication mechanism"};
inline constexpr fixed_reply auth_failed{535, {5, 7, 8}, "Authentication credentials invalid"};
inline constexpr fixed_reply bad_mechanism{
    504, {5, 5, 4}, "Authentication mechanism not supported"};
inline constexpr fixed_reply needs_requiretls{530, {5, 7, 30}, "REQUIRETLS needs a TLS session"};

inline constexpr fixed_reply relaying_denied{550, {5, 7, 1}, "Relaying denied"};
inline constexpr fixed_reply no_such_user{550, {5, 1, 1}, "No such user here"};
inline constexpr fixed_reply unwanted_solicitation{
    550, {5, 7, 1}, "Solicitations of this class are not wanted here"};
inline constexpr fixed_reply message_too_big{552, {5, 3, 4}, "Message exceeds the size limit"};
inline constexpr fixed_reply header_too_big{
    552, {5, 3, 4}, "Message header exceeds the size limit"};
inline constexpr fixed_reply bare_line_end_in_data{
    550, {5, 6, 0}, "Message has a bare CR or LF; lines end with CR LF"};
inline constexpr fixed_reply nul_in_data{550, {5, 6, 0}, "Message has a NUL octet"};
inline constexpr fixed_reply long_line_in_data{
    550, {5, 6, 0}, "Message has a line that is too long"};
inline constexpr fixed_reply too_many_hops{554, {5, 4, 6}, "Too many hops: mail loop"};
inline constexpr fixed_reply no_recipients{554, {5, 5, 1}, "No valid recipients"};
inline constexpr fixed_reply go_away{554, {5, 7, 1}, "No SMTP service for you here"};

}  // namespace replies
}  // namespace gatepost::smtp

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/impl/reply.ipp"
#endif

#endif  // GATEPOST_SMTP_REPLY_HPP
