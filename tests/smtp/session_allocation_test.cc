// A session that has warmed up allocates nothing: not for a command, not for a message.
#include <gtest/gtest.h>

#include <asio/awaitable.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <cstddef>
#include <string>
#include <string_view>

#include "smtp/drive.hpp"
#include "smtp/session.hpp"
#include "tests/support/allocations.hpp"

namespace gatepost::smtp {
namespace {

using tests::allocations;

channel patient_channel() {
  channel c;
  c.hostname = "mx.example.test";
  c.limits.transactions = 0;
  c.limits.idle_commands = ~std::size_t{0};
  return c;
}

std::string message_of(std::size_t size) {
  std::string text = "From: a@client.example\r\nSubject: a message\r\n\r\n";
  while (text.size() < size)
    text += "A line of text, of the length that lines of text have in mail: 72 or so.\r\n";
  return text + ".\r\n";
}

// Longer than what a std::string holds without an allocation.
constexpr std::string_view mail =
    "MAIL FROM:<someone.with.a.long.name@client.example> SIZE=4096 BODY=8BITMIME\r\n";
constexpr std::string_view rcpt = "RCPT TO:<someone.else.with.a.long.name@mail.example.test>\r\n";

// --- The engine ----------------------------------------------------------------------------------

class served {
 public:
  served() : engine_(settings_, facts_, pool_) { says(""); }

  // Gives the octets to the engine, answers yes to all it asks, and says how many allocations that
  // took.
  std::size_t says(std::string_view octets) {
    const std::size_t before = allocations;
    while (turn(octets)) continue;
    return allocations - before;
  }

  std::size_t messages() const { return facts_.messages; }

 private:
  bool turn(std::string_view& octets) {
    const action a = engine_.next();
    if (a.kind == action_kind::ask) engine_.answer(verdict::pass());
    if (a.kind == action_kind::flush) engine_.sent(engine_.output().size());
    if (a.kind != action_kind::read) return true;
    engine_.sent(engine_.output().size());
    engine_.idle();  // as if it waited
    if (octets.empty()) return false;
    const std::span<char> room = engine_.prepare();
    const std::size_t n = octets.copy(room.data(), room.size());
    engine_.received(n);
    octets.remove_prefix(n);
    return true;
  }

  channel settings_ = patient_channel();
  session_facts facts_;
  buffer_pool pool_;
  session engine_;
};

TEST(session_allocation, none_per_command) {
  const std::string message = message_of(4096);
  const std::string chunk = "BDAT 100 LAST\r\n" + std::string(98, 'x') + "\r\n";
  served s;
  // The first rounds find the memory that later ones use again: two for EHLO, which keeps the name
  // before, too.
  for (int round = 0; round < 4; ++round) {
    for (const std::string_view octets :
         {std::string_view("EHLO a.client.with.a.long.name.example\r\n"), mail, rcpt, rcpt,
          std::string_view("DATA\r\n"), std::string_view(message), std::string_view("NOOP\r\n"),
          mail, rcpt, std::string_view(chunk), mail, std::string_view("RSET\r\n"),
          std::string_view("VRFY somebody\r\n"), std::string_view("XYZZ\r\n")}) {
      const std::size_t took = s.says(octets);
      if (round < 2) continue;
      EXPECT_EQ(took, 0U) << octets.substr(0, octets.find('\r'));
    }
  }
  EXPECT_EQ(s.messages(), 8U);
}

TEST(session_allocation, none_in_a_pipeline) {
  const std::string all =
      std::string(mail) + std::string(rcpt) + "DATA\r\n" + message_of(100'000) + "RSET\r\n";
  served s;
  s.says("EHLO client.example\r\n");
  s.says(all);
  EXPECT_EQ(s.says(all), 0U);
  EXPECT_EQ(s.messages(), 2U);
}

// --- With its driver -----------------------------------------------------------------------------

// A client that says the same again and again, and is always ready.
class repeater final : public transport {
 public:
  repeater(std::string_view first, std::string_view again, int rounds)
      : left_(first), again_(again), rounds_(rounds) {}

  std::size_t before_last_round() const { return before_last_round_; }

  io_result try_read(std::span<char> into) override {
    if (left_.empty() && rounds_ > 0) {
      left_ = again_;
      if (--rounds_ == 0) before_last_round_ = allocations;
    }
    const std::size_t n = left_.copy(into.data(), into.size());
    left_.remove_prefix(n);
    if (n == 0) return {0, errc::connection_lost};
    return {n, {}};
  }
  io_result try_write(std::string_view text) override { return {text.size(), {}}; }
  asio::awaitable<std::error_code> wait(readiness, time_point) override {
    co_return errc::connection_lost;
  }
  asio::awaitable<std::error_code> accept_tls(const server_context&, time_point) override {
    co_return errc::tls_failed;
  }
  asio::awaitable<std::error_code> connect_tls(const client_context&, tls_peer,
                                               time_point) override {
    co_return errc::tls_failed;
  }
  const tls_facts* tls() const override { return nullptr; }
  std::string tls_error() const override { return {}; }
  void cancel() override {}
  void watch(busy_watch*, time_point) override {}
  void close() override {}
  time_point now() const override { return {}; }

 private:
  std::string_view left_;
  std::string_view again_;
  int rounds_;
  std::size_t before_last_round_ = 0;
};

// What the last of some rounds took.
std::size_t allocations_of(std::string_view round, std::uint32_t* messages = nullptr) {
  const channel settings = patient_channel();
  session_facts facts;
  accept_all policy;
  discard_all delivery;
  observer silent;
  const session_services services{.policy = policy, .delivery = delivery, .observer = silent};
  buffer_pool pool;
  repeater client("EHLO client.example\r\n", round, 5);
  session_driver driver(client, settings, facts, services, pool);
  asio::io_context io(1);
  std::size_t after = 0;
  asio::cancellation_signal cancel;
  asio::co_spawn(io, driver.run(cancel), [&](std::exception_ptr) { after = allocations; });
  io.run();
  if (messages != nullptr) *messages = facts.messages;
  return after - client.before_last_round();
}

TEST(session_allocation, with_a_driver) {
  // What the end of a session takes by itself.
  const std::size_t end = allocations_of("NOOP\r\n");
  const std::string commands =
      std::string(mail) + std::string(rcpt) + "RSET\r\nNOOP\r\nVRFY somebody\r\n";
  EXPECT_LE(allocations_of(commands), end);
}

// What the delivery makes for it, and lists of its recipients and of what each is told.
TEST(session_allocation, of_a_message_with_a_driver) {
  const std::size_t end = allocations_of("NOOP\r\n");
  const std::string message = std::string(mail) + std::string(rcpt) + "DATA\r\n" + message_of(4096);
  std::uint32_t messages = 0;
  const std::size_t took = allocations_of(message, &messages) - end;
  EXPECT_EQ(messages, 5U);
  EXPECT_LE(took, 5U);
}

}  // namespace
}  // namespace gatepost::smtp
