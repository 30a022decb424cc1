// This header stands alone.
#include "routing/spool_record.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "tests/routing/spool_support.hpp"

namespace gatepost::routing {
namespace {

std::string encoded(const spool_message& m, std::uint64_t size) {
  std::string record;
  encode_spool_record(m, size, record);
  return record;
}

TEST(spool_record, keeps_every_member) {
  const spool_message m = tests::full_message();
  const auto back = decode_spool_record("the-id", encoded(m, 4711));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->id, "the-id");
  EXPECT_EQ(back->size, 4711u);
  EXPECT_EQ(back->session_id, m.session_id);
  EXPECT_EQ(back->received_at, m.received_at);
  EXPECT_EQ(back->reverse_path, m.reverse_path);
  EXPECT_EQ(back->body, m.body);
  EXPECT_EQ(back->smtputf8, m.smtputf8);
  EXPECT_EQ(back->requiretls, m.requiretls);
  EXPECT_EQ(back->ret, m.ret);
  EXPECT_EQ(back->envid, m.envid);
  EXPECT_EQ(back->auth, m.auth);
  EXPECT_EQ(back->solicit, m.solicit);
  EXPECT_TRUE(back->held());
  EXPECT_EQ(back->hold_reason, m.hold_reason);
  ASSERT_EQ(back->tags.size(), 2u);
  EXPECT_EQ(back->tags[1].name, "score");
  EXPECT_EQ(back->tags[1].value, "2.1");
  EXPECT_EQ(back->edits.prepended(), m.edits.prepended());
  EXPECT_EQ(back->edits.erased(), m.edits.erased());
  ASSERT_EQ(back->recipients.size(), 2u);
  const spool_recipient& was = m.recipients[0];
  const spool_recipient& is = back->recipients[0];
  EXPECT_EQ(is.forward_path, was.forward_path);
  EXPECT_EQ(is.notify, was.notify);
  EXPECT_EQ(is.orcpt, was.orcpt);
  EXPECT_EQ(is.route, was.route);
  EXPECT_EQ(is.state, was.state);
  EXPECT_EQ(is.attempts, was.attempts);
  EXPECT_EQ(is.next_attempt, was.next_attempt);
  EXPECT_EQ(is.last_reply, was.last_reply);
  EXPECT_EQ(is.enhanced, was.enhanced);
  EXPECT_EQ(back->recipients[1].forward_path, "second@example.test");
  // Nothing was forgotten: what came back gives the same record.
  EXPECT_EQ(encoded(*back, 4711), encoded(m, 4711));
}

// Once a flag held the whole message.
TEST(spool_record, a_message_that_was_held_as_a_whole) {
  spool_message m;
  for (const auto s : {recipient_state::pending, recipient_state::delivered,
                       recipient_state::failed, recipient_state::pending})
    m.recipients.emplace_back().state = s;
  m.hold_reason = "looks odd";
  std::string record = encoded(m, 1);
  const std::size_t reason = record.find("\tlooks odd");
  ASSERT_NE(reason, record.npos);
  ASSERT_EQ(record[reason - 1], '\0');
  EXPECT_FALSE(decode_spool_record("", record)->held());
  record[reason - 1] = '\1';
  const auto back = decode_spool_record("", record);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->hold_reason, "looks odd");
  EXPECT_FALSE(back->due());
  EXPECT_EQ(back->recipients[0].state, recipient_state::held);
  EXPECT_EQ(back->recipients[1].state, recipient_state::delivered);
  EXPECT_EQ(back->recipients[2].state, recipient_state::failed);
  EXPECT_EQ(back->recipients[3].state, recipient_state::held);
  record[reason - 1] = '\2';
  EXPECT_FALSE(decode_spool_record("", record));
}

