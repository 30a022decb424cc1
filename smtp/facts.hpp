// What is known of a session: who the client is, what it said, how it is protected.
//
// Filled by the server and the engine, read by policies, deliveries, observers.
#ifndef GATEPOST_SMTP_FACTS_HPP
#define GATEPOST_SMTP_FACTS_HPP

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "smtp/config.hpp"
#include "smtp/ip.hpp"
#include "smtp/tls/facts.hpp"

namespace gatepost::smtp {

enum class protocol : std::uint8_t { none, smtp, esmtp, lmtp };

struct named_value {
  std::string name;
  std::string value;
};

struct session_facts {
  std::string id;       // unique, from the accept on; replies and logs quote it
  std::string channel;  // the name of the channel's settings

  endpoint client;  // the true client: by PROXY or XCLIENT where a trusted hop said so
  endpoint peer;    // the other end of the connection: the client, or the proxy in front of us
  endpoint local;   // our end
  std::string unix_peer;  // where the connection is a Unix socket: its path

  std::string client_name;  // from XCLIENT NAME=; empty: not told
  std::string helo;         // argument of HELO, EHLO or LHLO
  smtp::protocol protocol = protocol::none;

  std::optional<tls_facts> tls;  // when the session is protected
  std::string auth_identity;     // authorised identity; empty: not authenticated
  std::string auth_mechanism;

  bool trusted_hop = false;      // the client address came from PROXY or XCLIENT
  bool early_talker = false;     // it spoke before our greeting
  bool pipelined_early = false;  // it sent commands ahead without PIPELINING (RFC 2920 §3.1)

  std::vector<named_value> forwarded;  // XFORWARD attributes: for logs only

  std::chrono::system_clock::time_point connected_at{};
  std::uint32_t transactions = 0;    // messages begun
  std::uint32_t messages = 0;        // messages accepted
  std::uint32_t bad_commands = 0;    // see session_limits::bad_commands
  std::uint32_t bad_recipients = 0;  // see session_limits::bad_recipients

  bool authenticated() const { return !auth_identity.empty(); }
  // Whether `client.address` is one: who comes by a Unix socket has none, unless a trusted hop told
  // it, and so is of no network.
  bool has_client_address() const {
    return unix_peer.empty() || (trusted_hop && !client.address.is_unspecified());
  }
  // Whether the client is a program of this machine, by a Unix socket, that speaks for itself.
  bool from_this_machine() const { return !unix_peer.empty() && !trusted_hop; }
};

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_FACTS_HPP
