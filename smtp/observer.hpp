// Everything that happens, as structured events: the one place that logs, metrics and traces hang
// on.
//
// All functions have empty defaults. They are called on the threads of the sessions, at any time
// and from several threads at once, and must not block; the views in an event are good during the
// call.
#ifndef GATEPOST_SMTP_OBSERVER_HPP
#define GATEPOST_SMTP_OBSERVER_HPP

#include <chrono>
#include <cstdint>
#include <string_view>

#include "smtp/config.hpp"
#include "smtp/envelope.hpp"
#include "smtp/facts.hpp"
#include "smtp/verdict.hpp"

namespace gatepost::smtp {

// A connection was accepted, or turned away before a session began.
struct connection_event {
  const session_facts& facts;
  bool accepted = true;
  std::string_view
      refused_by;  // the limit that turned it away: "connections", "connections_per_network", ...
};

// A session is over.
struct session_event {
  const session_facts& facts;
  // "quit", "client left", "timeout", "too slow", "limit", "policy", "protocol" (it would not be
  // safe to go on), "tls failed", "shutdown", "error".
  std::string_view ended_by;
  std::uint64_t octets_in = 0;
  std::uint64_t octets_out = 0;
  std::chrono::nanoseconds duration{0};
  // The limit or wait that ended it, where one did: "bad_commands", "command_timeout".
  std::string_view limit = {};
};

// A check, the policy as a whole, or the delivery said something.
struct verdict_event {
  const session_facts& facts;
  const smtp::envelope& envelope;
  std::string_view stage;
  std::string_view check;  // who said it
  const smtp::verdict& verdict;
  std::chrono::nanoseconds duration{0};
};

// The end of a message's way in.
struct message_event {
  const session_facts& facts;
  const smtp::envelope& envelope;
  std::string_view result;    // "accepted", "refused", "deferred", "discarded", "held": all copies
  std::string_view queue_id;  // where it is kept
  const smtp::reply& reply;   // what the client was told
  std::uint64_t size = 0;
  std::chrono::nanoseconds duration{0};  // from the first octet to the reply
};

// One attempt to deliver a message to one recipient.
struct delivery_event {
  std::string_view queue_id;
  std::string_view session_id;  // of the session it came in by
  std::string_view reverse_path;
  std::string_view forward_path;
  std::string_view next_hop;
  std::string_view result;  // "delivered", "deferred", "failed", "held", "discarded"
  std::string_view reply;   // the next hop's, or what went wrong
  unsigned attempt = 0;     // 0: there was none, as all next hops are known to be away
  bool tls = false;
  std::chrono::nanoseconds duration{0};
};

// Something is wrong in the server's own house: a check threw, a file cannot be read, a limit of
// ours was reached.
struct trouble_event {
  std::string_view where;       // "spool", "accept", "check greylist"
  std::string_view what;        // what happened and what to do
  std::string_view session_id;  // empty where it belongs to no session
  bool by_client = false;       // the client has done it, as with TLS that fails: not our house
};

enum class direction : std::uint8_t { from_client, to_client };

class observer {
 public:
  virtual ~observer() = default;

  virtual void on_connection(const connection_event&) {}
  virtual void on_session_end(const session_event&) {}
  virtual void on_verdict(const verdict_event&) {}
  virtual void on_message(const message_event&) {}
  virtual void on_delivery(const delivery_event&) {}
  virtual void on_trouble(const trouble_event&) {}

  // Asked once per session: true has on_transcript called with each of its lines.
  virtual bool wants_transcript(const session_facts&) { return false; }

  // One line without CRLF. Secrets of AUTH are masked, and message text is a count of octets.
  virtual void on_transcript(const session_facts&, direction, std::string_view /*line*/) {}
};

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_OBSERVER_HPP
