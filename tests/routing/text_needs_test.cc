// This header stands alone.
#include "routing/detail/text_needs.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

namespace gatepost::routing::detail {
namespace {

text_needs read(std::string_view text, std::size_t step) {
  text_needs needs;
  for (; !text.empty(); text.remove_prefix(std::min(step, text.size())))
    needs.add(text.substr(0, step));
  needs.finish();
  return needs;
}

struct needs_case {
  const char* name;
  std::string text;
  bool eight_bit;
  bool smtputf8;
};

const needs_case cases[] = {
    {"nothing", "", false, false},
    {"ascii", "Subject: hello\r\n\r\nHi.\r\n", false, false},
    {"delete_is_ascii", "Subject: hello\r\n\r\n\x7f\r\n", false, false},
    {"body", "Subject: hello\r\n\r\nGr\u00fc\u00dfe\r\n", true, false},
    {"latin_1_in_body", "Subject: hello\r\n\r\nGr\xfc\xdf\r\n", true, false},
    {"header", "Subject: Gr\u00fc\u00dfe\r\n\r\nHi.\r\n", true, true},
    {"latin_1_in_header", "Subject: Gr\xfc\xdf\r\n\r\nHi.\r\n", true, true},
    {"header_alone", "Subject: Gr\u00fc\u00dfe\r\n", true, true},
    {"text_part", "content-type:\r\n TEXT/plain; charset=utf-8\r\n\r\n\u00fc\r\n", true, false},
    // Within a part's header, and within its body: parts are not read.
    {"part_header", "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nA: \u00fc\r\n\r\n",
     true, true},
    {"part_body", "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\n\u00fc\r\n", true,
     true},
    {"ascii_parts", "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nHi\r\n", false,
     false},
    {"nested_header", "Content-Type: message/global\r\n\r\nSubject: \u00fc\r\n\r\n", true, true},
    {"two_types", "Content-Type: text/plain\r\nContent-Type: multipart/x\r\n\r\n\u00fc\r\n", true,
     true},
    {"comment_before_the_type", "Content-Type: (x) multipart/mixed\r\n\r\n\u00fc\r\n", true, true},
    {"no_type", "Content-Type:\r\n\r\n\u00fc\r\n", true, true},
    // Many programs read on behind such a line.
    {"header_that_breaks_off", "A: 1\r\nno field\r\nB: \u00fc\r\n\r\n", true, true},
    {"header_too_big", "A: " + std::string(300u << 10, 'x') + "\r\n\r\n\u00fc\r\n", true, true},
    {"ascii_header_too_big", "A: " + std::string(300u << 10, 'x') + "\r\n\r\nHi\r\n", false, false},
};

TEST(text_needs, are_what_is_in_the_text) {
  for (const needs_case& c : cases) {
    for (const std::size_t step : {1u, 7u, 65536u}) {
      if (step == 1 && c.text.size() > 1000) continue;
      SCOPED_TRACE(std::string(c.name) + " by " + std::to_string(step));
      const text_needs needs = read(c.text, step);
      EXPECT_EQ(needs.eight_bit(), c.eight_bit);
      EXPECT_EQ(needs.smtputf8(), c.smtputf8);
    }
  }
}

}  // namespace
}  // namespace gatepost::routing::detail
