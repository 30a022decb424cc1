// Header fields: what is read falls apart without a gap, in steps as at once; what is written is
// one field.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "smtp/header_edits.hpp"
#include "smtp/header_reader.hpp"
#include "smtp/trace.hpp"
#include "tests/fuzz/check.hpp"

namespace {

using namespace gatepost::smtp;  // NOLINT(google-build-using-namespace)

bool harmless(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) == text.npos;
}

void check_whole(std::string_view text, const header_view& header) {
  std::size_t at = header.mbox_line;
  std::string storage;
  for (const auto& field : header.fields) {
    FUZZ_CHECK(field.octets.offset == at);
    FUZZ_CHECK(!field.name.empty() && harmless(field.name));
    FUZZ_CHECK(harmless(unfolded(field.value, storage)));
    received_by(field.value);
    at = field.octets.end();
  }
  FUZZ_CHECK(at == header.fields_end);
  FUZZ_CHECK(header.fields_end <= header.body_offset && header.body_offset <= text.size());
  FUZZ_CHECK(header.ending != header_ending::open);
}

void check_steps(std::string_view text, std::size_t step, const header_options& options) {
  const auto whole = read_header(text, options);
  if (whole) check_whole(text, *whole);
  header_reader reader(options);
  std::size_t count = 0;
  for (std::size_t given = 0;;) {
    const std::string input(text.substr(0, given));
    const auto kind = given == text.size() ? header_input::complete : header_input::partial;
    const auto field = reader.next(input, kind);
    if (!field && field.error() == errc::need_more) {
      FUZZ_CHECK(kind == header_input::partial);
      given = std::min(given + step, text.size());
      continue;
    }
    FUZZ_CHECK(field.has_value() == whole.has_value() || count < options.fields);
    if (!field) {
      FUZZ_CHECK(!whole && field.error() == whole.error());
      return;
    }
    if (!*field) break;
    if (whole) FUZZ_CHECK((*field)->octets == whole->fields.at(count).octets);
    ++count;
  }
  FUZZ_CHECK(whole && count == whole->fields.size());
  FUZZ_CHECK(reader.ending() == whole->ending && reader.body_offset() == whole->body_offset);
}

void check_one_field(std::string_view written) {
  const auto header = read_header(written);
  FUZZ_CHECK(header && header->fields.size() == 1 && header->fields_end == written.size());
  for (std::size_t start = 0; start < written.size();) {
    const auto end = written.find("\r\n", start);
    FUZZ_CHECK(end != written.npos && end - start <= max_line_octets);
    FUZZ_CHECK(written.find_first_not_of(" \t", start) < end);
    start = end + 2;
  }
}

void check_writers(std::string_view a, std::string_view b) {
  std::string out;
  write_field(out, a, b);
  check_one_field(out);
  received_facts facts;
  facts.helo = a;
  facts.client_name = b;
  facts.by = "mx.example.test";
  facts.id = b;
  facts.recipient = a;
  facts.recipients = 1;
  facts.client.emplace();
  out.clear();
  write_received(out, facts);
  check_one_field(out);
  const auto header = read_header(out);
  FUZZ_CHECK(received_by(header->fields[0].value) == facts.by);
  out.clear();
  write_return_path(out, a);
  check_one_field(out);
}

// Ranges made of the octets themselves, against a flag for each octet.
void check_edits(std::string_view text) {
  header_edits edits;
  std::vector<bool> gone(text.size(), false);
  for (std::size_t i = 0; i + 1 < text.size() && i < 16; i += 2) {
    const octet_range range{static_cast<unsigned char>(text[i]),
                            static_cast<unsigned char>(text[i + 1])};
    edits.erase(range);
    for (std::size_t at = range.offset; at < range.end() && at < text.size(); ++at) gone[at] = true;
  }
  std::string expected;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (!gone[at]) expected += text[at];
  }
  FUZZ_CHECK(edits.apply_to(text) == expected);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t step = 1 + data[0] % 16;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  for (const auto lines : {header_lines::crlf, header_lines::crlf_or_lf}) {
    header_options options;
    options.lines = lines;
    check_steps(text, step, options);
    options.fields = 3;
    options.field_octets = 40;
    options.header_octets = 100;
    check_steps(text, step, options);
  }
  const std::size_t middle = text.size() / 2;
  check_writers(text.substr(0, middle), text.substr(middle));
  check_edits(text);
  return 0;
}
