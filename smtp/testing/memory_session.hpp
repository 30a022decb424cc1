// A whole session in memory: your policy and your delivery behind a session_driver, and a client
// for whom the test speaks. No socket, no waiting, no thread.
//
//     checks::chain chain;  ...                       // or any other smtp::policy
//     fake_delivery delivery;
//     memory_session s(channel{}, chain, delivery);
//     EXPECT_THAT(s.heard(), StartsWith("220 "));
//     EXPECT_THAT(s.says("EHLO client.example\r\n"), StartsWith("250-"));
//     s.advance(5min);                               // deadlines come without waiting
//     EXPECT_THAT(s.heard(), StartsWith("421 4.4.2 "));
//     EXPECT_TRUE(s.ended());
#ifndef GATEPOST_SMTP_TESTING_MEMORY_SESSION_HPP
#define GATEPOST_SMTP_TESTING_MEMORY_SESSION_HPP

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "smtp/channel.hpp"
#include "smtp/config.hpp"
#include "smtp/drive.hpp"
#include "smtp/facts.hpp"
#include "smtp/input_buffer.hpp"
#include "smtp/limit_counters.hpp"
#include "smtp/testing/event_log.hpp"
#include "smtp/testing/memory_transport.hpp"
#include "smtp/testing/run.hpp"
#include "smtp/testing/virtual_clock.hpp"
#include "smtp/tls/context.hpp"

namespace gatepost::smtp::testing {

// What a session may have besides policy and delivery. All of it outlives the session.
struct memory_session_options {
  memory_session_options() = default;

  smtp::authenticator* authenticator = nullptr;
  memory_budget* memory = nullptr;
  smtp::observer* observer = nullptr;  // instead of the log
  bool tls = false;                    // STARTTLS can be done
  bool transcript = false;
  std::optional<session_facts> facts;  // else: id "ID1", client 192.0.2.7, port 4321
};

class memory_session {
 public:
  memory_session(channel settings, policy& p, delivery& d, memory_session_options options = {})
      : settings_(std::move(settings)),
        facts_(options.facts.value_or(some_client())),
        services_{.policy = p,
                  .delivery = d,
                  .observer = options.observer != nullptr ? *options.observer : log,
                  .authenticator = options.authenticator,
                  .tls = options.tls ? &tls_ : nullptr,
                  .memory = options.memory,
                  .counters = &counters,
                  .now = &morning},
        driver_(connection.server(), settings_, facts_, services_, pool_) {
    log.with_transcript = options.transcript;
    const auto then = [this](std::exception_ptr e) {
      ended_ = true;
      error_ = e;
    };
    asio::co_spawn(io, driver_.run(cancel_), asio::bind_cancellation_slot(cancel_.slot(), then));
    settle(io);
  }
  memory_session(const memory_session&) = delete;
  memory_session& operator=(const memory_session&) = delete;
  ~memory_session() {
    if (ended_) return;
    connection.client().break_off();
    driver_.stop_now();
    settle(io);
    if (ended_) return;
    std::fputs("memory_session: policy or delivery still wait for a gate: open it before the end\n",
               stderr);
    std::abort();
  }

  // What the server has said since the last call.
  std::string heard() {
    settle(io);
    std::string all;
    for (std::string more = connection.client().read_all(); !more.empty();
         more = connection.client().read_all()) {
      all += more;
      settle(io);
    }
    return all;
  }

  // Sends it, and gives what the server says in return.
  std::string says(std::string_view octets) {
    std::string said;
    bool taken =
        true;  // nobody takes it, even when all is read that the server has to say: give up
    while (!octets.empty() && taken) {
      const io_result r = connection.client().try_write(octets);
      octets.remove_prefix(r.octets);
      const std::string more = heard();
      taken = r.octets > 0 || !more.empty();
      said += more;
    }
    return said + heard();
  }

  // The handshake after STARTTLS.
  bool starts_tls() {
    const auto failed = std::make_shared<std::optional<std::error_code>>();
    const time_point deadline = clock.now() + std::chrono::minutes(1);
    asio::co_spawn(
        io, connection.client().connect_tls(client_tls_, tls_peer("mx.example.test"), deadline),
        [failed](std::exception_ptr, std::error_code e) { *failed = e; });
    settle(io);
    return *failed && !**failed;
  }

  // The client is gone: in good order, or at once.
  void leaves() {
    connection.client().end_sending();
    settle(io);
  }
  void breaks_off() {
    connection.client().break_off();
    settle(io);
  }

  // Turns the clock.
  void advance(virtual_clock::duration by) {
    settle(io);
    clock.advance(by);
    settle(io);
  }

  void stop() {
    driver_.stop();
    settle(io);
  }
  void stop_now() {
    driver_.stop_now();
    settle(io);
  }

  // The session is over. Throws what its driver threw: it should not.
  bool ended() const {
    if (error_) std::rethrow_exception(error_);
    return ended_;
  }
  std::string_view ended_by() const { return driver_.ended_by(); }
  // How often this limit was reached.
  std::uint64_t reached(limit_kind k) const {
    return counters.counts()[static_cast<std::size_t>(k)];
  }
  const session_facts& facts() const { return facts_; }

  asio::io_context io{1};
  virtual_clock clock;
  memory_connection connection{io.get_executor(), clock};
  event_log log;
  limit_counters counters;

  // The time in Received fields.
  static std::chrono::system_clock::time_point morning() {
    return std::chrono::sys_days(std::chrono::year(2026) / std::chrono::November / 23) +
           std::chrono::hours(9);
  }

 private:
  static session_facts some_client() {
    session_facts f;
    f.id = "ID1";
    f.client = f.peer = {ip_address(ip_address::v4_octets{192, 0, 2, 7}), 4321};
    f.local = {ip_address(ip_address::v4_octets{192, 0, 2, 1}), 25};
    return f;
  }

  channel settings_;
  session_facts facts_;
  server_context tls_;
  client_context client_tls_;
  buffer_pool pool_;
  session_services services_;
  asio::cancellation_signal cancel_;
  session_driver driver_;
  bool ended_ = false;
  std::exception_ptr error_;
};

}  // namespace gatepost::smtp::testing

#endif  // GATEPOST_SMTP_TESTING_MEMORY_SESSION_HPP
