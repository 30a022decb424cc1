// Reading certificates and keys, with errors that an operator can act on. For smtp/tls's .ipp only.
#ifndef GATEPOST_SMTP_TLS_DETAIL_CREDENTIALS_HPP
#define GATEPOST_SMTP_TLS_DETAIL_CREDENTIALS_HPP

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <optional>
#include <string>
#include <vector>

#include "smtp/tls/detail/openssl.hpp"
#include "smtp/tls/options.hpp"

namespace gatepost::smtp::tls_detail {

// The largest PEM file read. Debian's bundle of all public authorities has 220 KB.
inline constexpr std::size_t pem_file_limit = 4 << 20;

// A certificate with its key, as BoringSSL takes them.
struct credentials {
  std::string source;
  std::vector<bssl::UniquePtr<CRYPTO_BUFFER>> chain;  // DER, leaf first
  bssl::UniquePtr<EVP_PKEY> key;
  certificate_facts facts;
  std::vector<std::string> names;  // host_key()s that it is chosen for
};

class file_descriptor {
 public:
  explicit file_descriptor(int fd) : fd_{fd} {}
  file_descriptor(const file_descriptor&) = delete;
  file_descriptor& operator=(const file_descriptor&) = delete;
  ~file_descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int value() const { return fd_; }

