#ifndef GATEPOST_ROUTING_IMPL_SPOOL_RECORD_IPP
#define GATEPOST_ROUTING_IMPL_SPOOL_RECORD_IPP

#include <chrono>
#include <cstddef>
#include <limits>

#include "routing/spool_record.hpp"

namespace gatepost::routing {
namespace detail {

class record_writer {
 public:
  explicit record_writer(std::string& out) : out_(out) {}

  void octet(std::uint8_t value) { out_.push_back(static_cast<char>(value)); }

  void number(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) octet(static_cast<std::uint8_t>(value | 0x80));
    octet(static_cast<std::uint8_t>(value));
  }

  void time(spool_time value) {
    const auto since = value.time_since_epoch();
    const std::int64_t micros =
        std::chrono::duration_cast<std::chrono::microseconds>(since).count();
    number(static_cast<std::uint64_t>(micros) << 1 ^ static_cast<std::uint64_t>(micros >> 63));
  }

  void text(std::string_view value) {
    number(value.size());
    out_.append(value);
  }

 private:
  std::string& out_;
};

// Reads what record_writer wrote. After something that cannot be, failed() holds and all else is
// zero or empty, so that callers check once, at the end.
class record_reader {
 public:
  explicit record_reader(std::string_view rest) : rest_(rest) {}

  bool failed() const { return failed_; }
  bool at_end() const { return rest_.empty(); }
  void fail() {
    failed_ = true;
    rest_ = {};
  }

  std::uint8_t octet() {
    if (rest_.empty()) return fail(), std::uint8_t{0};
    const auto value = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return value;
  }

  std::uint64_t number() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const std::uint8_t group = octet();
      // The tenth group has room for one bit only.
      if (shift == 63 && group > 1) break;
      value |= static_cast<std::uint64_t>(group & 0x7f) << shift;
      if (group < 0x80) return value;
    }
    fail();
    return 0;
  }

  template <class Unsigned>
  Unsigned number_as() {
    const std::uint64_t value = number();
    if (value > std::numeric_limits<Unsigned>::max()) return fail(), Unsigned{0};
    return static_cast<Unsigned>(value);
  }

  template <class Enum>
  Enum enumerator(Enum last) {
    const std::uint8_t value = octet();
    if (value > static_cast<std::uint8_t>(last)) return fail(), Enum{};
    return static_cast<Enum>(value);
  }

  bool flag() {
    const std::uint8_t value = octet();
    if (value > 1) fail();
    return value == 1;
  }

  spool_time time() {
    const std::uint64_t zigzag = number();
    const auto micros = static_cast<std::int64_t>(zigzag >> 1 ^ (~(zigzag & 1) + 1));
    using limits = std::numeric_limits<spool_time::duration::rep>;
    constexpr std::int64_t per_micro =
        std::chrono::duration_cast<spool_time::duration>(std::chrono::microseconds(1)).count();
    if (micros > limits::max() / per_micro || micros < limits::min() / per_micro) {
      return fail(), spool_time{};
    }
    return spool_time(spool_time::duration(micros * per_micro));
  }

  std::string_view text() {
    const std::uint64_t size = number();
    if (size > rest_.size()) return fail(), std::string_view{};
    const std::string_view value = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return value;
  }

  // How many elements follow; each has at least `least` octets.
  std::size_t count(std::size_t least) {
    const std::uint64_t value = number();
    if (value > rest_.size() / least) return fail(), std::size_t{0};
    return value;
  }

 private:
  std::string_view rest_;
  bool failed_ = false;
};

// A recipient's record: five strings and four numbers, one octet each at least, and two octets.
inline constexpr std::size_t least_recipient_octets = 11;
inline constexpr std::size_t least_tag_octets = 2;
inline constexpr std::size_t least_range_octets = 2;

inline void write_recipient(record_writer& out, const spool_recipient& r) {
  out.text(r.forward_path);
  out.octet(r.notify);
  out.text(r.orcpt);
  out.text(r.route);
  out.octet(static_cast<std::uint8_t>(r.state));
  out.number(r.attempts);
  out.time(r.next_attempt);
  out.text(r.last_reply);
  out.octet(r.enhanced.klass);
  out.number(r.enhanced.subject);
  out.number(r.enhanced.detail);
}

inline void read_recipient(record_reader& in, spool_recipient& r) {
  r.forward_path = in.text();
  r.notify = in.octet();
  r.orcpt = in.text();
  r.route = in.text();
  r.state = in.enumerator(recipient_state::held);
  r.attempts = in.number_as<std::uint32_t>();
  r.next_attempt = in.time();
  r.last_reply = in.text();
  r.enhanced.klass = in.octet();
  r.enhanced.subject = in.number_as<std::uint16_t>();
  r.enhanced.detail = in.number_as<std::uint16_t>();
}

