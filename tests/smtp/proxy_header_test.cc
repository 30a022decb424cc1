// This header stands alone.
#include "smtp/proxy_header.hpp"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/json.hpp"
#include "tests/support/shared_data.hpp"

namespace gatepost::smtp {
namespace {

using tests::json;

constexpr std::string_view signature{"\r\n\r\n\0\r\nQUIT\n", 12};

std::string u16(std::size_t value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value & 0xff)};
}

std::string v2(unsigned command, unsigned family, const std::string& block) {
  std::string out(signature);
  out += static_cast<char>(command);
  out += static_cast<char>(family);
  return out + u16(block.size()) + block;
}

std::string tlv(unsigned type, const std::string& value) {
  return static_cast<char>(type) + u16(value.size()) + value;
}

const std::string v4_addresses{"\xc0\x00\x02\x01\xc6\x33\x64\x07\x30\x39\x00\x19", 12};

std::string endpoint_text(const std::optional<endpoint>& end) { return end ? end->text() : "none"; }

// Every beginning of a header wants more or is refused already; every ending is left alone.
void expect_accepted(const std::string& text) {
  const auto header = read_proxy_header(text);
  ASSERT_TRUE(header) << ::testing::PrintToString(text);
  EXPECT_EQ(header->consumed, text.size());
  EXPECT_EQ(header->source.has_value(), header->destination.has_value());
  for (std::size_t size = 0; size < text.size(); ++size) {
    const auto part = read_proxy_header(std::string_view(text).substr(0, size));
    ASSERT_FALSE(part) << size;
    EXPECT_EQ(part.error(), errc::need_more) << size;
  }
  for (const char* more : {"EHLO x\r\n", "\r\n", "PROXY UNKNOWN\r\n", "x"}) {
    const std::string longer = text + more;
    const auto again = read_proxy_header(longer);
    ASSERT_TRUE(again);
    EXPECT_EQ(again->consumed, text.size());
    EXPECT_EQ(again->source, header->source);
  }
}

// Once refused, it stays refused, whatever comes.
void expect_refused(const std::string& text) {
  const auto whole = read_proxy_header(text);
  ASSERT_FALSE(whole) << ::testing::PrintToString(text);
  EXPECT_EQ(whole.error(), errc::bad_proxy_header) << ::testing::PrintToString(text);
  bool refused = false;
  for (std::size_t size = 0; size <= text.size(); ++size) {
    const auto part = read_proxy_header(std::string_view(text).substr(0, size));
    ASSERT_FALSE(part) << size;
    if (refused) {
      EXPECT_EQ(part.error(), errc::bad_proxy_header) << size;
    }
    refused = part.error() == errc::bad_proxy_header;
  }
}

TEST(proxy_v1, lines_of_the_specification) {
  const auto v4 = read_proxy_header("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\nGET");
  ASSERT_TRUE(v4);
  EXPECT_EQ(v4->version, 1u);
  EXPECT_EQ(v4->command, proxy_command::proxy);
  EXPECT_EQ(v4->transport, proxy_transport::stream);
  EXPECT_EQ(endpoint_text(v4->source), "192.168.0.1:56324");
  EXPECT_EQ(endpoint_text(v4->destination), "192.168.0.11:443");
  EXPECT_EQ(v4->consumed, 47u);
  EXPECT_TRUE(v4->tlvs.empty());

  const auto v6 = read_proxy_header("PROXY TCP6 2001:db8::1 2001:DB8::2 0 65535\r\n");
  ASSERT_TRUE(v6);
  EXPECT_EQ(endpoint_text(v6->source), "[2001:db8::1]:0");
  EXPECT_EQ(endpoint_text(v6->destination), "[2001:db8::2]:65535");
}

TEST(proxy_v1, accepted) {
  const std::string ffff = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
  for (const std::string& line :
       {std::string("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535"),
        "PROXY TCP6 " + ffff + " " + ffff + " 65535 65535", std::string("PROXY TCP6 :: ::1 0 0"),
        std::string("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 1 2"),
        std::string("PROXY UNKNOWN"), std::string("PROXY UNKNOWN "),
        std::string("PROXY UNKNOWN a  b"), "PROXY UNKNOWN " + ffff + " " + ffff + " 65535 65535"}) {
    expect_accepted(line + "\r\n");
  }
}

