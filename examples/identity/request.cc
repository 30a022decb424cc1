#include "examples/identity/request.hpp"

#include <charconv>
#include <cstdint>

namespace identity {

bool request::set_client(std::string_view text) {
  if (text.size() >= 2 && text.front() == '[' && text.back() == ']')
    text = text.substr(1, text.size() - 2);
  const auto address = gatepost::smtp::parse_ip_address(text);
  if (!address) return false;
  client = *address;
  return true;
}

bool request::set_now(std::string_view seconds) {
  // As far as system_clock goes, in nanoseconds.
  constexpr std::int64_t last = 9'000'000'000;
  std::int64_t value = 0;
  const char* const end = seconds.data() + seconds.size();
  const auto [read, error] = std::from_chars(seconds.data(), end, value);
  if (error != std::errc{} || read != end || value < 0 || value > last) return false;
  now = std::chrono::system_clock::time_point(std::chrono::seconds(value));
  return true;
}

void request::set_mail_from(std::string_view text) {
  if (text.size() >= 2 && text.front() == '<' && text.back() == '>')
    text = text.substr(1, text.size() - 2);
  mail_from = text;
}

}  // namespace identity
