#ifndef GATEPOST_SMTP_TESTING_IMPL_SCRIPTED_NEXT_HOP_IPP
#define GATEPOST_SMTP_TESTING_IMPL_SCRIPTED_NEXT_HOP_IPP

#include <charconv>
#include <span>

#include "smtp/data_reader.hpp"
#include "smtp/testing/scripted_next_hop.hpp"
#include "smtp/utf8.hpp"

namespace gatepost::smtp::testing {
namespace detail {

inline bool begins_with(std::string_view line, std::string_view prefix) {
  return line.size() >= prefix.size() && equal_ignoring_case(line.substr(0, prefix.size()), prefix);
}

}  // namespace detail

// --- What it says
// ------------------------------------------------------------------------------------

GATEPOST_DECL scripted_next_hop& scripted_next_hop::says(std::string line, std::string reply) {
  rules_.push_back({std::move(line), what::reply, std::move(reply), false});
  return *this;
}

GATEPOST_DECL scripted_next_hop& scripted_next_hop::says_once(std::string line, std::string reply) {
  rules_.push_back({std::move(line), what::reply, std::move(reply), true});
  return *this;
}

GATEPOST_DECL scripted_next_hop& scripted_next_hop::closes_at(std::string line) {
  rules_.push_back({std::move(line), what::close, {}, false});
  return *this;
}

GATEPOST_DECL scripted_next_hop& scripted_next_hop::falls_silent_at(std::string line) {
  rules_.push_back({std::move(line), what::silence, {}, false});
  return *this;
}

GATEPOST_DECL scripted_next_hop& scripted_next_hop::offers(std::vector<std::string> keywords) {
  keywords_ = std::move(keywords);
  return *this;
}

GATEPOST_DECL scripted_next_hop::answer scripted_next_hop::answer_to(std::string_view line,
                                                                     std::string_view usual) {
  answer a;
  a.reply = usual;
  for (std::size_t i = rules_.size(); i-- > 0;) {
    // The greeting's rule has an empty line, which every other one begins with.
    const bool fits =
        rules_[i].line.empty() ? line.empty() : detail::begins_with(line, rules_[i].line);
    if (!fits) continue;
    a.does = rules_[i].does;
    a.reply = rules_[i].reply;
    if (rules_[i].once) rules_.erase(rules_.begin() + static_cast<std::ptrdiff_t>(i));
    break;
  }
  return a;
}

// --- One session
// -------------------------------------------------------------------------------------

class scripted_next_hop::session {
 public:
  session(scripted_next_hop& hop, transport& connection)
      : hop_(hop), connection_(connection), number_(++hop.sessions) {}

  asio::awaitable<void> run() {
    co_await say("", "220 hop.test ESMTP");
    while (open_) {
      const std::string line = co_await read_line();
      if (open_) co_await hear(line);
    }
    connection_.close();
  }

 private:
  asio::awaitable<void> hear(std::string line) {
    hop_.commands.push_back(line);
    const auto is = [&line](std::string_view verb) { return detail::begins_with(line, verb); };
    if (is("EHLO") || is("LHLO") || is("HELO")) {
      const std::string words = hello(!is("HELO"));
      co_await say(line, words);
    } else if (is("DATA")) {
      co_await take_data(line);
    } else if (is("BDAT")) {
      co_await take_chunk(line);
    } else if (is("STARTTLS")) {
      co_await start_tls(line);
    } else if (is("QUIT")) {
      co_await say(line, "221 2.0.0 bye");
      open_ = false;
    } else {
      if (is("MAIL") || is("RSET")) message_ = {};
      const bool early = is("RCPT") && message_.mail.empty();
      co_await say(line, early ? "503 5.5.1 MAIL first" : "250 2.0.0 OK");
      if (is("MAIL") && code_ == '2') message_.mail = line;
      if (is("RCPT") && code_ == '2') message_.rcpt.push_back(line);
    }
  }

  asio::awaitable<void> take_data(std::string line) {
    if (message_.rcpt.empty()) {
      co_await say(line, "554 5.5.1 no valid recipients");
      co_return;
    }
    co_await say(line, "354 go ahead");
    if (code_ != '3') co_return;
    data_reader reader({.max_line = 0});
    bool ended = false;
    while (open_ && !ended) {
      if (input_.empty()) co_await read_more();
      if (!open_) break;
      const data_step step = reader.next(input_);
      message_.text += step.text;
      input_.erase(0, step.consumed);
      ended = step.end;
    }
    if (ended) co_await end_message();
  }

