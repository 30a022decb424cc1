// This header stands alone.
#include "smtp/reply.hpp"

#include <gtest/gtest.h>

#include <string>

namespace gatepost::smtp {
namespace {

std::string wire(const reply& r, bool with_enhanced = true, std::string_view id = {}) {
  std::string out;
  r.append_to(out, with_enhanced, id);
  return out;
}

TEST(reply, one_line) {
  EXPECT_EQ(wire({550, {5, 1, 1}, "No such user here"}), "550 5.1.1 No such user here\r\n");
  EXPECT_EQ(wire({550, {5, 1, 1}, "No such user here"}, false), "550 No such user here\r\n");
  EXPECT_EQ(wire({250, {}, "OK"}), "250 OK\r\n");
  EXPECT_EQ(wire(replies::ok), "250 2.0.0 OK\r\n");
}

// RFC 2034 §4's example: every line of a reply has the code.
TEST(reply, many_lines) {
  const reply r(
      551, {5, 7, 1},
      "Forwarding to remote hosts disabled\nSelect another host to act as your forwarder");
  EXPECT_EQ(wire(r),
            "551-5.7.1 Forwarding to remote hosts disabled\r\n"
            "551 5.7.1 Select another host to act as your forwarder\r\n");
  EXPECT_EQ(wire({250, {}, "a\r\nb\n"}), "250-a\r\n250-b\r\n250 \r\n");
}

// RFC 5321 §4.2: textstring = 1*(%d09 / %d32-126). Nothing in a text can end a line.
TEST(reply, text_is_made_harmless) {
  EXPECT_EQ(wire({550, {}, std::string("a\rb\0c\x1B\x7F\td", 9)}), "550 a b c  \td\r\n");
  EXPECT_EQ(wire({550, {}, "x\r\r\ny"}), "550-x \r\n550 y\r\n");
  EXPECT_EQ(wire({550, {}, "\u7528\u6237"}), "550 \u7528\u6237\r\n");  // RFC 6531 §3.7.4.2
  EXPECT_EQ(wire({550, {}, "\xFF\xC3 a"}), "550 ?? a\r\n");
  EXPECT_EQ(wire({550, {}, "a"}, true, "i\r\nd"), "550 a (i  d)\r\n");
}

// RFC 5321 §4.5.3.1.5: "The maximum total length of a reply line including the reply code and the
// <CRLF> is 512 octets."
TEST(reply, text_is_cut_between_characters) {
  EXPECT_EQ(cut_text("abc", 3), "abc");
  EXPECT_EQ(cut_text("abcd", 3), "abc");
  EXPECT_EQ(cut_text("ab\u00fc", 3), "ab");
  EXPECT_EQ(cut_text("a\U0001F600", 4), "a");
  EXPECT_EQ(cut_text("a\U0001F600", 5), "a\U0001F600");
  EXPECT_EQ(cut_text("\x80\x80\x80\x80\x80", 4), "\x80\x80\x80\x80");  // is none
  for (std::size_t room = 0; room < 4; ++room) EXPECT_LE(cut_text("\U0001F600", room).size(), room);
}

TEST(reply, lines_are_cut) {
  for (const std::size_t size : {490U, 495U, 496U, 497U, 500U, 512U, 5000U}) {
    for (const std::string id : {"", "0123456789ABCDEF"}) {
      for (const std::string unit : {"a", "\u00FC", "\u7528", "\U0001F600", "\x80"}) {
        std::string text;
        while (text.size() < size) text += unit;
        const std::string line = wire({550, {5, 999, 999}, text}, true, id);
        EXPECT_LE(line.size(), 512U);
        EXPECT_GE(line.size(), size < 490 ? 0U : 480U);
        EXPECT_TRUE(line.ends_with(id.empty() ? "\r\n" : " (" + id + ")\r\n")) << line;
        EXPECT_EQ(line.find('?') != line.npos, unit == "\x80");
      }
    }
  }
  std::string many;
  for (int i = 0; i < 1000; ++i) many += "line\n";
  const std::string all = wire({214, {}, many});
  EXPECT_EQ(all.size(), 100 * std::string("214 line\r\n").size());
  EXPECT_TRUE(all.ends_with("\r\n214 line\r\n"));
}

TEST(reply, quotes_an_id_behind_its_last_line) {
  const reply r(550, {5, 7, 1}, "a\nb");
  EXPECT_EQ(wire(r, true, "ID"), "550-5.7.1 a\r\n550 5.7.1 b (ID)\r\n");
  EXPECT_EQ(wire(r.quoting("ID")), wire(r, true, "ID"));
  EXPECT_LE(wire(r, true, std::string(1000, 'x')).size(), 2 * 512U);
  std::string out = "before ";
  append_reply(out, replies::unknown_command, true, "ID");
  EXPECT_EQ(out, "before 500 5.5.2 Command not recognised (ID)\r\n");
}

// RFC 3463 §2: "class" agrees with the code, and "subject" and "detail" have one to three digits.
TEST(reply, codes_are_put_right) {
  EXPECT_EQ(reply(450, {5, 1, 1}, "x").enhanced(), (enhanced_code{4, 0, 0}));
  EXPECT_EQ(reply(550, {5, 1000, 1}, "x").enhanced(), (enhanced_code{5, 0, 0}));
  EXPECT_EQ(reply(550, {5, 1, 65535}, "x").enhanced(), (enhanced_code{5, 0, 0}));
  EXPECT_EQ(reply(550, {5, 999, 999}, "x").enhanced(), (enhanced_code{5, 999, 999}));
  EXPECT_TRUE(reply(354, {3, 0, 0}, "x").enhanced().empty());
  EXPECT_TRUE(reply(550, {}, "x").enhanced().empty());
  for (const int code : {0, -1, 100, 199, 600, 1000, 65786})
    EXPECT_EQ(reply(code, {}, "x").code(), 451) << code;
  for (const int code : {200, 250, 354, 421, 599}) EXPECT_EQ(reply(code, {}, "x").code(), code);
}

TEST(reply, kinds) {
  EXPECT_TRUE(reply().empty());
  EXPECT_FALSE(reply(replies::ok).empty());
  EXPECT_TRUE(reply(replies::ok).positive());
  EXPECT_TRUE(reply(replies::local_error).temporary());
  EXPECT_TRUE(reply(replies::relaying_denied).permanent());
  EXPECT_FALSE(reply(replies::relaying_denied).temporary());
  EXPECT_EQ(reply(replies::ok), reply(250, {2, 0, 0}, "OK"));
  EXPECT_FALSE(reply(replies::ok) == reply(250, {2, 0, 0}, "Ok"));
}

TEST(reply, for_logs) {
  EXPECT_EQ(reply(550, {5, 1, 1}, "no\r\nsuch\x01user").to_string(), "550 5.1.1 no  such user");
  EXPECT_EQ(reply(250, {}, "OK").to_string(), "250 OK");
}

// Every reply of the engine is one: RFC 5321 §4.2, RFC 3463, no line too long.
TEST(reply, named_replies) {
  for (const fixed_reply& r :
       {replies::ok, replies::sender_ok, replies::start_mail_input, replies::start_prdr,
        replies::shutting_down, replies::took_too_long, replies::bare_line_end, replies::early_data,
        replies::go_away, replies::nul_in_data}) {
    std::string out;
    append_reply(out, r);
    EXPECT_TRUE(r.enhanced.empty() || r.enhanced.klass == r.code / 100) << r.text;
    EXPECT_TRUE(r.code / 100 == 3 ? r.enhanced.empty() : !r.enhanced.empty()) << r.text;
    EXPECT_LT(out.size(), 100U);
    EXPECT_EQ(wire(r), out);
  }
}

}  // namespace
}  // namespace gatepost::smtp
