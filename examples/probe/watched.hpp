// A connector and a transport that tell a recorder what passes.
#ifndef GATEPOST_EXAMPLES_PROBE_WATCHED_HPP
#define GATEPOST_EXAMPLES_PROBE_WATCHED_HPP

#include <asio/awaitable.hpp>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "examples/probe/recorder.hpp"
#include "smtp/connector.hpp"
#include "smtp/transport.hpp"

namespace probe {

enum class certificates : std::uint8_t { any, verified };

class watched_transport final : public gatepost::smtp::transport {
 public:
  watched_transport(std::unique_ptr<transport> inner, recorder& to, certificates wanted)
      : inner_(std::move(inner)), recorder_(to), wanted_(wanted) {}

  gatepost::smtp::io_result try_read(std::span<char> into) override;
  gatepost::smtp::io_result try_write(std::string_view text) override;
  asio::awaitable<std::error_code> wait(gatepost::smtp::readiness what,
                                        gatepost::smtp::time_point deadline) override {
    return inner_->wait(what, deadline);
  }

  asio::awaitable<std::error_code> accept_tls(const gatepost::smtp::server_context& context,
                                              gatepost::smtp::time_point deadline) override {
    return inner_->accept_tls(context, deadline);
  }
  // A certificate that is not what is wanted is shown before the connection is given up.
  asio::awaitable<std::error_code> connect_tls(const gatepost::smtp::client_context& context,
                                               gatepost::smtp::tls_peer peer,
                                               gatepost::smtp::time_point deadline) override;
  const gatepost::smtp::tls_facts* tls() const override { return inner_->tls(); }
  std::string tls_error() const override {
    return refusal_.empty() ? inner_->tls_error() : refusal_;
  }

  void cancel() override { inner_->cancel(); }
  void watch(gatepost::smtp::busy_watch* listener, gatepost::smtp::time_point deadline) override {
    inner_->watch(listener, deadline);
  }
  void close() override { inner_->close(); }
  gatepost::smtp::time_point now() const override { return inner_->now(); }

 private:
  std::unique_ptr<transport> inner_;
  recorder& recorder_;
  certificates wanted_;
  std::string refusal_;
};

class watched_connector final : public gatepost::smtp::connector {
 public:
  // All outlive the connections.
  watched_connector(gatepost::smtp::connector& inner, recorder& to, certificates wanted)
      : inner_(inner), recorder_(to), wanted_(wanted) {}

  asio::awaitable<gatepost::smtp::connect_result> connect(
      gatepost::smtp::connect_target where, gatepost::smtp::time_point deadline) override;

  bool made() const { return made_; }

 private:
  gatepost::smtp::connector& inner_;
  recorder& recorder_;
  certificates wanted_;
  bool made_ = false;
};

}  // namespace probe

#endif  // GATEPOST_EXAMPLES_PROBE_WATCHED_HPP
