#include "gateway.hpp"

#include <chrono>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "checks/helo.hpp"
#include "own_domain.hpp"

namespace consumer {

namespace routing = gatepost::routing;
namespace smtp = gatepost::smtp;
using namespace std::chrono_literals;

gateway::gateway(asio::io_context& io, const gateway_options& options) {
  std::string problem;
  spool_ = routing::rocksdb_spool::open(routing::rocksdb_spool_options(options.spool), problem);
  if (!spool_) throw std::runtime_error(problem);

  routes_.add(options.domain, routing::route::maildir(options.mail + "/{local}"));
  routes_.add_users(options.domain, {"alice", "bob"});
  routing::relay_options delivery;
  delivery.hostname = "mx." + options.domain;
  delivery.observer = options.observer;
  relay_ = std::make_unique<routing::relay>(io, *spool_, routes_, std::move(delivery));

  chain_.add<checks::helo>({.deadline = 1s, .on_error = checks::on_error::skip});
  chain_.add<own_domain>({.deadline = 1s, .on_error = checks::on_error::defer}, options.domain);

  smtp::server_options settings;
  settings.channels.front().hostname = "mx." + options.domain;
  settings.observer = options.observer;
  server_ = std::make_unique<smtp::server>(io, std::move(settings), chain_, *relay_);
  if (const auto wrong = server_->listen({.address = options.listen}))
    throw std::runtime_error(*wrong);
  if (const std::error_code wrong = relay_->start()) throw std::runtime_error(wrong.message());
}

void gateway::stop() {
  server_->stop();
  relay_->stop();
}

}  // namespace consumer
