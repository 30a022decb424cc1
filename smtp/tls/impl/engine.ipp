#ifndef GATEPOST_SMTP_TLS_IMPL_ENGINE_IPP
#define GATEPOST_SMTP_TLS_IMPL_ENGINE_IPP

#include <algorithm>
#include <climits>
#include <utility>

#include "smtp/tls/detail/engine_core.hpp"
#include "smtp/tls/engine.hpp"

namespace gatepost::smtp {
namespace tls_detail {

// RFC 8446 §5.2: header, content type and tag of a record stay below this.
inline constexpr std::size_t record_overhead = 64;
inline constexpr std::size_t record_plain_text = 16 * 1024;

// The name to be compared (RFC 9525 §6) and, unless it is an address, sent (RFC 6066 §3).
inline bool set_server_name(SSL* ssl, const tls_peer& peer, const std::string& host) {
  X509_VERIFY_PARAM* param = SSL_get0_param(ssl);
  X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  if (!address_octets(host).empty()) return X509_VERIFY_PARAM_set1_ip_asc(param, host.c_str()) == 1;
  if (!SSL_set_tlsext_host_name(ssl, host.c_str())) return false;
  if (!X509_VERIFY_PARAM_set1_host(param, host.data(), host.size())) return false;
  for (const std::string& name : peer.other_names) {
    const std::string key = host_key(name);
    if (!X509_VERIFY_PARAM_add1_host(param, key.data(), key.size())) return false;
  }
  return true;
}

// A session is resumed only where a full handshake would have meant the same.
inline void try_resume(engine_core& core, const tls_session& saved) {
  if (!saved || core.check.hook || saved->host != core.check.host ||
      saved->verify != core.check.verify || saved->snapshot.lock() != core.snapshot) {
    return;
  }
  SSL_set_session(core.ssl.get(), saved->session.get());
}

inline void set_up_client(engine_core& core, tls_peer& peer) {
  core.check.verify = peer.verify.value_or(core.snapshot->verify);
  core.check.host = host_key(peer.server_name);
  core.check.hook = std::move(peer.hook);
  // With several acceptable names a session does not say which one was found.
  core.check.keep_session = peer.keep_session && !core.check.hook && peer.other_names.empty();
  SSL_set_connect_state(core.ssl.get());
  if (core.check.host.empty()) return;
  if (!set_server_name(core.ssl.get(), peer, core.check.host)) {
    core.fail("TLS: \"" + core.check.host + "\" cannot be used as a server name");
  }
  if (peer.other_names.empty()) try_resume(core, peer.resume);
  ERR_clear_error();
}

inline tls_status finish_handshake(engine_core& core) {
  const long result = SSL_get_verify_result(core.ssl.get());
  const bool must_verify = !core.snapshot->server && core.check.verify == verification::pkix;
  if (must_verify && result != X509_V_OK) {
    return core.fail("TLS handshake failed: the peer's certificate is not verified");
  }
  core.established = true;
  core.check.hook = nullptr;
  return tls_status::done;
}

inline tls_status shake_hands(engine_core& core) {
  if (core.established) return tls_status::done;
  const int ret = SSL_do_handshake(core.ssl.get());
  if (ret == 1) return finish_handshake(core);
  const tls_status status = classify(core, ret, "TLS handshake");
  if (status != tls_status::closed) return status;
  return core.fail("TLS handshake failed: the peer ended the session in it");
}

// SNI as the client wrote it, with nothing that could disturb a log or a header field.
inline std::string safe_server_name(const char* name) {
  std::string text = host_key(name ? name : "");
  for (char& c : text) {
    if (!printable({&c, 1})) c = '?';
  }
  return text;
}

inline void add_peer_facts(const engine_core& core, tls_facts& facts) {
  const SSL* ssl = core.ssl.get();
  bssl::UniquePtr<X509> peer{SSL_get_peer_certificate(ssl)};
  if (!peer) {
    if (core.check.clients != client_certificates::none) {
      facts.peer_not_verified = "the client sent no certificate";
    }
    return;
  }
  facts.peer = facts_of(peer.get());
  const long result = SSL_get_verify_result(ssl);
  facts.peer_verified = result == X509_V_OK;
  if (facts.peer_verified) return;
  // A resumed session has the result only.
  facts.peer_not_verified =
      core.check.problem.empty() ? X509_verify_cert_error_string(result) : core.check.problem;
}

inline tls_facts facts_of_session(const engine_core& core) {
  const SSL* ssl = core.ssl.get();
  tls_facts facts;
  facts.version = SSL_get_version(ssl);
  if (const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl)) {
    facts.cipher = SSL_CIPHER_standard_name(cipher);
    facts.cipher_bits = SSL_CIPHER_get_bits(cipher, nullptr);
  }
  if (const char* group = SSL_get_curve_name(SSL_get_curve_id(ssl))) facts.group = group;
  facts.server_name = safe_server_name(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
  facts.resumed = SSL_session_reused(ssl) == 1;
  add_peer_facts(core, facts);
  return facts;
}

// Plain text of as many records as `into` holds and the input has.
inline tls_io read_records(engine_core& core, std::span<char> into) {
  std::size_t n = 0;
  while (n < into.size()) {
    const std::size_t room = std::min<std::size_t>(into.size() - n, INT_MAX);
    const int ret = SSL_read(core.ssl.get(), into.data() + n, static_cast<int>(room));
    if (ret > 0) {
      n += static_cast<std::size_t>(ret);
      continue;
    }
    const tls_status status = classify(core, ret, "TLS read");
    if (n == 0) return {status, 0};
    break;  // close_notify and errors come again with the next call, when all is read
  }
  return {tls_status::done, n};
}

inline tls_io write_records(engine_core& core, std::string_view plain) {
  std::size_t n = 0;
  while (n < plain.size() && core.output.size() < tls_output_limit) {
    const std::size_t next = std::min(plain.size() - n, record_plain_text);
    const int ret = SSL_write(core.ssl.get(), plain.data() + n, static_cast<int>(next));
    if (ret <= 0) {
      const tls_status status = classify(core, ret, "TLS write");
      return {core.failed ? tls_status::failed : status, 0};
    }
    n += static_cast<std::size_t>(ret);
  }
  return {n > 0 || plain.empty() ? tls_status::done : tls_status::want_write, n};
}

// Sends close_notify if it is not sent, and looks for the peer's behind the data before it.
inline tls_status say_goodbye(engine_core& core) {
  SSL* ssl = core.ssl.get();
  if ((SSL_get_shutdown(ssl) & SSL_SENT_SHUTDOWN) == 0) {
    const int ret = SSL_shutdown(ssl);
    if (ret < 0) return classify(core, ret, "TLS shutdown");
  }
  char unwanted[1024];
  int ret = 1;
  while (ret > 0) ret = SSL_read(ssl, unwanted, sizeof(unwanted));
  const tls_status status = classify(core, ret, "TLS shutdown");
  return status == tls_status::closed ? tls_status::done : status;
}

}  // namespace tls_detail

GATEPOST_DECL tls_engine::tls_engine(const server_context& context)
    : core_{std::make_unique<tls_detail::engine_core>()} {
  core_->snapshot = context.snapshot();
  if (!tls_detail::attach_ssl(*core_)) return;
  core_->check.clients = core_->snapshot->clients;
  SSL_set_accept_state(core_->ssl.get());
}

GATEPOST_DECL tls_engine::tls_engine(const client_context& context, tls_peer peer)
    : core_{std::make_unique<tls_detail::engine_core>()} {
  core_->snapshot = context.snapshot();
  if (tls_detail::attach_ssl(*core_)) tls_detail::set_up_client(*core_, peer);
}

GATEPOST_DECL tls_engine::tls_engine(tls_engine&&) noexcept = default;
GATEPOST_DECL tls_engine& tls_engine::operator=(tls_engine&&) noexcept = default;
GATEPOST_DECL tls_engine::~tls_engine() = default;

GATEPOST_DECL tls_status tls_engine::handshake(std::string_view received) {
  if (core_->failed) return tls_status::failed;
  tls_detail::call_frame frame{*core_, received};
  const tls_status status = tls_detail::shake_hands(*core_);
  frame.keep_rest();
  return core_->failed ? tls_status::failed : status;
}

GATEPOST_DECL bool tls_engine::established() const noexcept { return core_->established; }

GATEPOST_DECL tls_io tls_engine::read(std::span<char> into, std::string_view received) {
  if (!core_->failed && !core_->established) core_->fail("TLS read failed: no handshake was done");
  if (core_->failed) return {tls_status::failed, 0};
  tls_detail::call_frame frame{*core_, received};
  const tls_io got = tls_detail::read_records(*core_, into);
  frame.keep_rest();
  return got;
}

GATEPOST_DECL tls_io tls_engine::write(std::string_view plain) {
  if (!core_->failed && !core_->established) core_->fail("TLS write failed: no handshake was done");
  if (core_->failed) return {tls_status::failed, 0};
  const tls_detail::call_frame frame{*core_, {}};
  if (core_->output.size() < tls_output_limit) {
    const std::size_t size = std::min(plain.size(), tls_output_limit);
    const std::size_t records = size / tls_detail::record_plain_text + 1;
    core_->output.reserve(size + records * tls_detail::record_overhead);
  }
  return tls_detail::write_records(*core_, plain);
}

GATEPOST_DECL tls_status tls_engine::shutdown(std::string_view received) {
  if (!core_->failed && !core_->established)
    core_->fail("TLS: ended before the handshake was done");
  if (core_->failed) return tls_status::failed;
  tls_detail::call_frame frame{*core_, received};
  const tls_status status = tls_detail::say_goodbye(*core_);
  frame.keep_rest();
  return status;
}

GATEPOST_DECL void tls_engine::feed(std::string_view received) {
  if (core_->failed) return;
  tls_detail::call_frame frame{*core_, received};
  frame.keep_rest();
}

GATEPOST_DECL void tls_engine::end_of_input() noexcept { core_->ended = true; }

GATEPOST_DECL bool tls_engine::input_pending() const noexcept {
  return !core_->failed && (core_->has_input() || SSL_pending(core_->ssl.get()) > 0);
}

GATEPOST_DECL std::string_view tls_engine::output() const noexcept { return core_->output.view(); }

GATEPOST_DECL void tls_engine::consume_output(std::size_t size) noexcept {
  core_->output.pop(size);
}

GATEPOST_DECL tls_facts tls_engine::facts() const {
  return core_->established ? tls_detail::facts_of_session(*core_) : tls_facts{};
}

GATEPOST_DECL const std::string& tls_engine::error_text() const noexcept { return core_->error; }

GATEPOST_DECL tls_session tls_engine::session() const {
  if (!core_->check.session) return nullptr;
  auto saved = std::make_shared<tls_detail::saved_session>();
  saved->session = bssl::UpRef(core_->check.session);
  saved->host = core_->check.host;
  saved->verify = core_->check.verify;
  saved->snapshot = core_->snapshot;
  return saved;
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_TLS_IMPL_ENGINE_IPP
