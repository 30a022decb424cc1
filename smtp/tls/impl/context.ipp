#ifndef GATEPOST_SMTP_TLS_IMPL_CONTEXT_IPP
#define GATEPOST_SMTP_TLS_IMPL_CONTEXT_IPP

#include <sys/stat.h>

#include <utility>

#include "smtp/tls/context.hpp"
#include "smtp/tls/detail/credentials.hpp"
#include "smtp/tls/detail/openssl.hpp"
#include "smtp/tls/detail/peer_check.hpp"

namespace gatepost::smtp {
namespace tls_detail {

// Names of authorities sent to clients, so that they can choose a certificate. Beyond this the list
// would only make the handshake long; an empty list asks for any (RFC 5246 §7.4.4).
inline constexpr std::size_t client_ca_names_limit = 32;

inline constexpr const char* session_id_context = "gatepost";

inline bool set_versions(tls_snapshot& made, tls_version min, tls_version max,
                         load_outcome& outcome) {
  made.min_version = min;
  made.max_version = max;
  if (min <= max &&
      SSL_CTX_set_min_proto_version(made.ctx.get(), static_cast<std::uint16_t>(min)) &&
      SSL_CTX_set_max_proto_version(made.ctx.get(), static_cast<std::uint16_t>(max))) {
    return true;
  }
  outcome.error = "TLS: the minimum version is above the maximum";
  return false;
}

inline bool set_ciphers(tls_snapshot& made, const std::string& wanted, load_outcome& outcome) {
  const char* fallback =
      made.min_version < tls_version::tls_1_2 ? compatible_tls_ciphers : modern_tls_ciphers;
  const char* list = wanted.empty() ? fallback : wanted.c_str();
  if (SSL_CTX_set_strict_cipher_list(made.ctx.get(), list)) return true;
  outcome.error = "TLS ciphers \"" + wanted +
                  "\": a name in it is not known, or none is left; "
                  "leave it empty for the default";
  return false;
}

// A new snapshot with what both roles have in common; null: `outcome` has the error.
template <class Options>
inline std::shared_ptr<tls_snapshot> make_snapshot(const Options& options, bool server,
                                                   load_outcome& outcome) {
  auto made = std::make_shared<tls_snapshot>();
  made->server = server;
  made->ctx.reset(SSL_CTX_new(TLS_method()));
  if (!made->ctx) outcome.error = "TLS: out of memory";
  if (!outcome || !set_versions(*made, options.min_version, options.max_version, outcome) ||
      !set_ciphers(*made, options.ciphers, outcome)) {
    return nullptr;
  }
  SSL_CTX* ctx = made->ctx.get();
  SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_cert_verify_callback(ctx, verify_peer, nullptr);
  return made;
}

// Which certificate serves which name. The first one to name a name has it.
inline void index_names(tls_snapshot& made, load_outcome& outcome) {
  for (std::size_t i = 0; i < made.certificates.size(); ++i) {
    for (const std::string& name : made.certificates[i].names) {
      const auto [at, added] = made.by_name.emplace(name, i);
      if (added || at->second == i) continue;
      outcome.warnings.push_back(made.certificates[i].source + ": " + name + " is also in " +
                                 made.certificates[at->second].source +
                                 ", which serves it because it comes first");
    }
  }
}

inline bool load_certificates(tls_snapshot& made, const tls_server_options& options,
                              load_outcome& outcome) {
  if (options.certificates.empty()) {
    outcome.error = "TLS: no certificate is configured";
    return false;
  }
  for (const certificate_source& source : options.certificates) {
    const std::string label = "certificate " + std::to_string(made.certificates.size() + 1);
    auto loaded = load_credentials(source, label, options.allow_expired, outcome);
    if (!loaded) return false;
    made.certificates.push_back(*std::move(loaded));
  }
  index_names(made, outcome);
  SSL_CTX_set_cert_cb(made.ctx.get(), choose_certificate, &made);
  return true;
}

// Adds the authorities of a PEM text to the trusted ones.
inline bool trust(SSL_CTX* ctx, std::string_view pem, const std::string& source,
                  std::vector<bssl::UniquePtr<X509>>& authorities, load_outcome& outcome) {
  authorities = certificates_of(pem);
  if (authorities.empty()) {
    outcome.error = source + ": no certificate in it; it has to be PEM, one or more authorities";
    return false;
  }
  for (const auto& authority : authorities) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), authority.get());  // twice does no harm
  }
  ERR_clear_error();
  return true;
}

// From text, or else from a file.
inline bool trust(SSL_CTX* ctx, const std::string& pem, const std::string& file, const char* label,
                  std::vector<bssl::UniquePtr<X509>>& authorities, load_outcome& outcome) {
  if (!pem.empty()) return trust(ctx, pem, std::string{label}, authorities, outcome);
  const auto text = read_pem_file(file, "CA file", false, outcome);
  return text && trust(ctx, *text, file, authorities, outcome);
}

inline void send_ca_names(SSL_CTX* ctx, const std::vector<bssl::UniquePtr<X509>>& authorities) {
  if (authorities.size() > client_ca_names_limit) return;
  for (const auto& authority : authorities) SSL_CTX_add_client_CA(ctx, authority.get());
}

inline bool set_client_certificates(tls_snapshot& made, const tls_server_options& options,
                                    load_outcome& outcome) {
  made.clients = options.clients;
  if (options.clients == client_certificates::none) return true;
  SSL_CTX* ctx = made.ctx.get();
  const bool required = options.clients == client_certificates::require;
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                     nullptr);
  if (options.client_ca_file.empty() && options.client_ca_pem.empty()) {
    if (required) {
      outcome.error = "TLS: client certificates are required, but no CA file for them is named";
    }
    return !required;
  }
  std::vector<bssl::UniquePtr<X509>> authorities;
  if (!trust(ctx, options.client_ca_pem, options.client_ca_file, "client CA", authorities,
             outcome)) {
    return false;
  }
  send_ca_names(ctx, authorities);
  return true;
}

