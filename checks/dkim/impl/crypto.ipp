#ifndef GATEPOST_CHECKS_DKIM_IMPL_CRYPTO_IPP
#define GATEPOST_CHECKS_DKIM_IMPL_CRYPTO_IPP

#include <openssl/bio.h>
#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>

#include <fstream>
#include <iterator>
#include <new>

#include "checks/dkim/crypto.hpp"
#include "smtp/base64.hpp"

namespace gatepost::checks::dkim {
namespace detail {

inline const std::uint8_t* bytes(std::string_view octets) {
  return reinterpret_cast<const std::uint8_t*>(octets.data());
}

inline std::string text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

inline EVP_PKEY* key_of(const key_handle& key) { return static_cast<EVP_PKEY*>(key.get()); }

inline key_handle shared(bssl::UniquePtr<EVP_PKEY> key) {
  return key_handle(key.release(), [](void* p) { EVP_PKEY_free(static_cast<EVP_PKEY*>(p)); });
}

// The context that a sha256 keeps in its state.
inline SHA256_CTX* hash_of(std::array<std::byte, 128>& state) {
  static_assert(sizeof(SHA256_CTX) <= sizeof(state) && alignof(SHA256_CTX) <= 8);
  return std::launder(reinterpret_cast<SHA256_CTX*>(state.data()));
}

// RFC 5280 §4.1.2.7, or RFC 8017 appendix A.1.1.
inline bssl::UniquePtr<EVP_PKEY> rsa_of(std::string_view der) {
  CBS spki;
  CBS_init(&spki, bytes(der), der.size());
  bssl::UniquePtr<EVP_PKEY> key(EVP_parse_public_key(&spki));
  if (key) return CBS_len(&spki) == 0 ? std::move(key) : nullptr;
  CBS bare;
  CBS_init(&bare, bytes(der), der.size());
  const bssl::UniquePtr<RSA> rsa(RSA_parse_public_key(&bare));
  key.reset(rsa && CBS_len(&bare) == 0 ? EVP_PKEY_new() : nullptr);
  if (!key || !EVP_PKEY_set1_RSA(key.get(), rsa.get())) return nullptr;
  return key;
}

// A key with a passphrase is refused, not asked for: a server has nobody to ask.
inline int no_passphrase(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

}  // namespace detail

GATEPOST_DECL sha256::sha256() noexcept : state_{} {
  SHA256_Init(::new (static_cast<void*>(state_.data())) SHA256_CTX);
}

GATEPOST_DECL void sha256::update(std::string_view octets) noexcept {
  SHA256_Update(detail::hash_of(state_), octets.data(), octets.size());
}

GATEPOST_DECL digest sha256::finish() noexcept {
  digest d;
  SHA256_Final(d.data(), detail::hash_of(state_));
  return d;
}

GATEPOST_DECL std::optional<public_key> public_key::from_rsa(std::string_view der) {
  bssl::UniquePtr<EVP_PKEY> key = detail::rsa_of(der);
  ERR_clear_error();
  if (!key || EVP_PKEY_id(key.get()) != EVP_PKEY_RSA) return std::nullopt;
  const auto bits = static_cast<unsigned>(EVP_PKEY_bits(key.get()));
  return public_key(detail::shared(std::move(key)), key_type::rsa, bits);
}

GATEPOST_DECL std::optional<public_key> public_key::from_ed25519(std::string_view octets) {
  bssl::UniquePtr<EVP_PKEY> key(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, detail::bytes(octets), octets.size()));
  ERR_clear_error();
  if (!key) return std::nullopt;
  return public_key(detail::shared(std::move(key)), key_type::ed25519, 256);
}

GATEPOST_DECL bool public_key::verifies(const digest& hash, std::string_view signature) const {
  const std::uint8_t* octets = detail::bytes(signature);
  bool good = false;
  if (type_ == key_type::rsa) {
    RSA* rsa = EVP_PKEY_get0_RSA(detail::key_of(key_));
    good = RSA_verify(NID_sha256, hash.data(), hash.size(), octets, signature.size(), rsa) == 1;
  } else {
    bssl::ScopedEVP_MD_CTX context;
    good =
        EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, detail::key_of(key_)) == 1 &&
        EVP_DigestVerify(context.get(), octets, signature.size(), hash.data(), hash.size()) == 1;
  }
  ERR_clear_error();
  return good;
}

GATEPOST_DECL parsed<private_key> private_key::from_pem(std::string_view pem) {
  const bssl::UniquePtr<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  if (!bio) return problem{"no memory for a private key"};
  bool asked = false;
  bssl::UniquePtr<EVP_PKEY> key(
      PEM_read_bio_PrivateKey(bio.get(), nullptr, detail::no_passphrase, &asked));
  ERR_clear_error();
  if (!key && asked) return problem{"the private key has a passphrase; take it off"};
  if (!key) return problem{"no private key in PEM form (BEGIN PRIVATE KEY)"};
  const int id = EVP_PKEY_id(key.get());
  const auto bits = static_cast<unsigned>(EVP_PKEY_bits(key.get()));
  if (id == EVP_PKEY_ED25519)
    return private_key(detail::shared(std::move(key)), key_type::ed25519, 256);
  if (id != EVP_PKEY_RSA) return problem{"the private key is neither RSA nor Ed25519"};
  // RFC 8301 §3.2: signers must use at least 1024 bits.
  if (bits < 1024) return problem{"the RSA key has less than 1024 bits (RFC 8301)"};
  return private_key(detail::shared(std::move(key)), key_type::rsa, bits);
}

GATEPOST_DECL parsed<private_key> private_key::from_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (!in.is_open() || in.bad()) return problem{"the private key's file cannot be read"};
  return from_pem(text);
}

GATEPOST_DECL std::string private_key::sign(const digest& hash) const {
  std::string out(signature_size(), '\0');
  auto* octets = reinterpret_cast<std::uint8_t*>(out.data());
  bool good = false;
  if (type_ == key_type::rsa) {
    unsigned size = 0;
    RSA* rsa = EVP_PKEY_get0_RSA(detail::key_of(key_));
    good = RSA_sign(NID_sha256, hash.data(), hash.size(), octets, &size, rsa) == 1 &&
           size == out.size();
  } else {
    bssl::ScopedEVP_MD_CTX context;
    std::size_t size = out.size();
    good =
        EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, detail::key_of(key_)) == 1 &&
        EVP_DigestSign(context.get(), octets, &size, hash.data(), hash.size()) == 1;
  }
  ERR_clear_error();
  return good ? out : std::string();
}

GATEPOST_DECL std::string private_key::dns_record() const {
  std::string octets;
  if (type_ == key_type::ed25519) {
    std::array<std::uint8_t, 32> raw{};
    std::size_t size = raw.size();
    if (EVP_PKEY_get_raw_public_key(detail::key_of(key_), raw.data(), &size))
      octets = detail::text_of(raw.data(), size);
  } else {
    bssl::ScopedCBB cbb;
    if (CBB_init(cbb.get(), 512) && EVP_marshal_public_key(cbb.get(), detail::key_of(key_)))
      octets = detail::text_of(CBB_data(cbb.get()), CBB_len(cbb.get()));
  }
  std::string record = "v=DKIM1; k=";
  record += to_string(type_);
  return record + "; p=" + smtp::base64_encode(octets);
}

}  // namespace gatepost::checks::dkim

#endif  // GATEPOST_CHECKS_DKIM_IMPL_CRYPTO_IPP