inline void write_envelope(record_writer& out, const spool_message& m) {
  out.text(m.session_id);
  out.time(m.received_at);
  out.text(m.reverse_path);
  out.octet(static_cast<std::uint8_t>(m.body));
  out.octet(m.smtputf8);
  out.octet(m.requiretls);
  out.octet(static_cast<std::uint8_t>(m.ret));
  out.text(m.envid);
  out.text(m.auth);
  out.text(m.solicit);
}

inline void read_envelope(record_reader& in, spool_message& m) {
  m.session_id = in.text();
  m.received_at = in.time();
  m.reverse_path = in.text();
  m.body = in.enumerator(smtp::body_type::binary_mime);
  m.smtputf8 = in.flag();
  m.requiretls = in.flag();
  m.ret = in.enumerator(smtp::dsn_return::headers);
  m.envid = in.text();
  m.auth = in.text();
  m.solicit = in.text();
}

inline void write_decisions(record_writer& out, const spool_message& m) {
  out.octet(0);  // once: whether all that are pending are held
  out.text(m.hold_reason);
  out.number(m.tags.size());
  for (const smtp::tag& t : m.tags) {
    out.text(t.name);
    out.text(t.value);
  }
  out.text(m.edits.prepended());
  out.number(m.edits.erased().size());
  for (const smtp::octet_range& range : m.edits.erased()) {
    out.number(range.offset);
    out.number(range.size);
  }
}

inline void read_decisions(record_reader& in, spool_message& m) {
  m.hold_reason = in.text();
  m.tags.resize(in.count(least_tag_octets));
  for (smtp::tag& t : m.tags) {
    t.name = in.text();
    t.value = in.text();
  }
  const std::string_view prepended = in.text();
  // Whole lines only: what header_edits asks for.
  if (!prepended.empty() && !prepended.ends_with("\r\n")) return in.fail();
  m.edits.prepend_fields(prepended);
  std::size_t least = 0;
  for (std::size_t n = in.count(least_range_octets); n > 0; --n) {
    const smtp::octet_range range{in.number(), in.number()};
    // As header_edits keeps them: in order, none empty, none touching the next.
    constexpr std::size_t most = std::numeric_limits<std::size_t>::max() - 1;
    if (range.offset < least || range.offset > most || range.size == 0 ||
        range.size > most - range.offset) {
      return in.fail();
    }
    m.edits.erase(range);
    least = range.end() + 1;
  }
}

// The beginning of a record.
inline void write_text(record_writer& out, const kept_text& text) {
  out.octet(text.crc32c ? spool_record_version : 1);
  out.number(text.size);
  if (text.crc32c) out.number(*text.crc32c);
}

inline kept_text read_text(record_reader& in) {
  const std::uint8_t version = in.octet();
  if (version == 0 || version > spool_record_version) in.fail();
  kept_text text(in.number());
  if (version > 1) text.crc32c = in.number_as<std::uint32_t>();
  return text;
}

}  // namespace detail

GATEPOST_DECL void encode_spool_record(const spool_message& message, const kept_text& text,
                                       std::string& out) {
  detail::record_writer writer(out);
  detail::write_text(writer, text);
  detail::write_envelope(writer, message);
  detail::write_decisions(writer, message);
  writer.number(message.recipients.size());
  for (const spool_recipient& r : message.recipients) detail::write_recipient(writer, r);
}

GATEPOST_DECL smtp::result<spool_message> decode_spool_record(std::string_view id,
                                                              std::string_view record) {
  detail::record_reader reader(record);
  const kept_text text = detail::read_text(reader);
  spool_message message;
  message.id = id;
  message.size = text.size;
  message.crc32c = text.crc32c;
  detail::read_envelope(reader, message);
  const bool all_held = reader.flag();
  detail::read_decisions(reader, message);
  message.recipients.resize(reader.count(detail::least_recipient_octets));
  for (spool_recipient& r : message.recipients) {
    detail::read_recipient(reader, r);
    if (all_held && r.state == recipient_state::pending) r.state = recipient_state::held;
  }
  if (reader.failed() || !reader.at_end()) return smtp::errc::spool_corrupt;
  return message;
}

GATEPOST_DECL smtp::result<kept_text> text_in_spool_record(std::string_view record) {
  detail::record_reader reader(record);
  const kept_text text = detail::read_text(reader);
  if (reader.failed()) return smtp::errc::spool_corrupt;
  return text;
}

}  // namespace gatepost::routing

#endif  // GATEPOST_ROUTING_IMPL_SPOOL_RECORD_IPP
