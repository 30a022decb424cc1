// This header stands alone.
#include "smtp/json_text.hpp"

#include <gtest/gtest.h>

namespace gatepost::smtp {
namespace {

TEST(json_text, a_long_string_is_cut) {
  std::string out;
  append_json_string(out, std::string(3000, 'x'));
  EXPECT_EQ(out.size(), max_json_string + 5);
}

TEST(json_text, utf8_passes_and_other_octets_do_not) {
  std::string out;
  append_json_string(out, "gr\xC3\xBC\xC3\x9F\xC3");
  EXPECT_EQ(out, "\"gr\xC3\xBC\xC3\x9F\xEF\xBF\xBD\"");
}

// Who reads a log in a terminal must not be told what to do by it.
TEST(json_text, controls_are_escaped) {
  std::string out;
  append_json_string(out, "\x1b\x7f\u0080\u009b\u009f\u00a0\u00db");
  EXPECT_EQ(out, "\"\\u001b\\u007f\\u0080\\u009b\\u009f\u00a0\u00db\"");
}

TEST(json_text, an_object_member_by_member) {
  std::string out;
  json_object o(out);
  o.add("a", "x").add("b", true).add("c", std::uint64_t{7}).add_if("d", "");
  o.begin_list("e").add_item("1").add_item("2").end_list();
  o.done();
  EXPECT_EQ(out, R"({"a":"x","b":true,"c":7,"e":["1","2"]})");
}

}  // namespace
}  // namespace gatepost::smtp
