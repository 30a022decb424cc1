// The message that DKIM's benches sign and verify.
#ifndef GATEPOST_BENCH_DKIM_MESSAGE_HPP
#define GATEPOST_BENCH_DKIM_MESSAGE_HPP

#include <cstddef>
#include <random>
#include <string>

namespace gatepost::bench {

// Text in lines of about 70 octets, as people write it; some of it is indented or ends with blanks.
inline std::string typical_body(std::size_t size) {
  std::mt19937 random(1);
  std::string out;
  while (out.size() < size) {
    for (std::size_t line = 0; line < 66; line += 6)
      out += std::string(2 + random() % 7, static_cast<char>('a' + random() % 26)) + ' ';
    out += random() % 4 == 0 ? " \r\n" : "end.\r\n";
    if (random() % 8 == 0) out += "\r\n";
  }
  out.resize(size - 2);
  return out + "\r\n";
}

// Of `size` octets, without a signature.
inline std::string typical_message(std::size_t size) {
  const std::string header =
      "From: Somebody <somebody@provider.example>\r\nTo: Else <else@example.test>\r\n"
      "Subject: about the things that were said yesterday\r\n"
      "Date: Fri, 27 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@provider.example>\r\n"
      "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n";
  return header + "\r\n" + typical_body(size - header.size() - 2);
}

}  // namespace gatepost::bench

#endif  // GATEPOST_BENCH_DKIM_MESSAGE_HPP
