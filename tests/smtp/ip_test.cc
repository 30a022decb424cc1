// This header stands alone.
#include "smtp/ip.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <unordered_set>

namespace gatepost::smtp {
namespace {

ip_address ip(std::string_view text) {
  const auto address = parse_ip_address(text);
  EXPECT_TRUE(address) << text;
  return address ? *address : ip_address();
}

ip_network net(std::string_view text) {
  const auto network = parse_ip_network(text);
  EXPECT_TRUE(network) << text;
  return network ? *network : ip_network();
}

TEST(ip_address, default_is_the_unspecified_v4_address) {
  const ip_address address;
  EXPECT_TRUE(address.is_v4());
  EXPECT_TRUE(address.is_unspecified());
  EXPECT_EQ(address.text(), "0.0.0.0");
  EXPECT_EQ(address, ip("0.0.0.0"));
  EXPECT_NE(address, ip("::"));
  EXPECT_TRUE(ip("::").is_unspecified());
}

TEST(ip_address, v4_texts_are_read_and_written) {
  for (const char* text : {"0.0.0.0", "192.0.2.1", "255.255.255.255", "10.0.0.9", "1.20.200.255"}) {
    EXPECT_EQ(ip(text).text(), text);
    EXPECT_EQ(ip(text).octets().size(), 4u);
    EXPECT_EQ(ip(text).bits(), 32u);
  }
  EXPECT_THAT(ip("192.0.2.1").octets(), ::testing::ElementsAre(192, 0, 2, 1));
}

TEST(ip_address, what_is_no_v4_address_is_refused) {
  for (const char* text :
       {"",           "1",           "1.2.3",        "1.2.3.",     "1.2.3.4.",  "1.2.3.4.5",
        ".1.2.3.4",   "256.0.0.1",   "1.2.3.256",    "01.2.3.4",   "1.2.3.04",  "1.2.3.00",
        "1..3.4",     "1.2.3.+4",    "1.2.3.-4",     "1.2.3.4 ",   " 1.2.3.4",  "0x1.2.3.4",
        "1.2.3.4/32", "1.2.3.4%1",   "1.2.3.a",      "4294967296", "localhost", "1,2,3,4",
        "1.2.3.1e1",  "1.2.3.99999", "1.2.3.0000001"}) {
    const auto address = parse_ip_address(text);
    ASSERT_FALSE(address) << text;
    EXPECT_EQ(address.error(), errc::bad_ip_address) << text;
  }
  EXPECT_FALSE(parse_ip_address(std::string_view("1.2.3.4\0", 8)));
}

// RFC 5952 §4 and §5, RFC 4291 §2.2.
TEST(ip_address, v6_text_is_that_of_rfc_5952) {
  constexpr struct {
    const char* written;
    const char* canonical;
  } cases[] = {
      {"::", "::"},
      {"::1", "::1"},
      {"1::", "1::"},
      {"2001:db8::1", "2001:db8::1"},
      {"2001:DB8:0:0:8:800:200C:417A", "2001:db8::8:800:200c:417a"},
      {"2001:0db8::0001", "2001:db8::1"},
      {"2001:db8:0:0:0:0:2:1", "2001:db8::2:1"},
      {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},  // §4.2.2: not for one group
      {"2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
      {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},        // §4.2.3: the longest run
      {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},  // §4.2.3: the first of two
      {"2001:db8:aaaa:bbbb:cccc:dddd:eeee:AAAA", "2001:db8:aaaa:bbbb:cccc:dddd:eeee:aaaa"},
      {"FF01::101", "ff01::101"},
      {"0:0:0:0:0:0:0:1", "::1"},
      {"1:0:0:0:0:0:0:0", "1::"},
      {"0:0:0:0:0:0:0:0", "::"},
      {"0:1:0:0:0:0:0:0", "0:1::"},
      {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
      {"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
      {"::ffff:192.0.2.1", "::ffff:192.0.2.1"},
      {"::ffff:c000:201", "::ffff:192.0.2.1"},
      {"::FFFF:0:0", "::ffff:0.0.0.0"},
      {"64:ff9b::192.0.2.33", "64:ff9b::c000:221"},
      {"::192.0.2.1", "::c000:201"},
      {"1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"},
      {"fe80::1", "fe80::1"},
      {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
  };
  for (const auto& c : cases) {
    const auto address = ip(c.written);
    EXPECT_TRUE(address.is_v6()) << c.written;
    EXPECT_EQ(address.text(), c.canonical) << c.written;
    EXPECT_EQ(ip(c.canonical), address) << c.written;
  }
}

TEST(ip_address, what_is_no_v6_address_is_refused) {
  for (const char* text : {":",
                           ":::",
                           "1:",
                           ":1",
                           "1::2::3",
                           "1:2:3:4:5:6:7",
                           "1:2:3:4:5:6:7:8:9",
                           "1:2:3:4:5:6:7:8:",
                           ":1:2:3:4:5:6:7:8",
                           "::1:2:3:4:5:6:7:8",
                           "1:2:3:4:5:6:7:8::",
                           "1:2:3:4::5:6:7:8",
                           "12345::",
                           "::g",
                           "fe80::1%eth0",
                           "[::1]",
                           "::1 ",
                           " ::1",
                           "::1/128",
                           "::ffff:192.0.2",
                           "::192.0.2.1:1",
                           "192.0.2.1::",
                           "::ffff:192.0.2.256",
                           "::ffff:192.0.2.01",
                           "1:2:3:4:5:6:7:1.2.3.4",
                           "1.2.3.4:1",
                           "::-1",
                           "::+1",
                           "2001:db8:::1",
                           "1:2:3:4:5:6:1.2.3.4::",
                           "::.",
                           "::1.",
                           "IPv6:::1"}) {
    EXPECT_FALSE(parse_ip_address(text)) << text;
  }
}

TEST(ip_address, every_value_survives_its_text) {
  ip_address::v6_octets octets{};
  for (unsigned pattern = 0; pattern < 256; ++pattern) {  // every placing of zero groups
    for (unsigned group = 0; group < 8; ++group) {
      octets[2 * group] = 0;
      octets[2 * group + 1] = static_cast<std::uint8_t>(pattern >> group & 1 ? group + 1 : 0);
    }
    const ip_address address(octets);
    EXPECT_EQ(ip(address.text()), address) << address.text();
  }
}

TEST(ip_address, mapped_addresses_are_unmapped_on_request) {
  EXPECT_TRUE(ip("::ffff:192.0.2.1").is_v4_mapped());
  EXPECT_FALSE(ip("::fffe:192.0.2.1").is_v4_mapped());
  EXPECT_FALSE(ip("192.0.2.1").is_v4_mapped());
  EXPECT_EQ(ip("::ffff:192.0.2.1").unmapped(), ip("192.0.2.1"));
  EXPECT_EQ(ip("2001:db8::1").unmapped(), ip("2001:db8::1"));
  EXPECT_EQ(ip("192.0.2.1").unmapped(), ip("192.0.2.1"));
  EXPECT_NE(ip("::ffff:192.0.2.1"), ip("192.0.2.1"));
}

TEST(ip_address, loopback) {
  for (const char* text : {"127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1"}) {
    EXPECT_TRUE(ip(text).is_loopback()) << text;
  }
  for (const char* text :
       {"128.0.0.1", "126.0.0.1", "::", "::2", "1::1", "::ffff:126.0.0.1", "::7f00:1"}) {
    EXPECT_FALSE(ip(text).is_loopback()) << text;
  }
}

TEST(ip_address, order_is_by_family_then_octets) {
  const std::set<ip_address> sorted{ip("::1"),        ip("10.0.0.1"),       ip("9.255.0.0"),
                                    ip("2001:db8::"), ip("::ffff:1.1.1.1"), ip("10.0.0.1")};
  std::vector<std::string> texts;
  for (const auto& address : sorted) texts.push_back(address.text());
  EXPECT_THAT(texts, ::testing::ElementsAre("9.255.0.0", "10.0.0.1", "::1", "::ffff:1.1.1.1",
                                            "2001:db8::"));
}

TEST(ip_address, hashes_tell_addresses_apart) {
  std::unordered_set<std::size_t> hashes;
  std::unordered_set<ip_address> addresses;
  for (unsigned i = 0; i < 4096; ++i) {
    const auto low = static_cast<std::uint8_t>(i);
    const auto high = static_cast<std::uint8_t>(i >> 8);
    const ip_address address(ip_address::v4_octets{10, 0, high, low});
    addresses.insert(address);
    hashes.insert(std::hash<ip_address>()(address));
  }
  EXPECT_EQ(addresses.size(), 4096u);
  EXPECT_EQ(hashes.size(), 4096u);
  EXPECT_NE(std::hash<ip_address>()(ip("0.0.0.0")), std::hash<ip_address>()(ip("::")));
  EXPECT_NE(std::hash<ip_network>()(net("10.0.0.0/8")), std::hash<ip_network>()(net("10.0.0.0/9")));
}

TEST(ip_address, names_in_reverse) {
  EXPECT_EQ(reverse_name(ip("192.0.2.1")), "1.2.0.192.in-addr.arpa");
  EXPECT_EQ(reverse_labels(ip("127.0.0.2")), "2.0.0.127");
  // RFC 3596 §2.5
  EXPECT_EQ(reverse_name(ip("4321:0:1:2:3:4:567:89ab")),
            "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa");
}

TEST(ip_address, literals) {
  EXPECT_EQ(address_literal(ip("192.0.2.1")), "[192.0.2.1]");
  EXPECT_EQ(address_literal(ip("2001:db8::1")), "[IPv6:2001:db8::1]");
  EXPECT_EQ(address_literal(ip("::ffff:192.0.2.1")), "[IPv6:::ffff:192.0.2.1]");

  EXPECT_EQ(*parse_tagged_address("192.0.2.1"), ip("192.0.2.1"));
  EXPECT_EQ(*parse_tagged_address("IPv6:2001:db8::1"), ip("2001:db8::1"));
  EXPECT_EQ(*parse_tagged_address("ipV6:::1"), ip("::1"));
  for (const char* text :
       {"2001:db8::1", "IPv6:192.0.2.1", "IPv6:", "", "IPv6", "IPv4:192.0.2.1"}) {
    const auto address = parse_tagged_address(text);
    ASSERT_FALSE(address) << text;
    EXPECT_EQ(address.error(), errc::bad_address_literal) << text;
  }
}

TEST(ip_network, texts_are_read_and_written) {
  EXPECT_EQ(net("192.0.2.0/24").text(), "192.0.2.0/24");
  EXPECT_EQ(net("192.0.2.1").text(), "192.0.2.1/32");
  EXPECT_EQ(net("2001:DB8::/32").text(), "2001:db8::/32");
  EXPECT_EQ(net("::1").text(), "::1/128");
  EXPECT_EQ(net("0.0.0.0/0").text(), "0.0.0.0/0");
  EXPECT_EQ(net("10.128.0.0/9").bits(), 9u);
}

TEST(ip_network, what_is_no_network_is_refused) {
  for (const char* text : {"", "/", "/24", "192.0.2.0/", "192.0.2.0/33", "192.0.2.0/024",
                           "192.0.2.0/-1", "192.0.2.0/24/8", "192.0.2.0/ 24", "2001:db8::/129",
                           "192.0.2/24", "192.0.2.0/255.255.255.0", "192.0.2.1/24", "10.64.0.0/9",
                           "2001:db8::1/32", "128.0.0.0/0", "192.0.2.1/31"}) {
    const auto network = parse_ip_network(text);
    ASSERT_FALSE(network) << text;
    EXPECT_EQ(network.error(), errc::bad_network) << text;
  }
}

TEST(ip_network, contains_what_shares_its_prefix) {
  EXPECT_TRUE(net("192.0.2.0/24").contains(ip("192.0.2.0")));
  EXPECT_TRUE(net("192.0.2.0/24").contains(ip("192.0.2.255")));
  EXPECT_FALSE(net("192.0.2.0/24").contains(ip("192.0.3.0")));
  EXPECT_TRUE(net("192.0.2.128/25").contains(ip("192.0.2.128")));
  EXPECT_FALSE(net("192.0.2.128/25").contains(ip("192.0.2.127")));
  EXPECT_TRUE(net("192.0.2.6/31").contains(ip("192.0.2.7")));
  EXPECT_FALSE(net("192.0.2.7").contains(ip("192.0.2.6")));
  EXPECT_TRUE(net("0.0.0.0/0").contains(ip("255.0.0.1")));
  EXPECT_TRUE(net("2001:db8::/33").contains(ip("2001:db8:7fff::1")));
  EXPECT_FALSE(net("2001:db8::/33").contains(ip("2001:db8:8000::1")));
  EXPECT_FALSE(net("::/0").contains(ip("192.0.2.1")));
  EXPECT_FALSE(net("0.0.0.0/0").contains(ip("2001:db8::1")));
  // A dual-stack socket's form of the same client.
  EXPECT_TRUE(net("192.0.2.0/24").contains(ip("::ffff:192.0.2.9")));
  EXPECT_TRUE(net("::ffff:0:0/96").contains(ip("::ffff:192.0.2.9")));
  EXPECT_FALSE(net("::ffff:0:0/96").contains(ip("192.0.2.9")));
}

TEST(ip_network, prefix_groups_clients) {
  EXPECT_EQ(prefix(ip("192.0.2.77"), 24), net("192.0.2.0/24"));
  EXPECT_EQ(prefix(ip("192.0.2.77"), 32), net("192.0.2.77"));
  EXPECT_EQ(prefix(ip("192.0.2.77"), 99), net("192.0.2.77"));
  EXPECT_EQ(prefix(ip("192.0.2.77"), 0), net("0.0.0.0/0"));
  EXPECT_EQ(prefix(ip("2001:db8:1:2:3:4:5:6"), 61), net("2001:db8:1::/61"));

  EXPECT_EQ(client_network(ip("192.0.2.77")), net("192.0.2.77/32"));
  EXPECT_EQ(client_network(ip("2001:db8:1:2:3:4:5:6")), net("2001:db8:1:2::/64"));
  EXPECT_EQ(client_network(ip("::ffff:192.0.2.77")), net("192.0.2.77/32"));
  EXPECT_EQ(client_network(ip("::ffff:192.0.2.77"), 24, 48), net("192.0.2.0/24"));
}

TEST(network_set, looks_addresses_up) {
  const auto set = parse_network_set("192.0.2.0/24, 2001:db8::/32\t10.1.2.3 ,");
  ASSERT_TRUE(set);
  EXPECT_EQ(set->networks().size(), 3u);
  EXPECT_TRUE(set->contains(ip("192.0.2.200")));
  EXPECT_TRUE(set->contains(ip("2001:db8:ffff::")));
  EXPECT_TRUE(set->contains(ip("10.1.2.3")));
  EXPECT_FALSE(set->contains(ip("10.1.2.4")));
  EXPECT_FALSE(network_set().contains(ip("10.1.2.4")));

  EXPECT_TRUE(parse_network_set("")->empty());
  EXPECT_TRUE(parse_network_set(" , ")->empty());
  EXPECT_EQ(parse_network_set("192.0.2.0/24, example.test").error(), errc::bad_network);

  EXPECT_TRUE(network_set::loopback().contains(ip("127.3.2.1")));
  EXPECT_TRUE(network_set::loopback().contains(ip("::ffff:127.0.0.1")));
  EXPECT_TRUE(network_set::loopback().contains(ip("::1")));
  EXPECT_FALSE(network_set::loopback().contains(ip("::2")));
}

TEST(endpoint, texts_are_read_and_written) {
  for (const char* text : {"192.0.2.1:25", "[2001:db8::1]:65535", "0.0.0.0:0", "[::]:2525"}) {
    const auto end = parse_endpoint(text);
    ASSERT_TRUE(end) << text;
    EXPECT_EQ(end->text(), text);
  }
  EXPECT_EQ(parse_endpoint("192.0.2.1:587")->port, 587);
  for (const char* text : {"", "192.0.2.1", "192.0.2.1:", ":25", "192.0.2.1:65536", "192.0.2.1:025",
                           "2001:db8::1:25", "[192.0.2.1]:25", "[]:25", "[2001:db8::1]",
                           "[::1]:", "localhost:25", "192.0.2.1:+25", "[::1]x:25"}) {
    EXPECT_FALSE(parse_endpoint(text)) << text;
  }
  EXPECT_LT(*parse_endpoint("192.0.2.1:25"), *parse_endpoint("192.0.2.1:26"));
}

}  // namespace
}  // namespace gatepost::smtp
