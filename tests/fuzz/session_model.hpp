// What a server may say to a client, written down slowly: the judge of the server engine.
//
// It has the client's octets and the server's replies as a whole, cuts the octets into command
// lines, message texts, chunks and AUTH responses as the RFCs say, and demands one reply for each
// (in LMTP and with PRDR: one for each recipient at a message's end). An octet of a text that was
// taken for a command, or a command that was not answered, does not add up.
#ifndef GATEPOST_TESTS_FUZZ_SESSION_MODEL_HPP
#define GATEPOST_TESTS_FUZZ_SESSION_MODEL_HPP

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "smtp/data_options.hpp"
#include "tests/fuzz/check.hpp"
#include "tests/support/reference_data_decoder.hpp"

namespace gatepost::tests {

struct modelled_session {
  smtp::line_ends ends = smtp::line_ends::strict;
  std::size_t command_line = 0;
  std::size_t auth_line = 0;
};

class session_model {
 public:
  session_model(const modelled_session& settings, std::string_view client, std::string_view wire,
                bool closed)
      : settings_(settings), client_(client), closed_(closed) {
    split(wire);
  }

  // The texts of the messages that came to their end in good order.
  const std::vector<std::string>& check() {
    if (!more_replies()) return texts_;  // lost before the greeting
    const std::string greeting = next_reply();
    rejected_ = greeting.starts_with("554");
    while (!over_ && one_command()) continue;
    // All that was said belongs to something: the fault of a line that has not ended is told, once,
    // and there may be the last word of all.
    if (!over_ && more_replies() && replies_[next_].starts_with("500") && unfinished_is_faulty())
      next_reply();
    if (!over_ && more_replies()) FUZZ_CHECK(next_reply().starts_with("421") && closed_);
    FUZZ_CHECK(!more_replies());
    return texts_;
  }

 private:
  // --- Replies
  // ---------------------------------------------------------------------------------------------

  void split(std::string_view wire) {
    while (!wire.empty()) {
      std::size_t at = 0;
      for (bool last = false; !last;) {
        last = wire[at + 3] == ' ';
        at = wire.find("\r\n", at) + 2;
      }
      replies_.emplace_back(wire.substr(0, at));
      wire.remove_prefix(at);
    }
  }

  bool more_replies() const { return next_ < replies_.size(); }

  // The reply to what was read. Where none is left, the session ended before it came to that.
  std::string next_reply() {
    if (!more_replies()) {
      FUZZ_CHECK(closed_);
      over_ = true;
      return {};
    }
    const std::string reply = replies_[next_++];
    // RFC 5321 §3.8
    if (reply.starts_with("421")) {
      FUZZ_CHECK(closed_ && !more_replies());
      over_ = true;
    }
    return reply;
  }

  // --- Octets
  // ----------------------------------------------------------------------------------------------

  // The next line without its end; nothing: there is none. `good`: it is short and clean enough.
  std::optional<std::string_view> next_line(std::size_t limit, bool& good) {
    const bool strict = settings_.ends == smtp::line_ends::strict;
    const std::size_t end = client_.find(strict ? "\r\n" : "\n", at_);
    if (end == client_.npos) return std::nullopt;
    const std::size_t size = end + (strict ? 2 : 1) - at_;
    std::string_view line = client_.substr(at_, end - at_);
    if (!strict && line.ends_with('\r')) line.remove_suffix(1);
    at_ += size;
    good = size <= limit && line.find_first_of(std::string_view("\r\n\0", 3)) == line.npos;
    for (const char c : line) {
      const auto u = static_cast<unsigned char>(c);
      good = good && (u >= 32 || c == '\t') && u != 127;
    }
    return line;
  }

  // What is left has no line end, and something in it that no line may have.
  bool unfinished_is_faulty() const {
    const std::string_view rest = client_.substr(at_);
    for (std::size_t i = 0; i < rest.size(); ++i) {
      const bool bare_cr = rest[i] == '\r' && i + 1 < rest.size() && rest[i + 1] != '\n';
      if (bare_cr || rest[i] == '\n' || rest[i] == '\0') return true;
    }
    return rest.size() >= std::min(settings_.command_line, settings_.auth_line);
  }

  static bool announces_text(std::string_view line) {
    std::size_t end = 0;
    while (end < line.size() && std::isalnum(static_cast<unsigned char>(line[end])) != 0) ++end;
    line = line.substr(0, end);
    const std::string word = word_of(line);
    return word == "DATA" || word == "BDAT";
  }

  static std::string word_of(std::string_view& line) {
    const std::size_t end = std::min(line.find_first_of(" \t"), line.size());
    std::string word(line.substr(0, end));
    for (char& c : word)
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
    line.remove_prefix(std::min(line.find_first_not_of(" \t", end), line.size()));
    return word;
  }

