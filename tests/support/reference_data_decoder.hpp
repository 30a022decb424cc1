// What DATA and BDAT octets mean, written down slowly: the judge of smtp/data_reader.hpp.
//
// It has the octets as a whole, cuts them at CRLF as RFC 5321 §2.3.8 says, and looks at one line
// after the other, octet by octet. It shares no idea with the reader but the names of the
// violations.
#ifndef GATEPOST_TESTS_SUPPORT_REFERENCE_DATA_DECODER_HPP
#define GATEPOST_TESTS_SUPPORT_REFERENCE_DATA_DECODER_HPP

#include <cstddef>
#include <cstdint>
#include <map>
#include <ostream>
#include <string>
#include <string_view>

#include "smtp/data_options.hpp"
#include "smtp/violations.hpp"

namespace gatepost::tests {

struct reference_data {
  bool end = false;
  std::size_t consumed = 0;  // up to the end-of-message; all where there is none
  std::string text;          // as much as is certain
  std::map<smtp::violation, std::uint64_t> violations;

  friend bool operator==(const reference_data&, const reference_data&) = default;
};

// Octets for a message to people: as in C, with what does not print in hexadecimal.
inline std::string shown(std::string_view octets) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (const char c : octets) {
    const auto value = static_cast<unsigned char>(c);
    if (c == '\r') {
      out += "\\r";
    } else if (c == '\n') {
      out += "\\n";
    } else if (value < 0x20 || value > 0x7e) {
      out += {'\\', 'x', digits[value >> 4], digits[value & 15]};
    } else {
      out += c;
    }
  }
  return out;
}

inline std::ostream& operator<<(std::ostream& to, const reference_data& data) {
  to << (data.end ? "ended" : "open") << " after " << data.consumed << ": \"" << shown(data.text)
     << '"';
  for (const auto& [v, at] : data.violations)
    to << ", " << make_error_code(to_errc(v)).message() << " at " << at;
  return to;
}

class reference_data_decoder {
 public:
  explicit reference_data_decoder(smtp::data_options options) : options_(options) {}

  // The octets after the reply 354.
  reference_data data(std::string_view sent) {
    std::size_t begin = 0;
    for (std::size_t end; (end = sent.find("\r\n", begin)) != sent.npos; begin = end + 2) {
      std::string_view line = sent.substr(begin, end - begin);
      if (line == ".") {
        out_.end = true;
        out_.consumed = end + 2;
        return out_;
      }
      const std::size_t stuffed = line.starts_with('.') ? 1 : 0;
      take(line.substr(stuffed), begin + stuffed, ending::crlf);
    }
    const std::string_view rest = sent.substr(begin);
    const std::size_t stuffed = rest.starts_with('.') ? 1 : 0;
    if (rest != ".\r") take(rest.substr(stuffed), begin + stuffed, ending::unknown);
    out_.consumed = sent.size();
    return out_;
  }

  // The octets of all chunks of a message.
  reference_data chunks(std::string_view sent, bool complete) {
    std::size_t begin = 0;
    for (std::size_t end; (end = sent.find("\r\n", begin)) != sent.npos; begin = end + 2) {
      take(sent.substr(begin, end - begin), begin, ending::crlf);
    }
    take(sent.substr(begin), begin, complete ? ending::nothing : ending::unknown);
    out_.end = complete;
    out_.consumed = sent.size();
    return out_;
  }

 private:
  enum class ending { crlf, nothing, unknown };

  // A line that begins at `at`, without its line end and stuffed dot.
  void take(std::string_view line, std::size_t at, ending e) {
    line_at_ = at;
    line_text_ = out_.text.size();
    for (std::size_t i = 0; i < line.size(); ++i) {
      const bool last = i + 1 == line.size();
      if (line[i] == '\r') {
        if (e == ending::unknown && last) {
          // Nobody knows yet. A CR before it was not certain to be dropped, this one is not text
          // yet.
          if (i == 0 || line[i - 1] != '\r' || !normalises()) put('\r');
        } else {
          violate(smtp::violation::bare_cr, at + i);
          cr(last && e == ending::crlf,
             e == ending::unknown && i + 2 == line.size() && line[i + 1] == '\r', at + i + 1);
        }
      } else if (line[i] == '\n') {
        violate(smtp::violation::bare_lf, at + i);
        if (normalises()) put('\r');
        put('\n');
        if (normalises()) begin_line(at + i + 1);
      } else {
        if (line[i] == '\0') violate(smtp::violation::nul, at + i);
        put(line[i]);
      }
    }
    if (e != ending::crlf) return;
    put('\r');
    put('\n');
  }

  // A bare CR; whether CRLF follows; whether its LF is still to come, because CR follows and no
  // more.
  void cr(bool before_crlf, bool open, std::size_t next) {
    if (normalises() && before_crlf) return;  // CR CR LF is one line end
    put('\r');
    if (!normalises() || open) return;
    put('\n');
    begin_line(next);
  }

  void begin_line(std::size_t at) {
    line_at_ = at;
    line_text_ = out_.text.size();
  }

  void put(char c) {
    out_.text.push_back(c);
    if (options_.max_line != 0 && out_.text.size() - line_text_ > options_.max_line) {
      violate(smtp::violation::long_line, line_at_);
    }
  }

  void violate(smtp::violation v, std::size_t at) { out_.violations.emplace(v, at); }
  bool normalises() const { return options_.ends == smtp::line_ends::normalise; }

  smtp::data_options options_;
  reference_data out_;
  std::size_t line_at_ = 0;
  std::size_t line_text_ = 0;
};

// What DATA sends for a text: its CRLF-separated lines with their dots doubled, and a lone dot.
inline std::string reference_encode(std::string_view text) {
  std::string sent;
  for (std::size_t end; !text.empty(); text.remove_prefix(end)) {
    if (text.starts_with('.')) sent += '.';
    const auto crlf = text.find("\r\n");
    end = crlf == text.npos ? text.size() : crlf + 2;
    sent += text.substr(0, end);
    if (crlf == text.npos) sent += "\r\n";
  }
  return sent + ".\r\n";
}

}  // namespace gatepost::tests

#endif  // GATEPOST_TESTS_SUPPORT_REFERENCE_DATA_DECODER_HPP
