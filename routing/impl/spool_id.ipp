#ifndef GATEPOST_ROUTING_IMPL_SPOOL_ID_IPP
#define GATEPOST_ROUTING_IMPL_SPOOL_ID_IPP

#include <algorithm>

#include "routing/spool_id.hpp"

namespace gatepost::routing {
namespace detail {

// In ASCII order, so that text sorts as numbers do; without i, l, o and u, which people misread.
inline constexpr std::string_view id_alphabet = "0123456789abcdefghjkmnpqrstvwxyz";
inline constexpr unsigned id_bits = 5;

inline void write_id_digits(std::string& out, std::uint64_t value, std::size_t count) {
  for (std::size_t i = count; i-- > 0;) {
    out.push_back(id_alphabet[(value >> (i * id_bits)) % id_alphabet.size()]);
  }
}

}  // namespace detail

GATEPOST_DECL bool is_spool_id(std::string_view text) noexcept {
  return text.size() == spool_id_characters && std::all_of(text.begin(), text.end(), [](char c) {
           return detail::id_alphabet.find(c) != std::string_view::npos;
         });
}

GATEPOST_DECL std::optional<std::chrono::system_clock::time_point> time_of_spool_id(
    std::string_view id) noexcept {
  if (!is_spool_id(id)) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : id.substr(0, spool_id_time_characters)) {
    value = value << detail::id_bits | detail::id_alphabet.find(c);
  }
  using std::chrono::system_clock;
  const auto since = std::chrono::microseconds(static_cast<std::int64_t>(value));
  // The clock counts nanoseconds, which end in the year 2262.
  if (since >
      std::chrono::duration_cast<std::chrono::microseconds>(system_clock::duration::max())) {
    return std::nullopt;
  }
  return system_clock::time_point(std::chrono::duration_cast<system_clock::duration>(since));
}

GATEPOST_DECL std::string spool_id_source::next(std::chrono::system_clock::time_point now) {
  const auto since = now.time_since_epoch();
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(since).count();
  const auto wanted = static_cast<std::uint64_t>(std::max<std::int64_t>(micros, 0));
  std::uint64_t last = last_.load(std::memory_order_relaxed);
  std::uint64_t value = 0;
  do {
    value = std::max(wanted, last + 1);
  } while (!last_.compare_exchange_weak(last, value, std::memory_order_relaxed));
  std::string id;
  id.reserve(spool_id_characters);
  detail::write_id_digits(id, value, spool_id_time_characters);
  detail::write_id_digits(id, salt_, spool_id_salt_characters);
  return id;
}

GATEPOST_DECL void spool_id_source::seen(std::string_view id) noexcept {
  const auto time = time_of_spool_id(id);
  if (!time) return;
  const auto since = time->time_since_epoch();
  const auto value = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(since).count());
  std::uint64_t last = last_.load(std::memory_order_relaxed);
  while (last < value && !last_.compare_exchange_weak(last, value, std::memory_order_relaxed)) {
  }
}

}  // namespace gatepost::routing

#endif  // GATEPOST_ROUTING_IMPL_SPOOL_ID_IPP