  bool one_command() {
    bool good = false;
    const auto found = next_line(settings_.command_line, good);
    if (!found) return false;
    std::string_view rest = *found;
    const std::string verb = good ? word_of(rest) : "";
    if (verb == "BDAT" && !rejected_) return chunk(rest);
    const std::string reply = next_reply();
    // What follows may be octets of a text.
    if (!over_ && (good ? verb == "BDAT" : announces_text(*found))) {
      FUZZ_CHECK(closed_);
      if (more_replies()) FUZZ_CHECK(next_reply().starts_with("421"));
      over_ = true;
    }
    if (over_) return false;
    if (verb == "DATA" && reply.starts_with("354")) return text();
    if (reply.starts_with("334")) return auth();
    note(verb, rest, reply);
    return !over_;
  }

  // What a command that was answered changes.
  void note(const std::string& verb, std::string_view rest, std::string_view reply) {
    const bool yes = reply.front() == '2';
    const bool hello = verb == "EHLO" || verb == "HELO" || verb == "LHLO";
    const bool starttls = verb == "STARTTLS";
    if (yes && (hello || starttls)) lmtp_ = verb == "LHLO";
    if (yes && (hello || starttls || verb == "MAIL" || verb == "RSET")) forget();
    if (yes && verb == "MAIL") binary_ = is_binary(rest);
    if (yes && verb == "RCPT") ++recipients_;
    if (yes && verb == "QUIT") over_ = true;
    // The policy's refusal ends the transaction; one for the order of commands does not.
    if (verb == "DATA" && !reply.starts_with("50") && !reply.starts_with("530")) forget();
    // Greeted anew, or turned away.
    if (verb == "XCLIENT" && reply.starts_with("554")) rejected_ = true;
  }

  void forget() {
    recipients_ = 0;
    chunks_.clear();
  }

  static bool is_binary(std::string_view parameters) {
    while (!parameters.empty())
      if (word_of(parameters) == "BODY=BINARYMIME") return true;
    return false;
  }

  bool auth() {
    for (bool good = false; next_line(settings_.auth_line, good);) {
      const std::string reply = next_reply();
      if (over_ || !reply.starts_with("334")) return true;
    }
    return false;
  }

  bool text() {
    const reference_data found =
        reference_data_decoder({.ends = settings_.ends, .max_line = 0}).data(client_.substr(at_));
    at_ += found.consumed;
    // Without an end there is only the last word of a session that gives up.
    if (!found.end && !more_replies()) return false;
    const std::string reply = replies_at_end(lmtp_);
    if (!found.end) FUZZ_CHECK(closed_ && !more_replies());
    if (reply.starts_with("2")) texts_.push_back(found.text);
    forget();
    return found.end && !over_;
  }

  // The last of the replies to a whole message, or to a chunk.
  std::string replies_at_end(bool one_for_each) {
    std::string reply = next_reply();
    std::size_t more = one_for_each && recipients_ > 0 ? recipients_ - 1 : 0;
    if (reply.starts_with("353")) more = recipients_ + 1;
    // Who gives up on a message says so once.
    if (closed_ && !more_replies()) over_ = true;
    bool any = reply.starts_with("2");
    for (; more > 0 && !over_; --more) {
      reply = next_reply();
      any = any || reply.starts_with("2");
    }
    return any ? "250" : reply;
  }

  bool chunk(std::string_view argument) {
    const std::string digits = word_of(argument);
    const std::string second = word_of(argument);
    std::uint64_t size = 0;
    bool good = !digits.empty() && (second.empty() || second == "LAST") && argument.empty();
    for (const char c : digits) {
      const auto digit = static_cast<std::uint64_t>(c - '0');
      good = good && c >= '0' && c <= '9' && size <= (~std::uint64_t{0} - digit) / 10;
      size = size * 10 + digit;
    }
    if (!good) {  // nobody knows where the next command begins
      next_reply();
      FUZZ_CHECK(closed_ && !more_replies());
      return false;
    }
    const bool whole = size <= client_.size() - at_;
    if (!whole && !more_replies()) return false;
    const std::string_view octets =
        client_.substr(at_, whole ? static_cast<std::size_t>(size) : client_.npos);
    at_ += octets.size();
    chunks_ += octets;
    const bool last = second == "LAST";
    const std::string reply = replies_at_end(lmtp_ && last);
    if (!whole) FUZZ_CHECK(closed_ && !more_replies());
    if (last && reply.starts_with("2")) texts_.push_back(text_of_chunks());
    if (last || !reply.starts_with("2")) forget();
    return !over_;
  }

  std::string text_of_chunks() const {
    if (binary_) return chunks_;
    return reference_data_decoder({.ends = settings_.ends, .max_line = 0})
        .chunks(chunks_, true)
        .text;
  }

  modelled_session settings_;
  std::string_view client_;
  bool closed_;
  std::vector<std::string> replies_;
  std::vector<std::string> texts_;
  std::size_t at_ = 0;
  std::size_t next_ = 0;
  std::size_t recipients_ = 0;
  bool lmtp_ = false;
  bool rejected_ = false;
  bool over_ = false;
  bool binary_ = false;
  std::string chunks_;  // octets of the chunks of this message
};

}  // namespace gatepost::tests

#endif  // GATEPOST_TESTS_FUZZ_SESSION_MODEL_HPP
