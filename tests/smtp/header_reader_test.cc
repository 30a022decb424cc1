// This header stands alone.
#include "smtp/header_reader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/shared_data.hpp"

namespace gatepost::smtp {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

header_view read(std::string_view text, header_lines lines = header_lines::crlf) {
  header_options options;
  options.lines = lines;
  const auto header = read_header(text, options);
  EXPECT_TRUE(header) << text;
  return header ? *header : header_view();
}

std::vector<std::string> names(const header_view& header) {
  std::vector<std::string> out;
  for (const auto& field : header.fields) out.emplace_back(field.name);
  return out;
}

// The parts of a header follow each other without a gap.
void expect_whole(std::string_view text, const header_view& header) {
  std::size_t at = header.mbox_line;
  for (const auto& field : header.fields) {
    ASSERT_EQ(field.octets.offset, at);
    ASSERT_GT(field.octets.size, field.name.size());
    ASSERT_EQ(field.name, text.substr(at, field.name.size()));
    at = field.octets.end();
  }
  EXPECT_EQ(at, header.fields_end);
  ASSERT_LE(header.fields_end, header.body_offset);
  ASSERT_LE(header.body_offset, text.size());
  const auto blank = text.substr(header.fields_end, header.body_offset - header.fields_end);
  EXPECT_TRUE(blank == "" || blank == "\r\n" || blank == "\n");
  EXPECT_EQ(header.ending == header_ending::blank_line, !blank.empty());
  EXPECT_NE(header.ending, header_ending::open);
}

// The same text in steps of `step` octets, each time as a new string.
void expect_same_in_steps(std::string_view text, std::size_t step, const header_options& options) {
  const auto whole = read_header(text, options);
  header_reader reader(options);
  std::size_t given = 0;
  for (std::size_t count = 0;;) {
    given = std::min(given, text.size());
    const std::string input(text.substr(0, given));
    const auto kind = given == text.size() ? header_input::complete : header_input::partial;
    const auto field = reader.next(input, kind);
    if (!field && field.error() == errc::need_more) {
      ASSERT_EQ(kind, header_input::partial);
      given += step;
      continue;
    }
    if (!field) {
      ASSERT_FALSE(whole);
      ASSERT_EQ(field.error(), whole.error());
      return;
    }
    ASSERT_TRUE(whole);
    if (!*field) {
      ASSERT_EQ(count, whole->fields.size());
      break;
    }
    ASSERT_LT(count, whole->fields.size());
    ASSERT_EQ((*field)->octets, whole->fields[count].octets);
    ASSERT_EQ((*field)->name, whole->fields[count].name);
    ASSERT_EQ((*field)->value, whole->fields[count].value);
    ++count;
  }
  EXPECT_EQ(reader.ending(), whole->ending);
  EXPECT_EQ(reader.body_offset(), whole->body_offset);
  EXPECT_EQ(reader.fields_end(), whole->fields_end);
  EXPECT_EQ(reader.mbox_line(), whole->mbox_line);
}

TEST(header_reader, simple_header) {
  constexpr std::string_view text = "From: a@example.test\r\nSubject: hello\r\n\r\nbody\r\n";
  const auto header = read(text);
  EXPECT_THAT(names(header), ElementsAre("From", "Subject"));
  EXPECT_EQ(header.fields[0].value, " a@example.test");
  EXPECT_EQ(header.fields[1].value, " hello");
  EXPECT_EQ(header.fields[1].octets, (octet_range{22, 16}));
  EXPECT_EQ(header.ending, header_ending::blank_line);
  EXPECT_EQ(header.fields_end, 38u);
  EXPECT_EQ(text.substr(header.body_offset), "body\r\n");
  EXPECT_EQ(header.fields[0].name.data(), text.data());  // a view, no copy
}

struct end_case {
  std::string_view text;
  std::vector<std::string> names;
  header_ending ending;
  std::size_t body_offset;
};

TEST(header_reader, where_the_header_ends) {
  const end_case cases[] = {
      {"", {}, header_ending::input_end, 0},
      {"\r\n", {}, header_ending::blank_line, 2},
      {"\r\nbody", {}, header_ending::blank_line, 2},
      {"A: 1\r\n", {"A"}, header_ending::input_end, 6},
      {"A: 1", {"A"}, header_ending::input_end, 4},
      {"A: 1\r", {"A"}, header_ending::input_end, 5},
      {"A:", {"A"}, header_ending::input_end, 2},
      {"A: 1\r\n\r", {"A"}, header_ending::not_a_field, 6},
      {"A: 1\r\n\r\n", {"A"}, header_ending::blank_line, 8},
      {"A: 1\r\n\r\n\r\n", {"A"}, header_ending::blank_line, 8},
      {"A: 1\r\nno colon\r\nB: 2\r\n", {"A"}, header_ending::not_a_field, 6},
      {"A: 1\r\nno-colon\r\nB: 2\r\n", {"A"}, header_ending::not_a_field, 6},
      {"A: 1\r\nno-colon", {"A"}, header_ending::not_a_field, 6},
      {"A: 1\r\ntwo words: x\r\n", {"A"}, header_ending::not_a_field, 6},
      {"A: 1\r\n: no name\r\n", {"A"}, header_ending::not_a_field, 6},
      {"A: 1\r\nB\xc3\xbc: 2\r\n", {"A"}, header_ending::not_a_field, 6},
      {"A: 1\r\n<html>\r\n", {"A"}, header_ending::not_a_field, 6},
      {"body at once\r\n", {}, header_ending::not_a_field, 0},
      {" folded: without a field\r\nA: 1\r\n", {}, header_ending::not_a_field, 0},
      {"\tA: 1\r\n", {}, header_ending::not_a_field, 0},
      {"\n", {}, header_ending::not_a_field, 0},  // RFC 5321 §2.3.8: only CRLF ends a line
      {"A: 1\r\n\nbody", {"A"}, header_ending::not_a_field, 6},
      {"A: 1\n\nB: 2\r\n", {"A"}, header_ending::input_end, 12},
      {"A: 1\r\rB: 2\r\n\r\n", {"A"}, header_ending::blank_line, 14},
      {"A: 1\r\r\n\r\n", {"A"}, header_ending::blank_line, 9},
      {"From x\r\n", {}, header_ending::input_end, 8},
  };
  for (const auto& c : cases) {
    const auto header = read(c.text);
    EXPECT_EQ(names(header), c.names) << c.text;
    EXPECT_EQ(header.ending, c.ending) << c.text;
    EXPECT_EQ(header.body_offset, c.body_offset) << c.text;
    expect_whole(c.text, header);
    for (std::size_t step = 1; step <= c.text.size(); ++step) {
      expect_same_in_steps(c.text, step, {});
    }
  }
}

TEST(header_reader, folded_values) {
  constexpr std::string_view text =
      "Subject: one\r\n two\r\n\tthree\r\nX-Blank: a\r\n \r\n b\r\nTo:\r\n x@example.test\r\n\r\n";
  const auto header = read(text);
  ASSERT_THAT(names(header), ElementsAre("Subject", "X-Blank", "To"));
  EXPECT_EQ(header.fields[0].value, " one\r\n two\r\n\tthree");
  EXPECT_EQ(header.fields[1].value, " a\r\n \r\n b");
  std::string storage;
  EXPECT_EQ(unfolded(header.fields[0].value, storage), "one two\tthree");
  EXPECT_EQ(unfolded(header.fields[1].value, storage), "a  b");
  EXPECT_EQ(unfolded(header.fields[2].value, storage), "x@example.test");
}

TEST(header_reader, odd_but_real_fields) {
  const auto header = read(
      "Subject:no blank\r\nX-Obsolete \t: blanks before\r\nX-Empty:\r\n!#$%&'*+-/=?^_`{|}~: odd "
      "name\r\n"
      "X:: colon\r\nSubject: gr\xc3\xbc\xc3\x9f\r\nX-Latin: \xe4\xff\r\nContent-Type: a; "
      "b=\"\\\"\"\r\n\r\n");
  ASSERT_THAT(names(header), ElementsAre("Subject", "X-Obsolete", "X-Empty", "!#$%&'*+-/=?^_`{|}~",
                                         "X", "Subject", "X-Latin", "Content-Type"));
  EXPECT_EQ(header.fields[0].value, "no blank");
  EXPECT_EQ(header.fields[1].value, " blanks before");
  EXPECT_EQ(header.fields[2].value, "");
  EXPECT_EQ(header.fields[4].value, ": colon");
  EXPECT_EQ(header.fields[6].value, " \xe4\xff");
}

TEST(header_reader, octets_that_are_no_line_end_stay_in_the_value) {
  constexpr std::string_view text("A: b\nInjected: c\rAlso: d\0e\r\n\r\n", 31);
  const auto header = read(text);
  ASSERT_THAT(names(header), ElementsAre("A"));
  std::string storage;
  EXPECT_EQ(unfolded(header.fields[0].value, storage), "b Injected: c Also: d e");
}

TEST(header_reader, mbox_line_on_top) {
  const auto header = read("From a@example.test Mon Nov 23 09:00:00 2026\r\nA: 1\r\n\r\n");
  EXPECT_EQ(header.mbox_line, 46u);
  EXPECT_THAT(names(header), ElementsAre("A"));
  EXPECT_EQ(read(">From x\r\nA: 1\r\n\r\n").mbox_line, 9u);

  // Only there, and only that.
  EXPECT_EQ(read("A: 1\r\nFrom x\r\n\r\n").ending, header_ending::not_a_field);
  const auto obsolete = read("From : a@example.test\r\n\r\n");
  EXPECT_EQ(obsolete.mbox_line, 0u);
  EXPECT_THAT(names(obsolete), ElementsAre("From"));
  EXPECT_EQ(read("From: a\r\n\r\n").mbox_line, 0u);
  EXPECT_EQ(read("from a\r\n\r\n").ending, header_ending::not_a_field);
}

TEST(header_reader, files_may_end_lines_by_lf) {
  constexpr std::string_view text = "From x\nA: 1\n 2\r\nB: 3\n\nbody\n";
  const auto header = read(text, header_lines::crlf_or_lf);
  EXPECT_EQ(header.mbox_line, 7u);
  ASSERT_THAT(names(header), ElementsAre("A", "B"));
  EXPECT_EQ(header.fields[0].value, " 1\n 2");
  EXPECT_EQ(header.fields[1].value, " 3");
  EXPECT_EQ(text.substr(header.body_offset), "body\n");
  std::string storage;
  EXPECT_EQ(unfolded(header.fields[0].value, storage), "1 2");
  expect_whole(text, header);
  header_options options;
  options.lines = header_lines::crlf_or_lf;
  for (std::size_t step = 1; step <= text.size(); ++step) expect_same_in_steps(text, step, options);
}

TEST(header_reader, waits_for_more) {
  header_reader reader;
  constexpr auto partial = header_input::partial;
  for (const char* text : {"", "A", "A ", "A:", "A: 1", "A: 1\r", "A: 1\r\n", "A: 1\r\n 2\r\n"}) {
    const auto field = reader.next(text, partial);
    ASSERT_FALSE(field) << text;
    EXPECT_EQ(field.error(), errc::need_more) << text;
  }
  const auto field = reader.next("A: 1\r\n 2\r\n\r", partial);
  ASSERT_TRUE(field && *field);
  EXPECT_EQ((*field)->value, " 1\r\n 2");
  EXPECT_EQ(reader.next("A: 1\r\n 2\r\n\r", partial).error(), errc::need_more);
  EXPECT_EQ(reader.ending(), header_ending::open);
  const auto end = reader.next("A: 1\r\n 2\r\n\r\n", partial);
  ASSERT_TRUE(end);
  EXPECT_FALSE(*end);
  EXPECT_EQ(reader.ending(), header_ending::blank_line);
  EXPECT_EQ(reader.body_offset(), 12u);
}

errc error_of(std::string_view text, const header_options& options) {
  const auto header = read_header(text, options);
  return header ? errc{} : header.error();
}

TEST(header_reader, limits) {
  header_options options;
  options.fields = 2;
  EXPECT_EQ(error_of("A: 1\r\nB: 2\r\n\r\n", options), errc{});
  EXPECT_EQ(error_of("A: 1\r\nB: 2\r\nC: 3\r\n\r\n", options), errc::too_many_header_fields);

  options = {};
  options.field_octets = 10;
  EXPECT_EQ(error_of("A: 12345\r\n\r\n", options), errc{});
  EXPECT_EQ(error_of("A: 123456\r\n\r\n", options), errc::header_field_too_long);
  EXPECT_EQ(error_of("A: 123\r\n 4\r\n\r\n", options), errc::header_field_too_long);

  options = {};
  options.header_octets = 12;
  EXPECT_EQ(error_of("A: 1\r\nB: 2\r\n\r\n", options), errc{});
  EXPECT_EQ(error_of("A: 1\r\nB: 23\r\n\r\n", options), errc::header_too_big);
}

TEST(header_reader, does_not_wait_for_the_end_of_what_is_too_long) {
  header_options options;
  options.field_octets = 10;
  header_reader field_reader(options);
  EXPECT_EQ(field_reader.next("A: 1234567", header_input::partial).error(), errc::need_more);
  EXPECT_EQ(field_reader.next("A: 12345678", header_input::partial).error(),
            errc::header_field_too_long);

  options = {};
  options.header_octets = 12;
  header_reader reader(options);
  EXPECT_TRUE(reader.next("A: 1\r\nB: 234567", header_input::partial));
  EXPECT_EQ(reader.next("A: 1\r\nB: 234567", header_input::partial).error(), errc::header_too_big);

  // A "name" that never ends is none, however much is to come.
  header_reader names;
  EXPECT_EQ(names.next(std::string(max_field_name_octets - 1, 'n'), header_input::partial).error(),
            errc::need_more);
  const auto end = names.next(std::string(max_field_name_octets, 'n'), header_input::partial);
  ASSERT_TRUE(end);
  EXPECT_EQ(names.ending(), header_ending::not_a_field);
}

TEST(header_reader, any_octets_in_any_steps) {
  // Every text of up to five of the octets that mean something.
  constexpr std::string_view octets = "A: \r\n";
  for (unsigned n = 0; n < 5 * 5 * 5 * 5 * 5 * 5; ++n) {
    std::string text = "A:";
    for (unsigned rest = n; rest != 0; rest /= 5) text += octets[rest % 5];
    for (const auto lines : {header_lines::crlf, header_lines::crlf_or_lf}) {
      header_options options;
      options.lines = lines;
      expect_whole(text, read(text, lines));
      expect_same_in_steps(text, 1, options);
      expect_same_in_steps(text.substr(1), 1, options);
      expect_same_in_steps(text.substr(2), 1, options);
      ASSERT_FALSE(::testing::Test::HasFailure()) << ::testing::PrintToString(text);
    }
  }
}

TEST(unfolded, copies_only_where_it_must) {
  std::string storage = "untouched";
  constexpr std::string_view value = "  plain value\t";
  EXPECT_EQ(unfolded(value, storage).data(), value.data() + 2);
  EXPECT_EQ(storage, "untouched");
  EXPECT_EQ(unfolded("", storage), "");
  EXPECT_EQ(unfolded(" \r\n ", storage), "");
  EXPECT_EQ(unfolded("a\r\nb", storage), "a  b");  // no fold: nothing may become a line of its own
  EXPECT_EQ(unfolded("a\r\r\n b", storage), "a  b");
  EXPECT_EQ(unfolded("a\n\r\n b", storage), "a  b");
  EXPECT_EQ(unfolded(std::string_view("a\0b", 3), storage), "a b");
}

TEST(fields, are_found_by_name_in_any_case) {
  const auto header = read("A: 1\r\nb: 2\r\na: 3\r\nAB: 4\r\n\r\n");
  EXPECT_EQ(first_field(header.fields, "a")->value, " 1");
  EXPECT_EQ(last_field(header.fields, "A")->value, " 3");
  EXPECT_EQ(first_field(header.fields, "B")->value, " 2");
  EXPECT_EQ(first_field(header.fields, "C"), nullptr);
  EXPECT_EQ(last_field(header.fields, ""), nullptr);
  EXPECT_EQ(all_fields(header.fields, "A").size(), 2u);
  EXPECT_THAT(all_fields(header.fields, "C"), IsEmpty());
  EXPECT_EQ(count_fields(header.fields, "AB"), 1u);
}

TEST(hops, are_received_fields) {
  const auto header = read(
      "Received: from a by b; date\r\nreceived: x\r\nX-Received: y\r\nReceived-SPF: pass\r\n"
      "RECEIVED:\r\n\r\nReceived: in the body\r\n");
  EXPECT_EQ(count_hops(header.fields), 3u);
  EXPECT_EQ(count_hops({}), 0u);
}

TEST(received_by, finds_the_writer) {
  constexpr struct {
    const char* value;
    const char* host;
  } cases[] = {
      {" from a.example (a.example [192.0.2.1])\r\n\tby mx.example.test with ESMTP id 1; date",
       "mx.example.test"},
      {"by mx.example.test with SMTP", "mx.example.test"},
      {"from a BY mx.example.test(comment) with SMTP", "mx.example.test"},
      {"from a by mx.example.test; date", "mx.example.test"},
      {"from a by (x) [192.0.2.1] with", "[192.0.2.1]"},
      {"from by by mx.example.test", "mx.example.test"},  // a client that calls itself so
      {"from a (by evil.test) by mx.example.test", "mx.example.test"},
      {"from a (by (by x) \\) by evil) by mx.example.test", "mx.example.test"},
      {"from \"a by evil.test\" by mx.example.test", "mx.example.test"},
      {"from a; by mx.example.test", ""},
      {"from a", ""},
      {"", ""},
      {"by", ""},
      {"from a (never closed by mx.example.test", ""},
      {"from \"never closed by mx.example.test", ""},
      {"(qmail 123 invoked by uid 5); 1 Jan 2026 00:00:00 +0000", ""},
  };
  for (const auto& c : cases) EXPECT_EQ(received_by(c.value), c.host) << c.value;
}

TEST(loops, are_seen_by_our_name_and_the_mailbox) {
  const auto header = read(
      "Delivered-To: <List@example.test>\r\nReceived: from x by MX.example.test; d\r\n"
      "Delivered-To:\r\n a@example.test\r\nReceived: from mx.example.test by other.test; d\r\n"
      "Received: from y by mx.example.test\r\n (gatepost) with ESMTP; d\r\n\r\n");
  EXPECT_EQ(count_received_by(header.fields, "mx.example.test"), 2u);
  EXPECT_EQ(count_received_by(header.fields, "example.test"), 0u);
  EXPECT_TRUE(delivered_before(header.fields, "a@example.test"));
  EXPECT_TRUE(delivered_before(header.fields, "list@example.TEST"));
  EXPECT_FALSE(delivered_before(header.fields, "b@example.test"));
}

TEST(header_edits, take_fields_out_of_a_real_header) {
  constexpr std::string_view text = "A: 1\r\nBcc: x\r\n y\r\nC: 3\r\n\r\nbody";
  const auto header = read(text);
  header_edits edits;
  for (const auto* field : all_fields(header.fields, "bcc")) edits.erase(field->octets);
  edits.prepend("Received", "by here; now");
  EXPECT_EQ(edits.apply_to(text), "Received: by here; now\r\nA: 1\r\nC: 3\r\n\r\nbody");
}

std::string with_crlf(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) out += '\r';
    out += text[i];
  }
  return out;
}