// Resumption is by ticket only: a cache of sessions in the server would be memory per client.
inline void set_resumption(tls_snapshot& made, bool tickets) {
  SSL_CTX* ctx = made.ctx.get();
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_session_id_context(ctx, reinterpret_cast<const std::uint8_t*>(session_id_context),
                                 std::char_traits<char>::length(session_id_context));
  if (!tickets) SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
}

inline std::shared_ptr<const tls_snapshot> make_server(const tls_server_options& options,
                                                       load_outcome& outcome) {
  auto made = make_snapshot(options, true, outcome);
  if (!made || !load_certificates(*made, options, outcome) ||
      !set_client_certificates(*made, options, outcome)) {
    return nullptr;
  }
  set_resumption(*made, options.session_tickets);
  return made;
}

inline bool trust_directory(SSL_CTX* ctx, const tls_client_options& options,
                            load_outcome& outcome) {
  struct ::stat status{};
  const std::string& directory = options.ca_directory;
  if (::stat(directory.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) {
    if (SSL_CTX_load_verify_locations(ctx, nullptr, directory.c_str())) return true;
    outcome.error = directory + ": the CA directory cannot be used";
    return false;
  }
  std::string text = directory + ": CA directory not found, so that no server can be verified; " +
                     "install the package ca-certificates, or name a CA file";
  const bool needed = options.verify == verification::pkix;
  if (needed) {
    outcome.error = std::move(text);
  } else {
    outcome.warnings.push_back(std::move(text));
  }
  return !needed;
}

inline bool trust_authorities(SSL_CTX* ctx, const tls_client_options& options,
                              load_outcome& outcome) {
  if (options.ca_pem.empty() && options.ca_file.empty()) {
    return trust_directory(ctx, options, outcome);
  }
  std::vector<bssl::UniquePtr<X509>> authorities;
  return trust(ctx, options.ca_pem, options.ca_file, "CA", authorities, outcome);
}

inline bool set_own_certificate(tls_snapshot& made, const tls_client_options& options,
                                load_outcome& outcome) {
  if (!options.certificate) return true;
  auto loaded = load_credentials(*options.certificate, "client certificate", false, outcome);
  if (!loaded) return false;
  made.certificates.push_back(*std::move(loaded));
  SSL_CTX_set_cert_cb(made.ctx.get(), choose_certificate, &made);
  return true;
}

inline std::shared_ptr<const tls_snapshot> make_client(const tls_client_options& options,
                                                       load_outcome& outcome) {
  auto made = make_snapshot(options, false, outcome);
  if (!made || !trust_authorities(made->ctx.get(), options, outcome) ||
      !set_own_certificate(*made, options, outcome)) {
    return nullptr;
  }
  made->verify = options.verify;
  // verify_peer() decides in every mode, so that facts are there in every mode.
  SSL_CTX_set_verify(made->ctx.get(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_session_cache_mode(made->ctx.get(),
                                 SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(made->ctx.get(), keep_session);
  return made;
}

}  // namespace tls_detail

GATEPOST_DECL load_outcome server_context::load(tls_server_options options) {
  const std::lock_guard loading{loading_};
  load_outcome outcome;
  auto made = tls_detail::make_server(options, outcome);
  if (!made) return outcome;
  options_ = std::move(options);
  const std::lock_guard lock{mutex_};
  snapshot_.swap(made);
  return outcome;
}

GATEPOST_DECL load_outcome server_context::reload() {
  const std::lock_guard loading{loading_};
  load_outcome outcome;
  auto made = tls_detail::make_server(options_, outcome);
  if (!made) return outcome;
  const std::lock_guard lock{mutex_};
  snapshot_.swap(made);
  return outcome;
}

GATEPOST_DECL bool server_context::ready() const { return snapshot() != nullptr; }

GATEPOST_DECL std::vector<loaded_certificate> server_context::certificates() const {
  std::vector<loaded_certificate> list;
  const auto now = snapshot();
  if (!now) return list;
  for (const tls_detail::credentials& held : now->certificates) {
    loaded_certificate one;
    one.source = held.source;
    one.names = held.names;
    one.facts = held.facts;
    list.push_back(std::move(one));
  }
  return list;
}

GATEPOST_DECL std::shared_ptr<const tls_detail::tls_snapshot> server_context::snapshot() const {
  const std::lock_guard lock{mutex_};
  return snapshot_;
}

GATEPOST_DECL load_outcome client_context::load(tls_client_options options) {
  const std::lock_guard loading{loading_};
  load_outcome outcome;
  auto made = tls_detail::make_client(options, outcome);
  if (!made) return outcome;
  options_ = std::move(options);
  const std::lock_guard lock{mutex_};
  snapshot_.swap(made);
  return outcome;
}

GATEPOST_DECL load_outcome client_context::reload() {
  const std::lock_guard loading{loading_};
  load_outcome outcome;
  auto made = tls_detail::make_client(options_, outcome);
  if (!made) return outcome;
  const std::lock_guard lock{mutex_};
  snapshot_.swap(made);
  return outcome;
}

GATEPOST_DECL bool client_context::ready() const { return snapshot() != nullptr; }

GATEPOST_DECL std::shared_ptr<const tls_detail::tls_snapshot> client_context::snapshot() const {
  const std::lock_guard lock{mutex_};
  return snapshot_;
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_TLS_IMPL_CONTEXT_IPP
