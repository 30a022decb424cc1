// Accepts every message and throws it away: the target of benchmarks, and the least a server can
// be.
//
//     sink --port 2525 [--cert FILE --key FILE] [--threads N]

#include <asio/signal_set.hpp>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>

#include "smtp/delivery.hpp"
#include "smtp/io_threads.hpp"
#include "smtp/policy.hpp"
#include "smtp/server.hpp"
#include "smtp/tls/context.hpp"

namespace smtp = gatepost::smtp;

namespace {

constexpr std::string_view usage =
    "Usage: sink --port N [options]\n"
    "Accepts every message by SMTP and throws it away.\n"
    "\n"
    "  --port N       port on the loopback address; 0 for any free one\n"
    "  --bind ADDR    address to listen at instead of 127.0.0.1 (an IPv6 address in brackets)\n"
    "  --cert FILE    certificate chain (PEM): offer STARTTLS\n"
    "  --key FILE     its private key (PEM)\n"
    "  --threads N    threads, each with an event loop of its own (default 1)\n"
    "  --help         this text\n"
    "\n"
    "Example:\n"
    "  sink --port 2525 &\n"
    "  swaks --server 127.0.0.1:2525 --to bob@example.test\n";

struct options {
  unsigned port = 65536;
  std::string bind = "127.0.0.1";
  std::string cert;
  std::string key;
  unsigned threads = 1;
};

[[noreturn]] void fail(const std::string& what) {
  std::cerr << "sink: " << what << "\n";
  std::exit(2);
}

unsigned number(std::string_view option, std::string_view text, unsigned at_most) {
  unsigned n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error != std::errc{} || end != text.data() + text.size() || n > at_most)
    fail(std::string(option) + ": \"" + std::string(text) + "\" is not a number from 0 to " +
         std::to_string(at_most));
  return n;
}

options parse(int argc, char** argv) {
  options o;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--help") {
      std::cout << usage;
      std::exit(0);
    }
    if (i + 1 == argc) fail(std::string(name) + " needs a value, or is unknown: see --help");
    const std::string_view value = argv[++i];
    if (name == "--port")
      o.port = number(name, value, 65535);
    else if (name == "--threads")
      o.threads = number(name, value, 256);
    else if (name == "--bind")
      o.bind = value;
    else if (name == "--cert")
      o.cert = value;
    else if (name == "--key")
      o.key = value;
    else
      fail(std::string(name) + " is not an option: see --help");
  }
  if (o.port > 65535) fail("--port is missing: see --help");
  if (o.cert.empty() != o.key.empty()) fail("--cert and --key go together");
  return o;
}

}  // namespace

int main(int argc, char** argv) {
  const options o = parse(argc, argv);

  smtp::server_context tls;
  if (!o.cert.empty()) {
    smtp::tls_server_options files;
    files.certificates.push_back({o.cert, o.key});
    if (const auto loaded = tls.load(files); !loaded) fail(loaded.error);
  }

  smtp::accept_all policy;
  smtp::discard_all delivery;
  smtp::server_options settings;
  settings.channels.front().hostname = "sink.example.test";
  settings.channels.front().limits.transactions = 0;
  settings.connections.per_network = 0;
  if (tls.ready()) settings.tls = &tls;

  smtp::io_threads threads(o.threads);
  smtp::server server(threads.contexts(), settings, policy, delivery);
  if (const auto wrong = server.listen({.address = o.bind + ":" + std::to_string(o.port)}))
    fail(*wrong);
  std::cout << "listening on " << server.endpoints().front().text() << std::endl;

  asio::signal_set signals(threads.front(), SIGINT, SIGTERM);
  signals.async_wait([&](std::error_code, int) {
    server.stop();
    signals.clear();  // a second signal ends the program at once
  });
  threads.run();
}
