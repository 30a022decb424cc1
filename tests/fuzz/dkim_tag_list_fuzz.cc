// Tag lists, signatures and key records: what is taken obeys the grammar, whoever reads it.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "checks/dkim/key.hpp"
#include "checks/dkim/signature.hpp"
#include "checks/dkim/tag_list.hpp"
#include "tests/fuzz/check.hpp"

namespace {

using namespace gatepost::checks::dkim;  // NOLINT(google-build-using-namespace)

void check_list(std::string_view text) {
  const auto list = tag_list::parse(text);
  if (!list) {
    FUZZ_CHECK(!list.problem().empty());
    return;
  }
  FUZZ_CHECK(!list->tags().empty() && list->tags().size() <= max_tags);
  std::string again;
  for (const tag& t : list->tags()) {
    FUZZ_CHECK(list->find(t.name) == &t);  // no name is there twice
    FUZZ_CHECK(t.value.find(';') == t.value.npos);
    FUZZ_CHECK(t.octets.offset > 0 && text[t.octets.offset - 1] == '=');
    FUZZ_CHECK(t.octets.end() == text.size() || text[t.octets.end()] == ';');
    again.append(t.name).append("=").append(t.value).append(";");
  }
  const auto second = tag_list::parse(again);
  FUZZ_CHECK(second && second->tags().size() == list->tags().size());
}

void check_signature(std::string_view text, signature_kind kind) {
  const auto s = parse_signature(text, kind);
  if (!s) return;
  FUZZ_CHECK(!s->b.empty() && !s->domain.empty() && !s->selector.empty());
  FUZZ_CHECK(s->domain.find('.') != s->domain.npos && s->domain.size() <= 255);
  FUZZ_CHECK(s->names.size() <= max_signed_fields);
  FUZZ_CHECK(s->b_octets.end() <= text.size());
  FUZZ_CHECK((kind == signature_kind::dkim) == (s->instance == 0));
  FUZZ_CHECK(s->instance <= max_arc_instance);
  // Whatever stands in b=, what is signed stays the same.
  const std::string without = without_signature(text, s->b_octets.offset, s->b_octets.size);
  const auto bare = tag_list::parse(without);
  FUZZ_CHECK(bare && bare->find("b")->value.empty());
}

void check_key(std::string_view text) {
  const owned_key from(text);
  if (!from.record()) return;
  signature s;
  for (const algorithm a : {algorithm::rsa_sha256, algorithm::ed25519_sha256}) {
    s.algorithm = a;
    const auto key = key_for(from, s, {});
    if (key) FUZZ_CHECK(!key->verifies(digest{}, "x"));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_list(text);
  for (const auto kind :
       {signature_kind::dkim, signature_kind::arc_message, signature_kind::arc_seal})
    check_signature(text, kind);
  check_key(text);
  if (const auto octets = decode_base64(text)) {
    FUZZ_CHECK(!octets->empty() && octets->size() <= text.size());
  }
  decode_quoted_printable(text);
  outline_of(text);
  return 0;
}
