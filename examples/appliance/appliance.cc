// The server of README.md: a check of its own, a durable spool, a next hop.
//
//     appliance [ADDRESS [DIRECTORY]]        default [::]:25, and the spool in ./spool

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <iostream>
#include <string>
#include <string_view>
#include <system_error>

#include "checks/chain.hpp"
#include "checks/helo.hpp"
#include "routing/relay.hpp"
#include "routing/rocksdb_spool.hpp"
#include "routing/table.hpp"
#include "smtp/server.hpp"

using namespace std::chrono_literals;
using namespace gatepost;

// Nobody outside may send in our name.
class no_impostors final : public checks::check {
 public:
  std::string_view name() const override { return "no_impostors"; }

  asio::awaitable<checks::verdict> on_mail(checks::context& ctx) override {
    if (ctx.envelope().reverse_path().canonical_domain() != "example.com")
      co_return checks::verdict::pass();
    static constexpr smtp::fixed_reply why{550, {5, 7, 1}, "Our own people send from inside"};
    co_return checks::verdict::refuse(why);
  }
};

int fail(const std::string& why) {
  std::cerr << why << std::endl;
  return 2;
}

int main(int argc, char** argv) {
  const std::string address = argc > 1 ? argv[1] : "[::]:25";
  const routing::rocksdb_spool_options place(argc > 2 ? argv[2] : "spool");

  asio::io_context io(1);
  std::string problem;
  const auto spool = routing::rocksdb_spool::open(place, problem);
  if (!spool) return fail(problem);

  routing::table routes;
  routes.add("example.com", routing::next_hop("mail.internal.example.com"));
  routing::relay relay(io, *spool, routes, routing::relay_options());

  checks::chain chain;
  chain.add<checks::helo>({.deadline = 1s, .on_error = checks::on_error::skip});
  chain.add<no_impostors>({.deadline = 1s, .on_error = checks::on_error::defer});

  smtp::server_options options;
  options.channels.front().hostname = "mx.example.com";
  smtp::server server(io, options, chain, relay);
  if (const auto wrong = server.listen({.address = address})) return fail(*wrong);
  if (const std::error_code wrong = relay.start()) return fail(wrong.message());

  std::cout << "listening on " << server.endpoints().front().text() << std::endl;
  io.run();
}