TEST(proxy_v1, unknown_says_nothing) {
  const auto header = read_proxy_header("PROXY UNKNOWN 192.0.2.1 192.0.2.2 1 2\r\n");
  ASSERT_TRUE(header);
  EXPECT_EQ(header->version, 1u);
  EXPECT_EQ(header->command, proxy_command::local);
  EXPECT_FALSE(header->source);
}

TEST(proxy_v1, refused) {
  for (const char* line : {
           "PROXY",
           "PROXY ",
           "PROXY  TCP4 192.0.2.1 192.0.2.2 1 2",
           "PROXY tcp4 192.0.2.1 192.0.2.2 1 2",
           "proxy TCP4 192.0.2.1 192.0.2.2 1 2",
           " PROXY TCP4 192.0.2.1 192.0.2.2 1 2",
           "PROXY TCP5 192.0.2.1 192.0.2.2 1 2",
           "PROXY TCP4  192.0.2.1 192.0.2.2 1 2",
           "PROXY TCP4 192.0.2.1 192.0.2.2  1 2",
           "PROXY TCP4 192.0.2.1 192.0.2.2 1  2",
           "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 ",
           "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3",
           "PROXY TCP4 192.0.2.1 192.0.2.2 1",
           "PROXY TCP4 192.0.2.1 192.0.2.2 1 ",
           "PROXY TCP4 192.0.2.1 192.0.2.2",
           "PROXY TCP4 192.0.2.1",
           "PROXY TCP4",
           "PROXY TCP4 192.0.2.1\t192.0.2.2\t1\t2",
           "PROXY TCP4 192.0.2.1 192.0.2.2 01 2",
           "PROXY TCP4 192.0.2.1 192.0.2.2 1 02",
           "PROXY TCP4 192.0.2.1 192.0.2.2 00 2",
           "PROXY TCP4 192.0.2.1 192.0.2.2 65536 2",
           "PROXY TCP4 192.0.2.1 192.0.2.2 1 99999",
           "PROXY TCP4 192.0.2.1 192.0.2.2 +1 2",
           "PROXY TCP4 192.0.2.1 192.0.2.2 -1 2",
           "PROXY TCP4 192.0.2.1 192.0.2.2 0x1 2",
           "PROXY TCP4 192.0.2.01 192.0.2.2 1 2",
           "PROXY TCP4 192.0.2 192.0.2.2 1 2",
           "PROXY TCP4 192.0.2.256 192.0.2.2 1 2",
           "PROXY TCP4 2001:db8::1 192.0.2.2 1 2",
           "PROXY TCP4 192.0.2.1 2001:db8::1 1 2",
           "PROXY TCP4 ::ffff:192.0.2.1 ::ffff:192.0.2.2 1 2",
           "PROXY TCP6 192.0.2.1 192.0.2.2 1 2",
           "PROXY TCP6 2001:db8::1 192.0.2.2 1 2",
           "PROXY TCP6 fe80::1%eth0 ::1 1 2",
           "PROXY TCP6 [::1] [::1] 1 2",
           "PROXY UNKNOWNX",
           "PROXY UNKNOW",
           "EHLO example.test",
           "QUIT",
       }) {
    expect_refused(std::string(line) + "\r\n");
  }
}

TEST(proxy_v1, only_crlf_ends_the_line) {
  expect_refused("PROXY UNKNOWN\n");
  expect_refused("PROXY UNKNOWN\rx");
  expect_refused("PROXY UNKNOWN\r\r\n");
  expect_refused("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\nEHLO x\r\n");
  expect_refused("PROXY UNKNOWN a\nb\r\n");
}

TEST(proxy_v1, the_line_has_107_octets_at_most) {
  const std::string longest = "PROXY UNKNOWN " + std::string(91, 'x') + "\r\n";
  ASSERT_EQ(longest.size(), max_proxy_v1_octets);
  expect_accepted(longest);
  expect_refused("PROXY UNKNOWN " + std::string(92, 'x') + "\r\n");
  // Not one octet more is waited for.
  const std::string endless = "PROXY UNKNOWN " + std::string(93, 'x');
  EXPECT_EQ(read_proxy_header(endless).error(), errc::bad_proxy_header);
  EXPECT_EQ(read_proxy_header(endless.substr(0, 106)).error(), errc::need_more);
}

