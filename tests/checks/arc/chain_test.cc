// This header stands alone.
#include "checks/arc/chain.hpp"

#include <gtest/gtest.h>

#include <string>

#include "smtp/header_reader.hpp"

namespace gatepost::checks::arc {
namespace {

std::string results(const std::string& i) {
  return "ARC-Authentication-Results: i=" + i + "; mx.test; spf=pass\r\n";
}
std::string message(const std::string& i) {
  return "ARC-Message-Signature: i=" + i +
         "; a=rsa-sha256; d=a.test; s=s; h=from; bh=QUJD; b=QUJD\r\n";
}
std::string seal(const std::string& i, const std::string& cv) {
  return "ARC-Seal: i=" + i + "; a=rsa-sha256; d=a.test; s=s; t=1; cv=" + cv + "; b=QUJD\r\n";
}
std::string set(const std::string& i, const std::string& cv) {
  return seal(i, cv) + message(i) + results(i);
}

// The number of sets; -1: there is a problem.
int sets(const std::string& text) {
  const auto header = smtp::read_header(text);
  const auto chain = read_chain({text, header->fields});
  return chain ? static_cast<int>(chain->size()) : -1;
}

// RFC 8617 §5.2 steps 1 to 3
TEST(ArcChain, Structure) {
  EXPECT_EQ(sets("From: a\r\n"), 0);
  EXPECT_EQ(sets(set("1", "none")), 1);
  EXPECT_EQ(sets(set("2", "pass") + set("1", "none")), 2);
  EXPECT_EQ(sets(set("1", "none") + set("2", "pass")), 2);  // the order of fields does not matter
  EXPECT_EQ(sets(set("1", "pass")), -1);
  EXPECT_EQ(sets(set("1", "fail")), -1);
  EXPECT_EQ(sets(set("2", "none") + set("1", "none")), -1);
  EXPECT_EQ(sets(set("2", "fail") + set("1", "none")), -1);
  EXPECT_EQ(sets(set("2", "pass")), -1);  // a gap
  EXPECT_EQ(sets(set("3", "pass") + set("1", "none")), -1);
  EXPECT_EQ(sets(set("1", "none") + results("1")), -1);
  EXPECT_EQ(sets(set("1", "none") + message("1")), -1);
  EXPECT_EQ(sets(set("1", "none") + seal("1", "none")), -1);
  EXPECT_EQ(sets(results("1") + message("1")), -1);
  EXPECT_EQ(sets(results("1") + seal("1", "none")), -1);
  EXPECT_EQ(sets(message("1") + seal("1", "none")), -1);
  EXPECT_EQ(sets(set("0", "none")), -1);
  EXPECT_EQ(sets(set("51", "pass")), -1);
  EXPECT_EQ(sets(set("x", "none")), -1);
  EXPECT_EQ(sets("ARC-Seal: nonsense\r\n"), -1);
  EXPECT_EQ(sets(seal("1", "none") + message("1") +
                 "ARC-Authentication-Results: i=1 (mx7); mx.test; spf=pass\r\n"),
            1);
}

TEST(ArcChain, TheHighestInstance) {
  const auto highest = [](const std::string& text) {
    const auto header = smtp::read_header(text);
    return highest_instance({text, header->fields});
  };
  EXPECT_EQ(highest("From: a\r\n"), 0u);
  EXPECT_EQ(highest(set("1", "none") + results("7")), 7u);
  EXPECT_EQ(highest(seal("51", "pass")), 51u);
  EXPECT_EQ(highest(set("1", "none") + results("51 (x)")), 51u);
}

TEST(ArcChain, HowManyInstances) {
  const auto count = [](const std::string& text) {
    const auto header = smtp::read_header(text);
    return count_instances({text, header->fields});
  };
  EXPECT_EQ(count("From: a\r\n"), 0u);
  EXPECT_EQ(count("ARC-Seal: nonsense\r\n" + seal("51", "pass") + seal("0", "none")), 0u);
  EXPECT_EQ(count(set("1", "none") + set("2", "pass")), 2u);
  EXPECT_EQ(count(set("1", "none") + results("7 (x)") + seal("7", "pass")), 2u);
  EXPECT_EQ(count(set("50", "pass")), 1u);
}

TEST(ArcChain, TheNewestSealsWord) {
  const auto newest = [](const std::string& text) {
    const auto header = smtp::read_header(text);
    return std::string(newest_cv({text, header->fields}));
  };
  EXPECT_EQ(newest("From: a\r\n"), "");
  EXPECT_EQ(newest(set("1", "none")), "none");
  EXPECT_EQ(newest(seal("1", "none") + seal("3", "fail") + seal("2", "pass")), "fail");
  EXPECT_EQ(newest("ARC-Seal: nonsense\r\n" + seal("2", "fail")), "fail");
  EXPECT_EQ(newest(message("7") + seal("51", "Fail")), "Fail");
}

// RFC 8617 §4.1.1
TEST(ArcChain, Results) {
  EXPECT_EQ(parse_results(" i=1; mx.test; x")->payload, " mx.test; x");
  EXPECT_EQ(parse_results("\r\n i = 50 ;x")->instance, 50u);
  const auto commented = parse_results("(a (b\\)) c) i (d)=\r\n (e) 7 (mx7) () ; mx.test; x");
  ASSERT_TRUE(commented);
  EXPECT_EQ(commented->instance, 7u);
  EXPECT_EQ(commented->payload, " mx.test; x");
  for (const char* text : {"", "i=1", "i=1 mx.test; x", "mx.test; i=1;", "i=0; x", "i=51; x",
                           "i=; x", "I=1; x", "i=100; x", "i=001; x", "i1; x", "i=1 (mx7; mx.test",
                           "(i=1; x", "i=1 (a) 2; x", "i=1 \\; x"})
    EXPECT_FALSE(parse_results(text)) << text;
}

}  // namespace
}  // namespace gatepost::checks::arc
