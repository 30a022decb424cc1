// The cryptography of DKIM and ARC: SHA-256, and RSA and Ed25519 keys (RFC 6376 §3.3, RFC 8463).
//
// A thin cover of BoringSSL, whose headers are not included here in separate mode. Keys may be used
// by several threads at once; a hash belongs to one.
#ifndef GATEPOST_CHECKS_DKIM_CRYPTO_HPP
#define GATEPOST_CHECKS_DKIM_CRYPTO_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "checks/dkim/problem.hpp"
#include "smtp/config.hpp"

namespace gatepost::checks::dkim {

enum class key_type : std::uint8_t { rsa, ed25519 };

constexpr std::string_view to_string(key_type t) { return t == key_type::rsa ? "rsa" : "ed25519"; }

using digest = std::array<std::uint8_t, 32>;

class sha256 {
 public:
  GATEPOST_DECL sha256() noexcept;
  GATEPOST_DECL void update(std::string_view octets) noexcept;
  // Once.
  GATEPOST_DECL digest finish() noexcept;

 private:
  alignas(8) std::array<std::byte, 128> state_;
};

namespace detail {
// An EVP_PKEY.
using key_handle = std::shared_ptr<void>;
}  // namespace detail

// A key that verifies. Copies share it.
class public_key {
 public:
  // RSA: the octets of p=, a SubjectPublicKeyInfo, or a bare RSAPublicKey as in the example of RFC
  // 6376 appendix C. None: not such a key.
  GATEPOST_DECL static std::optional<public_key> from_rsa(std::string_view der);
  // Ed25519: 32 octets (RFC 8463 §4.2).
  GATEPOST_DECL static std::optional<public_key> from_ed25519(std::string_view octets);

  key_type type() const noexcept { return type_; }
  // Of the modulus; 256 for Ed25519.
  unsigned bits() const noexcept { return bits_; }

  // Whether `signature` is that of the hash (RSASSA-PKCS1-v1_5 with SHA-256, RFC 8017 §8.2.2;
  // PureEdDSA of the hash, RFC 8463 §3).
  GATEPOST_DECL bool verifies(const digest& hash, std::string_view signature) const;

 private:
  public_key(detail::key_handle key, key_type type, unsigned bits)
      : key_(std::move(key)), type_(type), bits_(bits) {}

  detail::key_handle key_;
  key_type type_;
  unsigned bits_;
};

// A key that signs. Copies share it.
class private_key {
 public:
  // RSA in PKCS #1 or #8, Ed25519 in PKCS #8, without a passphrase. Problems: no private key in the
  // text, a passphrase, another kind of key, RSA below 1024 bits (RFC 8301 §3.2).
  GATEPOST_DECL static parsed<private_key> from_pem(std::string_view pem);
  // The same from a file, with one more problem: it cannot be read. Blocks; for the start.
  GATEPOST_DECL static parsed<private_key> from_file(const std::string& path);

  key_type type() const noexcept { return type_; }
  unsigned bits() const noexcept { return bits_; }
  // Octets of each signature.
  std::size_t signature_size() const noexcept {
    return type_ == key_type::rsa ? (bits_ + 7) / 8 : 64;
  }

  // Empty where the library has no memory.
  GATEPOST_DECL std::string sign(const digest& hash) const;

  // What the DNS has to say: "v=DKIM1; k=rsa; p=..." (RFC 6376 §3.6.1).
  GATEPOST_DECL std::string dns_record() const;

 private:
  private_key(detail::key_handle key, key_type type, unsigned bits)
      : key_(std::move(key)), type_(type), bits_(bits) {}

  detail::key_handle key_;
  key_type type_;
  unsigned bits_;
};

}  // namespace gatepost::checks::dkim

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/dkim/impl/crypto.ipp"
#endif

#endif  // GATEPOST_CHECKS_DKIM_CRYPTO_HPP
