// This header stands alone.
#include "checks/dkim/canonical.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "smtp/header_reader.hpp"
#include "tests/support/reference_canonical.hpp"

namespace gatepost::checks::dkim {
namespace {

std::string body(canonicalization how, std::string_view text, std::size_t chunk) {
  body_canonicalizer c(how);
  std::string out;
  const auto sink = [&](std::string_view octets) {
    EXPECT_FALSE(octets.empty());
    out += octets;
  };
  for (std::size_t at = 0; at < text.size(); at += chunk) c.update(text.substr(at, chunk), sink);
  c.finish(sink);
  return out;
}

std::string header(canonicalization how, std::string_view text) {
  std::string out;
  const auto read = smtp::read_header(text);
  for (const auto& f : read->fields)
    append_canonical_field(out, how, text.substr(f.octets.offset, f.octets.size), f.name, f.value);
  return out;
}

// RFC 6376 §3.4.5
TEST(DkimCanonical, TheExamplesOfTheRfc) {
  const std::string fields = "A: X\r\nB : Y\t\r\n\tZ  \r\n";
  const std::string text = " C \r\nD \t E\r\n\r\n\r\n";
  EXPECT_EQ(header(canonicalization::relaxed, fields), "a:X\r\nb:Y Z\r\n");
  EXPECT_EQ(header(canonicalization::simple, fields), fields);
  EXPECT_EQ(body(canonicalization::relaxed, text, 100), " C\r\nD E\r\n");
  EXPECT_EQ(body(canonicalization::simple, text, 100), " C \r\nD \t E\r\n");
}

TEST(DkimCanonical, Bodies) {
  struct {
    const char* text;
    const char* simple;
    const char* relaxed;
  } const cases[] = {
      {"", "\r\n", ""},
      {"\r\n", "\r\n", ""},
      {"\r\n\r\n\r\n", "\r\n", ""},
      {" \r\n\t\r\n", " \r\n\t\r\n", ""},
      {"  ", "  \r\n", ""},
      {"a", "a\r\n", "a\r\n"},
      {"a\r\n", "a\r\n", "a\r\n"},
      {"a \r\n", "a \r\n", "a\r\n"},
      {"\r\na\r\n", "\r\na\r\n", "\r\na\r\n"},
      {"a\r\n \r\n", "a\r\n \r\n", "a\r\n"},
      {"a\r\n \r\nb", "a\r\n \r\nb\r\n", "a\r\n\r\nb\r\n"},
      {"a\r", "a\r\r\n", "a\r\r\n"},  // a lone CR is no line end
      {"a \r b", "a \r b\r\n", "a \r b\r\n"},
      {"a\n\r\n", "a\n\r\n", "a\n\r\n"},
      {"a\r\r\n", "a\r\r\n", "a\r\r\n"},
      {"\ta  b\r\n", "\ta  b\r\n", " a b\r\n"},
      {"a\tb", "a\tb\r\n", "a b\r\n"},
  };
  for (const auto& c : cases) {
    for (const std::size_t chunk : {1u, 2u, 3u, 100u}) {
      EXPECT_EQ(body(canonicalization::simple, c.text, chunk), c.simple) << c.text << chunk;
      EXPECT_EQ(body(canonicalization::relaxed, c.text, chunk), c.relaxed) << c.text << chunk;
    }
  }
}

TEST(DkimCanonical, AnyPiecesGiveWhatASlowReferenceGives) {
  std::mt19937 random(6376);
  constexpr std::string_view letters = "ab \t\r\n\r\n  \n\xc3";
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (auto n = random() % 24; n > 0; --n) {
      if (random() % 4 == 0) text += "\r\n";
      text += letters[random() % letters.size()];
    }
    const std::size_t chunk = 1 + random() % 7;
    EXPECT_EQ(body(canonicalization::simple, text, chunk), tests::simple_body(text));
    EXPECT_EQ(body(canonicalization::relaxed, text, chunk), tests::relaxed_body(text));
  }
}

TEST(DkimCanonical, ManyLineEndsTakeNoMemory) {
  std::string text = "a";
  for (int i = 0; i < 1000; ++i) text += "\r\n";
  EXPECT_EQ(body(canonicalization::simple, text, 7), "a\r\n");
  EXPECT_EQ(body(canonicalization::relaxed, text + "b", 7), text + "b\r\n");
}

TEST(DkimCanonical, Fields) {
  struct {
    const char* field;
    const char* relaxed;
  } const cases[] = {
      {"Subject: x\r\n", "subject:x\r\n"},
      {"SUBJECT  :x", "subject:x\r\n"},
      {"Subject:\r\n", "subject:\r\n"},
      {"Subject: \t \r\n", "subject:\r\n"},
      {"Subject: a  \r\n \t b\r\n", "subject:a b\r\n"},
      {"Subject:\r\n a\r\n\tb \r\n", "subject:a b\r\n"},
      {"Subject: a\rb\r\n", "subject:a\rb\r\n"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(header(canonicalization::relaxed, c.field), c.relaxed) << c.field;
    const std::string simple = header(canonicalization::simple, c.field);
    const std::string field = c.field;
    EXPECT_EQ(simple, field.ends_with("\r\n") ? field : field + "\r\n");
  }
}

TEST(DkimCanonical, ASignatureIsTakenOut) {
  EXPECT_EQ(without_signature("a=1; b=xyz; c=2", 7, 3), "a=1; b=; c=2");
  EXPECT_EQ(without_signature("b=xyz", 2, 3), "b=");
}

}  // namespace
}  // namespace gatepost::checks::dkim
