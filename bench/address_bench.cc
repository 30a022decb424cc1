// What an address costs: the path of MAIL and RCPT, and the value that is kept of it. The yardstick
// is a loop that looks at each octet once, and believes all of it.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <string_view>

#include "smtp/address.hpp"
#include "smtp/domain.hpp"

namespace gatepost::smtp {
namespace {

constexpr address_options with_utf8{.utf8 = utf8_policy::smtputf8};

void parse(benchmark::State& state, std::string_view text, const address_options& options) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(text);
    auto p = read_forward_path(text, options);
    benchmark::DoNotOptimize(p);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
}

void each_octet(benchmark::State& state, std::string_view text) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(text);
    const char* at = nullptr;
    for (const char& c : text)
      if (c == '@') at = &c;
    benchmark::DoNotOptimize(at);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
}
BENCHMARK_CAPTURE(each_octet, usual, "<someone.name@mail.example.com>");

BENCHMARK_CAPTURE(parse, usual, "<someone.name@mail.example.com>", address_options{});
BENCHMARK_CAPTURE(parse, usual_as_utf8, "<someone.name@mail.example.com>", with_utf8);
BENCHMARK_CAPTURE(parse, quoted, "<\"Joe\\ Smith\"@mail.example.com>", address_options{});
BENCHMARK_CAPTURE(parse, routed, "<@a.example,@b.example:c@mail.example.com>", address_options{});
BENCHMARK_CAPTURE(parse, ipv4, "<postmaster@[192.0.2.1]>", address_options{});
BENCHMARK_CAPTURE(parse, ipv6, "<postmaster@[IPv6:2001:db8::1]>", address_options{});
BENCHMARK_CAPTURE(parse, utf8_local_part, "<\u7528\u6237@mail.example.com>", with_utf8);
BENCHMARK_CAPTURE(parse, u_label, "<a@b\u00fccher.example>", with_utf8);
BENCHMARK_CAPTURE(parse, refused, "<someone..name@mail.example.com>", address_options{});

void keep(benchmark::State& state) {
  const auto p = parse_forward_path("<someone.name@mail.example.com>");
  for (auto _ : state) {
    address a(p->box);
    benchmark::DoNotOptimize(a);
  }
}
BENCHMARK(keep);

void compare(benchmark::State& state) {
  const address a(*parse_mailbox("someone.name@mail.example.com"));
  const address b(*parse_mailbox("someone.name@MAIL.example.com"));
  for (auto _ : state) {
    bool same = a == b;
    benchmark::DoNotOptimize(same);
  }
}
BENCHMARK(compare);

void hash(benchmark::State& state) {
  const address a(*parse_mailbox("someone.name@mail.example.com"));
  for (auto _ : state) {
    auto value = a.hash();
    benchmark::DoNotOptimize(value);
  }
}
BENCHMARK(hash);

void a_labels(benchmark::State& state) {
  for (auto _ : state) {
    auto name = to_a_labels("b\u00fccher.example");
    benchmark::DoNotOptimize(name);
  }
}
BENCHMARK(a_labels);

}  // namespace
}  // namespace gatepost::smtp
