// AUTH: the port that SASL mechanisms plug into (RFC 4954, RFC 4422).
//
// The engine does the framing (base64, "*", limits); an authenticator does the mechanisms. Which
// ones are offered is the channel's business: channel::auth_mechanisms.
#ifndef GATEPOST_SMTP_AUTH_HPP
#define GATEPOST_SMTP_AUTH_HPP

#include <asio/awaitable.hpp>
#include <memory>
#include <string>
#include <string_view>

#include "smtp/config.hpp"
#include "smtp/facts.hpp"
#include "smtp/session.hpp"

namespace gatepost::smtp {

// One exchange of one session.
class auth_exchange {
 public:
  virtual ~auth_exchange() = default;

  // `response`: what the client sent, decoded. `initial`: there was one with the AUTH command; in
  // the first step without one, a mechanism whose client speaks first answers with an empty
  // challenge.
  virtual asio::awaitable<auth_answer> step(std::string response, bool initial) = 0;
};

// Thread-safe.
class authenticator {
 public:
  virtual ~authenticator() = default;
  // nullptr: the mechanism is not known.
  virtual std::unique_ptr<auth_exchange> start(std::string_view mechanism,
                                               const session_facts& facts) = 0;
};

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_AUTH_HPP
