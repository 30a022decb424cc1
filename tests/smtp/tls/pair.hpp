// Two TLS engines joined in memory, with the wire in a test's hands: how octets are cut, what is
// lost.
#ifndef GATEPOST_TESTS_SMTP_TLS_PAIR_HPP
#define GATEPOST_TESTS_SMTP_TLS_PAIR_HPP

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "smtp/tls/context.hpp"
#include "smtp/tls/engine.hpp"
#include "smtp/tls/self_signed.hpp"

namespace gatepost::tests {

// How many of `available` octets (never 0) reach the other side next.
using cutter = std::function<std::size_t(std::size_t available)>;

inline std::size_t whole(std::size_t available) { return available; }

// Everything an engine has to send.
inline std::string take_output(smtp::tls_engine& engine) {
  std::string octets{engine.output()};
  engine.consume_output(octets.size());
  return octets;
}

struct pair {
  pair(smtp::tls_engine a, smtp::tls_engine b) : server{std::move(a)}, client{std::move(b)} {}

  smtp::tls_engine server;
  smtp::tls_engine client;
  std::string to_server;  // on the wire
  std::string to_client;
  smtp::tls_status server_status = smtp::tls_status::want_read;
  smtp::tls_status client_status = smtp::tls_status::want_read;

  static std::string cut(std::string& wire, const cutter& cut_at) {
    if (wire.empty()) return {};
    std::string piece = wire.substr(0, cut_at(wire.size()));
    wire.erase(0, piece.size());
    return piece;
  }

  bool over() const {
    const auto open = [](smtp::tls_status status) { return status == smtp::tls_status::want_read; };
    return (!open(server_status) && !open(client_status)) ||
           server_status == smtp::tls_status::failed || client_status == smtp::tls_status::failed;
  }

  // Runs the handshake until both are done, one has failed, or nothing moves. True: both done.
  bool shake(const cutter& cut_at = whole) {
    for (bool moved = true; moved && !over();) {
      if (client_status == smtp::tls_status::want_read) {
        client_status = client.handshake(cut(to_client, cut_at));
      }
      to_server += take_output(client);
      if (server_status == smtp::tls_status::want_read) {
        server_status = server.handshake(cut(to_server, cut_at));
      }
      to_client += take_output(server);
      moved = !to_client.empty() || !to_server.empty();
    }
    return server_status == smtp::tls_status::done && client_status == smtp::tls_status::done;
  }

  // Sends text through; returns what arrives, read in pieces of `step`.
  static std::string pass(smtp::tls_engine& from, smtp::tls_engine& to, std::string& wire,
                          std::string_view text, std::size_t step = 4096,
                          const cutter& cut_at = whole) {
    std::string arrived;
    std::vector<char> room(step);
    while (!text.empty() || !wire.empty()) {
      const smtp::tls_io sent = from.write(text);
      if (sent.status == smtp::tls_status::failed) break;
      text.remove_prefix(sent.size);
      wire += take_output(from);
      smtp::tls_io got = to.read(room, cut(wire, cut_at));
      for (; got.status == smtp::tls_status::done; got = to.read(room)) {
        arrived.append(room.data(), got.size);
      }
      if (got.status != smtp::tls_status::want_read) break;
    }
    return arrived;
  }

  std::string to_the_server(std::string_view text, std::size_t step = 4096) {
    return pass(client, server, to_server, text, step);
  }
  std::string to_the_client(std::string_view text, std::size_t step = 4096) {
    return pass(server, client, to_client, text, step);
  }
};

// Certificates are made once per program: key generation is what takes time.
inline const smtp::pem_pair& authority() {
  static const smtp::pem_pair made = smtp::make_authority("gatepost test authority", 30);
  return made;
}

inline smtp::certificate_source source_of(const smtp::pem_pair& pair) {
  return smtp::certificate_source::from_pem(pair.cert_pem, pair.key_pem);
}

// For mx.example.test and *.mail.test, signed by authority().
inline const smtp::pem_pair& server_pair() {
  static const smtp::pem_pair made =
      smtp::make_signed(authority(), {"mx.example.test", "*.mail.test"}, 30);
  return made;
}

inline smtp::tls_server_options server_options() {
  smtp::tls_server_options options;
  options.certificates = {source_of(server_pair())};
  return options;
}

// Trusts authority() and, as it comes, verifies nothing.
inline smtp::tls_client_options client_options() {
  smtp::tls_client_options options;
  options.ca_pem = authority().cert_pem;
  return options;
}

// Contexts loaded from options, and pairs made of them.
struct world {
  explicit world(smtp::tls_server_options for_server = server_options(),
                 smtp::tls_client_options for_client = client_options())
      : server_loaded{server.load(std::move(for_server))},
        client_loaded{client.load(std::move(for_client))} {}

  smtp::server_context server;
  smtp::client_context client;
  smtp::load_outcome server_loaded;
  smtp::load_outcome client_loaded;

  pair connect(smtp::tls_peer peer = smtp::tls_peer{"mx.example.test"}) const {
    return {smtp::tls_engine{server}, smtp::tls_engine{client, std::move(peer)}};
  }
};

}  // namespace gatepost::tests

#endif  // GATEPOST_TESTS_SMTP_TLS_PAIR_HPP
