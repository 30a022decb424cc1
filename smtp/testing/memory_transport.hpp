// Two transports that talk to each other in memory, by a clock that the test turns.
//
//     virtual_clock clock;
//     memory_connection c(io.get_executor(), clock);
//     co_spawn(io, serve(c.server()), ...);
//     c.client().try_write("EHLO a.example\r\n");
//     settle(io);
//     EXPECT_EQ(c.client().read_all(), "250 ...");
//     clock.advance(5min);                    // and see what the server does about silence
//
// Reads and writes can be made short, the window narrow, the other end half closed or gone. TLS is
// played: a handshake succeeds when both ends ask for it, and nothing is encrypted. One thread.
#ifndef GATEPOST_SMTP_TESTING_MEMORY_TRANSPORT_HPP
#define GATEPOST_SMTP_TESTING_MEMORY_TRANSPORT_HPP

#include <asio/any_io_executor.hpp>
#include <asio/steady_timer.hpp>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "smtp/config.hpp"
#include "smtp/testing/virtual_clock.hpp"
#include "smtp/tls/facts.hpp"
#include "smtp/transport.hpp"

namespace gatepost::smtp::testing {

class memory_connection;

class memory_transport final : public transport {
 public:
  static constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();

  // --- What the test does
  // -------------------------------------------------------------------------- At most so many
  // octets by one try_read or try_write.
  void limit_reads(std::size_t octets) { most_read_ = octets; }
  void limit_writes(std::size_t octets) { most_written_ = octets; }
  // At most so many octets that the other end has not read; then try_write would block.
  void limit_window(std::size_t octets) { window_ = octets; }

  // All that has come, without waiting.
  GATEPOST_DECL std::string read_all();
  // Nothing more is sent; what the other end says still comes.
  GATEPOST_DECL void end_sending();
  // The connection is gone at once, with all that was on its way.
  GATEPOST_DECL void break_off();
  // The other end will send nothing more, and all that it sent was read.
  GATEPOST_DECL bool at_end() const;
  GATEPOST_DECL bool is_open() const { return !closed_; }

  // The next handshake fails at both ends, with these words.
  void fail_tls(std::string words) { tls_failure_ = std::move(words); }
  // What tls() has after a handshake.
  void give_tls_facts(tls_facts facts) { facts_to_give_ = std::move(facts); }

  // --- transport
  // -----------------------------------------------------------------------------------
  GATEPOST_DECL io_result try_read(std::span<char> into) override;
  GATEPOST_DECL io_result try_write(std::string_view text) override;
  GATEPOST_DECL asio::awaitable<std::error_code> wait(readiness what, time_point deadline) override;
  GATEPOST_DECL asio::awaitable<std::error_code> accept_tls(const server_context& context,
                                                            time_point deadline) override;
  GATEPOST_DECL asio::awaitable<std::error_code> connect_tls(const client_context& context,
                                                             tls_peer peer,
                                                             time_point deadline) override;
  const tls_facts* tls() const override { return facts_ ? &*facts_ : nullptr; }
  std::string tls_error() const override { return tls_error_; }
  GATEPOST_DECL void cancel() override;
  GATEPOST_DECL void watch(busy_watch* listener, time_point deadline = time_point::max()) override;
  GATEPOST_DECL void close() override;
  time_point now() const override { return clock_.now(); }

 private:
  friend class memory_connection;
  enum class woken : std::uint8_t { no, by_change, by_cancel, by_clock };

  memory_transport(asio::any_io_executor executor, virtual_clock& clock, memory_transport& other)
      : executor_(executor),
        clock_(clock),
        other_(other),
        event_(executor),
        deadline_(clock),
        late_(clock) {}

  bool is_ready(readiness what) const;
  std::size_t room() const;
  void wake(woken why);
  void tell_other() { other_.wake(woken::by_change); }
  void look_at_other();
  asio::awaitable<std::error_code> sleep();
  asio::awaitable<std::error_code> handshake(time_point deadline);
  std::error_code tls_failed(std::string words);

  asio::any_io_executor executor_;
  virtual_clock& clock_;
  memory_transport& other_;
  asio::steady_timer event_;
  virtual_clock::alarm deadline_;
  woken woken_ = woken::no;
  bool waiting_ = false;

  std::string incoming_;
  std::size_t read_ = 0;  // octets of incoming_ that were read
  bool ended_ = false;    // nothing more will be sent by this end
  bool closed_ = false;   // nor read
  bool broken_ = false;
  std::size_t most_read_ = no_limit;
  std::size_t most_written_ = no_limit;
  std::size_t window_ = std::size_t{1} << 20;

  bool wants_tls_ = false;
  std::string tls_failure_;
  std::string tls_error_;
  tls_facts facts_to_give_;
  std::optional<tls_facts> facts_;

  busy_watch* watcher_ = nullptr;
  virtual_clock::alarm late_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::uint64_t watches_ = 0;  // calls of watch(): what was posted for an older one is void
};

// Both ends.
class memory_connection {
 public:
  memory_connection(asio::any_io_executor executor, virtual_clock& clock)
      : client_(executor, clock, server_), server_(executor, clock, client_) {
    client_.facts_to_give_.version = server_.facts_to_give_.version = "TLSv1.3";
    client_.facts_to_give_.cipher = server_.facts_to_give_.cipher = "TLS_AES_128_GCM_SHA256";
  }
  memory_connection(const memory_connection&) = delete;
  memory_connection& operator=(const memory_connection&) = delete;

  memory_transport& client() { return client_; }
  memory_transport& server() { return server_; }

 private:
  memory_transport client_;
  memory_transport server_;
};

// `t` again, for who wants to own a transport: smtp::client_connection does. Closes it when
// destroyed; `t` outlives it.
GATEPOST_DECL std::unique_ptr<transport> lend(memory_transport& t);

}  // namespace gatepost::smtp::testing

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/testing/impl/memory_transport.ipp"
#endif

#endif  // GATEPOST_SMTP_TESTING_MEMORY_TRANSPORT_HPP