TEST(spool_record, keeps_extreme_values) {
  using clock_limits = std::numeric_limits<std::int64_t>;
  spool_message m;
  spool_recipient& r = m.recipients.emplace_back();
  r.attempts = std::numeric_limits<std::uint32_t>::max();
  r.enhanced = {255, 65535, 65535};
  r.last_reply = std::string("\0\r\n\xff", 4);
  m.edits.erase({clock_limits::max(), 1});
  for (const std::int64_t micros : {clock_limits::max() / 1000, clock_limits::min() / 1000,
                                    std::int64_t{0}, std::int64_t{-1}}) {
    m.received_at = spool_time(std::chrono::microseconds(micros));
    const auto back =
        decode_spool_record("", encoded(m, std::numeric_limits<std::uint64_t>::max()));
    ASSERT_TRUE(back) << micros;
    EXPECT_EQ(back->received_at, m.received_at);
    EXPECT_EQ(back->size, std::numeric_limits<std::uint64_t>::max());
    EXPECT_EQ(back->recipients[0].attempts, r.attempts);
    EXPECT_EQ(back->recipients[0].enhanced, r.enhanced);
    EXPECT_EQ(back->recipients[0].last_reply, r.last_reply);
    EXPECT_EQ(back->edits.erased(), m.edits.erased());
  }
}

TEST(spool_record, size_can_be_had_alone) {
  const std::string record = encoded(tests::full_message(), 300);
  EXPECT_EQ(text_in_spool_record(record)->size, 300u);
  EXPECT_FALSE(text_in_spool_record(record)->crc32c);
  EXPECT_FALSE(text_in_spool_record(""));
  EXPECT_FALSE(text_in_spool_record("\x01"));
  EXPECT_FALSE(text_in_spool_record("\x02\x05"));
  EXPECT_FALSE(text_in_spool_record("\x03\x05\x05"));
}

TEST(spool_record, has_the_checksum_of_the_text) {
  for (const std::uint32_t crc : {0u, 1u, 0xffffffffu}) {
    std::string record;
    encode_spool_record(tests::full_message(), {300, crc}, record);
    EXPECT_EQ(text_in_spool_record(record)->size, 300u);
    EXPECT_EQ(text_in_spool_record(record)->crc32c, crc);
    const auto back = decode_spool_record("", record);
    ASSERT_TRUE(back);
    EXPECT_EQ(back->size, 300u);
    EXPECT_EQ(back->crc32c, crc);
    EXPECT_EQ(back->recipients.size(), 2u);
  }
  // More than 32 bits.
  EXPECT_FALSE(text_in_spool_record("\x02\x05\xff\xff\xff\xff\x1f"));
}

TEST(spool_record, a_part_or_more_than_all_is_corrupt) {
  const std::string record = encoded(tests::full_message(), 300);
  for (std::size_t size = 0; size < record.size(); ++size) {
    const auto part = decode_spool_record("", std::string_view(record).substr(0, size));
    ASSERT_FALSE(part) << size;
    EXPECT_EQ(part.error(), smtp::errc::spool_corrupt);
  }
  EXPECT_FALSE(decode_spool_record("", record + '\0'));
}

// Whatever one octet becomes, the answer is an error or a record, and never harm.
TEST(spool_record, every_changed_octet_is_survived) {
  const std::string record = encoded(tests::full_message(), 300);
  for (std::size_t at = 0; at < record.size(); ++at) {
    for (int value = 0; value < 256; ++value) {
      std::string changed = record;
      changed[at] = static_cast<char>(value);
      const auto m = decode_spool_record("", changed);
      if (m) {
        EXPECT_LE(m->recipients.size(), record.size());
      }
    }
  }
}

TEST(spool_record, unknown_version_is_corrupt) {
  std::string record = encoded(tests::full_message(), 300);
  record[0] = static_cast<char>(spool_record_version + 1);
  EXPECT_FALSE(decode_spool_record("", record));
}

// Counts and lengths that no record of this size can hold must not be believed.
TEST(spool_record, counts_do_not_allocate) {
  const std::string huge = "\xff\xff\xff\xff\xff\xff\xff\xff\x7f";
  const spool_message m;
  const std::string record = encoded(m, 0);
  // Behind the version and the size, which may be anything.
  for (std::size_t at = 2; at < record.size(); ++at) {
    std::string changed = record;
    changed.replace(at, 1, huge);
    EXPECT_FALSE(decode_spool_record("", changed)) << at;
  }
}

}  // namespace
}  // namespace gatepost::routing
