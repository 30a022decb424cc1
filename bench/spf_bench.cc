// What an SPF evaluation costs, with the answers of the DNS at hand; beside it libspf2 (Debian's
// 1.2.10) with its zone of memory. Ours as checks::spf::check does it, with a cache of the records
// that were read before, and without; libspf2, which has none, reads them anew each time, and also
// writes the text of a Received-SPF field each time.
#include <benchmark/benchmark.h>

extern "C" {
#include <netinet/in.h>
// netinet first: libspf2's headers need it.
#include <spf2/spf.h>
#include <spf2/spf_dns_zone.h>
}

#include <chrono>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "checks/spf/evaluate.hpp"
#include "checks/spf/record.hpp"
#include "checks/spf/record_cache.hpp"
#include "smtp/dns/answer.hpp"
#include "smtp/ip.hpp"
#include "smtp/utf8.hpp"

namespace gatepost::checks::spf {
namespace {

struct entry {
  ns_type type;
  const char* name;
  const char* data;
};

// Records as large senders have them.
const std::vector<entry>& entries() {
  static const std::vector<entry> all = {
      {ns_t_txt, "short.example.com", "v=spf1 ip4:192.0.2.0/24 -all"},
      {ns_t_txt, "mx.example.com", "v=spf1 mx -all"},
      {ns_t_mx, "mx.example.com", "a.example.com"},
      {ns_t_a, "a.example.com", "192.0.2.1"},
      {ns_t_txt, "macro.example.com", "v=spf1 exists:%{ir}.%{l1r+-}._spf.%{d2} -all"},
      {ns_t_a, "1.2.0.192.someone._spf.example.com", "127.0.0.2"},
      {ns_t_txt, "usual.example.com",
       "v=spf1 a mx include:_spf1.example.com include:_spf2.example.com ip4:203.0.113.0/24 ~all"},
      {ns_t_a, "usual.example.com", "198.51.100.1"},
      {ns_t_mx, "usual.example.com", "mx.usual.example.com"},
      {ns_t_a, "mx.usual.example.com", "198.51.100.2"},
      {ns_t_txt, "_spf1.example.com",
       "v=spf1 ip4:198.18.0.0/24 ip4:198.18.2.0/24 ip4:198.18.4.0/22 ip4:198.18.8.0/21 ~all"},
      {ns_t_txt, "_spf2.example.com", "v=spf1 ip4:198.19.0.0/16 ip4:192.0.2.0/24 -all"},
      {ns_t_txt, "large.example.com",
       "v=spf1 include:_netblocks.example.com include:_netblocks2.example.com "
       "include:_netblocks3.example.com ~all"},
      {ns_t_txt, "_netblocks.example.com",
       "v=spf1 ip4:35.190.247.0/24 ip4:64.233.160.0/19 ip4:66.102.0.0/20 ip4:66.249.80.0/20 "
       "ip4:72.14.192.0/18 ip4:74.125.0.0/16 ip4:108.177.8.0/21 ip4:173.194.0.0/16 "
       "ip4:209.85.128.0/17 ip4:216.58.192.0/19 ip4:216.239.32.0/19 ~all"},
      {ns_t_txt, "_netblocks2.example.com",
       "v=spf1 ip6:2001:4860:4000::/36 ip6:2404:6800:4000::/36 ip6:2607:f8b0:4000::/36 "
       "ip6:2800:3f0:4000::/36 ip6:2a00:1450:4000::/36 ip6:2c0f:fb50:4000::/36 ~all"},
      {ns_t_txt, "_netblocks3.example.com",
       "v=spf1 ip4:172.217.0.0/19 ip4:172.217.32.0/20 ip4:172.217.128.0/19 "
       "ip4:172.217.160.0/20 ip4:172.217.192.0/19 ip4:172.253.56.0/21 ip4:172.253.112.0/20 "
       "ip4:192.0.2.0/24 ip4:35.191.0.0/16 ip4:130.211.0.0/22 ~all"},
  };
  return all;
}

constexpr const char* client = "192.0.2.1";

// The same answers, made before. Looked for one after the other, as libspf2's zone does it.
class table {
 public:
  table() {
    for (const entry& e : entries()) {
      if (e.type == ns_t_txt) texts_.push_back({e.name, texts::found({e.data}, ttl)});
      if (e.type == ns_t_mx) hosts_.push_back({e.name, hosts::found({{0, e.data}}, ttl)});
      if (e.type == ns_t_a)
        addresses_.push_back({e.name, addresses::found({*smtp::parse_ip_address(e.data)}, ttl)});
    }
  }

