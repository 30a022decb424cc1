#include "examples/border_mta/values.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <vector>

namespace border_mta {

namespace {

struct unit {
  std::string_view name;
  std::uint64_t factor;
};

// Each from the smallest to the largest.
constexpr unit wait_units[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};
constexpr unit octet_units[] = {{"B", 1}, {"KiB", 1u << 10}, {"MiB", 1u << 20}, {"GiB", 1u << 30}};

std::optional<std::uint64_t> parse(std::string_view text, std::span<const unit> units) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (text.starts_with(' ')) text.remove_prefix(1);
  for (const unit& u : units) {
    if (u.name != text) continue;
    if (number > std::numeric_limits<std::int64_t>::max() / u.factor) return std::nullopt;
    return number * u.factor;
  }
  return std::nullopt;
}

std::string write(std::uint64_t number, std::span<const unit> units, std::string_view between) {
  const unit* best = &units.front();
  for (const unit& u : units)
    if (number != 0 && number % u.factor == 0) best = &u;
  return std::to_string(number / best->factor).append(between).append(best->name);
}

// Insertions, deletions and replacements that make one of the other (Levenshtein).
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, diagonal + 1, row[j] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::optional<std::chrono::milliseconds> parse_wait(std::string_view text) {
  const auto number = parse(text, wait_units);
  if (!number) return std::nullopt;
  return std::chrono::milliseconds(static_cast<std::int64_t>(*number));
}

std::string write_wait(std::chrono::milliseconds wait) {
  return wait.count() == 0 ? "0s" : write(static_cast<std::uint64_t>(wait.count()), wait_units, "");
}

std::optional<std::uint64_t> parse_octets(std::string_view text) {
  return parse(text, octet_units);
}

std::string write_octets(std::uint64_t octets) { return write(octets, octet_units, " "); }

std::optional<std::chrono::system_clock::time_point> parse_date(std::string_view text) {
  constexpr std::string_view form = "0000-00-00";
  if (text.size() != form.size()) return std::nullopt;
  for (std::size_t i = 0; i < form.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (form[i] == '0' ? !digit : text[i] != form[i]) return std::nullopt;
  }
  const auto number = [text](std::size_t at, std::size_t size) {
    unsigned value = 0;
    for (const char c : text.substr(at, size)) value = value * 10 + static_cast<unsigned>(c - '0');
    return value;
  };
  const std::chrono::year_month_day day{std::chrono::year(static_cast<int>(number(0, 4))),
                                        std::chrono::month(number(5, 2)),
                                        std::chrono::day(number(8, 2))};
  // What a time_point in nanoseconds can hold.
  const bool in_range =
      day.year() >= std::chrono::year(1970) && day.year() <= std::chrono::year(2261);
  if (!day.ok() || !in_range) return std::nullopt;
  return std::chrono::sys_days(day);
}

std::optional<std::string_view> nearest(std::string_view word,
                                        std::span<const std::string_view> candidates) {
  // Two slips, or one in three letters of a long word.
  std::size_t best = std::max<std::size_t>(2, word.size() / 3) + 1;
  std::optional<std::string_view> found;
  for (const std::string_view candidate : candidates) {
    const std::size_t d = distance(word, candidate);
    if (d >= best || d >= std::max(word.size(), candidate.size())) continue;
    best = d;
    found = candidate;
  }
  return found;
}

}  // namespace border_mta
