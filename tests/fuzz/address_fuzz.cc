// Paths, mailboxes and domains from hostile text.
//
// Oracles: the grammar of RFC 5321 written down once more (tests/support/address_abnf.hpp) accepts
// and refuses the same ASCII text; what was parsed, written out and parsed again is the same;
// canonical domains are fixed points; the path at the head of a longer text ends where it ended
// alone.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "smtp/address.hpp"
#include "smtp/domain.hpp"
#include "tests/fuzz/check.hpp"
#include "tests/support/address_abnf.hpp"

namespace {

using namespace gatepost::smtp;  // NOLINT(google-build-using-namespace)
namespace abnf = gatepost::tests::abnf;

// The reference is slow; beyond the limit of a path everything is refused anyway.
constexpr std::size_t longest_for_reference = abnf::path_limit + 8;

constexpr address_options ascii{};
constexpr address_options utf8{.utf8 = utf8_policy::smtputf8};
constexpr address_options liberal{.utf8 = utf8_policy::smtputf8, .tags = literal_tags::any};

bool lies_in(std::string_view part, std::string_view whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

bool same(const mailbox& a, const mailbox& b) {
  return a.text == b.text && a.local_part == b.local_part && a.domain == b.domain &&
         a.kind == b.kind && a.quoted == b.quoted;
}

void check_views(const mailbox& box, std::string_view text) {
  FUZZ_CHECK(lies_in(box.text, text));
  FUZZ_CHECK(lies_in(box.local_part, box.text));
  FUZZ_CHECK(lies_in(box.domain, box.text));
  if (box.kind == domain_kind::none) {
    FUZZ_CHECK(box.domain.empty() && box.text == box.local_part);
  } else {
    const std::string joined = std::string(box.local_part) + "@" + std::string(box.domain);
    FUZZ_CHECK(box.text == joined);
    FUZZ_CHECK(!box.local_part.empty() && !box.domain.empty());
  }
}

void check_canonical(const address& a, const address_options& options) {
  if (a.kind() == domain_kind::none) return;
  const std::string canonical = a.canonical_domain();
  FUZZ_CHECK(canonical_domain(canonical) == canonical);
  FUZZ_CHECK(is_ascii(canonical));
  const auto kind = parse_domain(canonical, {.tags = options.tags});
  FUZZ_CHECK(kind && *kind == a.kind());
}

void check_value(const mailbox& box, const address_options& options) {
  const address a(box);
  FUZZ_CHECK(a.text() == box.text && a.local_part() == box.local_part);
  FUZZ_CHECK(a.domain() == box.domain && a.kind() == box.kind);
  FUZZ_CHECK(a.is_quoted() == box.quoted);
  FUZZ_CHECK(a.is_utf8() == !is_ascii(box.text));
  const auto again = address::from_text(a.text(), options);
  FUZZ_CHECK(again && *again == a && again->hash() == a.hash());
  check_canonical(a, options);
}

// Written out without its route, the path must mean the same.
void check_rendered(const path& p, const address_options& options) {
  const std::string rendered = "<" + std::string(p.box.text) + ">";
  const auto again =
      p.is_null() ? parse_reverse_path(rendered, options) : parse_forward_path(rendered, options);
  FUZZ_CHECK(again && same(again->box, p.box) && again->source_route.empty());
  FUZZ_CHECK(again->size == rendered.size());
}

using parser = result<path> (*)(std::string_view, const address_options&);

void check_path(std::string_view text, parser read, parser parse, const address_options& options) {
  const auto head = read(text, options);
  const auto all = parse(text, options);
  FUZZ_CHECK(!all || (head && head->size == text.size()));
  if (!head) return;
  FUZZ_CHECK(head->size >= 2 && head->size <= text.size() && head->size <= options.path);
  FUZZ_CHECK(text[head->size - 1] == '>');
  const auto alone = parse(text.substr(0, head->size), options);
  FUZZ_CHECK(alone && same(alone->box, head->box));
  const std::string longer = std::string(text.substr(0, head->size)) + " SIZE=3>";
  const auto with_more = read(longer, options);
  FUZZ_CHECK(with_more && with_more->size == head->size);
  FUZZ_CHECK(lies_in(head->source_route, text));
  check_views(head->box, text);
  check_value(head->box, options);
  check_rendered(*head, options);
}

void check_against_reference(std::string_view text) {
  if (text.size() > longest_for_reference) return;
  FUZZ_CHECK(parse_reverse_path(text, ascii).has_value() == abnf::is_reverse_path(text));
  FUZZ_CHECK(parse_forward_path(text, ascii).has_value() == abnf::is_forward_path(text));
  FUZZ_CHECK(parse_mailbox(text, ascii).has_value() == abnf::is_mailbox(text));
}

// More permission never refuses what less permission took, nor reads it otherwise.
void check_permissions(std::string_view text) {
  const auto strict = parse_forward_path(text, ascii);
  if (!strict) return;
  for (const auto& options : {utf8, liberal}) {
    const auto p = parse_forward_path(text, options);
    FUZZ_CHECK(p && same(p->box, strict->box) && !p->box.utf8);
  }
}

void check_domain(std::string_view text) {
  const auto labels = to_a_labels(text);
  if (!labels) return;
  FUZZ_CHECK(valid_domain(*labels) && to_lower_ascii(*labels) == *labels);
  const auto again = to_a_labels(*labels);
  FUZZ_CHECK(again && *again == *labels);
  FUZZ_CHECK(is_subdomain_of("x." + *labels, *labels));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto& options : {ascii, utf8, liberal}) {
    check_path(text, read_reverse_path, parse_reverse_path, options);
    check_path(text, read_forward_path, parse_forward_path, options);
    if (const auto box = parse_mailbox(text, options)) {
      check_views(*box, text);
      check_value(*box, options);
    }
  }
  check_against_reference(text);
  check_against_reference("<" + std::string(text) + ">");
  check_permissions(text);
  check_domain(text);
  return 0;
}
