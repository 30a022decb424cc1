// DNS messages: whatever comes, an answer or a failure; what we ask comes back as it was asked.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "smtp/dns/message.hpp"
#include "tests/fuzz/check.hpp"

namespace {

using namespace gatepost::smtp::dns;  // NOLINT(google-build-using-namespace)

constexpr record_type types[] = {record_type::a,   record_type::aaaa, record_type::mx,
                                 record_type::txt, record_type::ptr,  record_type::cname,
                                 record_type::tlsa};

std::uint16_t id_of(std::string_view message) {
  if (message.size() < 2) return 0;
  return static_cast<std::uint16_t>(static_cast<unsigned char>(message[0]) << 8 |
                                    static_cast<unsigned char>(message[1]));
}

// The name that a message asks about, if one can be read there: so that answers get past the look
// at the question.
std::string asked_in(std::string_view message) {
  constexpr std::size_t header = 12;
  std::string name;
  for (std::size_t at = header; at < message.size() && name.size() < 300;) {
    const std::size_t length = static_cast<unsigned char>(message[at++]);
    if (length == 0 || length > 63 || message.size() - at < length) break;
    if (!name.empty()) name += '.';
    for (std::size_t i = 0; i < length; ++i, ++at) {
      const auto c = static_cast<unsigned char>(message[at]);
      name += '\\';
      for (const int digit : {c / 100, c / 10 % 10, c % 10}) name += static_cast<char>('0' + digit);
    }
  }
  return name.empty() ? "a" : name;
}

bool is_text_of_a_name(std::string_view text) {
  for (const char c : text)
    if (c <= ' ' || c >= 0x7f) return false;
  return text.empty() || is_name(text);
}

template <class Record>
void check_answer(const answer<Record>& a, const response_options& options) {
  FUZZ_CHECK(a.has_records() == !a.records().empty());
  FUZZ_CHECK((a.failure() != failure::none) == !a.is_definite());
  FUZZ_CHECK(a.is_definite() || !a.reason().empty());
  FUZZ_CHECK(a.ttl().count() >= 0 && a.ttl().count() <= 0x7fffffff);
  FUZZ_CHECK(a.records().size() <= options.records);
  FUZZ_CHECK(!a.authenticated());
}

void check_names(const any_answer& a, record_type type) {
  if (const auto* mx = std::get_if<answer<mx_record>>(&a)) {
    for (const auto& r : mx->records()) FUZZ_CHECK(is_text_of_a_name(r.exchange));
  }
  if (type != record_type::ptr && type != record_type::cname) return;
  for (const auto& name : std::get<answer<std::string>>(a).records())
    FUZZ_CHECK(is_text_of_a_name(name));
}

void check_response(std::string_view message) {
  response_options few;
  few.aliases = 2;
  few.records = 2;
  const std::string name = asked_in(message);
  for (const auto type : types) {
    for (const response_options& options : {response_options(), few}) {
      const any_answer a = read_response(message, {name, type}, id_of(message), options);
      std::visit([&](const auto& x) { check_answer(x, options); }, a);
      check_names(a, type);
      const response step = read_step(message, {name, type}, id_of(message), options);
      if (!step.open) continue;
      FUZZ_CHECK(failure_of(step.said) == failure::referral && type != record_type::cname);
      FUZZ_CHECK(is_text_of_a_name(step.open->target) && is_name(step.open->target));
      FUZZ_CHECK(step.open->aliases > 0 && step.open->aliases <= options.aliases);
    }
    // The id decides.
    const auto other = static_cast<std::uint16_t>(id_of(message) ^ 1);
    const failure f = failure_of(read_response(message, {name, type}, other));
    FUZZ_CHECK(f == failure::mismatched || f == failure::malformed);
  }
}

// What was sent is read back, and is sent again as the same octets.
void check_query(std::string_view name, const query_options& options) {
  for (const auto type : types) {
    const auto sent = encode_query({std::string(name), type}, options);
    FUZZ_CHECK(sent.has_value() == is_name(name));
    if (!sent) continue;
    const auto back = read_query(*sent);
    FUZZ_CHECK(back && back->asked.type == type);
    FUZZ_CHECK(back->options.id == options.id && back->options.payload == options.payload);
    const auto again = encode_query(back->asked, back->options);
    FUZZ_CHECK(again && *again == *sent);
    // A query is no response, and an answer to it without records is one.
    FUZZ_CHECK(failure_of(read_response(*sent, back->asked, options.id)) == failure::mismatched);
    std::string response = *sent;
    response[2] = static_cast<char>(response[2] | 0x80);
    FUZZ_CHECK(status_of(read_response(response, {std::string(name), type}, options.id)) ==
               status::no_data);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_response(text);
  if (const auto q = read_query(text)) {
    const auto again = encode_query(q->asked, q->options);
    FUZZ_CHECK(again && read_query(*again)->asked.name == q->asked.name);
  }
  query_options options;
  options.id = id_of(text);
  check_query(text.substr(0, 300), options);
  options.payload = 0;
  options.security = dnssec::ad;
  check_query(text.substr(0, 300), options);
  return 0;
}
