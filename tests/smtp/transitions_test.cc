// This header stands alone.
#include "smtp/transitions.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "tests/support/sessions.hpp"

namespace gatepost::smtp {
namespace {

// The order of commands once more, written down for people to compare with RFC 5321 §4.1.4: in
// which phase a verb may come (nullptr), and what it hears where it may not.
constexpr const fixed_reply* ok = nullptr;
constexpr const fixed_reply* seq = &replies::bad_sequence;
constexpr const fixed_reply* helo = &replies::hello_first;
constexpr const fixed_reply* mail = &replies::mail_first;
constexpr const fixed_reply* rcpt = &replies::rcpt_first;
constexpr const fixed_reply* nest = &replies::nested_mail;
constexpr const fixed_reply* mix = &replies::data_after_bdat;

struct row {
  smtp::verb verb;
  std::array<const fixed_reply*, 6> in;  // start, ready, mail, rcpt, chunks, rejected
};

constexpr row rows[] = {
    {verb::helo, {ok, ok, ok, ok, ok, seq}},
    {verb::ehlo, {ok, ok, ok, ok, ok, seq}},
    {verb::lhlo, {ok, ok, ok, ok, ok, seq}},
    {verb::mail, {helo, ok, nest, nest, nest, helo}},
    {verb::rcpt, {mail, mail, ok, ok, seq, mail}},
    {verb::data, {mail, mail, rcpt, ok, mix, mail}},
    {verb::bdat, {ok, ok, ok, ok, ok, seq}},  // its handler judges the order: it has octets to skip
    {verb::rset, {ok, ok, ok, ok, ok, seq}},
    {verb::noop, {ok, ok, ok, ok, ok, seq}},
    {verb::quit, {ok, ok, ok, ok, ok, ok}},
    {verb::vrfy, {ok, ok, ok, ok, ok, seq}},
    {verb::expn, {ok, ok, ok, ok, ok, seq}},
    {verb::help, {ok, ok, ok, ok, ok, seq}},
    {verb::starttls, {helo, ok, seq, seq, seq, helo}},
    {verb::auth, {helo, ok, seq, seq, seq, helo}},
    {verb::etrn, {helo, ok, seq, seq, seq, helo}},
    {verb::xclient, {ok, ok, seq, seq, seq, seq}},
    {verb::xforward, {ok, ok, seq, seq, seq, seq}},
};

constexpr phase columns[] = {phase::start, phase::ready,  phase::mail,
                             phase::rcpt,  phase::chunks, phase::rejected};

TEST(transitions, the_whole_product) {
  for (const row& r : rows)
    for (std::size_t i = 0; i < r.in.size(); ++i)
      EXPECT_EQ(refusal_of(r.verb, columns[i]), r.in[i]) << to_string(r.verb) << " in column " << i;
}

TEST(transitions, every_verb_has_a_row) {
  EXPECT_EQ(std::size(rows), std::size(transitions));
  EXPECT_EQ(std::size(rows), static_cast<std::size_t>(verb::xforward));
  for (const phase p : columns) EXPECT_EQ(refusal_of(verb::unknown, p), &replies::unknown_command);
}

// No command comes where octets are read that are none.
TEST(transitions, none_where_no_command_is_read) {
  for (const phase p : {phase::greeting, phase::body, phase::auth, phase::closed})
    for (const row& r : rows) EXPECT_NE(refusal_of(r.verb, p), nullptr) << to_string(r.verb);
}

// --- The engine does what the table says
// -----------------------------------------------------------------

channel everything() {
  return tests::mx_with([](channel& c) {
    for (const extension_row& e : extension_table) c.extensions.add(e.bit);
    c.auth_mechanisms = {"PLAIN"};
    c.auth_without_tls = true;
    c.xclient_from = {ip_network()};
  });
}

testing::script in_phase(phase p) {
  testing::script s(everything());
  if (p == phase::rejected)
    return s.asks(stage::connect, verdict::refuse({554, {5, 7, 1}, "no"})).server("554 ");
  s.server("220 ");
  if (p == phase::start) return s;
  s.client("EHLO client.example\r\n").server("250-");
  if (p == phase::ready) return s;
  s.client("MAIL FROM:<a@client.example>\r\n").server("250 ");
  if (p == phase::mail) return s;
  s.client("RCPT TO:<b@example.test>\r\n").server("250 ");
  if (p == phase::rcpt) return s;
  return s.client("BDAT 1\r\na").server("250 ");
}

std::string command_of(verb v) {
  switch (v) {
    case verb::helo:
    case verb::ehlo:
    case verb::lhlo: return std::string(to_string(v)) + " other.example\r\n";
    case verb::mail: return "MAIL FROM:<a@client.example>\r\n";
    case verb::rcpt: return "RCPT TO:<c@example.test>\r\n";
    case verb::bdat: return "BDAT 0 LAST\r\n";
    case verb::vrfy:
    case verb::expn:
    case verb::etrn: return std::string(to_string(v)) + " name\r\n";
    case verb::auth: return "AUTH PLAIN\r\n";
    case verb::xclient:
    case verb::xforward: return std::string(to_string(v)) + " NAME=a\r\n";
    default: return std::string(to_string(v)) + "\r\n";
  }
}

// What allowed commands hear; 503 nowhere.
std::string positive_reply(verb v, phase p) {
  switch (v) {
    case verb::data: return "354 ";
    case verb::quit: return "221 ";
    case verb::vrfy:
    case verb::expn: return "252 ";
    case verb::help: return "214 ";
    case verb::starttls:
    case verb::xclient: return "220 ";
    case verb::auth: return "334 ";
    case verb::lhlo: return "500 5.5.2 Command not recognised\r\n";  // this is no LMTP
    case verb::bdat: return p >= phase::rcpt ? "250 " : "503 ";
    default: return "250";
  }
}

TEST(transitions, the_engine_walks_the_product) {
  for (const row& r : rows) {
    for (std::size_t i = 0; i < r.in.size(); ++i) {
      testing::script s = in_phase(columns[i]);
      s.client(command_of(r.verb));
      if (r.in[i] != nullptr) {
        // In phase `rejected` all are the same to RFC 5321 §3.1.
        const fixed_reply& why = columns[i] == phase::rejected ? replies::bad_sequence : *r.in[i];
        s.server("503 5.5.1 " + std::string(why.text) + "\r\n");
        // Nobody skips its octets.
        if (r.verb == verb::bdat) s.closed(session_end::protocol);
      } else {
        s.server(positive_reply(r.verb, columns[i]));
        if (r.verb == verb::starttls) s.starts_tls();
        if (r.verb == verb::auth) s.authenticates(std::nullopt, auth_answer::challenge(""));
        if (r.verb == verb::quit) s.closed();
      }
      EXPECT_EQ(s.check(), "") << to_string(r.verb) << " in column " << i;
    }
  }
}

}  // namespace
}  // namespace gatepost::smtp
