// Command lines: what is read is part of the line, clean, and within its limits; what is refused is
// refused for a reason; and a value that was read is read again from what it says.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "smtp/command.hpp"
#include "smtp/envelope.hpp"
#include "smtp/utf8.hpp"
#include "smtp/xtext.hpp"
#include "tests/fuzz/check.hpp"

namespace {

using namespace gatepost::smtp;  // NOLINT(google-build-using-namespace)

bool is_part_of(std::string_view part, std::string_view whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

bool is_clean(std::string_view text) {
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if ((u < 32 && u != '\t') || u == 127) return false;
  }
  return true;
}

void check_path(const path& p, std::string_view line, bool utf8) {
  FUZZ_CHECK(is_part_of(p.box.text, line) && is_part_of(p.box.domain, line));
  FUZZ_CHECK(p.size <= max_path_octets);
  FUZZ_CHECK(utf8 || is_ascii(p.box.text));
  FUZZ_CHECK(valid_utf8(p.box.text));
  const address kept(p.box);
  const auto again = address::from_text(kept.text(), {.utf8 = utf8_policy::smtputf8});
  FUZZ_CHECK(again && *again == kept);
}

void check_mail(std::string_view argument, const parse_options& options, const mail_command& m) {
  const mail_parameters& p = m.parameters;
  check_path(m.reverse_path, argument, p.smtputf8);
  FUZZ_CHECK(is_part_of(p.envid, argument) && p.envid.size() <= 100 && is_xtext(p.envid));
  FUZZ_CHECK(!p.auth || (is_part_of(*p.auth, argument) && is_xtext(*p.auth)));
  FUZZ_CHECK(p.solicit.size() <= 1000);
  FUZZ_CHECK(p.body != body_type::binary_mime || options.offered.has(extension::binarymime));
  for (const extension_row& row : extension_table)
    FUZZ_CHECK(!p.given.has(row.bit) || options.offered.has(row.bit));
  envelope e;
  e.begin(m);
  FUZZ_CHECK(e.active() && e.envid() == p.envid && e.smtputf8() == p.smtputf8);
  FUZZ_CHECK(e.reverse_path().text() == m.reverse_path.box.text);
}

void check_rcpt(std::string_view argument, bool utf8, const rcpt_command& r) {
  check_path(r.forward_path, argument, utf8);
  FUZZ_CHECK(!r.forward_path.is_null());
  FUZZ_CHECK((r.parameters.notify & notify_never) == 0 || r.parameters.notify == notify_never);
  FUZZ_CHECK(is_part_of(r.parameters.orcpt, argument) && r.parameters.orcpt.size() <= 500);
  FUZZ_CHECK(r.parameters.orcpt.empty() || r.parameters.orcpt.find(';') != r.parameters.orcpt.npos);
}

void check_others(std::string_view argument) {
  if (const auto b = parse_bdat(argument)) {
    const std::string again = std::to_string(b->size) + (b->last ? " LAST" : "");
    FUZZ_CHECK(parse_bdat(again)->size == b->size && parse_bdat(again)->last == b->last);
  }
  if (const auto a = parse_auth(argument))
    FUZZ_CHECK(!a->mechanism.empty() && a->mechanism.size() <= 20);
  if (const auto list = parse_attributes(argument)) {
    for (const attribute& a : *list) {
      FUZZ_CHECK(!a.name.empty() && is_part_of(a.name, argument) && is_part_of(a.value, argument));
      const auto value = decode_xclient_value(a.value);
      FUZZ_CHECK(!value || is_clean(value->text));
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  parse_options options;
  for (std::size_t i = 0; const extension_row& row : extension_table)
    if (((data[i / 8 % 2] >> (i++ % 8)) & 1) != 0) options.offered.add(row.bit);
  options.max_parameters = data[2] % 20;
  const std::string line(reinterpret_cast<const char*>(data) + 3, size - 3);
  const auto c = parse_command(line);
  if (!c) {
    FUZZ_CHECK(c.error() == errc::empty_command || c.error() == errc::control_character);
    FUZZ_CHECK((c.error() == errc::control_character) == !is_clean(line));
    return 0;
  }
  FUZZ_CHECK(is_clean(line) && c->ascii == is_ascii(line));
  FUZZ_CHECK(is_part_of(c->word, line) && is_part_of(c->argument, line));
  FUZZ_CHECK(c->verb == verb::unknown || equal_ignoring_case(to_string(c->verb), c->word));
  const bool utf8 = options.offered.has(extension::smtputf8);
  if (const auto m = parse_mail(c->argument, options)) check_mail(c->argument, options, *m);
  if (const auto r = parse_rcpt(c->argument, options, utf8)) check_rcpt(c->argument, utf8, *r);
  check_others(c->argument);
  return 0;
}
