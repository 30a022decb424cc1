// How the configuration writes times and sizes, and how near one word is to another. Pure.
#ifndef GATEPOST_EXAMPLES_BORDER_MTA_VALUES_HPP
#define GATEPOST_EXAMPLES_BORDER_MTA_VALUES_HPP

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace border_mta {

// "250ms", "30s", "5m", "2h", "5d". One number, one unit: "1h30m" is "90m".
std::optional<std::chrono::milliseconds> parse_wait(std::string_view text);
// By the largest unit that is exact: "90s", "2h".
std::string write_wait(std::chrono::milliseconds wait);

// "512 B", "64 KiB", "50MiB", "1 GiB": powers of 1024.
std::optional<std::uint64_t> parse_octets(std::string_view text);
std::string write_octets(std::uint64_t octets);

// "2026-12-01": the beginning of that day in UTC.
std::optional<std::chrono::system_clock::time_point> parse_date(std::string_view text);

// The candidate that somebody who wrote `word` is likely to have meant; nothing where none is near.
std::optional<std::string_view> nearest(std::string_view word,
                                        std::span<const std::string_view> candidates);

}  // namespace border_mta

#endif  // GATEPOST_EXAMPLES_BORDER_MTA_VALUES_HPP