TEST(proxy_v2, addresses) {
  const std::string text = v2(0x21, 0x11, v4_addresses);
  const auto v4 = read_proxy_header(text);
  ASSERT_TRUE(v4);
  EXPECT_EQ(v4->version, 2u);
  EXPECT_EQ(v4->command, proxy_command::proxy);
  EXPECT_EQ(v4->transport, proxy_transport::stream);
  EXPECT_EQ(endpoint_text(v4->source), "192.0.2.1:12345");
  EXPECT_EQ(endpoint_text(v4->destination), "198.51.100.7:25");

  std::string block(36, '\0');
  block[0] = 0x20, block[1] = 0x01, block[15] = 0x01;
  block[16] = 0x20, block[17] = 0x01, block[31] = 0x02;
  block[33] = 0x50, block[35] = 0x19;
  const auto v6 = read_proxy_header(v2(0x21, 0x21, block));
  ASSERT_TRUE(v6);
  EXPECT_EQ(endpoint_text(v6->source), "[2001::1]:80");
  EXPECT_EQ(endpoint_text(v6->destination), "[2001::2]:25");
  EXPECT_EQ(read_proxy_header(v2(0x21, 0x12, v4_addresses))->transport, proxy_transport::datagram);
}

TEST(proxy_v2, accepted) {
  expect_accepted(v2(0x21, 0x11, v4_addresses));
  expect_accepted(v2(0x21, 0x12, v4_addresses));
  expect_accepted(v2(0x21, 0x21, std::string(36, 'x')));
  expect_accepted(v2(0x21, 0x31, std::string(216, 'x')));
  expect_accepted(v2(0x21, 0x32, std::string(216, 'x')));
  expect_accepted(v2(0x20, 0x00, ""));
  expect_accepted(v2(0x20, 0x11, ""));  // a health check of a proxy that fills the family in
  expect_accepted(v2(0x21, 0x11, v4_addresses + tlv(0x04, "")));
  expect_accepted(
      v2(0x21, 0x11, v4_addresses + tlv(0x04, "pad") + tlv(0xee, std::string(300, 'x'))));
}

TEST(proxy_v2, what_says_nothing_has_no_endpoints) {
  // LOCAL: the block is skipped, whatever it is.
  for (const auto& text :
       {v2(0x20, 0x00, ""), v2(0x20, 0x00, "whatever"), v2(0x20, 0x11, v4_addresses),
        v2(0x20, 0x11, v4_addresses + "no tlv"), v2(0x21, 0x00, "whatever"),
        v2(0x21, 0x10, "whatever"), v2(0x21, 0x01, "whatever"), v2(0x21, 0x00, ""),
        v2(0x21, 0x31, std::string(216, 'x'))}) {
    const auto header = read_proxy_header(text);
    ASSERT_TRUE(header) << ::testing::PrintToString(text);
    EXPECT_FALSE(header->source);
    EXPECT_FALSE(header->destination);
    EXPECT_TRUE(header->tlvs.empty());
    EXPECT_EQ(header->consumed, text.size());
  }
}

TEST(proxy_v2, refused) {
  expect_refused(v2(0x11, 0x11, v4_addresses));  // version 1
  expect_refused(v2(0x31, 0x11, v4_addresses));
  expect_refused(v2(0x22, 0x11, v4_addresses));  // an unassigned command
  expect_refused(v2(0x2f, 0x00, ""));
  expect_refused(v2(0x21, 0x41, v4_addresses));  // an unspecified family
  expect_refused(v2(0x21, 0x13, v4_addresses));  // an unspecified transport
  expect_refused(v2(0x20, 0x40, ""));
  expect_refused(v2(0x20, 0x03, ""));
  expect_refused(v2(0x21, 0x11, ""));
  expect_refused(v2(0x21, 0x11, v4_addresses.substr(1)));
  expect_refused(v2(0x20, 0x11, v4_addresses.substr(1)));
  expect_refused(v2(0x21, 0x21, std::string(35, 'x')));
  expect_refused(v2(0x21, 0x31, std::string(215, 'x')));
  expect_refused(v2(0x21, 0x11, v4_addresses + "x"));
  expect_refused(v2(0x21, 0x11, v4_addresses + tlv(0x04, "pad").substr(0, 5)));
  expect_refused(v2(0x21, 0x11, v4_addresses + tlv(0x04, "pad") + std::string(2, '\0')));
  expect_refused(v2(0x21, 0x11, v4_addresses + tlv(0x05, std::string(129, 'i'))));
  expect_refused(v2(0x21, 0x11, v4_addresses + tlv(0x20, "abcd")));
  expect_refused(v2(0x21, 0x11, v4_addresses + tlv(0x20, "abcde" + std::string(1, '\x21'))));
  auto lower = v2(0x21, 0x11, v4_addresses);
  lower[7] = 'q';
  expect_refused(lower);
}

