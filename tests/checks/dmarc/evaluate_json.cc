// Evaluates DMARC by RFC 7489 for another program: a JSON object a line in, a line out.
//
//   {"author": "a.example.com", "records": {"_dmarc.example.com": ["v=DMARC1; p=none"]},
//    "spf": {"domain": "example.com", "pass": true}, "dkim": [{"domain": "b.test", "pass": false}]}
//
// Out come the result, the policy that the owner asks for, and the results of SPF and DKIM with
// alignment, separated by tabs.
#include <chrono>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "checks/dmarc/evaluate.hpp"
#include "checks/dmarc/public_suffix.hpp"
#include "smtp/dns/answer.hpp"
#include "tests/support/json.hpp"

namespace {

using namespace gatepost;  // NOLINT(google-build-using-namespace)
namespace dmarc = checks::dmarc;

smtp::dns::answer<std::string> ask(const tests::json& records, const std::string& name) {
  const std::chrono::seconds ttl(60);
  const tests::json* found = records.find(name);
  if (found == nullptr) return smtp::dns::answer<std::string>::no_such_name(ttl);
  std::vector<std::string> texts;
  for (const tests::json& text : found->array()) texts.push_back(text.string());
  return smtp::dns::answer<std::string>::found(std::move(texts), ttl);
}

void look_up(dmarc::evaluator& e, const tests::json& records) {
  while (const auto q = e.next()) {
    if (q->type == dmarc::question::kind::txt)
      e.answer(ask(records, q->name));
    else
      e.answer(smtp::dns::status::found);
  }
}

dmarc::auth_result result_of(const tests::json& identity) {
  return identity["pass"].boolean() ? dmarc::auth_result::pass : dmarc::auth_result::fail;
}

std::string evaluate(const tests::json& request, const dmarc::public_suffix_list& suffixes) {
  dmarc::evaluation_options options;
  options.regime = dmarc::regime::rfc7489;
  options.suffixes = &suffixes;
  dmarc::evaluator e(request["author"].string(), options);
  look_up(e, request["records"]);
  dmarc::identifiers found;
  const tests::json& spf = request["spf"];
  found.spf = dmarc::authenticated_spf{spf["domain"].string(), result_of(spf)};
  for (const tests::json& signature : request["dkim"].array())
    found.dkim.push_back({signature["domain"].string(), "s", result_of(signature)});
  e.judge(std::move(found));
  look_up(e, request["records"]);
  const dmarc::evaluation& outcome = e.outcome();
  const auto passes = [](dmarc::mechanism_result r) {
    return r == dmarc::mechanism_result::pass ? "pass" : "fail";
  };
  return std::string(to_string(outcome.result)) + '\t' + std::string(to_string(outcome.policy)) +
         '\t' + passes(outcome.spf) + '\t' + passes(outcome.dkim);
}

}  // namespace

int main() try {
  const auto suffixes = dmarc::public_suffix_list::system();
  if (!suffixes) throw std::runtime_error("there is no public suffix list");
  for (std::string line; std::getline(std::cin, line);)
    std::cout << evaluate(tests::parse_json(line), *suffixes) << '\n';
  return 0;
} catch (const std::exception& e) {
  std::cerr << "evaluate_json: " << e.what() << '\n';
  return 1;
}
