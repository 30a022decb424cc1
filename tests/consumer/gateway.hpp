// A mail gateway as a user builds one: checks, a durable spool, and a Maildir for each user.
#ifndef GATEPOST_TESTS_CONSUMER_GATEWAY_HPP
#define GATEPOST_TESTS_CONSUMER_GATEWAY_HPP

#include <asio/io_context.hpp>
#include <cstdint>
#include <memory>
#include <string>

#include "checks/chain.hpp"
#include "routing/relay.hpp"
#include "routing/rocksdb_spool.hpp"
#include "routing/table.hpp"
#include "smtp/server.hpp"

namespace consumer {

struct gateway_options {
  gateway_options() = default;

  std::string domain = "example.test";
  std::string listen = "127.0.0.1:0";
  std::string spool;                             // a folder
  std::string mail;                              // a folder; users get theirs in it
  gatepost::smtp::observer* observer = nullptr;  // outlives the gateway
};

class gateway {
 public:
  // What is wrong is thrown as std::runtime_error. `io` outlives this.
  gateway(asio::io_context& io, const gateway_options& options);

  std::uint16_t port() const { return server_->endpoints().front().port; }

  // Graceful; io's run() then returns.
  void stop();

 private:
  std::unique_ptr<gatepost::routing::rocksdb_spool> spool_;
  gatepost::routing::table routes_;
  gatepost::checks::chain chain_;
  std::unique_ptr<gatepost::routing::relay> relay_;
  std::unique_ptr<gatepost::smtp::server> server_;
};

}  // namespace consumer

#endif  // GATEPOST_TESTS_CONSUMER_GATEWAY_HPP
