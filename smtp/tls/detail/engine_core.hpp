// The state of a TLS engine and the BIO that joins it to BoringSSL. For smtp/tls's .ipp only.
#ifndef GATEPOST_SMTP_TLS_DETAIL_ENGINE_CORE_HPP
#define GATEPOST_SMTP_TLS_DETAIL_ENGINE_CORE_HPP

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "smtp/tls/detail/error_text.hpp"
#include "smtp/tls/detail/openssl.hpp"
#include "smtp/tls/detail/peer_check.hpp"
#include "smtp/tls/status.hpp"

namespace gatepost::smtp::tls_detail {

// A queue of octets that owns no memory while it is empty.
class octet_queue {
 public:
  std::string_view view() const noexcept { return std::string_view{octets_}.substr(begin_); }
  std::size_t size() const noexcept { return octets_.size() - begin_; }
  bool empty() const noexcept { return size() == 0; }

  // Room for `size` more without growing in steps.
  void reserve(std::size_t size) {
    drop_read();
    octets_.reserve(octets_.size() + size);
  }

  void push(std::string_view octets) {
    drop_read();
    octets_.append(octets);
  }

  void pop(std::size_t size) noexcept {
    begin_ += std::min(size, this->size());
    if (!empty()) return;
    std::string{}.swap(octets_);
    begin_ = 0;
  }

 private:
  // Moves what is left to the front once it is the smaller part, so that no octet moves often.
  void drop_read() {
    if (begin_ == 0 || begin_ < size()) return;
    octets_.erase(0, begin_);
    begin_ = 0;
  }

  std::string octets_;
  std::size_t begin_ = 0;
};

struct saved_session {
  bssl::UniquePtr<SSL_SESSION> session;
  std::string host;
  verification verify = verification::opportunistic;
  std::weak_ptr<const tls_snapshot> snapshot;  // whose authorities have judged the server
};

struct engine_core {
  std::shared_ptr<const tls_snapshot> snapshot;  // outlives ssl, which calls back into it
  peer_check check;
  octet_queue input;          // ciphertext that no call has used yet; goes before `received`
  std::string_view received;  // the caller's octets, during a call
  octet_queue output;
  std::size_t handshake_octets = 0;
  bool established = false;
  bool ended = false;       // no more input will come
  bool over_limit = false;  // of tls_handshake_limit
  bool failed = false;
  bool no_memory = false;
  std::string error;
  bssl::UniquePtr<SSL> ssl;  // the last member: it goes first

  bool has_input() const { return !input.empty() || !received.empty(); }

  tls_status fail(std::string text) {
    failed = true;
    error = std::move(text);
    return tls_status::failed;
  }
};

// Copies up to `size` octets of input; what there is, at least one.
inline std::size_t take_input(engine_core& core, char* into, std::size_t size) {
  const bool queued = !core.input.empty();
  const std::string_view from = queued ? core.input.view() : core.received;
  const std::size_t n = std::min(size, from.size());
  std::memcpy(into, from.data(), n);
  if (queued) {
    core.input.pop(n);
  } else {
    core.received.remove_prefix(n);
  }
  return n;
}

inline int bio_read(BIO* bio, char* into, int size) {
  auto& core = *static_cast<engine_core*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (size <= 0) return 0;
  if (!core.has_input()) {
    if (core.ended) return 0;
    BIO_set_retry_read(bio);
    return -1;
  }
  if (!core.established && core.handshake_octets >= tls_handshake_limit) {
    core.over_limit = true;
    return -1;
  }
  const std::size_t n = take_input(core, into, static_cast<std::size_t>(size));
  if (!core.established) core.handshake_octets += n;
  return static_cast<int>(n);
}

inline int bio_write(BIO* bio, const char* from, int size) {
  auto& core = *static_cast<engine_core*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (size <= 0) return 0;
  try {  // no exception may pass through BoringSSL
    core.output.push({from, static_cast<std::size_t>(size)});
  } catch (...) {
    core.no_memory = true;
    return -1;
  }
  return size;
}

inline long bio_control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH; }

inline const BIO_METHOD* make_bio_method() {
  BIO_METHOD* method = BIO_meth_new(0, "gatepost");
  if (!method) return nullptr;
  BIO_meth_set_read(method, bio_read);
  BIO_meth_set_write(method, bio_write);
  BIO_meth_set_ctrl(method, bio_control);
  return method;
}

inline bool attach_bio(engine_core& core) {
  static const BIO_METHOD* const method = make_bio_method();
  BIO* bio = method ? BIO_new(method) : nullptr;
  if (!bio) return false;
  BIO_set_data(bio, &core);
  BIO_set_init(bio, 1);
  SSL_set_bio(core.ssl.get(), bio, bio);  // takes the reference
  return true;
}

// An SSL for the snapshot; false: core.error says why.
inline bool attach_ssl(engine_core& core) {
  if (!core.snapshot) {
    core.fail("TLS: no certificates or authorities are loaded");
    return false;
  }
  core.ssl.reset(SSL_new(core.snapshot->ctx.get()));
  if (!core.ssl || !attach_bio(core)) {
    ERR_clear_error();
    core.fail("TLS: out of memory");
    return false;
  }
  SSL_set_app_data(core.ssl.get(), &core.check);
  SSL_set_renegotiate_mode(core.ssl.get(), ssl_renegotiate_never);
  SSL_set_shed_handshake_config(core.ssl.get(), 1);  // an idle connection keeps no configuration
  return true;
}

// Frames every call into BoringSSL: a clean error queue before it, and after it nothing of the
// caller's buffer is needed any more.
class call_frame {
 public:
  call_frame(engine_core& core, std::string_view received) : core_{core} {
    ERR_clear_error();
    core_.received = received;
  }
  call_frame(const call_frame&) = delete;
  call_frame& operator=(const call_frame&) = delete;

  // Keeps what was not used. May throw std::bad_alloc.
  void keep_rest() {
    if (core_.received.empty()) return;
    if (core_.input.size() + core_.received.size() > tls_input_limit) {
      core_.fail("TLS: more than " + std::to_string(tls_input_limit) +
                 " octets were received without being read");
    } else {
      core_.input.push(core_.received);
    }
    core_.received = {};
  }

  ~call_frame() { core_.received = {}; }

 private:
  engine_core& core_;
};

// What a call of BoringSSL that returned `ret` <= 0 means.
inline tls_status classify(engine_core& core, int ret, const char* where) {
  const int kind = SSL_get_error(core.ssl.get(), ret);
  if (kind == SSL_ERROR_WANT_READ) return tls_status::want_read;
  if (kind == SSL_ERROR_ZERO_RETURN) return tls_status::closed;
  if (const std::uint32_t error = take_error()) {
    return core.fail(explain(error, where, *core.snapshot, core.check));
  }
  if (core.over_limit) {
    return core.fail(std::string{where} + " failed: the peer sent more than " +
                     std::to_string(tls_handshake_limit) + " octets in it");
  }
  if (core.no_memory) return core.fail(std::string{where} + " failed: out of memory");
  if (core.ended && core.established) return tls_status::truncated;
  if (core.ended) return core.fail(std::string{where} + " failed: the peer closed the connection");
  return core.fail(std::string{where} + " failed: unknown error");
}

}  // namespace gatepost::smtp::tls_detail

#endif  // GATEPOST_SMTP_TLS_DETAIL_ENGINE_CORE_HPP