void expect_message_reads(const std::string& text, header_lines lines) {
  header_options options;
  options.lines = lines;
  const auto header = read_header(text, options);
  if (!header) {
    // The limits are the only reason to give up.
    EXPECT_TRUE(header.error() == errc::too_many_header_fields ||
                header.error() == errc::header_field_too_long ||
                header.error() == errc::header_too_big);
    return;
  }
  expect_whole(text, *header);
  EXPECT_EQ(header_edits().apply_to(text), text);
  std::string storage;
  for (const auto& field : header->fields) {
    const auto value = unfolded(field.value, storage);
    EXPECT_EQ(value.find_first_of(std::string_view("\r\n\0", 3)), value.npos);
  }
  const auto head =
      std::string_view(text).substr(0, std::min(text.size(), header->body_offset + 2));
  expect_same_in_steps(head, 7, options);
}

TEST(header_reader, reads_every_message_of_the_collection) {
  GATEPOST_REQUIRE_SHARED(folder, "mime");
  std::size_t messages = 0;
  std::size_t fields = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    SCOPED_TRACE(entry.path().filename().string());
    const auto text = tests::read_file(entry.path());
    expect_message_reads(text, header_lines::crlf);
    expect_message_reads(text, header_lines::crlf_or_lf);
    expect_message_reads(with_crlf(text), header_lines::crlf);
    header_options options;
    options.lines = header_lines::crlf_or_lf;
    const auto header = read_header(text, options);
    if (header) fields += header->fields.size();
    ++messages;
  }
  EXPECT_GT(messages, 300u);
  EXPECT_GT(fields, 1400u);
}

}  // namespace
}  // namespace gatepost::smtp
