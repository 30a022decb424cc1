// Chains: any header is read without harm; what a handler seals on top of it is what the next one
// reads; and no chain passes by keys that did not sign it.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "checks/arc/seal.hpp"
#include "checks/arc/validate.hpp"
#include "smtp/header_edits.hpp"
#include "smtp/header_reader.hpp"
#include "tests/checks/dkim/samples.hpp"
#include "tests/fuzz/check.hpp"

namespace {

using namespace gatepost::checks;  // NOLINT(google-build-using-namespace)
namespace smtp = gatepost::smtp;
using std::chrono::seconds;

const std::chrono::system_clock::time_point now(seconds(1'800'000'000));

const dkim::signing_key& key() {
  static const dkim::signing_key made = *dkim::signing_key::make(
      "a.test", "s", *dkim::private_key::from_pem(dkim::samples::ed25519_pem));
  return made;
}

arc::report validated(const std::string& message, const smtp::header_view& header,
                      const std::string& record) {
  arc::validate_options options;
  options.oldest_pass = arc::find_oldest_pass::yes;
  arc::validation v(options, now);
  v.header(message, smtp::result<smtp::header_view>(header));
  for (std::size_t i = 0; i < v.questions().size(); ++i)
    v.answer(i, smtp::dns::answer<std::string>::found({record}, seconds(1)));
  v.body(std::string_view(message).substr(header.body_offset));
  return v.finish();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string message(reinterpret_cast<const char*>(data), size);
  const auto header = smtp::read_header(message);
  if (!header || header->mbox_line != 0 || header->fields.size() > 900) return 0;
  const dkim::header_text text{message, header->fields};
  const arc::report before = validated(message, *header, dkim::samples::rsa_record);
  FUZZ_CHECK((before.chain == arc::chain_status::none) == !arc::has_arc(text));
  FUZZ_CHECK((before.chain == arc::chain_status::fail) == !before.reason.empty());
  arc::results_of(text, "mx.test");

  arc::sealing sealing;
  sealing.body(std::string_view(message).substr(header->body_offset));
  const auto fields = sealing.seal(text, key(), {"mx.test", "spf=pass"}, before.chain, now);
  if (!fields) return 0;
  smtp::header_edits edits;
  if (message.starts_with(' ') || message.starts_with('\t')) edits.end_header();
  edits.prepend_fields(*fields);
  const std::string sealed = edits.apply_to(message);
  const auto again = smtp::read_header(sealed);
  FUZZ_CHECK(again && again->fields.size() == header->fields.size() + 3);
  const arc::report after = validated(sealed, *again, key().key.dns_record());
  const bool first = before.chain == arc::chain_status::none;
  if (first) FUZZ_CHECK(after.chain == arc::chain_status::pass && after.sets.size() == 1);
  if (before.chain == arc::chain_status::fail) FUZZ_CHECK(after.chain == arc::chain_status::fail);
  return 0;
}
