// How spool_message becomes octets and comes back: one record for any engine to store.
//
// Version 1: a version octet, then every member in a fixed order; numbers as base-128 varints
// (least significant group first), signed ones zigzag, strings as length and octets. The id is not
// in it: it is the key under which the record is stored. Decoding takes any octets: it never reads
// beyond them, and allocates no more than they can fill. The engine guards the octets by a
// checksum. No I/O.
#ifndef GATEPOST_ROUTING_SPOOL_RECORD_HPP
#define GATEPOST_ROUTING_SPOOL_RECORD_HPP

#include <cstdint>
#include <string>
#include <string_view>

#include "routing/spool_message.hpp"
#include "smtp/config.hpp"
#include "smtp/result.hpp"

namespace gatepost::routing {

inline constexpr std::uint8_t spool_record_version = 1;

// Appends the record to `out`. `size` is taken for spool_message::size.
GATEPOST_DECL void encode_spool_record(const spool_message& message, std::uint64_t size,
                                       std::string& out);

// Error: spool_corrupt, where the octets are no record of a known version, or not all of them
// belong to it.
GATEPOST_DECL smtp::result<spool_message> decode_spool_record(std::string_view id,
                                                              std::string_view record);

// spool_message::size alone, cheaply. Error: spool_corrupt.
GATEPOST_DECL smtp::result<std::uint64_t> size_in_spool_record(std::string_view record);

}  // namespace gatepost::routing

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "routing/impl/spool_record.ipp"
#endif

#endif  // GATEPOST_ROUTING_SPOOL_RECORD_HPP