  asio::awaitable<void> take_chunk(std::string line) {
    std::size_t size = 0;
    const auto [end, error] = std::from_chars(line.data() + 5, line.data() + line.size(), size);
    while (open_ && input_.size() < size) {
      co_await read_more();
    }
    if (!open_ || error != std::errc{}) co_return;
    message_.text += input_.substr(0, size);
    input_.erase(0, size);
    const bool last = end != line.data() + line.size();
    if (last)
      co_await end_message();
    else
      co_await say(line, "250 2.0.0 OK");
  }

  asio::awaitable<void> end_message() {
    message_.tls = connection_.tls() != nullptr;
    message_.session = number_;
    std::vector<std::string> taken;
    const std::vector<std::string> recipients = message_.rcpt;
    const std::string alone = ".";
    for (const std::string& rcpt : recipients) {
      std::string line = alone;
      if (hop_.lmtp_)
        line += " " + rcpt.substr(rcpt.find('<'));
      else if (&rcpt != &recipients.front())
        break;
      co_await say(line, "250 2.0.0 taken");
      if (code_ == '2') taken.push_back(rcpt);
    }
    if (!taken.empty()) {
      if (hop_.lmtp_) message_.rcpt = taken;
      hop_.messages.push_back(message_);
    }
    message_ = {};
  }

  asio::awaitable<void> start_tls(std::string line) {
    co_await say(line, hop_.tls_ != nullptr ? "220 2.0.0 go ahead" : "502 5.5.1 not here");
    if (code_ != '2' || hop_.tls_ == nullptr) co_return;
    const std::error_code failed = co_await connection_.accept_tls(*hop_.tls_, deadline());
    if (failed) open_ = false;
    input_.clear();
    message_ = {};
  }

  std::string hello(bool extended) const {
    if (!extended) return "250 hop.test";
    std::string words;
    for (const std::string& k : hop_.keywords_) words += "250-" + k + "\r\n";
    if (hop_.tls_ != nullptr && connection_.tls() == nullptr) words += "250-STARTTLS\r\n";
    return "250-hop.test\r\n" + words + "250 HELP";
  }

  // As the rules have it.
  asio::awaitable<void> say(std::string line, std::string usual) {
    const answer a = hop_.answer_to(line, usual);
    if (a.does == what::silence) silent_ = true;
    if (a.does == what::close) open_ = false;
    code_ = a.reply.empty() ? '0' : a.reply.front();
    if (silent_ || !open_) co_return;
    const std::string words = a.reply + "\r\n";
    const std::error_code failed = co_await write_all(connection_, words, deadline());
    // RFC 5321 §3.8
    if (failed || words.starts_with("421")) open_ = false;
  }

  asio::awaitable<std::string> read_line() {
    std::size_t end = input_.find("\r\n");
    while (open_ && end == std::string::npos) {
      co_await read_more();
      end = input_.find("\r\n");
    }
    std::string line;
    if (!open_) co_return line;
    line = input_.substr(0, end);
    input_.erase(0, end + 2);
    co_return line;
  }

  asio::awaitable<void> read_more() {
    char octets[4096];
    const io_result r = connection_.try_read(std::span<char>(octets));
    input_.append(octets, r.octets);
    if (!r.error) co_return;
    std::error_code failed = r.error;
    if (r.would_block()) failed = co_await connection_.wait(readiness::to_read, deadline());
    if (failed) open_ = false;
  }

  time_point deadline() const { return connection_.now() + patience; }

  scripted_next_hop& hop_;
  transport& connection_;
  std::size_t number_;
  std::string input_;
  hop_message message_;
  char code_ = '0';  // the first digit of what was said last
  bool open_ = true;
  bool silent_ = false;
};

GATEPOST_DECL asio::awaitable<void> scripted_next_hop::serve(transport& connection) {
  session one(*this, connection);
  co_await one.run();
}

}  // namespace gatepost::smtp::testing

#endif  // GATEPOST_SMTP_TESTING_IMPL_SCRIPTED_NEXT_HOP_IPP
