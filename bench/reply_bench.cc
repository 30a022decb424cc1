// What it costs to write a reply, beside the least: copying octets that are ready.
#include <benchmark/benchmark.h>

#include <string>
#include <string_view>

#include "smtp/reply.hpp"

namespace gatepost::smtp {
namespace {

using namespace std::string_view_literals;

template <class Write>
void measure(benchmark::State& state, Write write) {
  std::string out;
  out.reserve(1024);
  for (auto _ : state) {
    out.clear();
    write(out);
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(out.size()));
}

void ready_octets(benchmark::State& state) {
  measure(state, [](std::string& out) { out.append("250 2.1.5 Recipient OK\r\n"sv); });
}
BENCHMARK(ready_octets);

void fixed(benchmark::State& state) {
  measure(state, [](std::string& out) { append_reply(out, replies::recipient_ok); });
}
BENCHMARK(fixed);

void fixed_with_id(benchmark::State& state) {
  measure(state, [](std::string& out) {
    append_reply(out, replies::no_such_user, true, "01J9ZK3V8Q2W7");
  });
}
BENCHMARK(fixed_with_id);

void of_text(benchmark::State& state, std::string_view text) {
  const reply r(550, {5, 7, 1}, std::string(text));
  measure(state, [&](std::string& out) { r.append_to(out); });
}
BENCHMARK_CAPTURE(of_text, short, "Your address is listed at bl.example.test");
BENCHMARK_CAPTURE(
    of_text, long,
    "Your address is listed at bl.example.test, and has been for some days; see "
    "https://bl.example.test/why?address=192.0.2.1 for the reason, and for what to do "
    "about it, which is not to write to us but to whoever runs the list");
BENCHMARK_CAPTURE(of_text, lines, "one\ntwo\nthree\nfour");

// From a named reply, as a verdict takes one, to the wire.
void made_and_written(benchmark::State& state) {
  measure(state, [](std::string& out) { reply(replies::ok).append_to(out); });
}
BENCHMARK(made_and_written);

}  // namespace
}  // namespace gatepost::smtp
