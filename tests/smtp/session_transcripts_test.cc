// This header stands alone.
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "smtp/base64.hpp"
#include "smtp/session.hpp"
#include "smtp/xtext.hpp"
#include "tests/support/json.hpp"
#include "tests/support/sessions.hpp"
#include "tests/support/shared_data.hpp"

// What another server was seen to do, and ours beside it: codes and their order.
namespace gatepost::smtp {
namespace {

using testing::script;
using tests::json;

// --- Envelope commands
// -----------------------------------------------------------------------------------

const std::map<std::string, std::string_view, std::less<>> differences = {
    {"MAIL FROM:<sender@example.com> SMTPUTF8=YES",
     "RFC 6531 §3.4: the parameter SMTPUTF8 has no value"},
    {"MAIL FROM:<.te..st.@example..com.> SIZE=12345",
     "RFC 5321 §4.1.2: neither a Dot-string nor a Domain"},
    {"RCPT TO:<recipient@example.com> NOTIFY=INVALID",
     "RFC 3461 §4.1: NEVER, SUCCESS, FAILURE or DELAY"},
    {"RCPT TO:<recipient@example.com> NOTIFY=NEVER,SUCCESS", "RFC 3461 §4.1: NEVER stands alone"},
};

parse_options all_offered() {
  parse_options o;
  for (const extension_row& row : extension_table) o.offered.add(row.bit);
  return o;
}

// The address with its domain as an address literal or name of one spelling.
std::string canonical(const mailbox& box) {
  if (!box.domain.starts_with('[')) return std::string(box.text);
  return std::string(box.local_part) + "@" + canonical_domain(box.domain);
}

// What theirs says of the parameters, as far as it is text.
void compare_parameters(const json& theirs, const mail_parameters& ours) {
  const json* arguments = theirs.find("args");
  if (arguments == nullptr || !arguments->is_object()) return;
  EXPECT_EQ(ours.size ? std::to_string(*ours.size) : "", arguments->string_or("SIZE", ""));
  EXPECT_EQ(*decode_xtext(ours.envid), arguments->string_or("ENVID", ""));
  const bool given = ours.ret != dsn_return::unspecified;
  EXPECT_EQ(!given                         ? ""
            : ours.ret == dsn_return::full ? "FULL"
                                           : "HDRS",
            arguments->string_or("RET", ""));
  EXPECT_EQ(arguments->contains("REQUIRETLS"), ours.requiretls);
  EXPECT_EQ(arguments->contains("SMTPUTF8"), ours.smtputf8);
}

TEST(session_transcripts, envelope_commands) {
  GATEPOST_REQUIRE_SHARED(path, "smtp/envelope-commands.json");
  std::size_t compared = 0;
  std::size_t differs = 0;
  const json all = tests::parse_json(tests::read_file(path));
  for (const json& one : all.array()) {
    const std::string& line = one["line"].string();
    SCOPED_TRACE(line);
    if (one["verb"].string() == "MAIL TO")
      continue;  // about their function, which gets verb and line apart
    const auto c = parse_command(line);
    const json& theirs = one["parsed"];
    const bool accepted = theirs.is_object();
    const bool same = !differences.contains(line);
    ++(same ? compared : differs);
    if (!c) {
      EXPECT_EQ(c.error(), errc::control_character);
      EXPECT_FALSE(accepted);
      continue;
    }
    mailbox box;
    bool ours = false;
    if (c->verb == verb::mail) {
      const auto m = parse_mail(c->argument, all_offered());
      ours = m.has_value();
      if (ours) box = m->reverse_path.box;
      if (ours && same) compare_parameters(theirs, m->parameters);
    } else {
      const auto r = parse_rcpt(c->argument, all_offered(), true);
      ours = r.has_value();
      if (ours) box = r->forward_path.box;
    }
    EXPECT_EQ(ours, accepted && same);
    if (!ours || box.text.empty()) continue;
    const auto their_box =
        parse_mailbox(theirs["address"].string(), {.utf8 = utf8_policy::smtputf8});
    ASSERT_TRUE(their_box);
    EXPECT_EQ(canonical(box), canonical(*their_box));
  }
  EXPECT_EQ(compared, 35U);
  EXPECT_EQ(differs, differences.size());
}

// --- Sessions
// --------------------------------------------------------------------------------------------

// Options of theirs that are not ours, or not the engine's.
constexpr std::string_view not_ours[] = {
    "hidden STARTTLS",                // STARTTLS that works without being offered
    "accept a non-compliant sender",  // addresses that are none
    "too many connections",           // smtp::admission, before there is a session
    "command line is too long",       // the line is not in the transcript
};

// Octets as the transcript has them: one code point each.
std::string octets_of(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0xC0)
      out.push_back(text[i]);
    else
      out.push_back(static_cast<char>((c & 3) << 6 | (static_cast<unsigned char>(text[++i]) & 63)));
  }
  return out;
}

class replay {
 public:
  explicit replay(const json& transcript)
      : steps_(transcript["steps"].array()),
        name_(transcript["test"].string()),
        script_(settings()) {}

  // What differs; empty: nothing.
  std::string run() {
    for (at_ = 0; at_ < steps_.size(); ++at_) one(steps_[at_]);
    return script_.check();
  }

