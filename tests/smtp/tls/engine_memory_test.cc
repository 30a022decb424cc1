// This header stands alone.
#include <gtest/gtest.h>
#include <malloc.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <vector>

#include "smtp/tls/engine.hpp"
#include "tests/smtp/tls/pair.hpp"

// Counts what this program holds by operator new, and what BoringSSL holds, which asks the
// functions OPENSSL_memory_* where a program defines them.
namespace {

std::atomic<std::int64_t> held_by_us{0};
std::atomic<std::int64_t> held_by_boringssl{0};

void* allocate(std::size_t size, std::atomic<std::int64_t>& held) {
  void* p = std::malloc(size);
  if (p) held += static_cast<std::int64_t>(malloc_usable_size(p));
  return p;
}

void release(void* p, std::atomic<std::int64_t>& held) {
  if (p) held -= static_cast<std::int64_t>(malloc_usable_size(p));
  std::free(p);
}

}  // namespace

void* operator new(std::size_t size) {
  if (void* p = allocate(size == 0 ? 1 : size, held_by_us)) return p;
  throw std::bad_alloc{};
}
void operator delete(void* p) noexcept { release(p, held_by_us); }
void operator delete(void* p, std::size_t) noexcept { release(p, held_by_us); }

extern "C" {
void* OPENSSL_memory_alloc(std::size_t size) { return allocate(size, held_by_boringssl); }
void OPENSSL_memory_free(void* p) { release(p, held_by_boringssl); }
std::size_t OPENSSL_memory_get_size(void* p) { return p ? malloc_usable_size(p) : 0; }
}

namespace gatepost::smtp {
namespace {

// 10,000 idle TLS connections have 32 KiB each for everything; TLS takes its half at most.
constexpr std::int64_t idle_limit = 16 * 1024;

std::int64_t held() { return held_by_us + held_by_boringssl; }

// Octets per engine that is idle after a handshake and, with `traffic`, after much data both ways.
struct footprint {
  std::int64_t server = 0;
  std::int64_t client = 0;
};

footprint measure(tls_version version, bool traffic) {
  static constexpr int connections = 20;
  tls_client_options options = tests::client_options();
  options.min_version = options.max_version = version;
  const tests::world w{tests::server_options(), options};
  const std::string text(100000, 'x');
  std::vector<tests::pair> idle;
  idle.reserve(connections);
  for (int i = 0; i < connections; ++i) {
    idle.push_back(w.connect());
    tests::pair& c = idle.back();
    EXPECT_TRUE(c.shake()) << c.client.error_text();
    EXPECT_EQ(c.to_the_client("220 ready\r\n"), "220 ready\r\n");
    if (traffic) {
      EXPECT_TRUE(c.to_the_server(text) == text);
      EXPECT_TRUE(c.to_the_client(text) == text);
    }
    std::string{}.swap(c.to_client);
    std::string{}.swap(c.to_server);
  }
  footprint found;
  const std::int64_t before = held();
  for (tests::pair& c : idle) tls_engine gone{std::move(c.server)};
  const std::int64_t between = held();
  for (tests::pair& c : idle) tls_engine gone{std::move(c.client)};
  found.server = (before - between) / connections;
  found.client = (between - held()) / connections;
  return found;
}

TEST(tls_engine_memory, an_idle_engine_is_small) {
  for (const tls_version version : {tls_version::tls_1_2, tls_version::tls_1_3}) {
    for (const bool traffic : {false, true}) {
      const footprint found = measure(version, traffic);
      ASSERT_GT(held_by_boringssl, 0) << "BoringSSL does not ask the counting functions";
      EXPECT_GT(found.server, 1000);  // or the count is not one
      EXPECT_LT(found.server, idle_limit);
      EXPECT_LT(found.client, idle_limit);
      std::printf("idle octets: server %lld, client %lld\n", static_cast<long long>(found.server),
                  static_cast<long long>(found.client));
    }
  }
}

TEST(tls_engine_memory, a_handshake_is_bounded_too) {
  const tests::world w;
  tests::pair c = w.connect();
  c.client_status = c.client.handshake();
  const std::string hello = tests::take_output(c.client);
  const std::int64_t before = held();
  tls_engine server{w.server};
  EXPECT_EQ(server.handshake(hello), tls_status::want_read);
  const std::int64_t size = held() - before;
  EXPECT_LT(size, 64 * 1024);
  std::printf("octets of a server in mid handshake: %lld\n", static_cast<long long>(size));
}

}  // namespace
}  // namespace gatepost::smtp
