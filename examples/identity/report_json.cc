#include <nlohmann/json.hpp>

#include "examples/identity/report.hpp"

namespace identity {

namespace {

using json = nlohmann::ordered_json;

json json_of(const std::optional<checks::spf::outcome>& spf) {
  const checks::spf::outcome found = spf.value_or(checks::spf::outcome());
  return {{"result", to_string(found.result)},
          {"domain", found.domain()},
          {"explanation", found.explanation},
          {"mechanism", found.mechanism},
          {"problem", found.problem}};
}

json json_of(const std::optional<checks::iprev_result>& iprev) {
  if (!iprev) return {{"result", "none"}, {"name", ""}};
  return {{"result", to_string(iprev->status())}, {"name", iprev->name()}};
}

json json_of(const checks::dkim::report& report) {
  json all = json::array();
  for (const checks::dkim::signature_result& s : report.signatures())
    all.push_back({{"result", to_string(s.outcome)},
                   {"domain", s.domain},
                   {"selector", s.selector},
                   {"reason", s.reason},
                   {"identity", s.identity},
                   {"algorithm", s.algorithm},
                   {"key_bits", s.key_bits},
                   {"testing", s.testing}});
  return all;
}

json json_of(const checks::dmarc::evaluation& found) {
  return {{"result", to_string(found.result)},
          {"domain", found.author_domain},
          {"policy", to_string(found.policy)},
          {"disposition", to_string(found.disposition)},
          {"record_domain", found.record_domain},
          {"organizational_domain", found.organizational_domain},
          {"reason", found.reason}};
}

json json_of(const checks::arc::report& found) {
  json sealers = json::array();
  for (const checks::arc::arc_set& set : found.sets)
    sealers.push_back({{"instance", set.instance}, {"domain", set.domain}, {"cv", set.cv}});
  return {{"result", to_string(found.chain)},
          {"sets", found.instances},
          {"sealers", sealers},
          {"reason", found.reason}};
}

json json_of(const std::vector<dns_step>& steps) {
  json all = json::array();
  for (const dns_step& s : steps)
    all.push_back({{"name", s.name}, {"type", s.type}, {"rcode", s.rcode}});
  return all;
}

std::string line_of(const json& object) {
  return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

std::string as_json(const findings& found) {
  if (!found.error.empty()) return error_as_json(found.error);
  const json object = {{"spf", json_of(found.spf)},     {"helo_spf", json_of(found.helo_spf)},
                       {"iprev", json_of(found.iprev)}, {"dkim", json_of(found.dkim)},
                       {"dmarc", json_of(found.dmarc)}, {"arc", json_of(found.arc)},
                       {"dns", json_of(found.dns)}};
  return line_of(object);
}

std::string error_as_json(const std::string& error) { return line_of({{"error", error}}); }

}  // namespace identity
