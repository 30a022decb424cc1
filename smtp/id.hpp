// Ids of sessions and messages: short, unique, ordered by time, safe in a reply or a file name.
//
// Sixteen characters of Crockford's base 32: milliseconds since 2020 (41 bits), a counter (19
// bits), a random number drawn once per source (20 bits). Thread-safe.
#ifndef GATEPOST_SMTP_ID_HPP
#define GATEPOST_SMTP_ID_HPP

#include <atomic>
#include <chrono>
#include <cstdint>
#include <random>
#include <string>

#include "smtp/config.hpp"

namespace gatepost::smtp {

class id_source {
 public:
  id_source() : seed_(std::random_device{}() & 0xFFFFF) {}
  explicit id_source(std::uint32_t seed) : seed_(seed & 0xFFFFF) {}

  std::string next(std::chrono::system_clock::time_point now) {
    using namespace std::chrono;
    constexpr auto epoch = sys_days(year(2020) / January / 1);
    const auto ms = static_cast<std::uint64_t>(duration_cast<milliseconds>(now - epoch).count());
    const std::uint64_t count = counter_.fetch_add(1, std::memory_order_relaxed) & 0x7FFFF;
    std::string id(16, '0');
    write(id, 0, 12, (ms & 0x1FFFFFFFFFF) << 19 | count);
    write(id, 12, 4, seed_);
    return id;
  }

 private:
  static void write(std::string& id, std::size_t at, std::size_t n, std::uint64_t bits) {
    constexpr char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    for (std::size_t i = n; i-- > 0; bits >>= 5) id[at + i] = alphabet[bits & 31];
  }

  std::uint64_t seed_;
  std::atomic<std::uint64_t> counter_{0};
};

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_ID_HPP