TEST(proxy_v2, the_size_is_bounded_before_the_octets_come) {
  const std::size_t room = max_proxy_v2_octets - 16 - 12 - 3;
  expect_accepted(v2(0x21, 0x11, v4_addresses + tlv(0x04, std::string(room, 'x'))));
  const auto big = v2(0x21, 0x11, v4_addresses + tlv(0x04, std::string(room + 1, 'x')));
  EXPECT_EQ(read_proxy_header(big.substr(0, 15)).error(), errc::need_more);
  EXPECT_EQ(read_proxy_header(big.substr(0, 16)).error(), errc::bad_proxy_header);
  std::string biggest = v2(0x20, 0x00, "");
  biggest[14] = biggest[15] = '\xff';
  expect_refused(biggest);
}

TEST(proxy_v2, entries) {
  const std::string inner = tlv(0x21, "TLSv1.3") + tlv(0x23, "TLS_AES_128_GCM_SHA256") +
                            tlv(0x22, "client.example") + tlv(0x24, "RSA-SHA256") +
                            tlv(0x25, "RSA2048") + tlv(0x99, "?");
  const std::string text = v2(0x21, 0x11,
                              v4_addresses + tlv(0x02, "mx.example.test") + tlv(0x05, "id-1") +
                                  tlv(0x20, "\x07" + std::string(4, '\0') + inner) +
                                  tlv(0xea, "vpce") + tlv(0x02, "second"));
  expect_accepted(text);
  const auto header = read_proxy_header(text);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->authority, "mx.example.test");
  EXPECT_EQ(header->unique_id, "id-1");
  EXPECT_FALSE(header->checksum_given);
  EXPECT_EQ(header->tlvs.find(0xea), "vpce");
  EXPECT_EQ(header->tlvs.find(0xeb), std::nullopt);
  std::string types;
  for (const auto& entry : header->tlvs) types += static_cast<char>(entry.type);
  EXPECT_EQ(types, "\x02\x05\x20\xea\x02");
  ASSERT_TRUE(header->tls);
  EXPECT_TRUE(header->tls->used);
  EXPECT_TRUE(header->tls->certificate_in_connection);
  EXPECT_TRUE(header->tls->certificate_in_session);
  EXPECT_TRUE(header->tls->verified);
  EXPECT_EQ(header->tls->version, "TLSv1.3");
  EXPECT_EQ(header->tls->cipher, "TLS_AES_128_GCM_SHA256");
  EXPECT_EQ(header->tls->common_name, "client.example");
  EXPECT_EQ(header->tls->signature_algorithm, "RSA-SHA256");
  EXPECT_EQ(header->tls->key_algorithm, "RSA2048");
}

TEST(proxy_v2, a_client_without_certificate_is_not_verified) {
  const auto tls_of = [](const std::string& value) {
    const std::string text = v2(0x21, 0x11, v4_addresses + tlv(0x20, value));
    return *read_proxy_header(text)->tls;
  };
  EXPECT_FALSE(tls_of(std::string(5, '\0')).used);
  EXPECT_TRUE(tls_of("\x01" + std::string(4, '\0')).used);
  EXPECT_FALSE(tls_of("\x01" + std::string(4, '\0')).verified);
  EXPECT_TRUE(tls_of("\x03" + std::string(4, '\0')).verified);
  EXPECT_FALSE(tls_of("\x03" + std::string(3, '\0') + "\x01").verified);
}

std::string unhex(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    out += static_cast<char>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16));
  }
  return out;
}

// As HAProxy 2.6 sends it, with CRC32c and unique id.
const std::string with_checksum = unhex(
    "0d0a0d0a000d0a515549540a211100237f0000017f000001d03209e5030004ce05b23205000d37463030303030313a"
    "44303332");