  void run(evaluation& e) const {
    while (!e.done()) {
      const question& q = e.questions()[0];
      if (q.type == record_type::txt) e.answer(0, find(texts_, q.name));
      if (q.type == record_type::mx) e.answer(0, find(hosts_, q.name));
      if (q.type == record_type::a) e.answer(0, find(addresses_, q.name));
    }
  }

 private:
  using texts = smtp::dns::answer<std::string>;
  using hosts = smtp::dns::answer<smtp::dns::mx_record>;
  using addresses = smtp::dns::answer<smtp::ip_address>;
  template <class Answer>
  using list = std::vector<std::pair<std::string_view, Answer>>;

  static constexpr std::chrono::seconds ttl{60};

  template <class Answer>
  static const Answer& find(const list<Answer>& all, std::string_view name) {
    for (const auto& [known, answer] : all)
      if (known == name || smtp::equal_ignoring_case(known, name)) return answer;
    throw std::logic_error("no answer for " + std::string(name));
  }

  list<texts> texts_;
  list<hosts> hosts_;
  list<addresses> addresses_;
};

void evaluate(benchmark::State& state, const std::string& domain, record_cache* records) {
  const table answers;
  evaluation_options options;
  options.records = records;
  const smtp::ip_address address = *smtp::parse_ip_address(client);
  const std::string sender = "someone+tag@" + domain;
  for (auto _ : state) {
    evaluation e(query::mail_from(address, sender, "mx.example.com"), options);
    answers.run(e);
    if (e.outcome().result != result::pass) throw std::logic_error(e.outcome().problem);
  }
}

// As checks::spf::check does it.
void gatepost(benchmark::State& state, const std::string& domain) {
  record_cache records;
  evaluate(state, domain, &records);
}

void gatepost_reads_anew(benchmark::State& state, const std::string& domain) {
  evaluate(state, domain, nullptr);
}

void libspf2(benchmark::State& state, const std::string& domain) {
  SPF_dns_server_t* dns = SPF_dns_zone_new(nullptr, "bench", 0);
  for (const entry& e : entries()) SPF_dns_zone_add_str(dns, e.name, e.type, NETDB_SUCCESS, e.data);
  SPF_server_t* server = SPF_server_new_dns(dns, 0);
  const std::string sender = "someone+tag@" + domain;
  for (auto _ : state) {
    SPF_request_t* request = SPF_request_new(server);
    SPF_request_set_ipv4_str(request, client);
    SPF_request_set_helo_dom(request, "mx.example.com");
    SPF_request_set_env_from(request, sender.c_str());
    SPF_response_t* response = nullptr;
    SPF_request_query_mailfrom(request, &response);
    if (SPF_response_result(response) != SPF_RESULT_PASS) state.SkipWithError("does not pass");
    SPF_response_free(response);
    SPF_request_free(request);
  }
  SPF_server_free(server);
}

BENCHMARK_CAPTURE(gatepost, one_network, "short.example.com");
BENCHMARK_CAPTURE(gatepost_reads_anew, one_network, "short.example.com");
BENCHMARK_CAPTURE(libspf2, one_network, "short.example.com");
BENCHMARK_CAPTURE(gatepost, mx, "mx.example.com");
BENCHMARK_CAPTURE(gatepost_reads_anew, mx, "mx.example.com");
BENCHMARK_CAPTURE(libspf2, mx, "mx.example.com");
BENCHMARK_CAPTURE(gatepost, macros, "macro.example.com");
BENCHMARK_CAPTURE(gatepost_reads_anew, macros, "macro.example.com");
BENCHMARK_CAPTURE(libspf2, macros, "macro.example.com");
BENCHMARK_CAPTURE(gatepost, a_mx_two_includes, "usual.example.com");
BENCHMARK_CAPTURE(gatepost_reads_anew, a_mx_two_includes, "usual.example.com");
BENCHMARK_CAPTURE(libspf2, a_mx_two_includes, "usual.example.com");
BENCHMARK_CAPTURE(gatepost, three_includes, "large.example.com");
BENCHMARK_CAPTURE(gatepost_reads_anew, three_includes, "large.example.com");
BENCHMARK_CAPTURE(libspf2, three_includes, "large.example.com");

void parse(benchmark::State& state) {
  const std::string_view text = entries().back().data;
  for (auto _ : state) {
    auto parsed = parse_record(text);
    benchmark::DoNotOptimize(parsed);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
}
BENCHMARK(parse);

}  // namespace
}  // namespace gatepost::checks::spf
