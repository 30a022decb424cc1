// This header stands alone.
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "smtp/tls/engine.hpp"
#include "tests/smtp/tls/pair.hpp"

namespace gatepost::smtp {
namespace {

constexpr int threads = 4;
constexpr int sessions_per_thread = 40;

// One session as a thread has it; empty: all went well.
std::string converse(const tests::world& w, bool verify) {
  tls_peer peer{"mx.example.test"};
  if (verify) peer.verify = verification::pkix;
  tests::pair c = w.connect(std::move(peer));
  if (!c.shake()) return "handshake: " + c.client.error_text() + c.server.error_text();
  if (c.to_the_server("EHLO a.test\r\n") != "EHLO a.test\r\n") return "to the server";
  if (c.to_the_client("250 b.test\r\n") != "250 b.test\r\n") return "to the client";
  return c.client.facts().peer.present ? "" : "no certificate";
}

TEST(tls_engine_threads, sessions_begin_while_contexts_load_again) {
  tests::world w;
  ASSERT_TRUE(w.server_loaded);
  std::atomic<int> running{threads};
  std::vector<std::string> wrong(threads);
  std::vector<std::thread> pool;
  for (int t = 0; t < threads; ++t) {
    pool.emplace_back([&w, &wrong, &running, t] {
      for (int i = 0; i < sessions_per_thread && wrong[t].empty(); ++i) {
        wrong[t] = converse(w, i % 2 == 0);
      }
      --running;
    });
  }
  int loads = 0;
  bool good = true;
  for (; running > 0 || loads == 0; ++loads) {
    const load_outcome server = w.server.reload();
    const load_outcome client = w.client.reload();
    good = good && server && client && w.server.certificates().size() == 1;
    const load_outcome broken = w.server.load(tls_server_options{});
    good = good && !broken && w.server.ready();
  }
  for (std::thread& one : pool) one.join();
  EXPECT_TRUE(good);
  for (const std::string& text : wrong) EXPECT_EQ(text, "");
}

TEST(tls_engine_threads, one_session_is_resumed_by_many) {
  const tests::world w;
  tls_peer peer{"mx.example.test"};
  peer.keep_session = true;
  tests::pair first = w.connect(peer);
  ASSERT_TRUE(first.shake());
  ASSERT_EQ(first.to_the_client("x"), "x");
  peer.resume = first.client.session();
  ASSERT_NE(peer.resume, nullptr);
  std::atomic<int> resumed{0};
  std::vector<std::thread> pool;
  for (int t = 0; t < threads; ++t) {
    pool.emplace_back([&w, &resumed, peer] {
      tests::pair c = w.connect(peer);
      if (c.shake() && c.server.facts().resumed) ++resumed;
    });
  }
  for (std::thread& one : pool) one.join();
  EXPECT_EQ(resumed, threads);
}

}  // namespace
}  // namespace gatepost::smtp
