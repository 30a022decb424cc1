// What the server engine costs: whole transactions, and single commands, without any I/O. The
// yardstick: the same octets copied into a buffer, and a line end looked for in each part.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "smtp/session.hpp"

namespace gatepost::smtp {
namespace {

channel busy_channel() {
  channel c;
  c.hostname = "mx.example.test";
  c.limits.transactions = 0;
  c.limits.idle_commands = ~std::size_t{0};
  return c;
}

// The engine with somebody who answers everything with yes.
class served {
 public:
  served() : engine_(settings_, facts_, pool_) { says(""); }

  // Gives the client's octets in one read, as a socket would; takes what the server says.
  void says(std::string_view octets) {
    for (;;) {
      const action a = engine_.next();
      switch (a.kind) {
        case action_kind::read: {
          benchmark::DoNotOptimize(engine_.output().data());
          engine_.sent(engine_.output().size());
          if (octets.empty()) return;
          const std::span<char> room = engine_.prepare();
          const std::size_t n = octets.copy(room.data(), room.size());
          engine_.received(n);
          octets.remove_prefix(n);
          break;
        }
        case action_kind::ask: engine_.answer(verdict::pass()); break;
        case action_kind::body: text_ += a.text.size(); break;
        case action_kind::flush: engine_.sent(engine_.output().size()); break;
        default: break;
      }
    }
  }

  std::uint64_t text() const { return text_; }
  const session_facts& facts() const { return facts_; }

 private:
  channel settings_ = busy_channel();
  session_facts facts_;
  buffer_pool pool_;
  session engine_;
  std::uint64_t text_ = 0;
};

std::string message_of(std::size_t size) {
  std::string text = "Subject: a message\r\n\r\n";
  while (text.size() < size)
    text += "A line of text, of the length that lines of text have in mail: 72 or so.\r\n";
  return text + ".\r\n";
}

constexpr std::string_view hello = "EHLO client.example\r\n";
constexpr std::string_view mail = "MAIL FROM:<someone.name@client.example> SIZE=4096\r\n";
constexpr std::string_view rcpt = "RCPT TO:<someone.else@mail.example.test>\r\n";

// What no engine can do without.
void copied(benchmark::State& state) {
  const std::string message = message_of(static_cast<std::size_t>(state.range(0)));
  std::string room(65536 + 4096, ' ');
  for (auto _ : state) {
    for (const std::string_view part : {hello, mail, rcpt, std::string_view("DATA\r\n"),
                                        std::string_view(message), std::string_view("RSET\r\n")}) {
      part.copy(room.data(), room.size());
      const std::size_t end = std::string_view(room.data(), part.size()).find('\n');
      benchmark::DoNotOptimize(end);
      benchmark::ClobberMemory();
    }
  }
}
BENCHMARK(copied)->Arg(0)->Arg(4096)->Arg(65536);

// EHLO, MAIL, RCPT, DATA, a message of 4 KiB, RSET: each in a read of its own.
void transaction(benchmark::State& state) {
  served s;
  const std::string message = message_of(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    s.says(hello);
    s.says(mail);
    s.says(rcpt);
    s.says("DATA\r\n");
    s.says(message);
    s.says("RSET\r\n");
  }
  if (s.facts().messages != state.iterations()) state.SkipWithError("messages were lost");
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(transaction)->Arg(0)->Arg(4096)->Arg(65536);

// The same as a pipelining client sends it: three reads.
void pipelined_transaction(benchmark::State& state) {
  served s;
  s.says(hello);
  const std::string envelope = std::string(mail) + std::string(rcpt) + "DATA\r\n";
  const std::string message = message_of(4096);
  for (auto _ : state) {
    s.says(envelope);
    s.says(message);
  }
}
BENCHMARK(pipelined_transaction);

void command(benchmark::State& state, std::string_view line) {
  served s;
  s.says(hello);
  for (auto _ : state) s.says(line);
}
BENCHMARK_CAPTURE(command, noop, "NOOP\r\n");
BENCHMARK_CAPTURE(command, ehlo, hello);
BENCHMARK_CAPTURE(command, mail_and_rset,
                  "MAIL FROM:<someone.name@client.example> SIZE=4096\r\nRSET\r\n");

void recipients(benchmark::State& state) {
  served s;
  s.says(hello);
  std::string envelope(mail);
  for (int i = 0; i < 100; ++i) envelope += rcpt;
  envelope += "RSET\r\n";
  for (auto _ : state) s.says(envelope);
  state.SetItemsProcessed(state.iterations() * 100);
}
BENCHMARK(recipients);

}  // namespace
}  // namespace gatepost::smtp
