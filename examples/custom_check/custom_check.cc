// A server with two checks of its own, that throws away what they let through.
//
//     custom_check [PORT]        default 2525, on the loopback address
//     swaks --server 127.0.0.1:2525 --to bob@example.test --body "act now act now act now"

#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>
#include <chrono>
#include <iostream>
#include <string>

#include "checks/chain.hpp"
#include "checks/relay_domains.hpp"
#include "examples/custom_check/first_contact.hpp"
#include "examples/custom_check/phrase_watch.hpp"
#include "smtp/delivery.hpp"
#include "smtp/observer.hpp"
#include "smtp/server.hpp"

using namespace std::chrono_literals;

// Says what the checks say.
class console final : public smtp::observer {
 public:
  void on_verdict(const smtp::verdict_event& e) override {
    std::cout << e.facts.id << " " << e.stage << " " << e.check << ": "
              << to_string(e.verdict.kind()) << " " << e.verdict.reason() << std::endl;
  }
  void on_trouble(const smtp::trouble_event& e) override {
    std::cerr << e.where << ": " << e.what << std::endl;
  }
};

// Stands for a real directory.
asio::awaitable<int> reputation_of(std::string sender) {
  co_return sender.ends_with(".invalid") ? -1 : 1;
}

int main(int argc, char** argv) {
  console log;
  asio::io_context io(1);

  checks::chain chain({.observer = &log});
  chain.add<checks::relay_domains>({.deadline = 1s, .on_error = checks::on_error::refuse},
                                   checks::relay_domains_options{.domains = {"example.test"}});
  chain.add<first_contact>({.deadline = 2s, .on_error = checks::on_error::skip}, reputation_of);
  chain.add<phrase_watch>({.deadline = 1s, .on_error = checks::on_error::defer}, "act now", 3);

  smtp::discard_all delivery;
  smtp::server_options options;
  options.observer = &log;
  smtp::server server(io, options, chain, delivery);
  const std::string port = argc > 1 ? argv[1] : "2525";
  if (const auto wrong = server.listen({.address = "127.0.0.1:" + port})) {
    std::cerr << "custom_check: " << *wrong << "\n";
    return 2;
  }
  std::cout << "listening on " << server.endpoints().front().text() << std::endl;

  asio::signal_set signals(io, SIGINT, SIGTERM);
  signals.async_wait([&server](std::error_code, int) { server.stop(); });
  io.run();
}
