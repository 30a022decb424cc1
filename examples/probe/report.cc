#include "examples/probe/report.hpp"

#include <cstdio>

#include "smtp/utf8.hpp"

namespace probe {
namespace {

namespace smtp = gatepost::smtp;
using state = smtp::recipient_state;

}  // namespace

bool summary::good() const {
  if (!failure.empty()) return false;
  for (const recipient_tally& r : recipients)
    if (r.count(state::delivered) != messages) return false;
  return true;
}

std::string summary::result() const {
  if (recipients.empty())
    return failure.empty() ? "the server answers; nothing was sent" : "failed: " + failure;
  std::uint64_t wanted = 0;
  std::uint64_t delivered = 0;
  for (const recipient_tally& r : recipients) {
    wanted += messages;
    delivered += r.count(state::delivered);
  }
  std::string out = "delivered to " + std::to_string(delivered) + " of " + std::to_string(wanted);
  out.append(wanted == 1 ? " recipient" : " recipients");
  if (messages > 1) out.append(" of ").append(std::to_string(messages)).append(" messages");
  return failure.empty() ? out : out + "; the session failed: " + failure;
}

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t size = smtp::utf8_sequence(text, 0);
    const std::string_view one = text.substr(0, size == 0 ? 1 : size);
    const auto first = static_cast<unsigned char>(one.front());
    const bool c0 = size == 1 && ((first < 0x20 && first != '\t') || first == 0x7F);
    // U+0080 to U+009F: 0x9B alone would begin a terminal's command.
    const bool c1 = size == 2 && first == 0xC2 && static_cast<unsigned char>(one[1]) < 0xA0;
    if (size == 0 || c0 || c1)
      out.push_back('?');
    else
      out.append(one);
    text.remove_prefix(one.size());
  }
  return out;
}

std::string time_text(std::chrono::sys_seconds time) {
  using namespace std::chrono;
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(time - day);
  std::array<char, 64> text;
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02u %02d:%02d:%02d UTC",
                static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(clock.hours().count()),
                static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return text.data();
}

}  // namespace probe
