// Our side of interop_test.py: reads a task as a line of JSON, answers with a line of JSON.
//
//     {"op": "verify", "message": BASE64, "keys": {NAME: RECORD}, "now": SECONDS}
//     {"op": "sign", "message": BASE64, "pem": TEXT, "domain": D, "selector": S,
//      "header": "simple", "body": "relaxed", "now": SECONDS}
//     {"op": "validate", ...as verify}
//     {"op": "seal", ...as sign, "results": TEXT, "status": "none"}

#include <chrono>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>

#include "checks/arc/lookup.hpp"
#include "checks/arc/seal.hpp"
#include "checks/dkim/lookup.hpp"
#include "checks/dkim/sign.hpp"
#include "smtp/base64.hpp"
#include "smtp/header_reader.hpp"
#include "smtp/testing/fake_resolver.hpp"
#include "smtp/testing/run.hpp"
#include "tests/support/json.hpp"

namespace {

using namespace gatepost;  // NOLINT(google-build-using-namespace)
using checks::dkim::canonicalization;
using tests::json;

std::chrono::system_clock::time_point now_of(const json& task) {
  return std::chrono::system_clock::time_point(std::chrono::seconds(task["now"].integer()));
}

std::string message_of(const json& task) {
  const auto message = smtp::base64_decode(task["message"].string());
  if (!message) throw std::runtime_error("the message is not base64");
  return *message;
}

void fill(smtp::testing::fake_resolver& dns, const json& keys) {
  for (const auto& [name, text] : keys.object()) dns.add_txt(name, {text.string()});
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text)
    out += c == '"' || c == '\\' || static_cast<unsigned char>(c) < 32 ? '?' : c;
  return out + '"';
}

std::string verify(const json& task) {
  smtp::testing::fake_resolver dns;
  fill(dns, task["keys"]);
  checks::dkim::verify_options options;
  options.unsigned_octets = checks::dkim::outcome::pass;
  const std::string message = message_of(task);
  const auto r = smtp::testing::run(checks::dkim::verify(dns, message, options, now_of(task)));
  std::string each;
  for (const auto& s : r.signatures()) {
    each += each.empty() ? "" : ",";
    each +=
        "{\"outcome\":" + quoted(to_string(s.outcome)) + ",\"reason\":" + quoted(s.reason) + "}";
  }
  return "{\"outcome\":" + quoted(to_string(r.outcome())) + ",\"signatures\":[" + each + "]}";
}

std::string validate(const json& task) {
  smtp::testing::fake_resolver dns;
  fill(dns, task["keys"]);
  const std::string message = message_of(task);
  const auto r = smtp::testing::run(checks::arc::validate(dns, message, {}, now_of(task)));
  return "{\"outcome\":" + quoted(to_string(r.chain)) + ",\"reason\":" + quoted(r.reason) + "}";
}

checks::dkim::signing_key key_of(const json& task) {
  const auto pem = checks::dkim::private_key::from_pem(task["pem"].string());
  if (!pem) throw std::runtime_error(std::string(pem.problem()));
  const auto key =
      checks::dkim::signing_key::make(task["domain"].string(), task["selector"].string(), *pem);
  if (!key) throw std::runtime_error(std::string(key.problem()));
  return *key;
}

canonicalization form_of(const json& task, const char* which) {
  return task[which].string() == "simple" ? canonicalization::simple : canonicalization::relaxed;
}

std::string sign(const json& task) {
  const std::string message = message_of(task);
  const auto header = smtp::read_header(message);
  checks::dkim::sign_options options;
  options.header = form_of(task, "header");
  options.body = form_of(task, "body");
  checks::dkim::signing s(options);
  s.body(std::string_view(message).substr(header->body_offset));
  const auto key = key_of(task);
  const std::string field = s.field({message, header->fields}, key, now_of(task));
  return "{\"fields\":" + quoted(smtp::base64_encode(field)) +
         ",\"record\":" + quoted(key.key.dns_record()) + "}";
}

std::string seal(const json& task) {
  const std::string message = message_of(task);
  const auto header = smtp::read_header(message);
  checks::arc::sealing s;
  s.body(std::string_view(message).substr(header->body_offset));
  const std::string status = task["status"].string();
  const auto stood = status == "pass"   ? checks::arc::chain_status::pass
                     : status == "none" ? checks::arc::chain_status::none
                                        : checks::arc::chain_status::fail;
  const auto fields = s.seal({message, header->fields}, key_of(task),
                             {"mx.example.test", task["results"].string()}, stood, now_of(task));
  if (!fields) throw std::runtime_error(std::string(fields.problem()));
  return "{\"fields\":" + quoted(smtp::base64_encode(*fields)) + "}";
}

std::string answer(const std::string& line) {
  try {
    const json task = tests::parse_json(line);
    const std::string& op = task["op"].string();
    if (op == "verify") return verify(task);
    if (op == "validate") return validate(task);
    if (op == "sign") return sign(task);
    if (op == "seal") return seal(task);
    return "{\"error\":\"unknown op\"}";
  } catch (const std::exception& e) {
    return "{\"error\":" + quoted(e.what()) + "}";
  }
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) std::cout << answer(line) << std::endl;
}