 private:
  int fd_;
};

inline std::string why_not_open(const std::string& file, const char* what, int error) {
  if (error == ENOENT) return file + ": " + what + " not found; check the path";
  std::string text = file + ": " + what + " is not readable: " + std::strerror(error);
  if (error == EACCES) {
    text += "; let the user with id " + std::to_string(::geteuid()) + " read it";
  }
  return text;
}

// Appends all of the file; false: errno says why.
inline bool read_all(int fd, std::string& text) {
  char chunk[16384];
  for (;;) {
    const ::ssize_t n = ::read(fd, chunk, sizeof(chunk));
    if (n == 0) return true;
    if (n < 0 && errno == EINTR) continue;
    if (n > 0 && text.size() + static_cast<std::size_t>(n) > pem_file_limit) errno = EFBIG;
    if (n < 0 || text.size() + static_cast<std::size_t>(n) > pem_file_limit) return false;
    text.append(chunk, static_cast<std::size_t>(n));
  }
}

// The file's text; without it, `outcome` has the error. `secret`: warn where others may read it.
inline std::optional<std::string> read_pem_file(const std::string& file, const char* what,
                                                bool secret, load_outcome& outcome) {
  // O_NONBLOCK: a FIFO must not make the reload of a running server wait.
  const file_descriptor fd{::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  struct ::stat status{};
  std::string text;
  if (fd.value() < 0 || ::fstat(fd.value(), &status) != 0) {
    outcome.error = why_not_open(file, what, errno);
  } else if (!S_ISREG(status.st_mode)) {
    outcome.error = file + ": " + what + " is not a regular file; name the file itself";
  } else if (!read_all(fd.value(), text)) {
    outcome.error = why_not_open(file, what, errno);
  }
  if (!outcome) return std::nullopt;
  if (secret && (status.st_mode & (S_IROTH | S_IWOTH)) != 0) {
    outcome.warnings.push_back(file + ": " + what +
                               " is open to every user of this machine; run: chmod o= " + file);
  }
  return text;
}

inline bool same_key(const X509* certificate, const EVP_PKEY* key) {
  bssl::UniquePtr<EVP_PKEY> theirs{X509_get_pubkey(const_cast<X509*>(certificate))};
  return theirs && EVP_PKEY_cmp(theirs.get(), key) == 1;
}

inline std::string why_no_key(const std::string& source, std::string_view pem) {
  if (pem.find("ENCRYPTED") != std::string_view::npos) {
    return source + ": the private key has a passphrase; remove it: openssl pkey -in OLD -out NEW";
  }
  if (pem.find("PRIVATE KEY-----") != std::string_view::npos) {
    return source + ": the private key is damaged, or of a kind that is not supported";
  }
  return source + ": no private key in it; it has to be PEM (-----BEGIN PRIVATE KEY-----)";
}

inline std::string why_no_match(const std::string& chain_source, const std::string& key_source,
                                const std::vector<bssl::UniquePtr<X509>>& chain,
                                const EVP_PKEY* key) {
  std::string text = key_source + ": key does not match certificate " + chain_source;
  for (std::size_t i = 1; i < chain.size(); ++i) {
    if (same_key(chain[i].get(), key)) {
      return text + "; it belongs to certificate " + std::to_string(i + 1) +
             " of that file, which has to be the first";
    }
  }
  return text + " (" + text_of(X509_get_subject_name(chain.front().get())) +
         "); name the two that were issued together";
}

// NIST SP 800-131A: RSA keys of less than 2048 bits are no longer to be used; clients refuse them.
inline void judge_key(const std::string& source, const X509* leaf, load_outcome& outcome) {
  const bssl::UniquePtr<EVP_PKEY> key{X509_get_pubkey(const_cast<X509*>(leaf))};
  if (!key || EVP_PKEY_id(key.get()) != EVP_PKEY_RSA) return;
  const int bits = EVP_PKEY_bits(key.get());
  if (bits >= 2048) return;
  std::string text = source + ": the RSA key has " + std::to_string(bits) +
                     " bits, which clients refuse; make one of 2048, or of P-256";
  if (bits >= 1024)
    outcome.warnings.push_back(std::move(text));
  else
    outcome.error = std::move(text);
}

// Expired, not valid yet, and chains that clients would have to guess at.
inline void judge_chain(const std::string& source, const std::vector<bssl::UniquePtr<X509>>& chain,
                        bool allow_expired, load_outcome& outcome) {
  judge_key(source, chain.front().get(), outcome);
  if (!outcome) return;
  const certificate_facts leaf = facts_of(chain.front().get());
  const std::chrono::sys_seconds now{std::chrono::seconds{std::time(nullptr)}};
  if (leaf.not_after < now) {
    std::string text = source + ": the certificate " + leaf.subject + " expired on " +
                       date_text(leaf.not_after) + "; renew it";
    if (!allow_expired) {
      outcome.error = std::move(text);
      return;
    }
    outcome.warnings.push_back(std::move(text));
  } else if (leaf.not_before > now) {
    outcome.warnings.push_back(source + ": the certificate " + leaf.subject +
                               " is not valid before " + date_text(leaf.not_before));
  }
  for (std::size_t i = 0; i + 1 < chain.size(); ++i) {
    if (X509_NAME_cmp(X509_get_issuer_name(chain[i].get()),
                      X509_get_subject_name(chain[i + 1].get())) == 0) {
      continue;
    }
    outcome.warnings.push_back(source + ": certificate " + std::to_string(i + 2) +
                               " did not sign certificate " + std::to_string(i + 1) +
                               "; the chain has to go from the leaf upwards");
  }
}

inline bool fill(credentials& made, const std::vector<bssl::UniquePtr<X509>>& chain) {
  for (const auto& certificate : chain) {
    const std::string der = der_of(certificate.get());
    made.chain.emplace_back(
        CRYPTO_BUFFER_new(reinterpret_cast<const std::uint8_t*>(der.data()), der.size(), nullptr));
    if (der.empty() || !made.chain.back()) return false;
  }
  const X509* leaf = chain.front().get();
  made.facts = facts_of(leaf);
  for (const std::string& name : made.facts.dns_names) made.names.push_back(host_key(name));
  // A certificate from before subjectAltName was common is still chosen by its common name.
  if (made.names.empty() && !common_name(leaf).empty()) made.names.push_back(common_name(leaf));
  return true;
}

struct pem_texts {
  std::string chain_source;
  std::string key_source;
  std::string chain;
  std::string key;
};

// Keys do not stay behind in freed memory.
struct wiped_on_exit {
  explicit wiped_on_exit(std::string& text) : text_{text} {}
  wiped_on_exit(const wiped_on_exit&) = delete;
  wiped_on_exit& operator=(const wiped_on_exit&) = delete;
  ~wiped_on_exit() { OPENSSL_cleanse(text_.data(), text_.size()); }

 private:
  std::string& text_;
};

inline bool read_texts(const certificate_source& source, const std::string& label, pem_texts& texts,
                       load_outcome& outcome) {
  const bool chain_in_memory = !source.chain_pem.empty();
  const bool key_in_chain = source.key_file.empty() && source.key_pem.empty();
  texts.chain_source = chain_in_memory ? label : source.chain_file;
  texts.chain = source.chain_pem;
  if (!chain_in_memory) {
    if (source.chain_file.empty()) outcome.error = label + ": no file is named";
    if (!outcome) return false;
    auto text = read_pem_file(source.chain_file, "certificate file", key_in_chain, outcome);
    if (!text) return false;
    texts.chain = *std::move(text);
  }
  if (key_in_chain || !source.key_pem.empty()) {
    texts.key_source = key_in_chain ? texts.chain_source : "key of " + label;
    texts.key = key_in_chain ? texts.chain : source.key_pem;
    return true;
  }
  texts.key_source = source.key_file;
  auto text = read_pem_file(source.key_file, "key file", true, outcome);
  if (text) texts.key = *std::move(text);
  return text.has_value();
}

// The source's certificate and key, if they fit together; otherwise `outcome` has the error.
inline std::optional<credentials> load_credentials(const certificate_source& source,
                                                   const std::string& label, bool allow_expired,
                                                   load_outcome& outcome) {
  pem_texts texts;
  const wiped_on_exit wiped{texts.key};
  if (!read_texts(source, label, texts, outcome)) return std::nullopt;
  const auto chain = certificates_of(texts.chain);
  credentials made;
  made.source = texts.chain_source;
  made.key = key_of(texts.key);
  if (chain.empty()) {
    outcome.error = texts.chain_source +
                    ": no certificate in it; it has to be PEM (-----BEGIN CERTIFICATE-----)";
  } else if (!made.key) {
    outcome.error = why_no_key(texts.key_source, texts.key);
  } else if (!same_key(chain.front().get(), made.key.get())) {
    outcome.error = why_no_match(texts.chain_source, texts.key_source, chain, made.key.get());
  } else if (!fill(made, chain)) {
    outcome.error = texts.chain_source + ": out of memory";
  } else {
    judge_chain(texts.chain_source, chain, allow_expired, outcome);
  }
  ERR_clear_error();
  if (!outcome) return std::nullopt;
  return made;
}

}  // namespace gatepost::smtp::tls_detail

#endif  // GATEPOST_SMTP_TLS_DETAIL_CREDENTIALS_HPP
