// This header stands alone.
#include "routing/body_reader.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace gatepost::routing {
namespace {

// Gives a text in blocks of some size, and an error in the end if it is told to.
class blocks final : public body_reader {
 public:
  blocks(std::string text, std::size_t block, bool broken = false)
      : text_(std::move(text)), block_(block), broken_(broken) {}
  std::uint64_t size() const override { return text_.size(); }
  smtp::result<std::string_view> next() override {
    if (at_ == text_.size() && broken_) return smtp::errc::spool_failed;
    const auto part = std::string_view(text_).substr(at_, block_);
    at_ += part.size();
    return part;
  }

 private:
  std::string text_;
  std::size_t block_;
  bool broken_;
  std::size_t at_ = 0;
};

std::string all_of(body_reader& body) {
  std::string text;
  for (;;) {
    const auto block = body.next();
    EXPECT_TRUE(block);
    if (!block || block->empty()) return text;
    text += *block;
  }
}

constexpr std::string_view original = "A: 1\r\nB: 2\r\nC: 3\r\n\r\nbody\r\n";

TEST(memory_body, gives_its_text_once) {
  memory_body body{std::string(original)};
  EXPECT_EQ(body.size(), original.size());
  EXPECT_EQ(all_of(body), original);
  EXPECT_EQ(all_of(body), "");
}

struct edit_case {
  const char* name;
  std::string_view prepended;
  std::vector<smtp::octet_range> erased;
  std::string_view expected;
};

TEST(edited_body, is_the_edited_text_whatever_the_blocks) {
  const edit_case cases[] = {
      {"nothing", "", {}, original},
      {"a field on top", "X: y\r\n", {}, "X: y\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\nbody\r\n"},
      {"the first field gone", "", {{0, 6}}, "B: 2\r\nC: 3\r\n\r\nbody\r\n"},
      {"two fields gone", "", {{0, 6}, {12, 6}}, "B: 2\r\n\r\nbody\r\n"},
      {"both", "X: y\r\n", {{6, 6}}, "X: y\r\nA: 1\r\nC: 3\r\n\r\nbody\r\n"},
      {"to the end", "", {{20, 6}}, "A: 1\r\nB: 2\r\nC: 3\r\n\r\n"},
      {"beyond the end", "", {{20, 100}, {200, 5}}, "A: 1\r\nB: 2\r\nC: 3\r\n\r\n"},
      {"all of it", "", {{0, 26}}, ""},
  };
  for (const edit_case& c : cases) {
    smtp::header_edits edits;
    if (!c.prepended.empty()) edits.prepend_fields(c.prepended);
    for (const smtp::octet_range& range : c.erased) edits.erase(range);
    for (std::size_t block = 1; block <= original.size() + 1; ++block) {
      edited_body body(std::make_unique<blocks>(std::string(original), block), edits);
      EXPECT_EQ(body.size(), c.expected.size()) << c.name;
      EXPECT_EQ(all_of(body), c.expected) << c.name << ", blocks of " << block;
    }
  }
}

TEST(edited_body, of_an_empty_text) {
  smtp::header_edits edits;
  edits.prepend("X", "y");
  edited_body body(std::make_unique<memory_body>(""), edits);
  EXPECT_EQ(body.size(), 6u);
  EXPECT_EQ(all_of(body), "X: y\r\n");
}

TEST(edited_body, passes_errors_on) {
  edited_body body(std::make_unique<blocks>("abc", 3, true), {});
  EXPECT_EQ(*body.next(), "abc");
  const auto end = body.next();
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error(), smtp::errc::spool_failed);
}

}  // namespace
}  // namespace gatepost::routing