 private:
  bool is_server(std::size_t at) const { return at < steps_.size() && steps_[at].contains("s"); }
  int code(std::size_t at) const {
    return is_server(at) ? static_cast<int>(steps_[at]["s"].integer()) : 0;
  }

  channel settings() const {
    channel c = tests::mx();
    c.extensions.remove(extension::starttls);
    for (const json& s : steps_) {
      if (!s.contains("text") || !s["text"].is_array()) continue;
      for (const json& line : s["text"].array()) offer(c, line.string());
    }
    return c;
  }

  static void offer(channel& c, std::string_view line) {
    if (line == "STARTTLS") c.extensions.add(extension::starttls);
    if (line == "SIZE 1024") c.limits.message = 1024;
    if (!line.starts_with("AUTH ")) return;
    c.extensions.add(extension::auth);
    c.auth_without_tls = true;
    c.auth_mechanisms = {"PLAIN", "LOGIN", "XOAUTH2", "CRAM-MD5"};
  }

  void one(const json& step) {
    if (step.contains("c")) return client(octets_of(step["c"].string()));
    const int c = code(at_);
    const bool greeting = at_ == 0 || (at_ == 1 && !is_server(0));
    if (c == 421 && greeting) {
      script_.asks(stage::connect, verdict::defer(reply(421, {}, "no")))
          .server("421 ")
          .closed(session_end::policy);
    } else if (c == 421) {
      const bool timeout = step["text"].string().starts_with("Timeout");
      (timeout ? script_.stays_silent() : script_.stops())
          .server("421 ")
          .closed(timeout ? session_end::timeout : session_end::shutdown);
    } else if (at_ >= 1 && code(at_ - 1) == 354) {
      end_of_message(step);
    } else {
      script_.server(words(c));
      if (c == 221) script_.closed();
    }
  }

  void client(const std::string& line) {
    // They saw the client's QUIT when they had said goodbye already.
    if (line == "QUIT" && code(at_ + 1) == 421) return;
    // The early talker is the policy's: facts::early_talker.
    if (at_ == 0) return;
    const int next = code(at_ + 1);
    script_.client(line + "\r\n");
    if (line == "STARTTLS" && next == 220) script_.starts_tls();
    if (line.starts_with("MAIL ") && next == 550)
      script_.asks(stage::mail, verdict::refuse(reply(550, {}, "no")));
    if (line.starts_with("RCPT ") && next == 550)
      script_.asks(stage::rcpt, verdict::refuse(reply(550, {}, "no")));
    const bool auth = line.starts_with("AUTH ");
    const bool answer = at_ >= 1 && code(at_ - 1) == 334;
    if (auth || answer)
      authenticate(auth ? line.substr(std::min(line.find(' ', 5), line.size())) : " " + line, auth,
                   next);
  }

  void authenticate(const std::string& text, bool begins, int next) {
    std::optional<std::string> response;
    if (!begins || text.size() > 1) response = base64_decode(text.substr(1));
    auth_answer a = auth_answer::failure(reply(next == 500 ? 500 : 535, {}, "no"));
    if (next == 235) a = auth_answer::success("testuser");
    if (next == 334) a = auth_answer::challenge(*base64_decode(steps_[at_ + 1]["text"].string()));
    script_.authenticates(response, a);
  }

  void end_of_message(const json& step) {
    const bool too_big = step["text"].string().starts_with("Maximum");
    script_.client(too_big ? std::string(2000, 'x') + "\r\n.\r\n"
                           : "Subject: x\r\n\r\ntext\r\n.\r\n");
    if (!too_big && code(at_) == 450)
      script_.asks(stage::message, verdict::defer(reply(450, {}, "no")));
    // RFC 1870 §6.3: ours says 552 by itself; theirs is what their test answers.
    script_.server(too_big ? "552 " : words(code(at_)));
  }

  // The code that we say where they say `c`.
  std::string words(int c) const {
    const std::string last =
        at_ >= 1 && steps_[at_ - 1].contains("c") ? steps_[at_ - 1]["c"].string() : "";
    if (c == 500 && last == "STARTTLS")
      return "502 ";  // RFC 5321 §4.2.4: known, and not implemented
    return std::to_string(c);
  }

  const json::array_type& steps_;
  std::string name_;
  script script_;
  std::size_t at_ = 0;
};

TEST(session_transcripts, of_another_server) {
  GATEPOST_REQUIRE_SHARED(path, "smtp/transcripts-nodemailer.json");
  std::size_t replayed = 0;
  std::size_t passed_over = 0;
  const json all = tests::parse_json(tests::read_file(path));
  for (const json& one : all.array()) {
    const std::string& name = one["test"].string();
    bool ours = true;
    for (const std::string_view words : not_ours) ours = ours && name.find(words) == name.npos;
    // RFC 5321 §3.1 knows 554 for "no SMTP service here"; theirs says 421.
    if (name.find("HTTP") != name.npos) ours = false;
    ++(ours ? replayed : passed_over);
    if (!ours) continue;
    EXPECT_EQ(replay(one).run(), "") << name;
  }
  EXPECT_EQ(replayed, 198U);
  EXPECT_EQ(passed_over, 12U);
  RecordProperty("replayed", static_cast<int>(replayed));
}

}  // namespace
}  // namespace gatepost::smtp
