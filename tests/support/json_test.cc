// This header stands alone.
#include "tests/support/json.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "tests/support/shared_data.hpp"

namespace gatepost::tests {
namespace {

TEST(json, scalars) {
  EXPECT_TRUE(parse_json("null").is_null());
  EXPECT_TRUE(parse_json(" true ").boolean());
  EXPECT_FALSE(parse_json("false").boolean());
  EXPECT_EQ(parse_json("-12.5e1").number(), -125);
  EXPECT_EQ(parse_json("0").integer(), 0);
  EXPECT_EQ(parse_json("9007199254740992").integer(), 9007199254740992);
  EXPECT_EQ(parse_json("\"\"").string(), "");
}

TEST(json, strings) {
  EXPECT_EQ(parse_json(R"("\"\\\/\b\f\n\r\t")").string(), "\"\\/\b\f\n\r\t");
  EXPECT_EQ(parse_json(R"("\u0041\u00df\u20AC")").string(), "A\u00df\u20ac");
  EXPECT_EQ(parse_json(R"("\ud83d\ude00")").string(), "\U0001F600");
  EXPECT_EQ(parse_json(R"("\ud83d")").string(), "\xED\xA0\xBD");
  EXPECT_EQ(parse_json(R"("\ud83d\u0041")").string(),
            "\xED\xA0\xBD"
            "A");
  EXPECT_EQ(parse_json(R"("\u0000")").string(), std::string(1, '\0'));
  EXPECT_EQ(parse_json("\"\xC3\xA9\"").string(), "\u00e9");
}

TEST(json, trees) {
  const json tree = parse_json(R"( {"b": [1, {"x": null}, []], "a": {}, "s": "t"} )");
  EXPECT_EQ(tree.size(), 3u);
  EXPECT_EQ(tree.object().front().first, "b");
  EXPECT_EQ(tree["b"][0].integer(), 1);
  EXPECT_TRUE(tree["b"][1]["x"].is_null());
  EXPECT_EQ(tree["b"][2].size(), 0u);
  EXPECT_TRUE(tree["a"].is_object());
  EXPECT_FALSE(tree.contains("c"));
  EXPECT_EQ(tree.string_or("s", "-"), "t");
  EXPECT_EQ(tree.string_or("c", "-"), "-");
  EXPECT_TRUE(tree.boolean_or("c", true));
  EXPECT_THROW(tree["c"], json_error);
  EXPECT_THROW(tree["b"][3], json_error);
  EXPECT_THROW(tree["s"].number(), json_error);
}

TEST(json, refuses_what_is_not_json) {
  for (const std::string_view text : {"",        " ",         "{",
                                      "[",       "[1,]",      "{\"a\":1,}",
                                      "{a:1}",   "{\"a\" 1}", "{\"a\":1,\"a\":2}",
                                      "01",      "1.",        "1e",
                                      "-",       "+1",        ".5",
                                      "nul",     "truely",    "\"",
                                      "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"",
                                      "\"\n\"",  "1 2",       "[1] x",
                                      "'a'",     "// c\n1",   "NaN"}) {
    EXPECT_THROW(parse_json(text), json_error) << text;
  }
  EXPECT_THROW(parse_json(std::string(max_json_depth + 2, '[')), json_error);
}

TEST(json, reads_all_shared_data) {
  GATEPOST_REQUIRE_SHARED(root, "README.md");
  int files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root.parent_path())) {
    if (entry.path().extension() != ".json") continue;
    ++files;
    EXPECT_NO_THROW(parse_json(read_file(entry.path()))) << entry.path();
  }
  EXPECT_GT(files, 0);
}

}  // namespace
}  // namespace gatepost::tests
