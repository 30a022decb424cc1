// This header stands alone.
#include "checks/dmarc/report_xml.hpp"

#include <gtest/gtest.h>
#include <zlib.h>

#include <regex>
#include <set>
#include <string>
#include <vector>

#include "smtp/base64.hpp"
#include "smtp/header_reader.hpp"
#include "tests/checks/dmarc/report_kit.hpp"
#include "tests/support/shared_data.hpp"

namespace gatepost::checks::dmarc {
namespace {

const report_sender sender{.organization = "Receiver & Sons",
                           .domain = "mail.receiver.example",
                           .email = "dmarc@receiver.example",
                           .contact = "https://receiver.example/"};

// "feedback/record/row/count", of every element.
std::set<std::string> paths_of(const std::string& xml) {
  std::set<std::string> found;
  std::vector<std::string> open;
  const std::regex tag("<(/?)([a-zA-Z_]+)[^<>]*?(/?)>");
  for (std::sregex_iterator it(xml.begin(), xml.end(), tag), end; it != end; ++it) {
    if ((*it)[1].length() > 0) {
      if (open.empty() || open.back() != (*it)[2].str()) ADD_FAILURE() << "closes " << (*it)[2];
      if (!open.empty()) open.pop_back();
      continue;
    }
    std::string path;
    for (const std::string& name : open) path += name + "/";
    found.insert(path + (*it)[2].str());
    if ((*it)[3].length() == 0) open.push_back((*it)[2]);
  }
  EXPECT_TRUE(open.empty());
  return found;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }

TEST(ReportXml, OfRfc9990) {
  const std::string xml = write_report_xml(sample_report(), sender);
  for (const char* part : {
           "<feedback xmlns=\"urn:ietf:params:xml:ns:dmarc-2.0\">",
           "<version>1.0</version>",
           "<org_name>Receiver &amp; Sons</org_name>",
           "<report_id>1013662812-1013749130-example.com@mail.receiver.example</report_id>",
           "<begin>1013662812</begin>",
           "<error>aspf is not valid; 7 messages not listed</error>",
           "<generator>gatepost</generator>",
           "<discovery_method>treewalk</discovery_method>",
           "<p>reject</p>",
           "<sp>quarantine</sp>",
           "<np>none</np>",
           "<fo>1:d</fo>",
           "<adkim>s</adkim>",
           "<aspf>r</aspf>",
           "<testing>y</testing>",
           "<source_ip>2001:db8::1</source_ip>",
           "<count>3</count>",
           "<disposition>quarantine</disposition>",
           "<disposition>pass</disposition>",
           "<type>policy_test_mode</type>",
           "<comment>t=y</comment>",
           "<header_from>mail.example.com</header_from>",
           "<domain>&lt;&amp;&gt;</domain>",
           "<selector>&quot;?\?</selector>",
           "<scope>mfrom</scope>",
           "<result>softfail</result>",
       })
    EXPECT_TRUE(has(xml, part)) << part << "\n" << xml;
  EXPECT_FALSE(has(xml, "<pct>"));
  EXPECT_GT(paths_of(xml).size(), 40u);
}

TEST(ReportXml, OfRfc7489) {
  const std::string xml = write_report_xml(sample_report(regime::rfc7489), sender);
  for (const char* part : {"<feedback>", "<pct>50</pct>", "<type>other</type>", "<fo>1:d</fo>",
                           "<disposition>none</disposition>"})
    EXPECT_TRUE(has(xml, part)) << part;
  for (const char* part : {"xmlns", "<np>", "<testing>", "<generator>", "<discovery_method>"})
    EXPECT_FALSE(has(xml, part)) << part;
}

// What others send has every element that ours of that kind has.
TEST(ReportXml, HasTheStructureOfOthersReports) {
  GATEPOST_REQUIRE_SHARED(folder, "reports/dmarc-feedback");
  std::set<std::string> known;
  for (const auto& file : std::filesystem::directory_iterator(folder))
    if (file.path().extension() == ".xml") known.merge(paths_of(tests::read_file(file.path())));
  ASSERT_GT(known.size(), 20u);
  // Nobody in the sample had an error to tell of.
  known.insert("feedback/report_metadata/error");
  for (const std::string& path : paths_of(write_report_xml(sample_report(regime::rfc7489), sender)))
    EXPECT_TRUE(known.contains(path)) << path;
}

// RFC 9990 §3.5.2
TEST(ReportXml, FileName) {
  EXPECT_EQ(report_file_name(sample_report(), sender),
            "mail.receiver.example!example.com!1013662812!1013749130.xml.gz");
}

std::string gunzip(const std::string& octets) {
  z_stream z{};
  EXPECT_EQ(inflateInit2(&z, 15 + 16), Z_OK);
  std::string in = octets;
  std::string out(1 << 20, '\0');
  z.next_in = reinterpret_cast<Bytef*>(in.data());
  z.avail_in = static_cast<uInt>(in.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(inflate(&z, Z_FINISH), Z_STREAM_END);
  out.resize(z.total_out);
  inflateEnd(&z);
  return out;
}

TEST(ReportXml, Gzip) {
  for (const std::string& text :
       {std::string(), std::string("x"), std::string(100000, 'y'), std::string("\0\xff", 2)}) {
    const auto packed = gzip(text);
    ASSERT_TRUE(packed);
    EXPECT_EQ(gunzip(*packed), text);
    EXPECT_EQ(gzip(text), packed);
  }
}

TEST(ReportXml, Message) {
  const std::string xml = write_report_xml(sample_report(), sender);
  const std::string message =
      write_report_message(sample_report(), sender, "rua@example.com", *gzip(xml),
                           std::chrono::system_clock::time_point(std::chrono::seconds(1013749200)));
  const auto header = smtp::read_header(message);
  ASSERT_TRUE(header);
  const auto value = [&](const char* name) {
    std::string storage;
    const auto* field = smtp::first_field(header->fields, name);
    return field == nullptr ? "" : std::string(smtp::unfolded(field->value, storage));
  };
  EXPECT_EQ(value("From"), "dmarc@receiver.example");
  EXPECT_EQ(value("To"), "rua@example.com");
  EXPECT_EQ(value("Date"), "Fri, 15 Feb 2002 05:00:00 +0000");
  EXPECT_EQ(value("Subject"),
            "Report Domain: example.com Submitter: mail.receiver.example Report-ID: "
            "<1013662812-1013749130-example.com@mail.receiver.example>");
  EXPECT_TRUE(has(value("Content-Type"), "multipart/mixed"));
  EXPECT_TRUE(has(message, "application/gzip"));
  EXPECT_TRUE(has(message, "!example.com!1013662812!1013749130.xml.gz\""));
  // The attachment is the report.
  const auto begin = message.find("base64\r\n\r\n") + 10;
  std::string encoded = message.substr(begin, message.find("\r\n\r\n--", begin) + 2 - begin);
  EXPECT_EQ(encoded_octets(*gzip(xml)), encoded.size());
  std::erase_if(encoded, [](char c) { return c == '\r' || c == '\n'; });
  const auto octets = smtp::base64_decode(encoded);
  ASSERT_TRUE(octets);
  EXPECT_EQ(gunzip(*octets), xml);
  std::size_t line = 0;
  for (const char c : message) {
    line = c == '\n' ? 0 : line + 1;
    EXPECT_LE(line, 998u);
  }
}

// RFC 7489 §7.2.1: what a size limit of rua= is about. RFC 2045 §6.8: four for three, lines of 76.
TEST(ReportXml, SizeOfTheEncodedFile) {
  const std::pair<std::size_t, std::size_t> cases[] = {
      {0, 0}, {1, 6}, {3, 6}, {4, 10}, {57, 78}, {58, 84}, {114, 156}, {3000, 4106}};
  for (const auto& [octets, encoded] : cases)
    EXPECT_EQ(encoded_octets(std::string(octets, 'x')), encoded) << octets;
}

}  // namespace
}  // namespace gatepost::checks::dmarc
