// What TLS costs in memory, without a network: handshakes per second (both sides on one thread, so
// a server alone does about twice as many) and octets per second, encrypted and decrypted again.
#include <benchmark/benchmark.h>

#include <string>
#include <utility>
#include <vector>

#include "smtp/tls/engine.hpp"
#include "tests/smtp/tls/pair.hpp"

namespace {

using gatepost::smtp::tls_client_options;
using gatepost::smtp::tls_peer;
using gatepost::smtp::tls_version;
using gatepost::tests::pair;
using gatepost::tests::world;

tls_client_options only(std::int64_t version) {
  tls_client_options options = gatepost::tests::client_options();
  options.min_version = options.max_version = static_cast<tls_version>(version);
  return options;
}

void bm_handshake(benchmark::State& state) {
  const world w{gatepost::tests::server_options(), only(state.range(0))};
  for (auto _ : state) {
    pair c = w.connect();
    if (!c.shake()) state.SkipWithError(c.client.error_text().c_str());
  }
  state.SetItemsProcessed(state.iterations());
}

void bm_resumption(benchmark::State& state) {
  const world w{gatepost::tests::server_options(), only(state.range(0))};
  tls_peer peer{"mx.example.test"};
  peer.keep_session = true;
  pair first = w.connect(peer);
  if (!first.shake() || first.to_the_client("x").empty()) state.SkipWithError("no session");
  peer.resume = first.client.session();
  for (auto _ : state) {
    pair c = w.connect(peer);
    if (!c.shake()) state.SkipWithError(c.client.error_text().c_str());
  }
  state.SetItemsProcessed(state.iterations());
}

void bm_transfer(benchmark::State& state) {
  const world w;
  pair c = w.connect();
  if (!c.shake()) state.SkipWithError(c.client.error_text().c_str());
  const std::string text(static_cast<std::size_t>(state.range(0)), 'x');
  std::vector<char> room(64 * 1024);
  for (auto _ : state) {
    std::string_view left = text;
    while (!left.empty()) {
      left.remove_prefix(c.client.write(left).size);
      auto got = c.server.read(room, c.client.output());
      c.client.consume_output(c.client.output().size());
      while (got.size > 0) got = c.server.read(room);
    }
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

constexpr auto tls_1_2 = static_cast<std::int64_t>(tls_version::tls_1_2);
constexpr auto tls_1_3 = static_cast<std::int64_t>(tls_version::tls_1_3);

BENCHMARK(bm_handshake)->ArgName("version")->Arg(tls_1_2)->Arg(tls_1_3);
BENCHMARK(bm_resumption)->ArgName("version")->Arg(tls_1_2)->Arg(tls_1_3);
BENCHMARK(bm_transfer)->ArgName("octets")->Arg(100)->Arg(4096)->Arg(1 << 20);

}  // namespace
