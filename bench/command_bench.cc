// What reading one command line costs. The yardstick is a loop that looks at each octet once.
#include <benchmark/benchmark.h>

#include <string_view>

#include "smtp/command.hpp"

namespace gatepost::smtp {
namespace {

const parse_options as_by_default{.offered = default_extensions};

void line(benchmark::State& state, std::string_view text) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(text);
    auto c = parse_command(text);
    benchmark::DoNotOptimize(c);
  }
}

void each_octet(benchmark::State& state, std::string_view text) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(text);
    bool good = true;
    for (const char c : text) {
      benchmark::DoNotOptimize(good);  // one after the other, as a state machine does
      good = good && c >= ' ';
    }
    benchmark::DoNotOptimize(good);
  }
}
BENCHMARK_CAPTURE(each_octet, mail,
                  "MAIL FROM:<someone.name@client.example> SIZE=4096 BODY=8BITMIME");

BENCHMARK_CAPTURE(line, data, "DATA");
BENCHMARK_CAPTURE(line, starttls, "STARTTLS");
BENCHMARK_CAPTURE(line, mail, "MAIL FROM:<someone.name@client.example> SIZE=4096");
BENCHMARK_CAPTURE(line, unknown, "XYZZ plugh");

// The line of a MAIL command, from its first octet to its typed value.
void mail(benchmark::State& state, std::string_view text) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(text);
    const auto c = parse_command(text);
    auto m = parse_mail(c->argument, as_by_default);
    benchmark::DoNotOptimize(m);
  }
}
BENCHMARK_CAPTURE(mail, null, "MAIL FROM:<>");
BENCHMARK_CAPTURE(mail, usual, "MAIL FROM:<someone.name@client.example>");
BENCHMARK_CAPTURE(mail, size_and_body,
                  "MAIL FROM:<someone.name@client.example> SIZE=4096 BODY=8BITMIME");
BENCHMARK_CAPTURE(mail, dsn, "MAIL FROM:<someone.name@client.example> RET=HDRS ENVID=QQ314159");

void rcpt(benchmark::State& state, std::string_view text) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(text);
    const auto c = parse_command(text);
    auto r = parse_rcpt(c->argument, as_by_default, false);
    benchmark::DoNotOptimize(r);
  }
}
BENCHMARK_CAPTURE(rcpt, usual, "RCPT TO:<someone.else@mail.example.test>");
BENCHMARK_CAPTURE(rcpt, dsn,
                  "RCPT TO:<someone.else@mail.example.test> NOTIFY=FAILURE "
                  "ORCPT=rfc822;someone.else@mail.example.test");

}  // namespace
}  // namespace gatepost::smtp
