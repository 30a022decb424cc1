// mail_gateway ADDRESS DIRECTORY: serves until SIGINT or SIGTERM.
#include <asio/signal_set.hpp>
#include <csignal>
#include <exception>
#include <iostream>
#include <string>
#include <system_error>

#include "gateway.hpp"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: mail_gateway ADDRESS DIRECTORY\n";
    return 2;
  }
  try {
    consumer::gateway_options options;
    options.listen = argv[1];
    options.spool = std::string(argv[2]) + "/spool";
    options.mail = std::string(argv[2]) + "/mail";
    asio::io_context io(1);
    consumer::gateway gateway(io, options);
    asio::signal_set signals(io, SIGINT, SIGTERM);
    signals.async_wait([&](std::error_code, int) { gateway.stop(); });
    std::cout << "listening on port " << gateway.port() << std::endl;
    io.run();
  } catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    return 1;
  }
}
