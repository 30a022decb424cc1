// This header stands alone.
#include "checks/dkim/header_hash.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "smtp/header_reader.hpp"

namespace gatepost::checks::dkim {
namespace {

// The values that are picked, in order, without blanks at their ends.
std::vector<std::string> picked(const std::string& text, const std::vector<std::string>& names,
                                int own = -1) {
  const auto header = smtp::read_header(text);
  const auto* mine = own < 0 ? nullptr : &header->fields[static_cast<std::size_t>(own)];
  std::vector<std::string> out;
  for (const auto* f : pick_fields(header->fields, names, mine))
    out.emplace_back(f->value.substr(1));
  return out;
}

using strings = std::vector<std::string>;

// RFC 6376 §5.4.2
TEST(DkimHeaderHash, FieldsArePickedFromTheBottomUp) {
  const std::string text = "A: 1\r\nB: 2\r\na: 3\r\nC: 4\r\nA: 5\r\n";
  EXPECT_EQ(picked(text, {"a"}), (strings{"5"}));
  EXPECT_EQ(picked(text, {"A", "b", "A"}), (strings{"5", "2", "3"}));
  EXPECT_EQ(picked(text, {"a", "a", "a", "a", "b"}), (strings{"5", "3", "1", "2"}));
  EXPECT_EQ(picked(text, {"x", "c"}), (strings{"4"}));
  EXPECT_EQ(picked(text, {"a", "a"}, 4), (strings{"3", "1"}));
}

TEST(DkimHeaderHash, TheOwnFieldGoesWithoutItsSignature) {
  const std::string field = "DKIM-Signature: a=1; b=xy\r\n z ; c=2\r\n";
  const std::string value = " a=1; b=xy\r\n z ; c=2";
  const std::string_view view = std::string_view(field).substr(15, value.size());
  std::string out;
  append_own_field(out, canonicalization::simple, field, "DKIM-Signature", view, {8, 7});
  EXPECT_EQ(out, "DKIM-Signature: a=1; b=; c=2");
  out.clear();
  append_own_field(out, canonicalization::relaxed, field, "DKIM-Signature", view, {8, 7});
  EXPECT_EQ(out, "dkim-signature:a=1; b=; c=2");
}

TEST(DkimHeaderHash, IsOverFieldsAndSignature) {
  const std::string text = "DKIM-Signature: b=xy\r\nFrom:  a\r\n";
  const auto read = smtp::read_header(text);
  signature s;
  s.header = canonicalization::relaxed;
  s.names = {"from", "from"};
  s.b_octets = {3, 2};
  sha256 expected;
  expected.update("from:a\r\ndkim-signature:b=");
  EXPECT_EQ(header_hash({text, read->fields}, read->fields[0], s), expected.finish());
}

}  // namespace
}  // namespace gatepost::checks::dkim
