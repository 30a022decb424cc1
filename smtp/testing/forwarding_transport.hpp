// A transport that hands everything on to another one: what is left to override is what a test
// wants to go wrong.
//
//     class deaf final : public testing::forwarding_transport {
//      public:
//       using forwarding_transport::forwarding_transport;
//       io_result try_read(std::span<char>) override { return {0, errc::connection_lost}; }
//     };
//
// The other one outlives it. As thread-safe as the other one.
#ifndef GATEPOST_SMTP_TESTING_FORWARDING_TRANSPORT_HPP
#define GATEPOST_SMTP_TESTING_FORWARDING_TRANSPORT_HPP

#include <asio/awaitable.hpp>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "smtp/config.hpp"
#include "smtp/transport.hpp"

namespace gatepost::smtp::testing {

class forwarding_transport : public transport {
 public:
  explicit forwarding_transport(transport& to) : to_(to) {}

  io_result try_read(std::span<char> into) override { return to_.try_read(into); }
  io_result try_write(std::string_view text) override { return to_.try_write(text); }
  asio::awaitable<std::error_code> wait(readiness what, time_point deadline) override {
    return to_.wait(what, deadline);
  }
  asio::awaitable<std::error_code> accept_tls(const server_context& context,
                                              time_point deadline) override {
    return to_.accept_tls(context, deadline);
  }
  asio::awaitable<std::error_code> connect_tls(const client_context& context, tls_peer peer,
                                               time_point deadline) override {
    return to_.connect_tls(context, std::move(peer), deadline);
  }
  const tls_facts* tls() const override { return to_.tls(); }
  std::string tls_error() const override { return to_.tls_error(); }
  void cancel() override { to_.cancel(); }
  void watch(busy_watch* listener, time_point deadline = time_point::max()) override {
    to_.watch(listener, deadline);
  }
  void close() override { to_.close(); }
  time_point now() const override { return to_.now(); }

 private:
  transport& to_;
};

}  // namespace gatepost::smtp::testing

#endif  // GATEPOST_SMTP_TESTING_FORWARDING_TRANSPORT_HPP
