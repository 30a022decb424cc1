// What TLS sessions share: certificates and their keys, trusted authorities, versions and ciphers.
//
// A context is loaded from options, and can load again while sessions run: new sessions see the new
// state, running ones keep theirs, and whatever goes wrong while loading leaves the old state in
// use. All functions are thread-safe; many threads create sessions (smtp/tls/engine.hpp) from one
// context. Loading reads files and the clock; nothing else here does.
//
// Server: RFC 3207, RFC 8314; certificates are chosen by SNI (RFC 6066 §3). Client: RFC 3207, with
// the choice between opportunistic TLS (RFC 7435) and verification (RFC 5280, RFC 9525).
#ifndef GATEPOST_SMTP_TLS_CONTEXT_HPP
#define GATEPOST_SMTP_TLS_CONTEXT_HPP

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "smtp/config.hpp"
#include "smtp/tls/facts.hpp"
#include "smtp/tls/options.hpp"

namespace gatepost::smtp {

// One certificate of a context, for logs.
struct loaded_certificate {
  loaded_certificate() = default;

  std::string source;              // file name, or "certificate N"
  std::vector<std::string> names;  // that it is chosen for
  certificate_facts facts;
};

namespace tls_detail {
struct tls_snapshot;
}

class server_context {
 public:
  server_context() = default;
  server_context(const server_context&) = delete;
  server_context& operator=(const server_context&) = delete;

  // Loads what the options name and, if all of it is right, uses it from now on.
  GATEPOST_DECL load_outcome load(tls_server_options options);

  // Loads the files of the last successful load() again.
  GATEPOST_DECL load_outcome reload();

  // False until a load() has succeeded; STARTTLS must not be offered then.
  GATEPOST_DECL bool ready() const;

  GATEPOST_DECL std::vector<loaded_certificate> certificates() const;

  // For tls_engine: the state that new sessions use; null before ready().
  GATEPOST_DECL std::shared_ptr<const tls_detail::tls_snapshot> snapshot() const;

 private:
  std::mutex loading_;  // one load at a time; guards options_
  tls_server_options options_;
  mutable std::mutex mutex_;  // guards snapshot_; held for a pointer copy only
  std::shared_ptr<const tls_detail::tls_snapshot> snapshot_;
};

class client_context {
 public:
  client_context() = default;
  client_context(const client_context&) = delete;
  client_context& operator=(const client_context&) = delete;

  // As for server_context.
  GATEPOST_DECL load_outcome load(tls_client_options options);
  GATEPOST_DECL load_outcome reload();
  GATEPOST_DECL bool ready() const;
  GATEPOST_DECL std::shared_ptr<const tls_detail::tls_snapshot> snapshot() const;

 private:
  std::mutex loading_;
  tls_client_options options_;
  mutable std::mutex mutex_;
  std::shared_ptr<const tls_detail::tls_snapshot> snapshot_;
};

}  // namespace gatepost::smtp

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/tls/impl/context.ipp"
#endif

#endif  // GATEPOST_SMTP_TLS_CONTEXT_HPP
