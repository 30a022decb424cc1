#include "examples/probe/recorder.hpp"

#include <algorithm>
#include <charconv>

#include "smtp/reply_reader.hpp"

namespace probe {
namespace {

namespace smtp = gatepost::smtp;
using step = smtp::client_step;

// More than one reply can have (smtp::reply_limits::octets).
constexpr std::size_t max_unread = 128u << 10;

}  // namespace

moment recorder::shown() {
  moment m;
  m.at = now();
  m.since = m.at - last_shown_;
  last_shown_ = m.at;
  return m;
}

void recorder::cut(step s) {
  const microseconds t = now();
  steps_.add(s, t - last_cut_);
  last_cut_ = t;
  open_ = false;
}

void recorder::on_line(side who, std::string_view line) {
  if (who == side::client)
    on_client_line(line);
  else
    on_server_line(line);
}

void recorder::on_client_line(std::string_view line) {
  const step s = matcher_.said(line);
  text_ends_ = text_ends_ || s == step::final_dot;
  open_ = true;
  report_.said(shown(), s, line);
}

// "250-text" or "250 text".
void recorder::on_server_line(std::string_view line) {
  // A line of a reply is one that was read.
  const std::size_t newline = unread_.find('\n');
  unread_.erase(0, newline == std::string::npos ? newline : newline + 1);
  reply_.lines.emplace_back(line);
  if (line.size() > 3 && line[3] == '-') return;
  const std::string_view first = reply_.lines.front();
  std::from_chars(first.data(), first.data() + 3, reply_.code);
  reply_.step = matcher_.heard();
  // RFC 2034 §4: the replies to EHLO, and the greeting, have no enhanced code.
  std::size_t skipped = 0;
  if (reply_.step != step::hello && reply_.step != step::greeting)
    reply_.enhanced = smtp::read_enhanced_code(first.substr(4), reply_.code, skipped);
  cut(reply_.step);
  report_.heard(shown(), reply_);
  reply_ = heard_reply();
}

void recorder::note(std::string_view text) {
  open_ = true;
  report_.note(shown(), text);
}

void recorder::connected(std::string_view text) {
  cut(step::connect);
  report_.note(shown(), text);
}

void recorder::failed(step s) {
  if (open_) cut(s);
}

void recorder::handshake_done(const smtp::tls_facts& facts) {
  cut(step::tls);
  unread_.clear();
  const auto today = std::chrono::system_clock::now();
  report_.tls(shown(), facts, std::chrono::floor<std::chrono::seconds>(today));
}

void recorder::read(std::string_view octets) {
  unread_.append(octets.substr(0, max_unread - std::min(max_unread, unread_.size())));
}

void recorder::wrote_all() {
  if (text_ends_) cut(step::body);
  text_ends_ = false;
}

}  // namespace probe
