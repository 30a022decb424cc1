// The server that a client's TLS session is for: its name, and how its certificate is judged. The
// hook is for DANE (RFC 7672), for pinned keys, and for whatever else PKIX cannot say.
#ifndef GATEPOST_SMTP_TLS_PEER_HPP
#define GATEPOST_SMTP_TLS_PEER_HPP

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "smtp/tls/options.hpp"

namespace gatepost::smtp {

// Valid during the call only.
struct verify_request {
  verify_request() = default;

  std::span<const std::string> chain;  // DER, as the server sent it, leaf first; never empty
  std::string_view host;               // the name that the session is for
  bool trusted = false;                // PKIX trusts the chain and the name fits
  std::string_view problem;            // why not
};

struct verify_answer {
  verify_answer() = default;
  verify_answer(bool yes, std::string why = {}) : accepted{yes}, reason{std::move(why)} {}

  bool accepted = false;
  std::string reason;  // for the log, where it is not accepted
};

// Its answer is final: it can accept what PKIX refuses, and refuse what PKIX accepts. It is called
// inside tls_engine::handshake(), on the thread that calls that, and must not wait. An exception
// from it is a refusal.
using verify_hook = std::function<verify_answer(const verify_request&)>;

namespace tls_detail {
struct saved_session;
}

// What a client keeps to resume a session later; null where there is nothing to resume. May be
// used in any thread. TLS 1.3 asks to use each one once only (RFC 8446 §C.4).
using tls_session = std::shared_ptr<const tls_detail::saved_session>;

// The server that a client session is for.
struct tls_peer {
  tls_peer() = default;
  explicit tls_peer(std::string host) : server_name{std::move(host)} {}

  std::string server_name;               // sent as SNI and compared; an IP address is compared only
  std::vector<std::string> other_names;  // that the certificate may have instead
  std::optional<verification> verify;    // empty: as the context says
  verify_hook hook;                      // judges the certificate instead, in any mode
  tls_session resume;                    // tried where it was made for the same name and checks
  bool keep_session = false;             // collect one for session()
};

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_TLS_PEER_HPP
