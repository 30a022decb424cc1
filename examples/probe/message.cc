#include "examples/probe/message.hpp"

#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "smtp/base64.hpp"
#include "smtp/trace.hpp"
#include "smtp/utf8.hpp"

namespace probe {
namespace {

namespace smtp = gatepost::smtp;

// A message is held in memory; larger ones are no test of a server's answers.
constexpr std::size_t max_message = 256u << 20;

// Octets of text in one encoded-word: with "Subject: " before it the line stays below the 76 of RFC
// 2047 §2.
constexpr std::size_t encoded_word_octets = 39;

// The first line of a password file. RFC 4616 §2 has 255 octets as what every server can take.
constexpr std::size_t max_password = 1023;

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// Nothing of the command line ends a header line.
std::string one_line(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  return out;
}

// RFC 2047 §4.1; no character is cut in two (§5).
std::string encoded_words(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    std::size_t size = 0;
    while (size < text.size()) {
      const std::size_t next = std::max<std::size_t>(smtp::utf8_sequence(text, size), 1);
      if (size + next > encoded_word_octets) break;
      size += next;
    }
    if (!out.empty()) out.append("\r\n ");
    out.append("=?utf-8?B?").append(smtp::base64_encode(text.substr(0, size))).append("?=");
    text.remove_prefix(size);
  }
  return out;
}

std::string subject_of(const options& o, bool utf8) {
  const std::string text = one_line(o.subject.value_or("test message"));
  return utf8 || is_ascii(text) ? text : encoded_words(text);
}

bool needs_utf8(const options& o) {
  if (o.smtputf8 || (o.from && o.from->is_utf8())) return true;
  return std::any_of(o.to.begin(), o.to.end(),
                     [](const smtp::recipient& r) { return r.forward_path.is_utf8(); });
}

struct close_file {
  void operator()(std::FILE* file) const {
    if (file != stdin) std::fclose(file);
  }
};
using open_file = std::unique_ptr<std::FILE, close_file>;

std::optional<std::string> failed(const std::string& path, std::string& wrong, const char* why) {
  wrong = (path == "-" ? "standard input" : path) + ": " + why;
  return std::nullopt;
}

// A terminal that does not show what is typed.
class unseen {
 public:
  unseen() {
    if (tcgetattr(STDIN_FILENO, &before_) != 0) return;
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    changed_ = tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) == 0;
    std::fputs("Password: ", stderr);
  }
  unseen(const unseen&) = delete;
  unseen& operator=(const unseen&) = delete;
  ~unseen() {
    if (changed_) tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
    std::fputc('\n', stderr);
  }

 private:
  termios before_{};
  bool changed_ = false;
};

}  // namespace

std::string made_message(const options& o, std::chrono::system_clock::time_point now,
                         std::string_view id) {
  const bool utf8 = needs_utf8(o);
  const std::string sender = o.from->is_null() ? "postmaster@" + o.hello : o.from->text();
  std::string body = with_crlf(o.body.value_or("This is a test message.\n"));
  if (!body.ends_with("\r\n")) body.append("\r\n");

  std::string out = "Date: " + smtp::date_text(now) + "\r\n";
  out.append("From: <").append(sender).append(">\r\nTo: ");
  for (std::size_t i = 0; i < o.to.size(); ++i)
    out.append(i > 0 ? ",\r\n <" : "<").append(o.to[i].forward_path.text()).append(">");
  out.append("\r\nSubject: ").append(subject_of(o, utf8));
  out.append("\r\nMessage-ID: <").append(id).append("@").append(o.hello).append(">\r\n");
  if (!is_ascii(body))
    out.append(
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 8bit\r\n");
  return out.append("\r\n").append(body);
}

std::string with_crlf(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 32);
  char last = 0;
  for (const char c : text) {
    if (c == '\n' && last != '\r') out.push_back('\r');
    out.push_back(c);
    last = c;
  }
  return out;
}

smtp::transaction transaction_of(const options& o, std::string_view message) {
  smtp::transaction t;
  t.reverse_path = *o.from;
  t.recipients = o.to;
  t.size = message.size();
  if (!is_ascii(message)) t.body = smtp::body_type::eight_bit_mime;
  t.smtputf8 = o.smtputf8;
  t.requiretls = o.requiretls;
  t.ret = o.ret;
  t.envid = o.envid;
  return t;
}

std::optional<std::string> read_input(const std::string& path, std::string& wrong) {
  const open_file file(path == "-" ? stdin : std::fopen(path.c_str(), "rb"));
  if (file == nullptr) return failed(path, wrong, std::strerror(errno));
  std::string text;
  std::array<char, 64u << 10> buffer;
  while (const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), file.get())) {
    text.append(buffer.data(), n);
    if (text.size() > max_message) return failed(path, wrong, "larger than 256 MiB");
  }
  if (std::ferror(file.get()) != 0) return failed(path, wrong, std::strerror(errno));
  return text;
}

std::optional<std::string> read_password(const std::string& path, std::string& wrong) {
  std::optional<unseen> silence;
  if (path == "-" && isatty(STDIN_FILENO) == 1) silence.emplace();
  const open_file file(path == "-" ? stdin : std::fopen(path.c_str(), "rb"));
  if (file == nullptr) return failed(path, wrong, std::strerror(errno));
  std::array<char, max_password + 1> line{};
  if (std::fgets(line.data(), line.size(), file.get()) == nullptr)
    return failed(path, wrong, std::ferror(file.get()) != 0 ? std::strerror(errno) : "no password");
  std::string password(line.data());
  if (password.size() == max_password) return failed(path, wrong, "the password is too long");
  while (!password.empty() && (password.back() == '\n' || password.back() == '\r'))
    password.pop_back();
  if (password.empty()) return failed(path, wrong, "no password in its first line");
  return password;
}

}  // namespace probe
