// Names of messages in a spool: unique text that sorts by time.
//
// An id is 14 characters of "0123456789abcdefghjkmnpqrstvwxyz": microseconds since 1970 in 11, then
// 3 that differ from spool to spool, so that ids of several servers do not meet in one log. It is
// safe as a file name, in a header and in a reply. No clock, no I/O.
#ifndef GATEPOST_ROUTING_SPOOL_ID_HPP
#define GATEPOST_ROUTING_SPOOL_ID_HPP

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "smtp/config.hpp"

namespace gatepost::routing {

// 55 bits of microseconds end in the year 3111.
inline constexpr std::size_t spool_id_time_characters = 11;
inline constexpr std::size_t spool_id_salt_characters = 3;
inline constexpr std::size_t spool_id_characters =
    spool_id_time_characters + spool_id_salt_characters;

GATEPOST_DECL bool is_spool_id(std::string_view text) noexcept;

// When the message was begun, by the clock of its server; nothing where `id` is no id, or of a time
// that the clock cannot tell.
GATEPOST_DECL std::optional<std::chrono::system_clock::time_point> time_of_spool_id(
    std::string_view id) noexcept;

// Thread-safe.
class spool_id_source {
 public:
  // `salt`: something random; its lowest 15 bits count.
  explicit spool_id_source(std::uint32_t salt) noexcept : salt_(salt) {}

  // Greater than every id given or seen before, even where `now` is not: a clock may be set back.
  GATEPOST_DECL std::string next(std::chrono::system_clock::time_point now);

  // An id that exists already.
  GATEPOST_DECL void seen(std::string_view id) noexcept;

 private:
  std::atomic<std::uint64_t> last_{0};
  std::uint32_t salt_;
};

}  // namespace gatepost::routing

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "routing/impl/spool_id.ipp"
#endif

#endif  // GATEPOST_ROUTING_SPOOL_ID_HPP
