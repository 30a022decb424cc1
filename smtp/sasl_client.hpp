// The client's side of an AUTH exchange (RFC 4954): a port, and the two mechanisms that send the
// password.
//
// An exchange is one object, used once. Responses are raw octets: the session does the base64, the
// lines, and the masking in transcripts. PLAIN (RFC 4616) and LOGIN show the password to whoever
// reads the connection: the session uses them under TLS only, unless it is told otherwise.
#ifndef GATEPOST_SMTP_SASL_CLIENT_HPP
#define GATEPOST_SMTP_SASL_CLIENT_HPP

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "smtp/config.hpp"
#include "smtp/result.hpp"

namespace gatepost::smtp {

struct credentials {
  credentials() = default;
  credentials(std::string user, std::string password)
      : user(std::move(user)), password(std::move(password)) {}

  std::string user;      // authentication identity
  std::string password;  // UTF-8
  std::string act_as;    // authorisation identity; empty: the user's own
};

class sasl_client {
 public:
  virtual ~sasl_client() = default;

  // As it stands in the AUTH command: "PLAIN".
  virtual std::string_view mechanism() const = 0;

  // What the AUTH command may carry. None: the server has the first word.
  virtual std::optional<std::string> initial_response() = 0;

  // The answer to a challenge. An error ends the exchange.
  virtual result<std::string> respond(std::string_view challenge) = 0;
};

// The best of the mechanisms that are offered (in upper case) and known here; nullptr: there is
// none, or `login` cannot be said in it (a NUL in PLAIN).
GATEPOST_DECL std::unique_ptr<sasl_client> choose_sasl_client(std::span<const std::string> offered,
                                                              const credentials& login);

}  // namespace gatepost::smtp

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/impl/sasl_client.ipp"
#endif

#endif  // GATEPOST_SMTP_SASL_CLIENT_HPP
