// What a chain costs at one stage: ten checks that have nothing to say.
//
// AtOnce: checks that promise not to wait, called in the session's coroutine. Spawned: checks that
// might wait, each with a coroutine, a cancellation signal and a deadline of its own. Together: the
// same in one group. Elsewhere: checks that have other stages than the one that is asked.
#include <benchmark/benchmark.h>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <memory>
#include <string_view>

#include "checks/chain.hpp"

namespace gatepost::checks {
namespace {

constexpr int checks_per_stage = 10;

class silent final : public check {
 public:
  explicit silent(bool may_wait) : may_wait_(may_wait) {}
  std::string_view name() const override { return "silent"; }
  bool waits(smtp::stage) const override { return may_wait_; }
  asio::awaitable<verdict> on_mail(context&) override { co_return verdict::pass(); }

 private:
  bool may_wait_;
};

class counting final : public smtp::observer {
 public:
  void on_verdict(const smtp::verdict_event& e) override { benchmark::DoNotOptimize(e.duration); }
};

run_options usual() { return {.deadline = std::chrono::seconds(5), .on_error = on_error::defer}; }

asio::awaitable<void> ask_again_and_again(smtp::session_policy& session, smtp::stage s,
                                          benchmark::State& state) {
  for ([[maybe_unused]] auto _ : state) {
    const verdict v = co_await session.ask(s);
    benchmark::DoNotOptimize(v.kind());
  }
}

void measure(benchmark::State& state, chain& c, smtp::stage s = smtp::stage::mail) {
  asio::io_context io(1);
  const smtp::session_facts facts;
  const smtp::envelope envelope;
  const auto session = c.open({facts, envelope});
  asio::co_spawn(io, ask_again_and_again(*session, s, state), [](std::exception_ptr e) {
    if (e) std::rethrow_exception(e);
  });
  io.run();
  state.SetItemsProcessed(state.iterations() * checks_per_stage);
}

void fill(chain& c, bool may_wait) {
  for (int i = 0; i < checks_per_stage; ++i) c.add<silent>(usual(), may_wait);
}

void BM_NoChecks(benchmark::State& state) {
  chain c;
  measure(state, c);
}
BENCHMARK(BM_NoChecks);

void BM_Elsewhere(benchmark::State& state) {
  chain c;
  fill(c, false);
  measure(state, c, smtp::stage::helo);
}
BENCHMARK(BM_Elsewhere);

void BM_AtOnce(benchmark::State& state) {
  chain c;
  fill(c, false);
  measure(state, c);
}
BENCHMARK(BM_AtOnce);

void BM_AtOnceObserved(benchmark::State& state) {
  counting observer;
  chain_options options;
  options.observer = &observer;
  chain c(std::move(options));
  fill(c, false);
  measure(state, c);
}
BENCHMARK(BM_AtOnceObserved);

void BM_Spawned(benchmark::State& state) {
  chain c;
  fill(c, true);
  measure(state, c);
}
BENCHMARK(BM_Spawned);

void BM_SpawnedTogether(benchmark::State& state) {
  chain c;
  auto all = c.concurrently();
  for (int i = 0; i < checks_per_stage; ++i) all.add<silent>(usual(), true);
  measure(state, c);
}
BENCHMARK(BM_SpawnedTogether);

void BM_OpenSession(benchmark::State& state) {
  chain c;
  fill(c, false);
  const smtp::session_facts facts;
  const smtp::envelope envelope;
  for ([[maybe_unused]] auto _ : state) benchmark::DoNotOptimize(c.open({facts, envelope}));
}
BENCHMARK(BM_OpenSession);

}  // namespace
}  // namespace gatepost::checks
