#ifndef GATEPOST_SMTP_TLS_IMPL_SELF_SIGNED_IPP
#define GATEPOST_SMTP_TLS_IMPL_SELF_SIGNED_IPP

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/nid.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>

#include "smtp/tls/detail/openssl.hpp"
#include "smtp/tls/self_signed.hpp"

namespace gatepost::smtp {
namespace tls_detail {

inline constexpr std::size_t common_name_limit = 64;  // RFC 5280 appendix A: ub-common-name
inline constexpr int serial_bits = 159;               // RFC 5280 §4.1.2.2: 20 octets, positive
inline constexpr std::int64_t back_dating = 3600;     // for peers whose clocks run late

inline bssl::UniquePtr<EVP_PKEY> make_p256_key() {
  bssl::UniquePtr<EC_KEY> ec{EC_KEY_new_by_curve_name(NID_X9_62_prime256v1)};
  bssl::UniquePtr<EVP_PKEY> key{EVP_PKEY_new()};
  if (!ec || !key || !EC_KEY_generate_key(ec.get())) return nullptr;
  if (!EVP_PKEY_set1_EC_KEY(key.get(), ec.get())) return nullptr;
  return key;
}

inline bool set_random_serial(X509* certificate) {
  bssl::UniquePtr<BIGNUM> serial{BN_new()};
  return serial && BN_rand(serial.get(), serial_bits, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) &&
         BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(certificate)) != nullptr;
}

inline bool set_validity(X509* certificate, int days) {
  const std::int64_t now = std::time(nullptr);
  const std::int64_t end = now + std::int64_t{days} * 86400;
  const std::int64_t begin = std::min(now, end) - back_dating;
  return ASN1_TIME_set(X509_getm_notBefore(certificate), begin) != nullptr &&
         ASN1_TIME_set(X509_getm_notAfter(certificate), end) != nullptr;
}

inline bool set_subject(X509* certificate, const std::string& name) {
  if (name.size() > common_name_limit) return true;  // subjectAltName has it
  return X509_NAME_add_entry_by_NID(X509_get_subject_name(certificate), NID_commonName,
                                    MBSTRING_UTF8,
                                    reinterpret_cast<const std::uint8_t*>(name.data()),
                                    static_cast<int>(name.size()), -1, 0) == 1;
}

inline bool add_alt_name(GENERAL_NAMES* names, const std::string& text) {
  const std::string address = address_octets(text);
  const int type = !address.empty()                      ? GEN_IPADD
                   : text.find('@') != std::string::npos ? GEN_EMAIL
                                                         : GEN_DNS;
  const std::string& octets = address.empty() ? text : address;
  bssl::UniquePtr<GENERAL_NAME> name{GENERAL_NAME_new()};
  bssl::UniquePtr<ASN1_STRING> value{
      ASN1_STRING_type_new(type == GEN_IPADD ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING)};
  if (!name || !value) return false;
  if (!ASN1_STRING_set(value.get(), octets.data(), static_cast<int>(octets.size()))) {
    return false;
  }
  GENERAL_NAME_set0_value(name.get(), type, value.release());
  return bssl::PushToStack(names, std::move(name));
}

inline bool set_alt_names(X509* certificate, const std::vector<std::string>& names) {
  bssl::UniquePtr<GENERAL_NAMES> list{sk_GENERAL_NAME_new_null()};
  if (!list) return false;
  for (const std::string& name : names) {
    if (!add_alt_name(list.get(), name)) return false;
  }
  return X509_add1_ext_i2d(certificate, NID_subject_alt_name, list.get(), 0, 0) == 1;
}

// RFC 5280 §4.2.1.9
inline bool set_authority(X509* certificate, bool authority) {
  bssl::UniquePtr<BASIC_CONSTRAINTS> constraints{BASIC_CONSTRAINTS_new()};
  if (!constraints) return false;
  constraints->ca = authority ? 0xff : 0;
  return X509_add1_ext_i2d(certificate, NID_basic_constraints, constraints.get(), 1, 0) == 1;
}

// An authority's name may have spaces; a host's with one just fits no host.
inline bool can_name(const std::string& name) {
  return !name.empty() &&
         std::all_of(name.begin(), name.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

struct issuer {
  bssl::UniquePtr<X509> certificate;
  bssl::UniquePtr<EVP_PKEY> key;
};

inline bssl::UniquePtr<X509> make_unsigned(const std::vector<std::string>& names, int days,
                                           bool authority, EVP_PKEY* key) {
  bssl::UniquePtr<X509> made{X509_new()};
  const bool ok = made && X509_set_version(made.get(), X509_VERSION_3) &&
                  set_random_serial(made.get()) && set_validity(made.get(), days) &&
                  set_subject(made.get(), names.front()) && X509_set_pubkey(made.get(), key) &&
                  set_authority(made.get(), authority) &&
                  (authority || set_alt_names(made.get(), names));
  return ok ? std::move(made) : nullptr;
}

inline pem_pair pem_of(X509* certificate, EVP_PKEY* key) {
  bssl::UniquePtr<BIO> cert_out{BIO_new(BIO_s_mem())};
  bssl::UniquePtr<BIO> key_out{BIO_new(BIO_s_mem())};
  pem_pair made;
  if (cert_out && key_out && PEM_write_bio_X509(cert_out.get(), certificate) &&
      PEM_write_bio_PrivateKey(key_out.get(), key, nullptr, nullptr, 0, nullptr, nullptr)) {
    made.cert_pem = contents_of(cert_out.get());
    made.key_pem = contents_of(key_out.get());
  }
  return made;
}

// `by` is null for a certificate that signs itself.
inline pem_pair make_certificate(const std::vector<std::string>& names, int days, bool authority,
                                 const issuer* by) {
  if (names.empty() || !std::all_of(names.begin(), names.end(), can_name)) return {};
  const auto key = make_p256_key();
  if (!key) return {};
  const auto made = make_unsigned(names, days, authority, key.get());
  if (!made) return {};
  X509_NAME* signer = X509_get_subject_name(by ? by->certificate.get() : made.get());
  if (!X509_set_issuer_name(made.get(), signer) ||
      !X509_sign(made.get(), by ? by->key.get() : key.get(), EVP_sha256())) {
    return {};
  }
  return pem_of(made.get(), key.get());
}

}  // namespace tls_detail

GATEPOST_DECL pem_pair make_self_signed(const std::vector<std::string>& names, int days) {
  return tls_detail::make_certificate(names, days, false, nullptr);
}

GATEPOST_DECL pem_pair make_authority(const std::string& name, int days) {
  return tls_detail::make_certificate({name}, days, true, nullptr);
}

GATEPOST_DECL pem_pair make_signed(const pem_pair& authority, const std::vector<std::string>& names,
                                   int days) {
  auto chain = tls_detail::certificates_of(authority.cert_pem);
  tls_detail::issuer by;
  by.key = tls_detail::key_of(authority.key_pem);
  if (chain.empty() || !by.key) return {};
  by.certificate = std::move(chain.front());
  pem_pair made = tls_detail::make_certificate(names, days, false, &by);
  if (made) made.cert_pem += authority.cert_pem;
  return made;
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_TLS_IMPL_SELF_SIGNED_IPP
