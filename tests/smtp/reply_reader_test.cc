// This header stands alone.
#include "smtp/reply_reader.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace gatepost::smtp {
namespace {

struct heard {
  std::vector<std::string> replies;  // "250 2.0.0 [text|text]"
  errc error{};

  friend bool operator==(const heard&, const heard&) = default;
};

std::string shown(const server_reply& r) {
  const enhanced_code e = r.enhanced();
  std::string out = std::to_string(r.code()) + " ";
  if (!e.empty())
    out += std::to_string(e.klass) + "." + std::to_string(e.subject) + "." +
           std::to_string(e.detail) + " ";
  out += "[" + std::string(r.text()) + "]";
  for (char& c : out)
    if (c == '\n') c = '|';
  return out;
}

void feed(reply_reader& reader, std::string_view input, heard& out) {
  while (!input.empty()) {
    const reply_state state = reader.read(input);
    if (state == reply_state::partial) return;
    if (state == reply_state::failed) {
      out.error = reader.error();
      return;
    }
    out.replies.push_back(shown(reader.reply()));
    reader.next();
  }
}

heard hear(std::string_view input, std::size_t piece, reply_limits limits = {}) {
  reply_reader reader(limits);
  heard out;
  while (!input.empty() && out.error == errc{}) {
    feed(reader, input.substr(0, piece), out);
    input.remove_prefix(std::min(piece, input.size()));
  }
  return out;
}

struct reply_case {
  const char* name;
  std::string_view input;
  std::vector<std::string> replies;
  errc error{};
};

using namespace std::string_view_literals;

const reply_case cases[] = {
    // RFC 5321 §4.2.1 and appendix D.
    {"one line", "250 OK\r\n", {"250 [OK]"}},
    {"no text", "250\r\n", {"250 []"}},
    {"a blank and no text", "250 \r\n", {"250 []"}},
    {"several lines", "250-First\r\n250-\r\n250 Last\r\n", {"250 [First||Last]"}},
    {"last line without text", "250-First\r\n250\r\n", {"250 [First|]"}},
    {"two replies", "250 a\r\n550 b\r\n", {"250 [a]", "550 [b]"}},
    {"undefined codes are read by their first digit", "299 a\r\n", {"299 [a]"}},
    {"code 599", "599 a\r\n", {"599 [a]"}},

    // RFC 2034 §4, RFC 3463 §2.
    {"enhanced", "550 5.1.1 no such user\r\n", {"550 5.1.1 [5.1.1 no such user]"}},
    {"enhanced alone", "250 2.0.0\r\n", {"250 2.0.0 [2.0.0]"}},
    {"three digits", "451 4.123.999 x\r\n", {"451 4.123.999 [4.123.999 x]"}},
    {"four digits", "451 4.1234.1 x\r\n", {"451 [4.1234.1 x]"}},
    {"leading zero", "250 2.0.01 x\r\n", {"250 [2.0.01 x]"}},
    {"another class", "250 5.1.1 x\r\n", {"250 [5.1.1 x]"}},
    {"class of two digits", "250 25.1.1 x\r\n", {"250 [25.1.1 x]"}},
    {"no class 3", "354 3.0.0 x\r\n", {"354 [3.0.0 x]"}},
    {"something behind it", "250 2.0.0x\r\n", {"250 [2.0.0x]"}},
    {"first line decides", "250-2.1.5 a\r\n250 2.1.0 b\r\n", {"250 2.1.5 [2.1.5 a|2.1.0 b]"}},

    // Line ends.
    {"bare LF", "250-a\n250 b\n", {"250 [a|b]"}},
    {"bare CR ends nothing", "250 a\r550 b\r\n", {"250 [a?550 b]"}},
    {"CR CR LF", "250 a\r\r\n", {"250 [a?]"}},

    // What is not for eyes.
    {"NUL and escape", "250 a\0b\x1b[2Jc\x7f\r\n"sv, {"250 [a?b?[2Jc?]"}},
    {"C1 as UTF-8",
     "250 a\xc2\x80\xc2\x9b"
     "31mb\xc2\x9f\xc2\xa0\r\n",
     {"250 [a??31mb?\xc2\xa0]"}},
    {"C1 as octets",
     "250 a\x9b"
     "31m\xc3\x9b\r\n",
     {"250 [a?31m\xc3\x9b]"}},
    {"tab", "250 a\tb\r\n", {"250 [a b]"}},
    {"UTF-8", "250 gr\xc3\xbc\xc3\x9f\r\n", {"250 [gr\xc3\xbc\xc3\x9f]"}},

    // No success by garbage.
    {"empty line", "\r\n", {}, errc::bad_reply},
    {"two digits", "25\r\n", {}, errc::bad_reply},
    {"four digits", "2500 x\r\n", {}, errc::bad_reply},
    {"letters", "OK\r\n", {}, errc::bad_reply},
    {"HTTP", "HTTP/1.1 400 Bad Request\r\n", {}, errc::bad_reply},
    {"class 1", "150 x\r\n", {}, errc::bad_reply},
    {"class 6", "650 x\r\n", {}, errc::bad_reply},
    {"class 0", "050 x\r\n", {}, errc::bad_reply},
    {"leading blank", " 250 x\r\n", {}, errc::bad_reply},
    {"NUL in the code", "2\0 0 x\r\n"sv, {}, errc::bad_reply},
    {"NUL behind the code", "250\0x\r\n"sv, {}, errc::bad_reply},
    {"sign", "+25 x\r\n", {}, errc::bad_reply},
    {"other separator", "250_x\r\n", {}, errc::bad_reply},
    {"codes differ", "250-a\r\n550 b\r\n", {}, errc::bad_reply},
    {"code only on the first line", "250-a\r\nb\r\n", {}, errc::bad_reply},
    {"good, then bad", "250 a\r\nfoo\r\n", {"250 [a]"}, errc::bad_reply},
    {"open end", "250-a\r\n250 b", {}},
};

TEST(reply_reader, cases_in_any_split) {
  for (const reply_case& c : cases) {
    for (std::size_t piece = 1; piece <= c.input.size(); ++piece) {
      const heard got = hear(c.input, piece);
      EXPECT_EQ(got.replies, c.replies) << c.name << ", pieces of " << piece;
      EXPECT_EQ(got.error, c.error) << c.name << ", pieces of " << piece;
    }
  }
}

TEST(reply_reader, limits) {
  const reply_limits limits{.line = 20, .lines = 3, .octets = 40};
  const auto error = [&](std::string_view input) {
    const heard whole = hear(input, input.size(), limits);
    EXPECT_EQ(hear(input, 1, limits), whole) << input;
    return whole.error;
  };
  EXPECT_EQ(error("250 45678901234567\r\n"), errc{});  // 20 octets
  EXPECT_EQ(error("250 456789012345678\r\n"), errc::reply_too_long);
  EXPECT_EQ(error("250 4567890123456789012345678901234567890"), errc::reply_too_long);
  EXPECT_EQ(error("250-a\r\n250-b\r\n250 c\r\n"), errc{});
  EXPECT_EQ(error("250-a\r\n250-b\r\n250-c\r\n250 d\r\n"), errc::reply_too_long);
  EXPECT_EQ(error("250-456789012345\r\n250-456789012345\r\n250 c\r\n"), errc::reply_too_long);
}

TEST(reply_reader, an_endless_reply_ends) {
  reply_reader reader;
  std::size_t fed = 0;
  reply_state state = reply_state::partial;
  while (state == reply_state::partial && fed < 1u << 20) {
    std::string_view line = "250-and so on\r\n";
    fed += line.size();
    state = reader.read(line);
  }
  EXPECT_EQ(state, reply_state::failed);
  EXPECT_EQ(reader.error(), errc::reply_too_long);
  EXPECT_LE(fed, reply_limits{}.octets + 100);
}

TEST(reply_reader, a_failure_stays) {
  reply_reader reader;
  std::string_view bad = "foo\r\n";
  EXPECT_EQ(reader.read(bad), reply_state::failed);
  std::string_view good = "250 ok\r\n";
  EXPECT_EQ(reader.read(good), reply_state::failed);
  EXPECT_EQ(good, "250 ok\r\n");
  reader.reset();
  EXPECT_EQ(reader.read(good), reply_state::complete);
}

TEST(reply_reader, takes_one_reply_at_a_time) {
  reply_reader reader;
  std::string_view input = "250 a\r\n221 b\r\n";
  EXPECT_FALSE(reader.in_reply());
  EXPECT_EQ(reader.read(input), reply_state::complete);
  EXPECT_EQ(input, "221 b\r\n");
  EXPECT_FALSE(reader.in_reply());
  EXPECT_EQ(reader.read(input), reply_state::complete);  // not taken before next()
  EXPECT_EQ(reader.reply().code(), 250);
  reader.next();
  std::string_view some = input.substr(0, 3);
  EXPECT_EQ(reader.read(some), reply_state::partial);
  EXPECT_TRUE(reader.in_reply());
}

TEST(reply_reader, to_reply_has_no_codes_in_its_text) {
  const auto converted = [](std::string_view input) {
    reply_reader reader;
    EXPECT_EQ(reader.read(input), reply_state::complete);
    return reader.reply().to_reply();
  };
  EXPECT_EQ(converted("550-5.7.1 a\r\n550-5.7.1\r\n550 5.7.1 c\r\n"),
            reply(550, {5, 7, 1}, "a\n\nc"));
  EXPECT_EQ(converted("550-5.7.1 a\r\n550 b\r\n"), reply(550, {5, 7, 1}, "a\nb"));
  EXPECT_EQ(converted("550 plain 5.7.1\r\n"), reply(550, {}, "plain 5.7.1"));
  EXPECT_EQ(converted("250\r\n"), reply(250, {}, ""));
}

TEST(reply_reader, to_reply_takes_as_much_as_there_is_room_for) {
  std::string_view input = "550-5.7.1 abc\r\n550-5.7.1 d\xc3\xbc\r\n550 5.7.1 f\r\n";
  reply_reader reader;
  ASSERT_EQ(reader.read(input), reply_state::complete);
  EXPECT_EQ(reader.reply().to_reply(9).text(), "abc\nd\xc3\xbc\nf");
  EXPECT_EQ(reader.reply().to_reply(6).text(), "abc\nd");
  EXPECT_EQ(reader.reply().to_reply(2), reply(550, {5, 7, 1}, "ab"));
}

TEST(reply_reader, classes) {
  const auto read = [](std::string_view input) {
    reply_reader reader;
    reader.read(input);
    const server_reply& r = reader.reply();
    return std::to_string(r.positive()) + std::to_string(r.intermediate()) +
           std::to_string(r.temporary()) + std::to_string(r.permanent());
  };
  EXPECT_EQ(read("200\r\n"), "1000");
  EXPECT_EQ(read("354\r\n"), "0100");
  EXPECT_EQ(read("499\r\n"), "0010");
  EXPECT_EQ(read("500\r\n"), "0001");
}

}  // namespace
}  // namespace gatepost::smtp
