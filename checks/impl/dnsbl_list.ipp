#ifndef GATEPOST_CHECKS_IMPL_DNSBL_LIST_IPP
#define GATEPOST_CHECKS_IMPL_DNSBL_LIST_IPP

#include <algorithm>
#include <charconv>
#include <cmath>
#include <stdexcept>

#include "checks/dnsbl_list.hpp"
#include "smtp/domain.hpp"

namespace gatepost::checks {
namespace detail {

// A number up to 255, without leading zero, from the front of the text.
inline std::optional<unsigned> take_octet(std::string_view& text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const auto size = static_cast<std::size_t>(end - text.data());
  if (error != std::errc() || value > 255 || (size > 1 && text.front() == '0')) return std::nullopt;
  text.remove_prefix(size);
  return value;
}

// "2" or "2-11" from the front of the text.
inline bool take_range(std::string_view& text, std::bitset<256>& into) {
  const auto first = take_octet(text);
  if (!first) return false;
  auto last = first;
  if (text.starts_with('-')) {
    text.remove_prefix(1);
    last = take_octet(text);
  }
  if (!last || *last < *first) return false;
  for (unsigned i = *first; i <= *last; ++i) into.set(i);
  return true;
}

// A range, or "[2-4,9]".
inline bool take_octets(std::string_view& text, std::bitset<256>& into) {
  if (!text.starts_with('[')) return take_range(text, into);
  do {
    text.remove_prefix(1);
    if (!take_range(text, into)) return false;
  } while (text.starts_with(',') || text.starts_with(';'));
  if (!text.starts_with(']')) return false;
  text.remove_prefix(1);
  return true;
}

struct code_text {
  std::string_view pattern;
  std::optional<double> weight;
};

// "127.0.0.2" or "127.0.0.2=0.5"; nothing where the weight is no number.
inline std::optional<code_text> split_code(std::string_view text) {
  const std::size_t sign = text.find('=');
  if (sign == text.npos) return code_text{text, std::nullopt};
  const std::string_view number = text.substr(sign + 1);
  double weight = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), weight);
  const bool whole = error == std::errc() && end == number.data() + number.size();
  if (!whole || !std::isfinite(weight)) return std::nullopt;
  return code_text{text.substr(0, sign), weight};
}

inline dnsbl_codes parsed_codes(std::string_view text) {
  const auto codes = dnsbl_codes::parse(text);
  if (!codes) throw std::invalid_argument('"' + std::string(text) + "\" is no pattern of codes");
  return *codes;
}

}  // namespace detail

GATEPOST_DECL std::string_view to_string(dnsbl_subject s) {
  switch (s) {
    case dnsbl_subject::ipv4: return "ipv4";
    case dnsbl_subject::ipv6: return "ipv6";
    case dnsbl_subject::helo: return "helo";
    case dnsbl_subject::sender: return "sender";
    case dnsbl_subject::client_name: return "client_name";
  }
  return "?";
}

GATEPOST_DECL std::optional<dnsbl_codes> dnsbl_codes::parse(std::string_view text) {
  dnsbl_codes made;
  if (text.find('/') != text.npos) {
    const auto network = smtp::parse_ip_network(text);
    if (!network || !network->address().is_v4()) return std::nullopt;
    for (unsigned i = 0; i < 4; ++i) {
      const unsigned bits =
          std::clamp<int>(static_cast<int>(network->bits()) - 8 * static_cast<int>(i), 0, 8);
      const unsigned first = network->address().octets()[i];
      for (unsigned j = 0; j < 256u >> bits; ++j) made.octets_[i].set(first + j);
    }
    return made;
  }
  for (std::size_t i = 0; i < 4; ++i) {
    if (i > 0) {
      if (!text.starts_with('.')) return std::nullopt;
      text.remove_prefix(1);
    }
    if (!detail::take_octets(text, made.octets_[i])) return std::nullopt;
  }
  if (!text.empty()) return std::nullopt;
  return made;
}

GATEPOST_DECL bool dnsbl_codes::contains(const smtp::ip_address& address) const {
  if (!address.is_v4()) return false;
  const auto octets = address.octets();
  for (std::size_t i = 0; i < 4; ++i)
    if (!octets_[i].test(octets[i])) return false;
  return true;
}

GATEPOST_DECL std::vector<std::string> default_blocked_codes() {
  return {"127.255.255.0/24", "127.0.0.1", "127.0.0.255"};
}

GATEPOST_DECL dnsbl_reader::dnsbl_reader(const dnsbl_list& list,
                                         std::span<const std::string> blocked)
    : weight_(list.weight) {
  const std::string problem = problem_of(list);
  if (!problem.empty()) throw std::invalid_argument(list.zone + ": " + problem);
  for (const std::string& text : blocked) blocked_.push_back(detail::parsed_codes(text));
  for (const std::string& text : list.codes) {
    const detail::code_text code = *detail::split_code(text);
    codes_.push_back({detail::parsed_codes(code.pattern), code.weight.value_or(list.weight)});
  }
}

GATEPOST_DECL dnsbl_reading dnsbl_reader::read(std::span<const smtp::ip_address> answers) const {
  dnsbl_reading found;
  bool any_of_list = answers.empty();
  for (const smtp::ip_address& a : answers) {
    for (const dnsbl_codes& b : blocked_)
      if (b.contains(a)) return {dnsbl_meaning::blocked, 0, a};
    // RFC 5782 §2.1: addresses in 127.0.0.0/8, and no others.
    if (!a.is_v4() || !a.is_loopback()) continue;
    any_of_list = true;
    const auto count = [&](double weight) {
      if (found.meaning == dnsbl_meaning::listed && std::abs(weight) <= std::abs(found.weight))
        return;
      found = {dnsbl_meaning::listed, weight, a};
    };
    if (codes_.empty()) count(weight_);
    for (const weighed& c : codes_)
      if (c.codes.contains(a)) count(c.weight);
  }
  if (!any_of_list) return {dnsbl_meaning::odd, 0, answers.front()};
  return found;
}

GATEPOST_DECL bool is_dnsbl_code(std::string_view text) {
  const auto code = detail::split_code(text);
  return code && dnsbl_codes::parse(code->pattern);
}

GATEPOST_DECL std::string problem_of(const dnsbl_list& list) {
  if (!smtp::valid_domain(list.zone)) return "zone \"" + list.zone + "\" is no domain";
  if (list.subjects.empty()) return "a list that is asked about nothing has no use";
  if (!std::isfinite(list.weight)) return "the weight is no number";
  for (const std::string& text : list.codes)
    if (!is_dnsbl_code(text)) return '"' + text + "\" is no pattern of codes";
  return {};
}

GATEPOST_DECL std::string dnsbl_reason(std::string_view txt, std::size_t most) {
  std::string line;
  for (const char c : txt) {
    const bool blank = c == ' ' || c == '\t' || c == '\r' || c == '\n';
    if (blank && (line.empty() || line.back() == ' ')) continue;
    if (line.size() == most) break;
    line += blank ? ' ' : c > 0x20 && c < 0x7f ? c : '?';
  }
  if (line.ends_with(' ')) line.pop_back();
  return line;
}

}  // namespace gatepost::checks

#endif  // GATEPOST_CHECKS_IMPL_DNSBL_LIST_IPP
