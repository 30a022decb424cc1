// This header stands alone.
#include "routing/detail/log_scan.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "routing/detail/crc32c.hpp"

namespace gatepost::routing::detail {
namespace {

std::string little_endian(std::uint64_t value, std::size_t octets) {
  std::string out;
  for (; octets > 0; --octets, value >>= 8) out.push_back(static_cast<char>(value));
  return out;
}

// A write batch: sequence number, count, what is in it.
std::string batch(std::uint64_t sequence, bool marked, std::size_t octets = 20) {
  std::string out = little_endian(sequence, 8) + little_endian(1, 4);
  if (marked) out.append("\3\6synced");
  return out.append(octets, 'x');
}

std::string part(int kind, std::string_view octets) {
  const std::string guarded = static_cast<char>(kind) + std::string(octets);
  const std::uint32_t crc = crc32c(guarded);
  return little_endian((crc >> 15 | crc << 17) + 0xa282ead8u, 4) + little_endian(octets.size(), 2) +
         guarded;
}

// As RocksDB writes it: a record is cut where a block ends, whose last 6 octets may be filling.
void append(std::string& log, std::string_view record) {
  bool begins = true;
  do {
    std::size_t room = log_scanner::block_octets - log.size() % log_scanner::block_octets;
    if (room < 7) {
      log.append(room, '\0');
      room = log_scanner::block_octets;
    }
    const std::string_view now = record.substr(0, room - 7);
    record.remove_prefix(now.size());
    const bool ends = record.empty();
    log += part(begins ? (ends ? 1 : 2) : (ends ? 4 : 3), now);
    begins = false;
  } while (!record.empty());
}

log_scanner scan(const std::vector<std::string>& files) {
  log_scanner scanner;
  for (std::size_t i = 0; i < files.size(); ++i) {
    scanner.begin_file("log " + std::to_string(i));
    std::string_view rest = files[i];
    while (!rest.empty()) {
      scanner.block(rest.substr(0, log_scanner::block_octets));
      rest.remove_prefix(std::min(rest.size(), log_scanner::block_octets));
    }
  }
  scanner.end_file();
  return scanner;
}

TEST(log_scan, a_whole_log_is_read_to_its_end) {
  std::string log;
  std::uint64_t sequence = 7;
  // Sizes that end before, at and behind the ends of blocks.
  for (const std::size_t size : {0u, 20u, 32700u, 100000u, 1u, 3000u, 32761u - 12u, 5u})
    append(log, batch(sequence++, true, size));
  for (std::size_t size = 32600; size < 32780; ++size) append(log, batch(sequence++, false, size));
  EXPECT_FALSE(scan({log}).unreadable());
  EXPECT_FALSE(scan({log, "", log}).unreadable());
  EXPECT_FALSE(scan({log + std::string(70000, '\0')}).unreadable());
}

TEST(log_scan, whatever_octet_changes_before_a_marked_batch_is_a_damage) {
  std::string log;
  append(log, batch(1, false));
  const std::size_t begin = log.size();
  append(log, batch(2, true));
  append(log, batch(3, true, 70000));
  const std::size_t end = log.size();
  append(log, batch(4, true));
  for (std::size_t at = begin; at < end; at += at < begin + 100 ? 1 : 499) {
    std::string changed = log;
    changed[at] = static_cast<char>(changed[at] ^ 0x10);
    const log_scanner found = scan({changed});
    EXPECT_TRUE(found.damaged()) << at;
    ASSERT_TRUE(found.unreadable()) << at;
    EXPECT_EQ(found.unreadable()->file, "log 0");
    EXPECT_GE(found.unreadable()->offset, begin);
    EXPECT_LE(found.unreadable()->offset, at);
  }
}

TEST(log_scan, an_end_that_is_torn_is_no_damage) {
  std::string log;
  append(log, batch(1, true));
  const std::size_t last = log.size();
  append(log, batch(2, true, 70000));
  for (std::size_t size = last + 1; size < log.size(); size += 101) {
    const log_scanner found = scan({log.substr(0, size)});
    EXPECT_FALSE(found.damaged()) << size;
    ASSERT_TRUE(found.unreadable()) << size;
    EXPECT_LE(found.unreadable()->offset, size);
  }
  // Blocks are not written in their order.
  std::string hole = log;
  hole.replace(last + 10000, 30000, 30000, '\0');
  EXPECT_TRUE(scan({hole}).unreadable());
  EXPECT_FALSE(scan({hole}).damaged());
}

TEST(log_scan, only_a_marked_batch_shows_that_what_is_missing_was_safe) {
  std::string log;
  append(log, batch(1, true));
  std::string torn = log + part(1, batch(2, false)).substr(0, 30);
  append(torn, batch(3, false));
  EXPECT_TRUE(scan({torn}).unreadable());
  EXPECT_FALSE(scan({torn}).damaged());
  std::string later;
  append(later, batch(4, true));
  EXPECT_TRUE(scan({torn, later}).damaged());
  std::string blank = log + std::string(log_scanner::block_octets - log.size(), '\0');
  append(blank, batch(3, true));
  EXPECT_TRUE(scan({blank}).damaged());
  EXPECT_EQ(scan({blank}).unreadable()->offset, log.size());
}

// Somebody sends a message that looks like a part of a log.
TEST(log_scan, a_mark_inside_a_message_is_not_believed) {
  std::string log;
  append(log, batch(1'000'000, true));
  std::string torn = batch(1'000'001, true);
  torn += part(1, batch(1, true)) + part(1, batch(1ull << 40, true));
  append(log, torn);
  log[log.size() - torn.size()] ^= 1;
  EXPECT_TRUE(scan({log}).unreadable());
  EXPECT_FALSE(scan({log}).damaged());
}

}  // namespace
}  // namespace gatepost::routing::detail
