#include "examples/identity/message.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string_view>

namespace identity {

namespace {

// False: errno says why, or it is too large, with errno 0.
bool read_all(std::FILE* from, std::string& text) {
  char piece[64 << 10];
  while (const std::size_t got = std::fread(piece, 1, sizeof piece, from)) {
    text.append(piece, got);
    if (text.size() > largest_message) return errno = 0, false;
  }
  return std::ferror(from) == 0;
}

std::string with_crlf(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 32);
  for (const char c : text) {
    if (c == '\n') out += '\r';
    out += c;
  }
  return out;
}

}  // namespace

bool read_message(const std::string& file, std::string& text, std::string& problem) {
  const auto close = [](std::FILE* f) { return f == stdin ? 0 : std::fclose(f); };
  const std::unique_ptr<std::FILE, decltype(close)> from(
      file == "-" ? stdin : std::fopen(file.c_str(), "rb"), close);
  text.clear();
  if (!from || !read_all(from.get(), text)) {
    problem = file + ": " +
              (errno != 0 ? "cannot be read: " + std::string(std::strerror(errno))
                          : "is larger than " + std::to_string(largest_message >> 20) + " MiB");
    return false;
  }
  if (text.find("\r\n") == text.npos) text = with_crlf(text);
  return true;
}

}  // namespace identity
