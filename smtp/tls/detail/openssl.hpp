// Small helpers over BoringSSL, for the .ipp files of smtp/tls only: what a certificate says, and
// PEM and error queue access. No public header includes this one in separate mode.
#ifndef GATEPOST_SMTP_TLS_DETAIL_OPENSSL_HPP
#define GATEPOST_SMTP_TLS_DETAIL_OPENSSL_HPP

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/pem.h>
#include <openssl/pool.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "smtp/tls/facts.hpp"

namespace gatepost::smtp::tls_detail {

// Names kept of one certificate: more than any real mail host has, and a bound for hostile ones.
inline constexpr std::size_t certificate_names_limit = 256;

// Length of one of them: a mail address by RFC 5321 §4.5.3.1.
inline constexpr std::size_t certificate_name_limit = 64 + 1 + 255;

// Length of a subject or issuer as text; RFC 5280 appendix A allows its parts 64 octets each.
inline constexpr std::size_t distinguished_name_limit = 1024;

inline bool printable(std::string_view text) {
  for (const unsigned char c : text) {
    if (c <= 0x20 || c >= 0x7f) return false;
  }
  return !text.empty();
}

inline std::string lower(std::string_view text) {
  std::string out{text};
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// A host name as it is compared: lower case, no dot at the end (RFC 6066 §3).
inline std::string host_key(std::string_view name) {
  if (!name.empty() && name.back() == '.') name.remove_suffix(1);
  return lower(name);
}

// Octets of an IP address in network order; empty where the text is a name.
inline std::string address_octets(const std::string& text) {
  char octets[16];
  if (inet_pton(AF_INET, text.c_str(), octets) == 1) return {octets, 4};
  if (inet_pton(AF_INET6, text.c_str(), octets) == 1) return {octets, 16};
  return {};
}

inline std::string hex(const std::uint8_t* octets, std::size_t size) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  out.reserve(size * 2);
  for (std::size_t i = 0; i < size; ++i) {
    out += digits[octets[i] >> 4];
    out += digits[octets[i] & 15];
  }
  return out;
}

inline std::string der_of(const X509* certificate) {
  std::uint8_t* der = nullptr;
  const int size = i2d_X509(const_cast<X509*>(certificate), &der);
  if (size <= 0) return {};
  std::string out{reinterpret_cast<const char*>(der), static_cast<std::size_t>(size)};
  OPENSSL_free(der);
  return out;
}

inline std::string sha256_of(std::string_view octets) {
  std::uint8_t digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const std::uint8_t*>(octets.data()), octets.size(), digest);
  return hex(digest, sizeof(digest));
}

// Everything written to a memory BIO.
inline std::string contents_of(BIO* bio) {
  const std::uint8_t* data = nullptr;
  std::size_t size = 0;
  if (!BIO_mem_contents(bio, &data, &size)) return {};
  return {reinterpret_cast<const char*>(data), size};
}

// RFC 4514 form; control characters and everything beyond ASCII are escaped.
inline std::string text_of(X509_NAME* name) {
  bssl::UniquePtr<BIO> bio{BIO_new(BIO_s_mem())};
  if (!bio || X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253) < 0) return {};
  std::string text = contents_of(bio.get());
  if (text.size() > distinguished_name_limit)
    text.replace(distinguished_name_limit, text.npos, "...");
  return text;
}

inline std::chrono::sys_seconds time_of(const ASN1_TIME* time) {
  bssl::UniquePtr<ASN1_STRING> epoch{ASN1_TIME_set(nullptr, 0)};
  int days = 0;
  int seconds = 0;
  if (!epoch || !ASN1_TIME_diff(&days, &seconds, epoch.get(), time)) return {};
  return std::chrono::sys_seconds{std::chrono::seconds{std::int64_t{days} * 86400 + seconds}};
}

// "2026-01-31" of a time.
inline std::string date_text(std::chrono::sys_seconds time) {
  const std::chrono::year_month_day date{std::chrono::floor<std::chrono::days>(time)};
  const auto two = [](unsigned n) { return (n < 10 ? "0" : "") + std::to_string(n); };
  return std::to_string(static_cast<int>(date.year())) + "-" +
         two(static_cast<unsigned>(date.month())) + "-" + two(static_cast<unsigned>(date.day()));
}

inline void add_name(std::vector<std::string>& names, const ASN1_STRING* value) {
  const std::string_view text{reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
                              static_cast<std::size_t>(ASN1_STRING_length(value))};
  if (!printable(text) || text.size() > certificate_name_limit) return;
  if (names.size() < certificate_names_limit) names.emplace_back(text);
}

// RFC 5280 §4.2.1.6
inline void read_alt_names(const X509* certificate, certificate_facts& facts) {
  bssl::UniquePtr<GENERAL_NAMES> names{static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr))};
  if (!names) return;
  for (const GENERAL_NAME* name : names.get()) {
    if (name->type == GEN_DNS) add_name(facts.dns_names, name->d.dNSName);
    if (name->type == GEN_EMAIL) add_name(facts.emails, name->d.rfc822Name);
  }
  for (std::string& name : facts.dns_names) name = lower(name);
}

inline certificate_facts facts_of(const X509* certificate) {
  certificate_facts facts;
  facts.present = true;
  facts.subject = text_of(X509_get_subject_name(certificate));
  facts.issuer = text_of(X509_get_issuer_name(certificate));
  facts.sha256 = sha256_of(der_of(certificate));
  facts.not_before = time_of(X509_get0_notBefore(certificate));
  facts.not_after = time_of(X509_get0_notAfter(certificate));
  read_alt_names(certificate, facts);
  return facts;
}

// The certificate's first common name; empty where it has none.
inline std::string common_name(const X509* certificate) {
  X509_NAME* subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0) return {};
  std::vector<std::string> names;
  add_name(names, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
  return names.empty() ? std::string{} : host_key(names.front());
}

// A key with a passphrase is refused, not asked for: a daemon has nobody to ask.
inline int no_passphrase(char*, int, int, void*) { return -1; }

inline bssl::UniquePtr<BIO> reader_of(std::string_view text) {
  return bssl::UniquePtr<BIO>{BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))};
}

// All certificates of a PEM text, in order.
inline std::vector<bssl::UniquePtr<X509>> certificates_of(std::string_view pem) {
  std::vector<bssl::UniquePtr<X509>> found;
  const auto bio = reader_of(pem);
  while (bio) {
    bssl::UniquePtr<X509> next{PEM_read_bio_X509(bio.get(), nullptr, no_passphrase, nullptr)};
    if (!next) break;
    found.push_back(std::move(next));
  }
  ERR_clear_error();  // the end of the text is an entry there, too
  return found;
}

inline bssl::UniquePtr<EVP_PKEY> key_of(std::string_view pem) {
  const auto bio = reader_of(pem);
  if (!bio) return nullptr;
  bssl::UniquePtr<EVP_PKEY> key{
      PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr)};
  ERR_clear_error();
  return key;
}

}  // namespace gatepost::smtp::tls_detail

#endif  // GATEPOST_SMTP_TLS_DETAIL_OPENSSL_HPP
