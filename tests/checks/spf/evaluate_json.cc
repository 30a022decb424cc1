// Evaluates SPF for another program: a JSON object a line in, a line out.
//
//   {"zone": {...}, "client": "192.0.2.1", "sender": "a@example.com", "helo": "mx.example.com",
//    "void_lookups": 2}
//
// The zone is in the format of zone::from_json(). Out come the result, the number of terms that
// cost DNS lookups, the explanation and the problem, separated by tabs.
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>

#include "checks/spf/evaluate.hpp"
#include "smtp/ip.hpp"
#include "tests/checks/spf/zone.hpp"
#include "tests/support/json.hpp"

namespace {

using namespace gatepost;  // NOLINT(google-build-using-namespace)
namespace spf = checks::spf;

spf::outcome evaluate(const tests::json& request) {
  spf::zone zone = spf::zone::from_json(request["zone"]);
  const auto client = smtp::parse_ip_address(request["client"].string());
  if (!client) throw std::invalid_argument("client");
  spf::evaluation_options options;
  options.limits.void_lookups = static_cast<unsigned>(request["void_lookups"].integer());
  return zone.evaluate(
      spf::query::mail_from(*client, request["sender"].string(), request["helo"].string()),
      std::move(options));
}

}  // namespace

int main() try {
  for (std::string line; std::getline(std::cin, line);) {
    const spf::outcome found = evaluate(tests::parse_json(line));
    std::cout << spf::to_string(found.result) << '\t' << found.dns_terms << '\t'
              << found.explanation << '\t' << found.problem << '\n';
  }
  return 0;
} catch (const std::exception& e) {
  std::cerr << "evaluate_json: " << e.what() << '\n';
  return 1;
}
