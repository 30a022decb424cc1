// This header stands alone.
#include "smtp/transport.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "smtp/errc.hpp"
#include "tests/support/run.hpp"

namespace gatepost::smtp {
namespace {

// Takes so many octets at a time, and must be waited for in between.
class slow_transport final : public transport {
 public:
  io_result try_read(std::span<char>) override { return {0, errc::connection_lost}; }
  io_result try_write(std::string_view text) override {
    if (blocked_) return {0, std::make_error_code(std::errc::operation_would_block)};
    blocked_ = true;
    written += text.substr(0, 3);
    return {std::min<std::size_t>(3, text.size()), {}};
  }
  asio::awaitable<std::error_code> wait(readiness, time_point) override {
    ++waits;
    blocked_ = false;
    co_return waits > limit ? make_error_code(errc::timed_out) : std::error_code{};
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

  std::string written;
  int waits = 0;
  int limit = 100;

 private:
  bool blocked_ = false;
};

TEST(write_all, writes_all_however_often_it_has_to_wait) {
  slow_transport t;
  EXPECT_FALSE(gatepost::testing::run(write_all(t, "0123456789", {})));
  EXPECT_EQ(t.written, "0123456789");
  EXPECT_EQ(t.waits, 3);
}

TEST(write_all, gives_up_when_waiting_fails) {
  slow_transport t;
  t.limit = 1;
  EXPECT_EQ(gatepost::testing::run(write_all(t, "0123456789", {})), errc::timed_out);
}

}  // namespace
}  // namespace gatepost::smtp
