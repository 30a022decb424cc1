// This header stands alone.
#include "checks/dnsbl_list.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

namespace gatepost::checks {
namespace {

smtp::ip_address ip(const char* text) { return *smtp::parse_ip_address(text); }

dnsbl_list listing(std::vector<std::string> codes, double weight = 1) {
  dnsbl_list list;
  list.zone = "bl.example.test";
  list.codes = std::move(codes);
  list.weight = weight;
  return list;
}

dnsbl_reading read(const dnsbl_list& list, const std::vector<const char*>& answers) {
  std::vector<smtp::ip_address> addresses;
  for (const char* a : answers) addresses.push_back(ip(a));
  return dnsbl_reader(list, default_blocked_codes()).read(addresses);
}

TEST(DnsblCodes, ContainWhatTheySay) {
  struct {
    const char* pattern;
    std::vector<const char*> in;
    std::vector<const char*> out;
  } const cases[] = {
      {"127.0.0.2", {"127.0.0.2"}, {"127.0.0.3", "127.0.1.2", "::ffff:127.0.0.2"}},
      {"127.0.0.2-11", {"127.0.0.2", "127.0.0.7", "127.0.0.11"}, {"127.0.0.1", "127.0.0.12"}},
      {"127.0.0.[2-4]", {"127.0.0.2", "127.0.0.4"}, {"127.0.0.5"}},
      {"127.0.0.[2;4;10-11]", {"127.0.0.2", "127.0.0.4", "127.0.0.11"}, {"127.0.0.3", "127.0.0.9"}},
      {"127.0.[0,2-3].0-255", {"127.0.0.9", "127.0.3.255"}, {"127.0.1.9"}},
      {"127.0.0.0/8", {"127.0.0.0", "127.255.255.255"}, {"126.0.0.1", "128.0.0.1"}},
      {"127.255.255.0/24", {"127.255.255.254"}, {"127.255.254.255"}},
      {"127.0.0.8/29", {"127.0.0.8", "127.0.0.15"}, {"127.0.0.7", "127.0.0.16"}},
      {"0.0.0.0/0", {"0.0.0.0", "255.255.255.255"}, {"::1"}},
      {"127.16.0.0/12", {"127.16.0.0", "127.31.255.255"}, {"127.15.0.0", "127.32.0.0"}},
  };
  for (const auto& c : cases) {
    const auto codes = dnsbl_codes::parse(c.pattern);
    ASSERT_TRUE(codes) << c.pattern;
    for (const char* a : c.in) EXPECT_TRUE(codes->contains(ip(a))) << c.pattern << ' ' << a;
    for (const char* a : c.out) EXPECT_FALSE(codes->contains(ip(a))) << c.pattern << ' ' << a;
  }
}

TEST(DnsblCodes, ArePatternsOfFourOctets) {
  for (const char* text : {"",
                           "127",
                           "127.0.0",
                           "127.0.0.",
                           "127.0.0.2.3",
                           "127.0.0.256",
                           "127.0.0.02",
                           "127.0.0.11-2",
                           "127.0.0.2-",
                           "127.0.0.-2",
                           "127.0.0.[2-4",
                           "127.0.0.[]",
                           "127.0.0.[2,]",
                           "127.0.0.2 ",
                           " 127.0.0.2",
                           "127.0.0.1/8",
                           "127.0.0.0/33",
                           "2001:db8::/32",
                           "127.0.0.*",
                           "127.0.0.2-4-6"})
    EXPECT_FALSE(dnsbl_codes::parse(text)) << text;
}

// RFC 5782 §2.1: the answers of a list are in 127.0.0.0/8.
TEST(DnsblReader, TakesWhatAListMaySay) {
  const dnsbl_list any = listing({});
  EXPECT_EQ(read(any, {}).meaning, dnsbl_meaning::clean);
  EXPECT_EQ(read(any, {"127.0.0.2"}).meaning, dnsbl_meaning::listed);
  EXPECT_EQ(read(any, {"127.1.2.3"}).meaning, dnsbl_meaning::listed);
  // A zone that was given up, a resolver that invents answers.
  EXPECT_EQ(read(any, {"192.0.2.80"}).meaning, dnsbl_meaning::odd);
  EXPECT_EQ(read(any, {"0.0.0.0"}).meaning, dnsbl_meaning::odd);
  EXPECT_EQ(read(any, {"192.0.2.80", "127.0.0.2"}).meaning, dnsbl_meaning::listed);
}

TEST(DnsblReader, BeingBlockedIsNotBeingListed) {
  for (const char* a :
       {"127.255.255.252", "127.255.255.254", "127.255.255.255", "127.0.0.1", "127.0.0.255"}) {
    EXPECT_EQ(read(listing({}), {a}).meaning, dnsbl_meaning::blocked) << a;
    EXPECT_EQ(read(listing({}), {"127.0.0.2", a}).meaning, dnsbl_meaning::blocked) << a;
    EXPECT_EQ(read(listing({"127.0.0.0/8"}), {a}).meaning, dnsbl_meaning::blocked) << a;
  }
  const std::vector<std::string> none;
  const std::vector<smtp::ip_address> answer = {ip("127.0.0.1")};
  EXPECT_EQ(dnsbl_reader(listing({}), none).read(answer).meaning, dnsbl_meaning::listed);
}

TEST(DnsblReader, WeighsByCode) {
  const dnsbl_list list = listing({"127.0.0.2-3", "127.0.0.4-7=2.5", "127.0.0.10=-1"}, 1.5);
  EXPECT_EQ(read(list, {"127.0.0.2"}).weight, 1.5);
  EXPECT_EQ(read(list, {"127.0.0.4"}).weight, 2.5);
  EXPECT_EQ(read(list, {"127.0.0.10"}).weight, -1);
  EXPECT_EQ(read(list, {"127.0.0.11"}).meaning, dnsbl_meaning::clean);
  const dnsbl_reading both = read(list, {"127.0.0.2", "127.0.0.4", "127.0.0.3"});
  EXPECT_EQ(both.weight, 2.5);
  EXPECT_EQ(both.code, ip("127.0.0.4"));
}

TEST(DnsblList, SaysWhatIsWrongWithIt) {
  EXPECT_EQ(problem_of(listing({"127.0.0.2"})), "");
  EXPECT_EQ(problem_of(listing({"127.0.0.2=0.5"})), "");
  EXPECT_NE(problem_of(listing({"127.0.0.2=x"})), "");
  EXPECT_NE(problem_of(listing({"127.0.0.2="})), "");
  EXPECT_NE(problem_of(listing({"127.0.0.2=nan"})), "");
  EXPECT_NE(problem_of(listing({"127.0.0"})), "");
  dnsbl_list list = listing({});
  list.zone = "bl..example";
  EXPECT_NE(problem_of(list), "");
  list = listing({});
  list.subjects.clear();
  EXPECT_NE(problem_of(list), "");
  EXPECT_THROW(dnsbl_reader(list, default_blocked_codes()), std::invalid_argument);
  const std::vector<std::string> bad = {"127"};
  EXPECT_THROW(dnsbl_reader(listing({}), bad), std::invalid_argument);
}

TEST(DnsblReason, IsOneHarmlessLine) {
  EXPECT_EQ(dnsbl_reason("see https://bl.example/?q=192.0.2.1", 200),
            "see https://bl.example/?q=192.0.2.1");
  EXPECT_EQ(dnsbl_reason("  a\r\n250 OK\t \x01\x7f\xc3\xbc  ", 200), "a 250 OK ????");
  EXPECT_EQ(dnsbl_reason(std::string(1000, 'x'), 200), std::string(200, 'x'));
  EXPECT_EQ(dnsbl_reason("abc d", 4), "abc");
  EXPECT_EQ(dnsbl_reason("", 200), "");
}

}  // namespace
}  // namespace gatepost::checks
