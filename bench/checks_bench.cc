// What the checks cost a session whose questions are all in the DNS cache: ten of them, the way a
// border has them, beside a session without any. The goal: less than 20 µs for all ten, without
// cryptography, as the message has no signature.
#include <benchmark/benchmark.h>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <exception>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "checks/auth_results_check.hpp"
#include "checks/chain.hpp"
#include "checks/dkim/verifier.hpp"
#include "checks/dmarc/check.hpp"
#include "checks/dnsbl.hpp"
#include "checks/early_talker.hpp"
#include "checks/helo.hpp"
#include "checks/helo_dns.hpp"
#include "checks/mail_domain.hpp"
#include "checks/reverse_dns.hpp"
#include "checks/spf/check.hpp"
#include "smtp/command.hpp"
#include "smtp/dns/cares_resolver.hpp"
#include "smtp/envelope.hpp"
#include "smtp/facts.hpp"
#include "tests/support/dns_message.hpp"
#include "tests/support/name_server.hpp"

namespace gatepost::checks {
namespace {

using smtp::dns::record_type;
using tests::dns_message;
using tests::dns_name;
using tests::dns_string;
using tests::name_server;

// The owners of names, types, and what they are.
using records = std::map<std::pair<std::string, record_type>, std::string>;

records zone() {
  const std::string address("\xC0\0\2\x19", 4);  // 192.0.2.25
  return {
      {{"25.2.0.192.in-addr.arpa", record_type::ptr}, dns_name("mail.sender.example")},
      {{"mail.sender.example", record_type::a}, address},
      {{"sender.example", record_type::mx}, tests::dns16(10) + dns_name("mail.sender.example")},
      {{"sender.example", record_type::txt}, dns_string("v=spf1 ip4:192.0.2.0/24 mx -all")},
      {{"mail.sender.example", record_type::txt}, dns_string("v=spf1 a -all")},
      {{"_dmarc.sender.example", record_type::txt}, dns_string("v=DMARC1; p=reject")},
  };
}

name_server::replies answer(const records& all, const name_server::request& r) {
  const smtp::dns::question& asked = r.asked.asked;
  const auto found = all.find({asked.name, asked.type});
  const auto first = all.lower_bound({asked.name, record_type{}});
  const bool exists = first != all.end() && first->first.first == asked.name;
  dns_message m(r.asked.options.id, asked);
  if (found != all.end())
    m.answer(asked.name, asked.type, 3600, found->second);
  else
    m.flags(tests::dns_response | (exists ? 0 : tests::dns_nxdomain)).soa("", 3600, 3600);
  return {m.text()};
}

run_options usual() { return {.deadline = std::chrono::seconds(20), .on_error = on_error::defer}; }

void add_ten(chain& c, smtp::dns::resolver& dns) {
  c.add<early_talker>(usual());
  c.add<helo>(usual());
  {
    chain::group lookups = c.concurrently();
    lookups.add<reverse_dns>(usual(), dns);
    lookups.add<spf::check>(usual(), dns);
    lookups.add<helo_dns>(usual(), dns);
    lookups.add<mail_domain>(usual(), dns);
    dnsbl_options lists;
    for (const char* name : {"one.lists.test", "two.lists.test"})
      lists.lists.emplace_back().zone = name;
    lookups.add<dnsbl>(usual(), dns, lists);
  }
  c.add<dkim::verifier>(usual(), dns);
  c.add<dmarc::check>(usual(), dns);
  auth_results_options results;
  results.authserv_id = "mx.example.test";
  c.add<auth_results>(usual(), results);
}

const std::string header =
    "From: Somebody <somebody@sender.example>\r\nTo: Else <else@example.test>\r\n"
    "Subject: about the things that were said yesterday\r\n"
    "Date: Fri, 27 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@sender.example>\r\n"
    "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n";

// All that a session asks its policy, for one message of 4 KiB.
asio::awaitable<void> converse(chain& c, int& passed) {
  static const std::string text = header + "\r\n" + std::string(4096 - header.size(), 'x') + "\r\n";
  smtp::session_facts facts;
  facts.id = "bench";
  facts.client = facts.peer = {*smtp::parse_ip_address("192.0.2.25"), 4321};
  smtp::envelope envelope;
  const auto session = c.open({facts, envelope});
  co_await session->ask(smtp::stage::connect);
  facts.helo = "mail.sender.example";
  facts.protocol = smtp::protocol::esmtp;
  co_await session->ask(smtp::stage::helo);
  envelope.begin(*smtp::parse_mail("FROM:<somebody@sender.example>", {}));
  co_await session->ask(smtp::stage::mail);
  envelope.add(*smtp::parse_rcpt("TO:<else@example.test>", {}, false));
  co_await session->ask(smtp::stage::rcpt);
  co_await session->ask(smtp::stage::data);
  const smtp::message_view begun{header, header.size()};
  co_await session->header_end(begun);
  co_await session->body(text);
  const smtp::message_view whole{header, text.size()};
  const verdict v = co_await session->message(whole);
  if (v.passes()) ++passed;
}

void sessions(benchmark::State& state, bool with_checks) {
  asio::io_context io(1);
  const records all = zone();
  name_server server(io, [&](const name_server::request& r) { return answer(all, r); });
  smtp::dns::cares_options options;
  options.servers = {server.where()};
  smtp::dns::cares_resolver dns(io, options);
  chain c;
  if (with_checks) add_ten(c, dns);
  int passed = 0;
  const auto once = [&] {
    bool done = false;
    asio::co_spawn(io, converse(c, passed), [&](const std::exception_ptr& e) {
      done = true;
      if (e) std::rethrow_exception(e);
    });
    while (!done) io.run_one();
  };
  once();  // now everything is in the cache
  const int asked = server.asked();
  passed = 0;
  for (auto _ : state) once();
  if (passed != static_cast<int>(state.iterations())) state.SkipWithError("it does not pass");
  if (server.asked() != asked) state.SkipWithError("it was not in the cache");
  state.counters["questions"] =
      static_cast<double>(dns.counters().questions) / static_cast<double>(state.iterations() + 1);
}
BENCHMARK_CAPTURE(sessions, without_checks, false);
BENCHMARK_CAPTURE(sessions, with_ten, true);

}  // namespace
}  // namespace gatepost::checks
