// SPF records, macros and whole evaluations from hostile text.
//
// The input's lines are what the DNS answers: texts that records and explanations are made of, and
// names. Oracles: an evaluation ends within its limits, whatever the answers are; names that are
// asked about are valid; what was parsed lies in the record; expansions keep to their bounds.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "checks/spf/evaluate.hpp"
#include "checks/spf/macro.hpp"
#include "checks/spf/outcome.hpp"
#include "checks/spf/received_spf.hpp"
#include "checks/spf/record.hpp"
#include "smtp/dns/answer.hpp"
#include "smtp/ip.hpp"
#include "tests/fuzz/check.hpp"

namespace {

using namespace gatepost;               // NOLINT(google-build-using-namespace)
using namespace gatepost::checks::spf;  // NOLINT(google-build-using-namespace)
namespace dns = smtp::dns;

constexpr std::chrono::seconds ttl{60};

// A record, then for each of ten terms at most one question and those for ten hosts; the client's
// names and their addresses; an explanation.
constexpr std::size_t most_questions = 1 + 10 * 11 + 11 + 1;

bool lies_in(std::string_view part, std::string_view whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

macro_values values() {
  macro_values v;
  v.sender = "strong-bad@email.example.com";
  v.local_part = "strong-bad";
  v.sender_domain = v.domain = "email.example.com";
  v.helo = "mx.example.org";
  return v;
}

void check_macros(std::string_view text) {
  for (const macro_use use : {macro_use::domain, macro_use::modifier, macro_use::explanation}) {
    const auto parsed = parse_macro_string(text, use);
    if (!parsed) continue;
    FUZZ_CHECK(parsed.value.text == text);
    FUZZ_CHECK(expand_text(parsed.value, values(), 100).size() <= 100);
    const std::string name = expand_domain(parsed.value, values());
    FUZZ_CHECK(name.size() <= max_name_octets);
    // More is allowed in explanations than in modifiers, and there more than in names.
    FUZZ_CHECK(parse_macro_string(text, macro_use::explanation));
  }
}

void check_record(std::string_view text) {
  if (!is_record(text)) return;
  const auto parsed = parse_record(text);
  FUZZ_CHECK(parsed || parsed.problem.size() < 300);
  if (!parsed) return;
  for (const directive& d : parsed.record.directives) {
    FUZZ_CHECK(!d.text.empty() && lies_in(d.text, text) && lies_in(d.domain.text, d.text));
    FUZZ_CHECK(d.bits4 <= 32 && d.bits6 <= 128);
    // A directive alone is a record, too.
    FUZZ_CHECK(parse_record("v=spf1 " + std::string(d.text)));
  }
}

// Answers from the lines, over and over.
class answers {
 public:
  explicit answers(std::string_view text) {
    for (;;) {
      const std::size_t end = text.find('\n');
      lines_.emplace_back(text.substr(0, end));
      if (end == text.npos) return;
      text.remove_prefix(end + 1);
    }
  }

  const std::string& line() { return lines_[next_++ % lines_.size()]; }

  void give(evaluation& e, std::size_t which) {
    const question& q = e.questions()[which];
    const std::string& said = line();
    if (q.type == record_type::mx) return e.answer(which, hosts(said));
    if (q.type == record_type::txt) return e.answer(which, texts(said));
    if (q.type == record_type::ptr) return e.answer(which, names(said));
    e.answer(which, addresses(said));
  }

 private:
  static dns::answer<std::string> texts(const std::string& said) {
    if (said == "!") return dns::answer<std::string>::temporary_failure("!");
    if (said.empty()) return dns::answer<std::string>::no_data(ttl);
    if (said[0] == '=') return dns::answer<std::string>::found({"v=spf1 " + said.substr(1)}, ttl);
    return dns::answer<std::string>::found({said}, ttl);
  }

  dns::answer<std::string> names(const std::string& said) {
    std::vector<std::string> all(said.size() % 13, said);
    for (std::string& name : all) name = line();
    if (all.empty()) return dns::answer<std::string>::no_such_name(ttl);
    return dns::answer<std::string>::found(std::move(all), ttl);
  }

  dns::answer<dns::mx_record> hosts(const std::string& said) {
    std::vector<dns::mx_record> all(said.size() % 13);
    for (dns::mx_record& mx : all) mx.exchange = line();
    if (all.empty()) return dns::answer<dns::mx_record>::no_data(ttl);
    return dns::answer<dns::mx_record>::found(std::move(all), ttl);
  }

  static dns::answer<smtp::ip_address> addresses(const std::string& said) {
    using answer = dns::answer<smtp::ip_address>;
    if (said == "!") return answer::temporary_failure("!");
    if (said.empty()) return answer::no_such_name(ttl);
    const auto address = smtp::parse_ip_address(said);
    return answer::found({address ? *address : *smtp::parse_ip_address("192.0.2.1")}, ttl);
  }

  std::vector<std::string> lines_;
  std::size_t next_ = 0;
};

void check_outcome(const outcome& found, const smtp::ip_address& client) {
  const bool error = found.result == result::temperror || found.result == result::permerror;
  FUZZ_CHECK(error == !found.problem.empty());
  FUZZ_CHECK(found.explanation.size() <= evaluation_limits().explanation_octets);
  FUZZ_CHECK(found.explanation.empty() || found.result == result::fail);
  FUZZ_CHECK(found.dns_terms <= evaluation_limits().dns_terms);
  received_spf_facts facts;
  facts.client = client;
  facts.helo = found.mechanism;
  FUZZ_CHECK(received_spf(found, facts).find_first_of("\r\n") == std::string::npos);
}

void check_evaluation(std::string_view text, const char* client_text) {
  answers from(text);
  const smtp::ip_address client = *smtp::parse_ip_address(client_text);
  const std::string sender = from.line();
  const std::string helo = from.line();
  evaluation_options options;
  options.trace = true;
  evaluation e(query::mail_from(client, sender, helo), options);
  std::size_t questions = 0;
  while (!e.done()) {
    const std::size_t count = e.questions().size();
    FUZZ_CHECK(count > 0);
    questions += count;
    for (const question& q : e.questions()) FUZZ_CHECK(valid_name(q.name));
    for (std::size_t i = 0; i < count; ++i) from.give(e, i);
  }
  FUZZ_CHECK(questions <= most_questions);
  check_outcome(e.outcome(), client);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_macros(text);
  check_record(text);
  check_record("v=spf1 " + std::string(text));
  check_evaluation(text, "192.0.2.1");
  check_evaluation(text, "2001:db8::1");
  return 0;
}
