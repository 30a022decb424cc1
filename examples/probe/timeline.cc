#include "examples/probe/timeline.hpp"

#include <algorithm>

namespace probe {
namespace {

namespace smtp = gatepost::smtp;
using step = smtp::client_step;

struct command_row {
  std::string_view verb;
  step meaning;
};

constexpr command_row commands[] = {
    {"EHLO", step::hello},        {"HELO", step::hello},  {"LHLO", step::hello},
    {"STARTTLS", step::starttls}, {"RSET", step::rset},   {"MAIL", step::mail},
    {"RCPT", step::rcpt},         {"DATA", step::data},   {"BDAT", step::body},
    {"QUIT", step::quit},         {".", step::final_dot}, {"(", step::body},
};

// The rest is AUTH: the command, and its masked responses.
step step_of(std::string_view line) {
  if (line.starts_with("BDAT ") && line.ends_with(" LAST")) return step::final_dot;
  for (const command_row& row : commands)
    if (line.starts_with(row.verb)) return row.meaning;
  return step::auth;
}

}  // namespace

std::string_view step_name(step s) {
  switch (s) {
    case step::connect: return "connect";
    case step::greeting: return "greeting";
    case step::hello: return "EHLO";
    case step::starttls: return "STARTTLS";
    case step::tls: return "TLS handshake";
    case step::auth: return "AUTH";
    case step::rset: return "RSET";
    case step::mail: return "MAIL";
    case step::rcpt: return "RCPT";
    case step::data: return "DATA";
    case step::body: return "body";
    case step::final_dot: return "final reply";
    case step::quit: return "QUIT";
    case step::prepare: return "before MAIL";
    case step::idle: return "other";
  }
  return "other";
}

step reply_matcher::said(std::string_view line) {
  const step now = step_of(line);
  // "(12 octets of message text)" is what the tap has for the text; nothing answers it.
  if (line.starts_with('(')) return now;
  // The end of a message may have had many replies; there are no more once something new is said.
  if (!awaited_.empty() && awaited_.front() == step::final_dot) awaited_.clear();
  awaited_.push_back(now);
  return now;
}

step reply_matcher::heard() {
  if (awaited_.empty()) return step::idle;
  const step now = awaited_.front();
  if (now != step::final_dot) awaited_.pop_front();
  return now;
}

void timeline::add(step s, microseconds took) {
  step_time& t = times_[static_cast<std::size_t>(s)];
  ++t.count;
  t.total += took;
  t.longest = std::max(t.longest, took);
}

const step_time& timeline::of(step s) const { return times_[static_cast<std::size_t>(s)]; }

}  // namespace probe
