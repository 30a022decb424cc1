// How spool_message becomes octets and comes back: one record for any engine to store.
//
// Version 1: a version octet, then every member in a fixed order; numbers as base-128 varints
// (least significant group first), signed ones zigzag, strings as length and octets. Version 2:
// with the text's checksum behind its size; a text without one has a record of version 1. A flag,
// which is no longer written, holds all recipients that are pending. The id is not in it: it is the
// key under which the record is stored. Decoding takes any octets: it never
// reads beyond them, and allocates no more than they can fill. The engine guards the octets by a
// checksum. No I/O.
#ifndef GATEPOST_ROUTING_SPOOL_RECORD_HPP
#define GATEPOST_ROUTING_SPOOL_RECORD_HPP

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "routing/spool_message.hpp"
#include "smtp/config.hpp"
#include "smtp/result.hpp"

namespace gatepost::routing {

inline constexpr std::uint8_t spool_record_version = 2;

// spool_message::size and spool_message::crc32c.
struct kept_text {
  kept_text(std::uint64_t octets, std::optional<std::uint32_t> checksum = std::nullopt)
      : size(octets), crc32c(checksum) {}
  std::uint64_t size;
  std::optional<std::uint32_t> crc32c;
};

// Appends the record to `out`. What `message` says of its text does not count, `text` does.
GATEPOST_DECL void encode_spool_record(const spool_message& message, const kept_text& text,
                                       std::string& out);

// Error: spool_corrupt, where the octets are no record of a known version, or not all of them
// belong to it.
GATEPOST_DECL smtp::result<spool_message> decode_spool_record(std::string_view id,
                                                              std::string_view record);

// What it says of the text alone, cheaply. Error: spool_corrupt.
GATEPOST_DECL smtp::result<kept_text> text_in_spool_record(std::string_view record);

}  // namespace gatepost::routing

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "routing/impl/spool_record.ipp"
#endif

#endif  // GATEPOST_ROUTING_SPOOL_RECORD_HPP
