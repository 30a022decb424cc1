// Writes DNS messages for tests, right ones and wrong ones.
//
//     dns_message(7, {"example.test", dns::record_type::mx}).answer("example.test", 15, 300, data)
#ifndef GATEPOST_TESTS_SUPPORT_DNS_MESSAGE_HPP
#define GATEPOST_TESTS_SUPPORT_DNS_MESSAGE_HPP

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "smtp/dns/message.hpp"

namespace gatepost::tests {

inline std::string dns16(unsigned value) {
  return {static_cast<char>(value >> 8 & 0xff), static_cast<char>(value & 0xff)};
}
inline std::string dns32(std::uint32_t value) { return dns16(value >> 16) + dns16(value & 0xffff); }

// A length octet and the text.
inline std::string dns_string(std::string_view text) {
  return static_cast<char>(text.size()) + std::string(text);
}

// Labels as they stand between the dots; "" is the root. No escapes.
inline std::string dns_name(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto dot = text.find('.');
    out += dns_string(text.substr(0, dot));
    text.remove_prefix(dot == text.npos ? text.size() : dot + 1);
  }
  return out + '\0';
}

inline std::string dns_pointer(unsigned target) { return dns16(0xc000 | target); }

inline constexpr std::uint16_t dns_response = 0x8180;  // QR, RD, RA
inline constexpr std::uint16_t dns_ad = 0x0020;
inline constexpr std::uint16_t dns_tc = 0x0200;
inline constexpr std::uint16_t dns_nxdomain = 3;

// Types that are not asked for.
inline constexpr unsigned dns_ns = 2;
inline constexpr unsigned dns_soa = 6;
inline constexpr unsigned dns_opt = 41;

class dns_message {
 public:
  dns_message(std::uint16_t id, const smtp::dns::question& asked,
              std::uint16_t flags = dns_response)
      : id_(id), flags_(flags) {
    question(asked.name, static_cast<unsigned>(asked.type));
  }

  dns_message& question(std::string_view name, unsigned type, unsigned klass = 1) {
    body_ += dns_name(name) + dns16(type) + dns16(klass);
    return count(0);
  }
  dns_message& no_question() {
    body_.clear();
    counts_[0] = 0;
    return *this;
  }
  // The owner as octets, for pointers.
  dns_message& record(int section, const std::string& owner, unsigned type, std::uint32_t ttl,
                      const std::string& data, unsigned klass = 1) {
    body_ += owner + dns16(type) + dns16(klass) + dns32(ttl) +
             dns16(static_cast<unsigned>(data.size())) + data;
    return count(section);
  }
  dns_message& answer(std::string_view owner, smtp::dns::record_type type, std::uint32_t ttl,
                      const std::string& data) {
    return record(1, dns_name(owner), static_cast<unsigned>(type), ttl, data);
  }
  dns_message& alias(std::string_view owner, std::string_view target, std::uint32_t ttl = 300) {
    return answer(owner, smtp::dns::record_type::cname, ttl, dns_name(target));
  }
  dns_message& soa(std::string_view zone, std::uint32_t ttl, std::uint32_t minimum) {
    return record(2, dns_name(zone), dns_soa, ttl,
                  dns_name("ns.invalid") + dns_name("hostmaster.invalid") + dns32(1) + dns32(2) +
                      dns32(3) + dns32(4) + dns32(minimum));
  }
  // A lie about a section.
  dns_message& claim(int section, std::uint16_t n) {
    counts_[static_cast<std::size_t>(section)] = n;
    return *this;
  }
  dns_message& raw(std::string_view octets) {
    body_ += octets;
    return *this;
  }
  dns_message& flags(std::uint16_t value) {
    flags_ = value;
    return *this;
  }

  std::string text() const {
    std::string out = dns16(id_) + dns16(flags_);
    for (const unsigned n : counts_) out += dns16(n);
    return out + body_;
  }

 private:
  dns_message& count(int section) {
    ++counts_[static_cast<std::size_t>(section)];
    return *this;
  }

  std::uint16_t id_;
  std::uint16_t flags_;
  std::array<std::uint16_t, 4> counts_{};
  std::string body_;
};

}  // namespace gatepost::tests

#endif  // GATEPOST_TESTS_SUPPORT_DNS_MESSAGE_HPP
