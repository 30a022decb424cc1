// How long a DKIM signature takes to verify, against the least that must be done: one RSA
// verification, and SHA-256 of the same octets.

#include <benchmark/benchmark.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "bench/dkim_message.hpp"
#include "checks/dkim/canonical.hpp"
#include "checks/dkim/key.hpp"
#include "checks/dkim/sign.hpp"
#include "checks/dkim/tag_list.hpp"
#include "checks/dkim/verify.hpp"
#include "smtp/header_reader.hpp"

namespace {

using gatepost::bench::typical_body;
using gatepost::bench::typical_message;
namespace dkim = gatepost::checks::dkim;
namespace smtp = gatepost::smtp;

const std::chrono::system_clock::time_point now(std::chrono::seconds(1'800'000'000));

// A message of 4 KiB with its signature, and the key's record.
struct sample {
  explicit sample(std::size_t size, const char* form) : key(make_key()) {
    dkim::sign_options options;
    if (std::string_view(form) == "simple")
      options.header = options.body = dkim::canonicalization::simple;
    const std::string text = typical_message(size);
    const auto read = smtp::read_header(text);
    dkim::signing s(options);
    s.body(std::string_view(text).substr(read->body_offset));
    const auto by = dkim::signing_key::make("provider.example", "s1", key);
    message = s.field({text, read->fields}, *by, now) + text;
    record = key.dns_record();
  }

  static std::string pem_of_new_key() {
    bssl::UniquePtr<RSA> rsa(RSA_new());
    bssl::UniquePtr<BIGNUM> e(BN_new());
    bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
    BN_set_word(e.get(), RSA_F4);
    RSA_generate_key_ex(rsa.get(), 2048, e.get(), nullptr);
    PEM_write_bio_RSAPrivateKey(bio.get(), rsa.get(), nullptr, nullptr, 0, nullptr, nullptr);
    const std::uint8_t* data = nullptr;
    std::size_t size = 0;
    BIO_mem_contents(bio.get(), &data, &size);
    return {reinterpret_cast<const char*>(data), size};
  }
  static dkim::private_key make_key() { return *dkim::private_key::from_pem(pem_of_new_key()); }

  dkim::private_key key;
  std::string message;
  std::string record;
};

// BoringSSL alone: the key of its DER, one verification, and SHA-256 of the message.
void floor(benchmark::State& state) {
  const sample s(static_cast<std::size_t>(state.range(0)), "relaxed");
  dkim::sha256 hash;
  hash.update("header");
  const dkim::digest digest = hash.finish();
  const std::string signature = s.key.sign(digest);
  const std::string der = *dkim::decode_base64(s.record.substr(s.record.find("p=") + 2));
  for (auto _ : state) {
    CBS cbs;
    CBS_init(&cbs, reinterpret_cast<const std::uint8_t*>(der.data()), der.size());
    const bssl::UniquePtr<EVP_PKEY> key(EVP_parse_public_key(&cbs));
    std::uint8_t body[SHA256_DIGEST_LENGTH];
    SHA256(reinterpret_cast<const std::uint8_t*>(s.message.data()), s.message.size(), body);
    benchmark::DoNotOptimize(body);
    const int good = RSA_verify(NID_sha256, digest.data(), digest.size(),
                                reinterpret_cast<const std::uint8_t*>(signature.data()),
                                signature.size(), EVP_PKEY_get0_RSA(key.get()));
    if (good != 1) state.SkipWithError("it does not verify");
  }
}
BENCHMARK(floor)->Arg(4096)->Arg(1 << 20);

void verify(benchmark::State& state, const char* form, bool key_is_known) {
  const sample s(static_cast<std::size_t>(state.range(0)), form);
  const auto answer = smtp::dns::answer<std::string>::found({s.record}, std::chrono::seconds(300));
  dkim::key_cache keys;
  dkim::verify_options options;
  if (key_is_known) options.cache = &keys;
  for (auto _ : state) {
    dkim::verification v(options, now);
    const auto header = smtp::read_header(s.message);
    v.header(s.message, header);
    v.body(std::string_view(s.message).substr(header->body_offset));
    v.answer(0, answer);
    const dkim::report r = v.finish();
    if (r.outcome() != dkim::outcome::pass) state.SkipWithError("it does not verify");
  }
}
// By a key that has verified before, as nearly all have; and by a new one, like the floor.
BENCHMARK_CAPTURE(verify, relaxed, "relaxed", true)->Arg(4096)->Arg(1 << 20);
BENCHMARK_CAPTURE(verify, simple, "simple", true)->Arg(4096)->Arg(1 << 20);
BENCHMARK_CAPTURE(verify, relaxed_by_new_key, "relaxed", false)->Arg(4096);

void canonical_body(benchmark::State& state, dkim::canonicalization how) {
  const std::string text = typical_body(1 << 20);
  for (auto _ : state) {
    std::size_t octets = 0;
    dkim::body_canonicalizer c(how);
    const auto sink = [&](std::string_view piece) { octets += piece.size(); };
    c.update(text, sink);
    c.finish(sink);
    benchmark::DoNotOptimize(octets);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}
BENCHMARK_CAPTURE(canonical_body, relaxed, dkim::canonicalization::relaxed);
BENCHMARK_CAPTURE(canonical_body, simple, dkim::canonicalization::simple);

}  // namespace
