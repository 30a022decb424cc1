// This header stands alone.
#include "smtp/header_edits.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gatepost::smtp {
namespace {

using ::testing::ElementsAre;

std::string written(std::string_view name, std::string_view value) {
  std::string out;
  write_field(out, name, value);
  return out;
}

// What every written field has to be, whatever it was made of (RFC 5322 §2.2, §2.1.1).
void expect_one_field(std::string_view field) {
  ASSERT_TRUE(field.ends_with("\r\n"));
  std::size_t lines = 0;
  for (std::string_view rest = field; !rest.empty(); ++lines) {
    const auto end = rest.find("\r\n");
    ASSERT_NE(end, rest.npos) << "a bare LF or CR in " << field;
    const auto line = rest.substr(0, end);
    EXPECT_LE(line.size(), max_line_octets);
    EXPECT_NE(line.find_first_not_of(" \t"), line.npos) << "a blank line in " << field;
    EXPECT_EQ(line.find_first_of(std::string_view("\r\n\0\x7f\x1b", 5)), line.npos) << field;
    if (lines != 0) {
      EXPECT_TRUE(line[0] == ' ' || line[0] == '\t') << field;
    }
    rest.remove_prefix(end + 2);
  }
}

TEST(write_field, simple_values) {
  EXPECT_EQ(written("Subject", "hello"), "Subject: hello\r\n");
  EXPECT_EQ(written("Subject", "  hello world \t"), "Subject: hello world\r\n");
  EXPECT_EQ(written("Subject", "two  blanks\tand a tab"), "Subject: two  blanks\tand a tab\r\n");
  EXPECT_EQ(written("Subject", "gr\xc3\xbc\xc3\x9f"), "Subject: gr\xc3\xbc\xc3\x9f\r\n");
  EXPECT_EQ(written("X-Empty", ""), "X-Empty:\r\n");
  EXPECT_EQ(written("X-Empty", " \r\n "), "X-Empty:\r\n");
}

TEST(write_field, a_value_cannot_begin_another_field) {
  EXPECT_EQ(written("X-A", "b\r\nBcc: victim@example.test"), "X-A: b Bcc: victim@example.test\r\n");
  EXPECT_EQ(written("X-A", "b\nBcc: c"), "X-A: b Bcc: c\r\n");
  EXPECT_EQ(written("X-A", "b\rBcc: c"), "X-A: b Bcc: c\r\n");
  EXPECT_EQ(written("X-A", "b\r\n\r\nbody"), "X-A: b body\r\n");
  EXPECT_EQ(written("X-A", std::string_view("a\0b\x7f\x1b", 5)), "X-A: a?b??\r\n");
  EXPECT_EQ(written("X-A", "\r\n\r\n.\r\nQUIT\r\n"), "X-A: . QUIT\r\n");
}

TEST(write_field, a_name_cannot_hold_what_a_name_may_not) {
  EXPECT_EQ(written("X A:\r\nB", "c"), "X-A---B: c\r\n");
  EXPECT_EQ(written("", "c"), "-: c\r\n");
  EXPECT_EQ(written("X\xc3\xbc", "c"), "X--: c\r\n");
  EXPECT_EQ(written(std::string(500, 'x'), "c"), std::string(76, 'x') + ": c\r\n");
}

TEST(write_field, an_older_fold_vanishes) {
  EXPECT_EQ(written("X-A", "one\r\n two\r\n\tthree"), "X-A: one two\tthree\r\n");
}

TEST(write_field, folds_at_78) {
  const std::string word(20, 'w');
  const std::string value = word + " " + word + " " + word + " " + word + "\t" + word;
  EXPECT_EQ(written("Subject", value),
            "Subject: " + word + " " + word + " " + word + "\r\n " + word + "\t" + word + "\r\n");
  // Exactly 78 octets fit, 79 do not.
  EXPECT_EQ(written("S", "a " + std::string(73, 'b')), "S: a " + std::string(73, 'b') + "\r\n");
  EXPECT_EQ(written("S", "a " + std::string(74, 'b')), "S: a\r\n " + std::string(74, 'b') + "\r\n");
}

TEST(write_field, a_long_first_word_stays_beside_the_name) {
  EXPECT_EQ(written("Message-ID", std::string(200, 'i')),
            "Message-ID: " + std::string(200, 'i') + "\r\n");
}

TEST(write_field, no_line_exceeds_998) {
  expect_one_field(written("S", std::string(3000, 'x')));
  expect_one_field(written("S", "a " + std::string(3000, 'x') + " b"));
  expect_one_field(written(std::string(76, 'n'), std::string(70, ' ') + std::string(998, 'x')));
  const auto exact = written("S", "a " + std::string(997, 'x'));
  EXPECT_EQ(exact, "S: a\r\n " + std::string(997, 'x') + "\r\n");
  EXPECT_EQ(written("S", "a " + std::string(998, 'x')),
            "S: a\r\n " + std::string(997, 'x') + "\r\n x\r\n");
}

TEST(write_field, a_hard_break_keeps_utf8_characters_whole) {
  for (std::size_t shift = 0; shift < 4; ++shift) {
    std::string value(shift, 'x');
    for (int i = 0; i < 800; ++i) value += "\xf0\x9f\x93\xa7";
    auto field = written("S", value);
    expect_one_field(field);
    for (auto at = field.find("\r\n "); at != field.npos; at = field.find("\r\n ", at + 1)) {
      EXPECT_NE(static_cast<unsigned char>(field[at + 3]) & 0xc0, 0x80);
    }
  }
  expect_one_field(written("S", std::string(3000, '\x80')));
}

TEST(write_field, runs_of_blanks_make_no_blank_line) {
  expect_one_field(written("S", "a" + std::string(5000, ' ') + "b"));
  EXPECT_EQ(written("S", "a" + std::string(100, ' ') + "b"),
            "S: a" + std::string(max_blank_run, ' ') + "b\r\n");
}

TEST(write_field, every_octet_is_safe) {
  for (int octet = 0; octet < 256; ++octet) {
    const std::string value{'a', static_cast<char>(octet), 'b'};
    expect_one_field(written("S", value));
    expect_one_field(written(value, value));
  }
}

constexpr std::string_view original = "A: 1\r\nB: 2\r\nC: 3\r\n\r\nbody\r\n";

TEST(header_edits, no_edits_change_nothing) {
  const header_edits edits;
  EXPECT_TRUE(edits.empty());
  EXPECT_EQ(edits.apply_to(original), original);
  EXPECT_EQ(edits.apply_to(""), "");
}

TEST(header_edits, the_last_field_put_on_top_is_the_topmost) {
  header_edits edits;
  edits.prepend("X", "first");
  edits.prepend("Y", "second");
  edits.prepend_fields("Z: third\r\n");
  EXPECT_FALSE(edits.empty());
  EXPECT_EQ(edits.apply_to("A: 1\r\n"), "Z: third\r\nY: second\r\nX: first\r\nA: 1\r\n");
  EXPECT_EQ(edits.apply_to(""), "Z: third\r\nY: second\r\nX: first\r\n");
}

TEST(header_edits, erased_octets_are_left_out) {
  header_edits edits;
  edits.erase({6, 6});
  EXPECT_EQ(edits.apply_to(original), "A: 1\r\nC: 3\r\n\r\nbody\r\n");
  edits.prepend("X", "x");
  EXPECT_EQ(edits.apply_to(original), "X: x\r\nA: 1\r\nC: 3\r\n\r\nbody\r\n");
  edits.erase({0, 6});
  EXPECT_EQ(edits.apply_to(original), "X: x\r\nC: 3\r\n\r\nbody\r\n");
  edits.erase({12, 100});
  EXPECT_EQ(edits.apply_to(original), "X: x\r\n");
}

TEST(header_edits, ranges_are_merged) {
  header_edits edits;
  edits.erase({20, 2});
  edits.erase({0, 3});
  edits.erase({10, 4});
  edits.erase({5, 0});
  EXPECT_THAT(edits.erased(),
              ElementsAre(octet_range{0, 3}, octet_range{10, 4}, octet_range{20, 2}));
  edits.erase({12, 8});
  EXPECT_THAT(edits.erased(), ElementsAre(octet_range{0, 3}, octet_range{10, 12}));
  edits.erase({3, 1});
  EXPECT_THAT(edits.erased(), ElementsAre(octet_range{0, 4}, octet_range{10, 12}));
  edits.erase({11, 2});
  EXPECT_THAT(edits.erased(), ElementsAre(octet_range{0, 4}, octet_range{10, 12}));
  edits.erase({1, 30});
  EXPECT_THAT(edits.erased(), ElementsAre(octet_range{0, 31}));
}

// Against the obvious way: a flag for every octet.
TEST(header_edits, any_two_ranges) {
  const std::string text = "0123456789";
  for (std::size_t a = 0; a < 10; ++a) {
    for (std::size_t b = 0; a + b <= 11; ++b) {
      for (std::size_t c = 0; c < 10; ++c) {
        for (std::size_t d = 0; c + d <= 11; ++d) {
          header_edits edits;
          edits.erase({a, b});
          edits.erase({c, d});
          std::string expected;
          for (std::size_t i = 0; i < text.size(); ++i) {
            const bool gone = (i >= a && i < a + b) || (i >= c && i < c + d);
            if (!gone) expected += text[i];
          }
          ASSERT_EQ(edits.apply_to(text), expected) << a << ' ' << b << ' ' << c << ' ' << d;
        }
      }
    }
  }
}

TEST(header_edits, an_empty_line_keeps_text_apart) {
  header_edits edits;
  edits.end_header();
  edits.prepend("A", "1");
  edits.prepend("B", "2");
  EXPECT_EQ(edits.apply_to(" x\r\n"), "B: 2\r\nA: 1\r\n\r\n x\r\n");
}

TEST(edited_pieces, are_views_and_never_empty) {
  header_edits edits;
  edits.prepend("X", "x");
  edits.erase({0, 6});
  edits.erase({12, 6});
  edited_pieces pieces(edits, original);
  const auto top = pieces.next();
  ASSERT_TRUE(top);
  EXPECT_EQ(top->data(), edits.prepended().data());
  const auto kept = pieces.next();
  ASSERT_TRUE(kept);
  EXPECT_EQ(*kept, "B: 2\r\n");
  EXPECT_EQ(kept->data(), original.data() + 6);
  EXPECT_EQ(pieces.next(), "\r\nbody\r\n");
  EXPECT_EQ(pieces.next(), std::nullopt);
  EXPECT_EQ(pieces.next(), std::nullopt);
}

}  // namespace
}  // namespace gatepost::smtp
