// Bodies: whatever the pieces, the canonical form is that of a slow reference, and so is each hash.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "checks/dkim/body_hash.hpp"
#include "checks/dkim/canonical.hpp"
#include "smtp/header_reader.hpp"
#include "tests/fuzz/check.hpp"
#include "tests/support/reference_canonical.hpp"

namespace {

using namespace gatepost::checks::dkim;  // NOLINT(google-build-using-namespace)
namespace tests = gatepost::tests;
namespace smtp = gatepost::smtp;

// Pieces of sizes that the first octets say, over and over.
template <class Take>
void in_pieces(std::string_view text, std::string_view sizes, Take take) {
  for (std::size_t at = 0, i = 0; at < text.size(); ++i) {
    const std::size_t size = 1 + static_cast<unsigned char>(sizes[i % sizes.size()]) % 17;
    take(text.substr(at, size));
    at += size;
  }
}

std::string canonical(canonicalization how, std::string_view text, std::string_view sizes) {
  body_canonicalizer c(how);
  std::string out;
  const auto sink = [&](std::string_view octets) {
    FUZZ_CHECK(!octets.empty());
    out += octets;
  };
  in_pieces(text, sizes, [&](std::string_view piece) { c.update(piece, sink); });
  c.finish(sink);
  return out;
}

void check_hashes(std::string_view text, std::string_view sizes, std::size_t length) {
  body_hashes hashes;
  const std::string forms[] = {tests::simple_body(text), tests::relaxed_body(text)};
  std::size_t index[4];
  for (std::size_t i = 0; i < 4; ++i) {
    const auto how = i % 2 == 0 ? canonicalization::simple : canonicalization::relaxed;
    index[i] = hashes.want(how, i < 2 ? std::nullopt : std::optional<std::uint64_t>(length));
  }
  in_pieces(text, sizes, [&](std::string_view piece) { hashes.update(piece); });
  hashes.finish();
  for (std::size_t i = 0; i < 4; ++i) {
    const std::string_view form = forms[i % 2];
    const std::string_view taken = i < 2 ? form : form.substr(0, std::min(length, form.size()));
    sha256 expected;
    expected.update(taken);
    FUZZ_CHECK(hashes.hash(index[i]) == expected.finish());
    FUZZ_CHECK(hashes.octets_behind(index[i]) == form.size() - taken.size());
    FUZZ_CHECK(hashes.too_short(index[i]) == (i >= 2 && length > form.size()));
  }
}

// The canonical form of a field is one field, and its own canonical form.
void check_fields(std::string_view text) {
  const auto header = smtp::read_header(text);
  if (!header) return;
  for (const smtp::field_view& f : header->fields) {
    std::string once;
    append_canonical_field(once, canonicalization::relaxed,
                           text.substr(f.octets.offset, f.octets.size), f.name, f.value);
    FUZZ_CHECK(once.ends_with("\r\n"));
    const std::string_view line = std::string_view(once).substr(0, once.size() - 2);
    FUZZ_CHECK(line.find("\r\n") == line.npos && !line.ends_with(' '));
    const std::size_t colon = line.find(':');
    FUZZ_CHECK(colon != line.npos);
    std::string twice;
    append_canonical_field(twice, canonicalization::relaxed, once, line.substr(0, colon),
                           line.substr(colon + 1));
    FUZZ_CHECK(twice == once);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 4) return 0;
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const std::string_view sizes = all.substr(0, 3);
  const std::size_t length = data[3];
  const std::string_view text = all.substr(4);
  FUZZ_CHECK(canonical(canonicalization::simple, text, sizes) == tests::simple_body(text));
  FUZZ_CHECK(canonical(canonicalization::relaxed, text, sizes) == tests::relaxed_body(text));
  check_hashes(text, sizes, length);
  check_fields(text);
  return 0;
}
