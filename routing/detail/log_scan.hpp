// Reads RocksDB's write-ahead log before RocksDB does, to tell a damage from a torn end.
//
// After a power failure the end of the log may be cut or unwritten: nothing there was ever promised
// to anybody, and it is left out. What cannot be read in front of a record that was written later
// is another matter. RocksDB would leave out both, and everything behind them, without a word. So
// each batch of ours that is written when all before it is on the disk says so (synced_mark): where
// such a batch can be read, whatever cannot be read before it was safe once, and is damaged.
//
// The format is that of RocksDB's wiki, "Write Ahead Log File Format": blocks of 32 KiB, in which
// records, or parts of them, follow each other; a record is one write batch. No I/O.
#ifndef GATEPOST_ROUTING_DETAIL_LOG_SCAN_HPP
#define GATEPOST_ROUTING_DETAIL_LOG_SCAN_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "routing/detail/crc32c.hpp"

namespace gatepost::routing::detail {

// The first that is put into a batch, as rocksdb::WriteBatch::PutLogData(): it is in the log only.
inline constexpr std::string_view synced_mark = "synced";

struct log_place {
  log_place(std::string f, std::uint64_t o) : file(std::move(f)), offset(o) {}
  std::string file;
  std::uint64_t offset;
};

class log_scanner {
 public:
  static constexpr std::size_t block_octets = 32u << 10;

  // The logs in the order of their numbers.
  void begin_file(std::string name) {
    end_file();
    file_ = std::move(name);
    offset_ = 0;
  }

  // The next block of the file: block_octets, but for the last one.
  void block(std::string_view octets) {
    std::size_t at = 0;
    while (octets.size() - at >= header_octets) {
      const std::string_view rest = octets.substr(at);
      if (const auto part = part_at(rest)) {
        take(*part, offset_ + at);
        at += header_octets + part->size;
      } else if (is_blank(rest)) {
        if (!blank_)
          blank_ = offset_ + at;  // room that was never written, unless something follows
        break;
      } else {
        cannot_read(offset_ + at);
        ++at;  // its length may be what is wrong, so the next part is looked for everywhere
      }
    }
    // Less than a header at the end of a block is filling; at the end of the file it is a part of
    // one.
    if (octets.size() < block_octets && !is_blank(octets.substr(at))) cannot_read(offset_ + at);
    offset_ += octets.size();
  }

  void end_file() {
    if (begun_) cannot_read(*begun_);
    blank_.reset();
  }

  // Where what cannot be read begins; nothing: everything can.
  const std::optional<log_place>& unreadable() const { return unreadable_; }
  // It was synced once: this is no torn end, but a damage.
  bool damaged() const { return damaged_; }

 private:
  static constexpr std::size_t header_octets = 7;  // checksum, length, kind
  static constexpr std::size_t batch_header_octets = 12;
  // Where the tag, the length and the octets of synced_mark are in a batch, behind the sequence
  // number and the count.
  static constexpr std::size_t kept_octets = batch_header_octets + 2 + synced_mark.size();
  // A mark behind a damage may be a sender's, inside a message; the numbers of true batches go on
  // from the last one.
  static constexpr std::uint64_t most_lost_changes = 1u << 24;

  enum class kind : std::uint8_t { full = 1, first, middle, last };

  struct log_part {
    kind what;
    std::size_t size;
    std::string_view octets;
  };

  static std::uint64_t number(std::string_view octets) {
    std::uint64_t value = 0;
    for (std::size_t i = octets.size(); i-- > 0;)
      value = value << 8 | static_cast<unsigned char>(octets[i]);
    return value;
  }

  static bool is_blank(std::string_view octets) {
    return octets.find_first_not_of('\0') == std::string_view::npos;
  }

  // rocksdb/util/crc32c.h: a checksum in a log is "masked", because it may itself be checked.
  static std::uint32_t masked(std::uint32_t crc) { return (crc >> 15 | crc << 17) + 0xa282ead8u; }

  static std::optional<log_part> part_at(std::string_view rest) {
    const auto what = static_cast<unsigned char>(rest[6]);
    const auto size = static_cast<std::size_t>(number(rest.substr(4, 2)));
    const bool known = what >= static_cast<int>(kind::full) && what <= static_cast<int>(kind::last);
    if (!known || size > rest.size() - header_octets) return std::nullopt;
    const std::string_view guarded = rest.substr(header_octets - 1, size + 1);
    if (number(rest.substr(0, 4)) != masked(crc32c(guarded))) return std::nullopt;
    return log_part{static_cast<kind>(what), size, rest.substr(header_octets, size)};
  }

  void take(const log_part& part, std::uint64_t at) {
    if (blank_) cannot_read(begun_ ? *begun_ : *blank_);
    blank_.reset();
    const bool begins = part.what == kind::full || part.what == kind::first;
    // A record without its end, or the other way round.
    if (begins && begun_) cannot_read(*begun_);
    if (!begins && !begun_) return cannot_read(at);
    if (begins) {
      begun_ = at;
      head_.clear();
    }
    head_.append(part.octets.substr(0, kept_octets - std::min(kept_octets, head_.size())));
    if (part.what == kind::first || part.what == kind::middle) return;
    begun_.reset();
    judge();
  }

  // A whole batch.
  void judge() {
    if (head_.size() < batch_header_octets) return;
    const std::uint64_t sequence = number(std::string_view(head_).substr(0, 8));
    if (!unreadable_) {
      sequence_ = sequence;
      return;
    }
    constexpr char log_data = 3;
    const std::string_view rest = std::string_view(head_).substr(batch_header_octets);
    const bool marked = rest.size() == 2 + synced_mark.size() && rest[0] == log_data &&
                        rest[1] == static_cast<char>(synced_mark.size()) &&
                        rest.substr(2) == synced_mark;
    if (marked && sequence > sequence_ && sequence - sequence_ < most_lost_changes) damaged_ = true;
  }

  void cannot_read(std::uint64_t at) {
    begun_.reset();
    if (!unreadable_) unreadable_.emplace(file_, at);
  }

  std::string file_;
  std::uint64_t offset_ = 0;
  std::optional<std::uint64_t> begun_;  // where the record begins that is not whole yet
  std::optional<std::uint64_t> blank_;  // where a blank rest of a block begins
  std::string head_;                    // the first octets of that record
  std::uint64_t sequence_ = 0;          // of the last batch that could be read
  std::optional<log_place> unreadable_;
  bool damaged_ = false;
};

}  // namespace gatepost::routing::detail

#endif  // GATEPOST_ROUTING_DETAIL_LOG_SCAN_HPP
