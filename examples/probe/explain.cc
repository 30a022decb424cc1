#include "examples/probe/explain.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <span>

#include "smtp/utf8.hpp"

namespace probe {
namespace {

namespace smtp = gatepost::smtp;

struct basic_row {
  int code;
  std::string_view text;
  std::string_view defined_in;
};

constexpr basic_row basic_codes[] = {
    {211, "status or help follows", "RFC 5321 §4.2.3"},
    {214, "help for people follows", "RFC 5321 §4.2.3"},
    {220, "ready to go on", "RFC 5321 §4.2.3"},
    {221, "goodbye, the server closes the connection", "RFC 5321 §4.2.3"},
    {235, "logged in", "RFC 4954 §6"},
    {250, "done", "RFC 5321 §4.2.3"},
    {251, "not a local user, will be forwarded", "RFC 5321 §3.4"},
    {252, "cannot verify the user, but will try to deliver", "RFC 5321 §3.5.3"},
    {253, "ETRN: messages are pending, delivery has begun", "RFC 1985"},
    {334, "AUTH: go on, the challenge is in base64", "RFC 4954 §4"},
    {353, "PRDR: a reply for each recipient follows", "draft-hall-prdr-00"},
    {354, "send the message, end it by a line with a lone dot", "RFC 5321 §4.2.3"},
    {421, "the service stops here and closes the connection", "RFC 5321 §3.8"},
    {432, "the user has to change the password", "RFC 4954 §6"},
    {450, "mailbox not available now: busy, or greylisted", "RFC 5321 §4.2.3"},
    {451, "an error while working on it", "RFC 5321 §4.2.3"},
    {452, "not enough room, or too many recipients at once", "RFC 5321 §4.5.3.1.10"},
    {453, "no mail for this client", "RFC 2645"},
    {454, "TLS or authentication is not available now", "RFC 3207 §4, RFC 4954 §6"},
    {455, "cannot honour the parameters now", "RFC 5321 §4.2.3"},
    {458, "ETRN: cannot queue for this node", "RFC 1985"},
    {459, "ETRN: not allowed for this node", "RFC 1985"},
    {500, "command not understood, or line too long", "RFC 5321 §4.2.3"},
    {501, "wrong syntax in the arguments", "RFC 5321 §4.2.3"},
    {502, "the server does not have this command", "RFC 5321 §4.2.4"},
    {503, "commands in the wrong order", "RFC 5321 §4.2.3"},
    {504, "the server does not have this form of the command", "RFC 5321 §4.2.3"},
    {521, "this host takes no mail at all", "RFC 7504"},
    {523, "encryption is needed", "RFC 5248 §2.4"},
    {524, "this mechanism needs encryption", "RFC 5248 §2.4"},
    {525, "the user's account is disabled", "RFC 5248 §2.4"},
    {530, "log in, or start TLS, first", "RFC 4954 §6, RFC 3207 §4"},
    {534, "this mechanism is too weak for this user", "RFC 4954 §6"},
    {535, "wrong user or password", "RFC 4954 §6"},
    {538, "this mechanism needs TLS first", "RFC 4954 §6"},
    {550, "refused: no such mailbox, no access to it, or by policy", "RFC 5321 §4.2.3"},
    {551, "not a local user, the text says where to", "RFC 5321 §3.4"},
    {552, "the message, or the mailbox, has too many octets", "RFC 5321 §4.2.3"},
    {553, "this is no mailbox name that may be used here", "RFC 5321 §4.2.3"},
    {554, "the transaction failed; as a greeting: no service for you", "RFC 5321 §4.2.3"},
    {555, "a parameter of MAIL or RCPT is unknown or not allowed", "RFC 5321 §4.1.1.11"},
    {556, "the domain takes no mail", "RFC 7504"},
};

struct enhanced_row {
  std::uint16_t subject;
  std::uint16_t detail;
  std::string_view text;
  std::string_view defined_in;
};

constexpr enhanced_row enhanced_codes[] = {
    {1, 1, "no such mailbox", "RFC 3463 §3.2"},
    {1, 2, "no such domain, or it takes no mail", "RFC 3463 §3.2"},
    {1, 3, "wrong syntax of the recipient's address", "RFC 3463 §3.2"},
    {1, 4, "the address fits more than one mailbox", "RFC 3463 §3.2"},
    {1, 5, "the recipient's address is valid", "RFC 3463 §3.2"},
    {1, 6, "the mailbox has moved, nobody knows where to", "RFC 3463 §3.2"},
    {1, 7, "wrong syntax of the sender's address", "RFC 3463 §3.2"},
    {1, 8, "the sender's domain does not exist or takes no mail", "RFC 3463 §3.2"},
    {1, 9, "relayed to a system that does not track messages", "RFC 3886"},
    {1, 10, "the recipient's domain has a null MX: it takes no mail", "RFC 7505"},

    {2, 1, "the mailbox is disabled", "RFC 3463 §3.3"},
    {2, 2, "the mailbox is full", "RFC 3463 §3.3"},
    {2, 3, "the message is larger than this mailbox may get", "RFC 3463 §3.3"},
    {2, 4, "the mailing list could not be expanded", "RFC 3463 §3.3"},

    {3, 1, "the mail system has no room left", "RFC 3463 §3.4"},
    {3, 2, "the system takes no messages now", "RFC 3463 §3.4"},
    {3, 3, "the system lacks a feature that the message needs", "RFC 3463 §3.4"},
    {3, 4, "the message is too big for the system", "RFC 3463 §3.4"},
    {3, 5, "the system is not configured right", "RFC 3463 §3.4"},
    {3, 6, "taken, with another priority than asked for", "RFC 6710"},

    {4, 1, "the next host does not answer", "RFC 3463 §3.5"},
    {4, 2, "the connection broke, or timed out", "RFC 3463 §3.5"},
    {4, 3, "a directory, such as the DNS, cannot be asked", "RFC 3463 §3.5"},
    {4, 4, "no route to the next host", "RFC 3463 §3.5"},
    {4, 5, "the system has too much to do", "RFC 3463 §3.5"},
    {4, 6, "the message runs in a circle", "RFC 3463 §3.5"},
    {4, 7, "the time to deliver it is over", "RFC 3463 §3.5"},

    {5, 1, "the command is unknown, or not in its place", "RFC 3463 §3.6"},
    {5, 2, "wrong syntax", "RFC 3463 §3.6"},
    {5, 3, "too many recipients in one transaction", "RFC 3463 §3.6"},
    {5, 4, "the arguments are not valid", "RFC 3463 §3.6"},
    {5, 5, "the protocol versions do not match", "RFC 3463 §3.6"},
    {5, 6, "a line of the AUTH exchange is too long", "RFC 4954 §6"},

    {6, 1, "the type of content is not supported", "RFC 3463 §3.7"},
    {6, 2, "the content has to be converted, and may not be", "RFC 3463 §3.7"},
    {6, 3, "the content has to be converted, and cannot be", "RFC 3463 §3.7"},
    {6, 4, "the content was converted, and lost something", "RFC 3463 §3.7"},
    {6, 5, "the conversion of the content failed", "RFC 3463 §3.7"},
    {6, 6, "content to be fetched by BURL cannot be had", "RFC 4468"},
    {6, 7, "addresses beyond ASCII are not allowed here", "RFC 6531"},
    {6, 8, "the reply needs UTF-8, which was not agreed on", "RFC 6531"},
    {6, 9, "a header in UTF-8 cannot reach some recipients", "RFC 6531"},
    {6, 10, "the same as X.6.8, no longer in use", "RFC 6531"},

    {7, 1, "not authorised: refused by policy", "RFC 3463 §3.8"},
    {7, 2, "this sender may not write to the mailing list", "RFC 3463 §3.8"},
    {7, 3, "a change of the security form is needed, and not possible", "RFC 3463 §3.8"},
    {7, 4, "a security feature is not supported", "RFC 3463 §3.8"},
    {7, 5, "a cryptographic step failed", "RFC 3463 §3.8"},
    {7, 6, "a cryptographic algorithm is not supported", "RFC 3463 §3.8"},
    {7, 7, "the message has been altered on its way", "RFC 3463 §3.8"},
    {7, 8, "wrong user or password", "RFC 4954 §6"},
    {7, 9, "the AUTH mechanism is too weak", "RFC 4954 §6"},
    {7, 10, "encryption is needed", "RFC 5248 §2.4"},
    {7, 11, "this AUTH mechanism needs encryption", "RFC 4954 §6"},
    {7, 12, "the user has to change the password", "RFC 4954 §6"},
    {7, 13, "the user's account is disabled", "RFC 5248 §2.4"},
    {7, 14, "the server and its partner do not trust each other", "RFC 5248 §2.4"},
    {7, 15, "the message's priority is too low", "RFC 6710"},
    {7, 16, "the message is too big for its priority", "RFC 6710"},
    {7, 17, "the mailbox has had another owner since", "RFC 7293"},
    {7, 18, "the domain has had another owner since", "RFC 7293"},
    {7, 19, "whether the owner has changed cannot be tested", "RFC 7293"},
    {7, 20, "no DKIM signature passed", "RFC 7372 §3.1"},
    {7, 21, "no DKIM signature that is acceptable here passed", "RFC 7372 §3.1"},
    {7, 22, "no DKIM signature of the author's domain passed", "RFC 7372 §3.1"},
    {7, 23, "SPF: this host may not send for the sender's domain", "RFC 7372 §3.2"},
    {7, 24, "SPF: the sender's record could not be evaluated", "RFC 7372 §3.2"},
    {7, 25, "the reverse DNS of this client is missing or does not fit", "RFC 7372 §3.3"},
    {7, 26, "more than one of the authentication checks failed", "RFC 7372 §3.4"},
    {7, 27, "the sender's domain has a null MX: nobody could answer", "RFC 7505"},
    {7, 28, "a flood of mail from this client or sender", "registry of RFC 5248"},
    {7, 29, "ARC validation failed", "RFC 8617"},
    {7, 30, "REQUIRETLS is asked for, and is not supported on the way", "RFC 8689"},
};

constexpr std::string_view subjects[] = {
    "general",          "the address",  "the mailbox",         "the mail system",
    "network, routing", "the protocol", "the message content", "security or policy"};

struct keyword_row {
  std::string_view keyword;
  std::string_view text;
  std::string_view defined_in;
};

constexpr keyword_row keywords[] = {
    {"8BITMIME", "text with octets above 127 may be sent", "RFC 6152"},
    {"ATRN", "a client may fetch its domain's mail by turning roles", "RFC 2645"},
    {"AUTH", "log in by", "RFC 4954"},
    {"BINARYMIME", "content that is not made of lines may be sent by BDAT", "RFC 3030"},
    {"BURL", "content may be fetched from a URL", "RFC 4468"},
    {"CHECKPOINT", "a broken transaction may be taken up again", "RFC 1845"},
    {"CHUNKING", "BDAT instead of DATA: octets are counted, not scanned", "RFC 3030"},
    {"CONNEG", "the recipient's abilities can be asked for", "RFC 4141"},
    {"CONPERM", "the content may be marked as convertible", "RFC 4141"},
    {"DELIVERBY", "a time limit for the delivery can be set", "RFC 2852"},
    {"DSN", "delivery reports can be asked for and switched off", "RFC 3461"},
    {"ENHANCEDSTATUSCODES", "replies have codes such as 5.1.1", "RFC 2034"},
    {"ETRN", "a client may ask for its domain's queue to be run", "RFC 1985"},
    {"EXPN", "tells who is on a mailing list", "RFC 5321 §3.5"},
    {"FUTURERELEASE", "a message may be held until a given time", "RFC 4865"},
    {"HELP", "has a text for people", "RFC 5321 §4.1.1.8"},
    {"LIMITS", "what one session and transaction may have:", "RFC 9422"},
    {"MT-PRIORITY", "messages may have priorities", "RFC 6710"},
    {"MTRK", "messages can be tracked", "RFC 3885"},
    {"NO-SOLICITING", "messages may be marked as advertising", "RFC 3865"},
    {"PIPELINING", "commands may be sent in groups, without waiting for each reply", "RFC 2920"},
    {"PRDR", "each recipient can have a reply of its own after DATA", "draft-hall-prdr-00"},
    {"REQUIRETLS", "a message may demand TLS on all of its way", "RFC 8689"},
    {"RRVS", "refuses mail for a mailbox that has changed hands", "RFC 7293"},
    {"SIZE", "the size of a message is declared in advance", "RFC 1870"},
    {"SMTPUTF8", "addresses and headers may be in UTF-8", "RFC 6531"},
    {"STARTTLS", "the connection can change to TLS", "RFC 3207"},
    {"SUBMITTER", "who is responsible can be named, no longer in use", "RFC 4405"},
    {"TURN", "client and server may change roles, long since not in use", "RFC 821"},
    {"UTF8SMTP", "the experiment before SMTPUTF8, no longer in use", "RFC 5336"},
    {"VRFY", "tells whether a mailbox exists", "RFC 5321 §3.5"},
    {"X-ANONYMOUSTLS", "TLS among Exchange servers", "Exchange"},
    {"X-EXPS", "log in among Exchange servers", "Exchange"},
    {"XCLIENT", "a trusted proxy may say who the client is", "Postfix XCLIENT_README"},
    {"XEXCH50", "envelope data among Exchange servers", "Exchange"},
    {"XFORWARD", "a trusted filter may say who the client was", "Postfix XFORWARD_README"},
};

void append_source(std::string& out, std::string_view defined_in) {
  out.append(" (").append(defined_in).append(")");
}

// RFC 5321 §4.2.1: what the second digit says of a code that is in no table.
std::string_view second_digit(int code) {
  switch (code / 10 % 10) {
    case 0: return "about syntax";
    case 1: return "information";
    case 2: return "about the connection";
    case 5: return "about the mail system";
    default: return "of no category that RFC 5321 knows";
  }
}

std::string explain_basic(int code) {
  std::string out;
  if (code >= 400 && code < 500) out = "temporary failure: ";
  if (code >= 500 && code < 600) out = "permanent failure: ";
  for (const basic_row& row : basic_codes) {
    if (row.code != code) continue;
    out.append(row.text);
    append_source(out, row.defined_in);
    return out;
  }
  if (code < 200 || code > 599) return "no reply code of SMTP (RFC 5321 §4.2)";
  if (code < 300) out = "done: ";
  if (code >= 300 && code < 400) out = "go on: ";
  out.append("a code that is not registered, ").append(second_digit(code));
  append_source(out, "RFC 5321 §4.2.1");
  return out;
}

std::string explain_enhanced(smtp::enhanced_code code) {
  for (const enhanced_row& row : enhanced_codes) {
    if (row.subject != code.subject || row.detail != code.detail) continue;
    std::string out(row.text);
    append_source(out, row.defined_in);
    return out;
  }
  if (code.subject >= std::size(subjects)) return "not registered (RFC 3463 §2)";
  if (code.subject == 0 && code.detail == 0) return "no detail is given (RFC 3463 §3.1)";
  std::string out("about ");
  if (code.subject == 0) out = "not registered";
  if (code.subject > 0) out.append(subjects[code.subject]);
  if (code.subject > 0) out.append(code.detail == 0 ? ", no detail is given" : ", not registered");
  append_source(out, "RFC 3463 §2");
  return out;
}

std::optional<std::uint64_t> read_number(std::string_view text) {
  std::uint64_t n = 0;
  const char* const end = text.data() + text.size();
  const auto [last, error] = std::from_chars(text.data(), end, n);
  if (error != std::errc{} || last != end) return std::nullopt;
  return n;
}

// "10485760" is " of up to 10485760 octets, 10.0 MiB".
std::string explain_size(std::string_view value) {
  const auto size = read_number(value);
  if (!size) return "the size of a message is declared in advance";
  if (*size == 0) return "messages of any size";
  std::string out = "messages of up to " + std::to_string(*size) + " octets";
  std::array<char, 48> text;
  const double mebibytes = static_cast<double>(*size) / (1u << 20);
  if (*size < 1u << 20) return out;
  std::snprintf(text.data(), text.size(), ", %.1f MiB", mebibytes);
  return out + text.data();
}

struct limit_row {
  std::string_view name;
  std::string_view text;
};

// RFC 9422 §4.
constexpr limit_row limit_names[] = {
    {"MAILMAX", "transactions in a session"},
    {"RCPTMAX", "recipients in a transaction"},
    {"RCPTDOMAINMAX", "recipient domains in a transaction"},
};

// "RCPTMAX=100 MAILMAX=50".
std::string explain_limits(std::string_view value) {
  std::string out;
  while (!value.empty()) {
    const std::string_view one = value.substr(0, value.find(' '));
    value.remove_prefix(std::min(one.size() + 1, value.size()));
    const std::size_t equals = one.find('=');
    if (equals == std::string_view::npos) continue;
    for (const limit_row& row : limit_names) {
      if (!smtp::equal_ignoring_case(row.name, one.substr(0, equals))) continue;
      out.append(out.empty() ? "at most " : ", ");
      out.append(one.substr(equals + 1)).append(1, ' ').append(row.text);
    }
  }
  return out.empty() ? "limits of a session or transaction" : out;
}

std::string keyword_text(const keyword_row& row, std::string_view value) {
  if (row.keyword == "SIZE") return explain_size(value);
  if (row.keyword == "LIMITS") return explain_limits(value);
  std::string out(row.text);
  if (row.keyword == "AUTH") out.append(1, ' ').append(value);
  return out;
}

}  // namespace

std::string to_text(smtp::enhanced_code code) {
  if (code.empty()) return {};
  return std::to_string(code.klass) + '.' + std::to_string(code.subject) + '.' +
         std::to_string(code.detail);
}

std::string explain(int code, smtp::enhanced_code enhanced) {
  std::string out = explain_basic(code);
  if (!enhanced.empty())
    out.append("; ").append(to_text(enhanced)).append(": ").append(explain_enhanced(enhanced));
  return out;
}

std::string explain_keyword(std::string_view line) {
  // "AUTH=LOGIN" is what servers said before RFC 2554.
  const std::size_t end = line.find_first_of(" =");
  const std::string_view keyword = line.substr(0, end);
  const std::string_view value =
      end == std::string_view::npos ? std::string_view() : line.substr(end + 1);
  if (keyword.empty()) return {};
  for (const keyword_row& row : keywords) {
    if (!smtp::equal_ignoring_case(row.keyword, keyword)) continue;
    std::string out = keyword_text(row, value);
    append_source(out, row.defined_in);
    return out;
  }
  if (keyword.front() == 'X' || keyword.front() == 'x')
    return "an extension of this server's own (RFC 5321 §4.1.5)";
  return "an extension that is not known here";
}

}  // namespace probe
