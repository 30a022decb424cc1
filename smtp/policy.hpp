// What a session asks before it goes on: the port that checks plug into.
//
// A server has one `policy`; it opens a `session_policy` per connection, which is asked at every
// stage, one question at a time, on the thread of that session. checks::chain is the implementation
// that runs checks; an application may write its own.
#ifndef GATEPOST_SMTP_POLICY_HPP
#define GATEPOST_SMTP_POLICY_HPP

#include <asio/awaitable.hpp>
#include <cstdint>
#include <memory>
#include <string_view>

#include "smtp/config.hpp"
#include "smtp/envelope.hpp"
#include "smtp/facts.hpp"
#include "smtp/stage.hpp"
#include "smtp/verdict.hpp"

namespace gatepost::smtp {

// What may be looked at in every stage. The references are good as long as the session.
struct session_view {
  const session_facts& facts;
  const smtp::envelope& envelope;
};

// What has come in of a message.
struct message_view {
  std::string_view
      header;              // the header's lines, each with CRLF, without the empty line behind them
  std::uint64_t size = 0;  // octets of the message so far; at stage::message, all of it
};

class session_policy {
 public:
  virtual ~session_policy() = default;

  // connect, helo, tls, auth, mail, rcpt, data.
  virtual asio::awaitable<verdict> ask(stage s) = 0;

  // The header has come in. A refusal here saves the rest of the message's way.
  virtual asio::awaitable<verdict> header_end(const message_view& message) = 0;

  // Octets of the message in order, header included, after dot-unstuffing. `text` is good until
  // this returns: waiting here holds the client back (the connection's flow control).
  virtual asio::awaitable<verdict> body(std::string_view text) = 0;

  // All has come in. The verdict's for_recipient() speaks for single recipients.
  virtual asio::awaitable<verdict> message(const message_view& message) = 0;

  // The transaction is over, however it ended. Also called before the next one begins.
  virtual void reset() {}

  // The client has left, or it is too late for an answer: end what is in flight. A question that is
  // out is to be answered soon after this, with anything.
  virtual void cancel() {}

  // True where the answer at this stage is pass, and nothing is to be learnt from the question: the
  // session may then leave it out, and saves a coroutine. Asked each time, for body() at each
  // piece; not asked at connect.
  virtual bool ignores(stage) const noexcept { return false; }
};

class policy {
 public:
  virtual ~policy() = default;

  // Called on the session's thread; `view` outlives what is returned. Thread-safe.
  virtual std::unique_ptr<session_policy> open(const session_view& view) = 0;
};

// The policy that has nothing against anything.
class accept_all final : public policy {
 public:
  GATEPOST_DECL std::unique_ptr<session_policy> open(const session_view& view) override;
};

}  // namespace gatepost::smtp

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/impl/policy.ipp"
#endif

#endif  // GATEPOST_SMTP_POLICY_HPP
