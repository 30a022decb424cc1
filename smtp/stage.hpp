// The stages of a session at which it asks whether to go on.
#ifndef GATEPOST_SMTP_STAGE_HPP
#define GATEPOST_SMTP_STAGE_HPP

#include <cstdint>
#include <string_view>

#include "smtp/config.hpp"

namespace gatepost::smtp {

enum class stage : std::uint8_t {
  connect,     // a client is there; nothing was said
  helo,        // facts().helo is what it calls itself
  tls,         // TLS has begun; facts().tls
  auth,        // facts().auth_identity is who it is
  mail,        // envelope().reverse_path()
  rcpt,        // envelope().recipients().back()
  data,        // the client wants to send the text
  header_end,  // the header has come in
  body,        // some octets of the message
  message,     // all of it has come in
};

inline constexpr int stage_count = 10;

constexpr std::string_view to_string(stage s) {
  switch (s) {
    case stage::connect: return "connect";
    case stage::helo: return "helo";
    case stage::tls: return "tls";
    case stage::auth: return "auth";
    case stage::mail: return "mail";
    case stage::rcpt: return "rcpt";
    case stage::data: return "data";
    case stage::header_end: return "header_end";
    case stage::body: return "body";
    case stage::message: return "message";
  }
  return "?";
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_STAGE_HPP
