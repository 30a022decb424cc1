// What an answer of the DNS costs to read, beside c-ares' own parsers, and to find in the cache.
#include <ares.h>
#include <arpa/inet.h>
#include <benchmark/benchmark.h>
#include <netdb.h>

#include <chrono>
#include <cstdint>
#include <string>

#include "smtp/dns/cache.hpp"
#include "smtp/dns/message.hpp"
#include "tests/support/dns_message.hpp"

namespace gatepost::smtp::dns {
namespace {

constexpr std::uint16_t id = 7;
const question asks_a{"mail.example.com", record_type::a};
const question asks_txt{"example.com", record_type::txt};

// An alias, two addresses, and OPT: what a recursive server sends.
std::string a_answer() {
  const auto target = tests::dns_name("mx.provider.example");
  return tests::dns_message(id, asks_a)
      .record(1, tests::dns_pointer(12), 5, 300, target)
      .record(1, target, 1, 300, "\1\2\3\4")
      .record(1, target, 1, 300, "\1\2\3\5")
      .record(3, tests::dns_name(""), tests::dns_opt, 0, "", 1232)
      .text();
}

// An SPF record among others, as large domains have them.
std::string txt_answer() {
  tests::dns_message m(id, asks_txt);
  for (int i = 0; i < 6; ++i)
    m.record(1, tests::dns_pointer(12), 16, 300,
             tests::dns_string("some-site-verification=" + std::string(40, 'x')));
  m.record(1, tests::dns_pointer(12), 16, 300,
           tests::dns_string("v=spf1 include:_spf.provider.example ip4:192.0.2.0/24 -all"));
  return m.text();
}

void read(benchmark::State& state, const std::string& message, const question& asked) {
  for (auto _ : state) {
    any_answer a = read_response(message, asked, id);
    benchmark::DoNotOptimize(a);
  }
  if (failure_of(read_response(message, asked, id)) != failure::none) state.SkipWithError("failed");
}
BENCHMARK_CAPTURE(read, a, a_answer(), asks_a);
BENCHMARK_CAPTURE(read, txt, txt_answer(), asks_txt);

void cares_a(benchmark::State& state) {
  const std::string m = a_answer();
  for (auto _ : state) {
    hostent* host = nullptr;
    const int status = ares_parse_a_reply(reinterpret_cast<const unsigned char*>(m.data()),
                                          static_cast<int>(m.size()), &host, nullptr, nullptr);
    if (status != ARES_SUCCESS) return state.SkipWithError("failed");
    benchmark::DoNotOptimize(host);
    ares_free_hostent(host);
  }
}
BENCHMARK(cares_a);

void cares_txt(benchmark::State& state) {
  const std::string m = txt_answer();
  for (auto _ : state) {
    ares_txt_reply* texts = nullptr;
    const int status = ares_parse_txt_reply(reinterpret_cast<const unsigned char*>(m.data()),
                                            static_cast<int>(m.size()), &texts);
    if (status != ARES_SUCCESS) return state.SkipWithError("failed");
    benchmark::DoNotOptimize(texts);
    ares_free_data(texts);
  }
}
BENCHMARK(cares_txt);

void write_query(benchmark::State& state) {
  for (auto _ : state) {
    auto q = encode_query(asks_a);
    benchmark::DoNotOptimize(q);
  }
}
BENCHMARK(write_query);

// A cache of that many entries, one of which is asked for.
void cache_hit(benchmark::State& state) {
  cache c;
  const cache::time_point now{};
  for (std::int64_t i = 0; i < state.range(0); ++i) {
    const question q{"host" + std::to_string(i) + ".example.com", record_type::a};
    c.store(q, answer<ip_address>::found({ip_address()}, std::chrono::seconds(300)), now);
  }
  const question asked{"host" + std::to_string(state.range(0) / 2) + ".example.com",
                       record_type::a};
  for (auto _ : state) {
    auto found = c.find(asked, now);
    benchmark::DoNotOptimize(found);
  }
}
BENCHMARK(cache_hit)->Arg(1)->Arg(1000)->Arg(15000);

void cache_miss(benchmark::State& state) {
  cache c;
  const cache::time_point now{};
  for (auto _ : state) {
    auto found = c.find(asks_a, now);
    benchmark::DoNotOptimize(found);
  }
}
BENCHMARK(cache_miss);

}  // namespace
}  // namespace gatepost::smtp::dns