TEST(proxy_v2, checksum_is_verified) {
  expect_accepted(with_checksum);
  const auto header = read_proxy_header(with_checksum);
  ASSERT_TRUE(header);
  EXPECT_TRUE(header->checksum_given);
  EXPECT_EQ(header->unique_id, "7F000001:D032");
  for (std::size_t at = 16; at < with_checksum.size(); ++at) {  // any octet of the block
    auto changed = with_checksum;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    EXPECT_FALSE(read_proxy_header(changed) && read_proxy_header(changed)->checksum_given) << at;
  }
  expect_refused(v2(0x21, 0x11, v4_addresses + tlv(0x03, std::string(4, '\0'))));
  expect_refused(v2(0x21, 0x11, v4_addresses + tlv(0x03, std::string(3, '\0'))));
  expect_refused(v2(0x21, 0x11, v4_addresses + tlv(0x03, "")));
}

TEST(proxy_header, nothing_wants_more) {
  EXPECT_EQ(read_proxy_header("").error(), errc::need_more);
  EXPECT_EQ(read_proxy_header("P").error(), errc::need_more);
  EXPECT_EQ(read_proxy_header("\r").error(), errc::need_more);
  EXPECT_EQ(read_proxy_header("E").error(), errc::bad_proxy_header);
  EXPECT_EQ(read_proxy_header("\r\nQ").error(), errc::bad_proxy_header);
}

// Recorded from another implementation; the addresses that it reports of LOCAL headers are those
// that §2.2 says to discard.
TEST(proxy_header, recorded_vectors) {
  GATEPOST_REQUIRE_SHARED(path, "smtp/proxy-vectors.json");
  const auto vectors = tests::parse_json(tests::read_file(path));
  EXPECT_GT(vectors.size(), 20u);
  for (const auto& vector : vectors.array()) {
    SCOPED_TRACE(vector["id"].string());
    const auto text = unhex(vector["bytes_hex"].string());
    const auto header = read_proxy_header(text);
    // One vector is a connection that ends within the header: ours to report at its end.
    ASSERT_EQ(header.has_value(), vector["valid"].boolean());
    if (!header) continue;
    expect_accepted(text);
    const auto& parsed = vector["parsed"];
    EXPECT_EQ(header->consumed, static_cast<std::size_t>(vector["header_bytes"].integer()));
    EXPECT_EQ(header->version, parsed["version"].integer());
    const bool local = parsed.contains("command") && parsed["command"].integer() == 0;
    const bool has_endpoints = parsed.contains("src_port") && !local;
    ASSERT_EQ(header->source.has_value(), has_endpoints);
    if (!has_endpoints) continue;
    EXPECT_EQ(header->source->address.text(), parsed["src_addr"].string());
    EXPECT_EQ(header->destination->address.text(), parsed["dst_addr"].string());
    EXPECT_EQ(header->source->port, parsed["src_port"].integer());
    EXPECT_EQ(header->destination->port, parsed["dst_port"].integer());
  }
}

TEST(proxy_header, as_haproxy_sends_it) {
  GATEPOST_REQUIRE_SHARED(path, "smtp/proxy-haproxy.json");
  const auto vectors = tests::parse_json(tests::read_file(path));
  for (const auto& vector : vectors.array()) {
    SCOPED_TRACE(vector["id"].string());
    const auto text = unhex(vector["bytes_hex"].string());
    expect_accepted(text);
    const auto header = read_proxy_header(text);
    ASSERT_TRUE(header && header->source);
    const auto& parsed = vector["parsed"];
    EXPECT_EQ(header->version, parsed["version"].integer());
    EXPECT_EQ(header->source->address.text(), parsed["src_addr"].string());
    EXPECT_EQ(header->source->port, parsed["src_port"].integer());
    EXPECT_EQ(header->destination->port, parsed["dst_port"].integer());
    if (const auto* tlvs = parsed.find("tlv")) {
      EXPECT_EQ(header->unique_id, (*tlvs)["0x05 UNIQUE_ID"].string());
      EXPECT_EQ(header->tlvs.find(0x03), unhex((*tlvs)["0x03 CRC32C"].string()));
    }
  }
}

}  // namespace
}  // namespace gatepost::smtp
