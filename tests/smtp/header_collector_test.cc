// This header stands alone.
#include "smtp/header_collector.hpp"

#include <gtest/gtest.h>

#include <string>

namespace gatepost::smtp {
namespace {

using state = header_collector::state;

// The header of `message`, given in pieces.
std::string collect(header_collector& c, std::string_view message, std::size_t piece,
                    std::size_t limit = 1000) {
  c.begin(limit);
  for (std::size_t at = 0; at < message.size() && c.where() == state::open; at += piece)
    c.add(message.substr(at, piece));
  if (c.where() == state::open) c.finish();
  return std::string(c.header());
}

TEST(header_collector, header_in_pieces) {
  const std::string header =
      "Received: from a\r\n\tby b\r\nSubject: x\r\nreceived: from c by d\r\nTo: y\r\n";
  for (const std::string body : {"\r\ntext\r\n", "\r\n", "\r\n\r\nReceived: no\r\n"}) {
    for (std::size_t piece = 1; piece < 90; ++piece) {
      header_collector c;
      EXPECT_EQ(collect(c, header + body, piece), header) << piece;
      EXPECT_EQ(c.where(), state::complete);
      EXPECT_EQ(c.hops(), 2U);
    }
  }
}

TEST(header_collector, a_message_without_body_or_header) {
  header_collector c;
  EXPECT_EQ(collect(c, "Subject: x\r\n", 5), "Subject: x\r\n");
  EXPECT_EQ(collect(c, "Subject: x", 5), "Subject: x");
  EXPECT_EQ(collect(c, "", 5), "");
  EXPECT_EQ(c.where(), state::complete);
  EXPECT_EQ(collect(c, "\r\nSubject: x\r\n", 5), "");
  EXPECT_EQ(collect(c, "no header at all\r\n", 5), "");
}

TEST(header_collector, knows_a_header_that_breaks_off) {
  header_collector c;
  for (const std::string text : {" blank\r\nTo: a\r\n\r\n", "\tx\r\n", " ", " : x\r\n",
                                 "no field\r\n", "To: a\r\nno field\r\nFrom: b\r\n\r\n"}) {
    for (std::size_t piece = 1; piece < 20; ++piece) {
      collect(c, text, piece);
      EXPECT_TRUE(c.breaks_off()) << text << piece;
    }
  }
  for (const std::string text : {"", "\r\n blank\r\n", "To: a\r\n b\r\n\r\n", "To: a\r\n"}) {
    collect(c, text, 100);
    EXPECT_FALSE(c.breaks_off()) << text;
  }
}

TEST(header_collector, knows_the_line_of_a_mailbox_file) {
  header_collector c;
  EXPECT_EQ(collect(c, "From a Mon\r\nTo: a\r\n\r\n", 3), "From a Mon\r\nTo: a\r\n");
  EXPECT_EQ(c.mbox_line(), 12U);
  collect(c, "To: a\r\n\r\n", 100);
  EXPECT_EQ(c.mbox_line(), 0U);
}

TEST(header_collector, begins_anew) {
  header_collector c;
  collect(c, "Received: a\r\nReceived: b\r\n\r\n", 100);
  EXPECT_EQ(c.hops(), 2U);
  EXPECT_EQ(collect(c, "To: a\r\n\r\n", 100), "To: a\r\n");
  EXPECT_EQ(c.hops(), 0U);
}

TEST(header_collector, what_comes_behind_it_is_not_looked_at) {
  header_collector c;
  c.begin(1000);
  EXPECT_EQ(c.add("To: a\r\n\r\n"), state::complete);
  EXPECT_EQ(c.add("Received: x\r\n"), state::complete);
  EXPECT_EQ(c.header(), "To: a\r\n");
  EXPECT_EQ(c.hops(), 0U);
}

// A header of exactly the limit fits, with any pieces; one octet more does not.
TEST(header_collector, limit) {
  for (const std::string tail : {"\r\nbody: that looks like a header\r\n", "\r\n", ""}) {
    for (std::size_t size = 30; size < 34; ++size) {
      const std::string header = "To: a\r\nSubject: " + std::string(size - 18, 'x') + "\r\n";
      ASSERT_EQ(header.size(), size);
      for (const std::size_t piece : {1U, 2U, 7U, 29U, 30U, 31U, 32U, 33U, 34U, 1000U}) {
        header_collector c;
        collect(c, header + tail, piece, 31);
        EXPECT_EQ(c.where(), size <= 31 ? state::complete : state::too_big)
            << size << " in pieces of " << piece;
        EXPECT_EQ(c.error(), size <= 31 ? errc{} : errc::header_too_big);
      }
    }
  }
}

// What is cut off is never taken for the end.
TEST(header_collector, a_header_that_is_cut_has_no_end) {
  for (std::size_t limit = 10; limit < 60; ++limit) {
    header_collector c;
    collect(c,
            "Received: a\r\nReceived: b\r\nReceived: c\r\nReceived: d\r\nReceived: e\r\n\r\nbody",
            1000, limit);
    EXPECT_EQ(c.where(), state::too_big) << limit;
  }
}

TEST(header_collector, other_limits_of_a_header) {
  header_collector c;
  std::string many;
  for (int i = 0; i < 1001; ++i) many += "A: b\r\n";
  collect(c, many + "\r\n", 64, 100000);
  EXPECT_EQ(c.where(), state::too_big);
  EXPECT_EQ(c.error(), errc::too_many_header_fields);
  collect(c, "A: " + std::string(200000, 'x') + "\r\n\r\n", 1000, 1000000);
  EXPECT_EQ(c.error(), errc::header_field_too_long);
}

}  // namespace
}  // namespace gatepost::smtp
