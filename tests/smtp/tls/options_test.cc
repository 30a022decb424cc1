// This header stands alone.
#include "smtp/tls/options.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "tests/smtp/tls/pair.hpp"

namespace gatepost::smtp {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// RFC 9325 §3.1.1, §4.1
TEST(tls_options, the_defaults_are_those_of_rfc_9325) {
  const tls_server_options server;
  const tls_client_options client;
  EXPECT_EQ(server.min_version, tls_version::tls_1_2);
  EXPECT_EQ(client.min_version, tls_version::tls_1_2);
  EXPECT_FALSE(server.allow_expired);
  EXPECT_EQ(client.verify, verification::opportunistic);
  for (const char* weak : {"-SHA:", "RC4", "3DES", ":AES", "MD5"}) {
    EXPECT_THAT(std::string{modern_tls_ciphers}, Not(HasSubstr(weak)));
  }
}

TEST(tls_options, the_compatible_ciphers_only_add_to_the_modern_ones) {
  EXPECT_TRUE(std::string_view{compatible_tls_ciphers}.starts_with(modern_tls_ciphers));
}

TEST(tls_options, every_named_cipher_is_known) {
  for (const char* ciphers : {modern_tls_ciphers, compatible_tls_ciphers}) {
    tls_server_options options = tests::server_options();
    options.ciphers = ciphers;
    server_context context;
    const load_outcome loaded = context.load(options);
    EXPECT_TRUE(loaded) << loaded.error;
  }
}

TEST(load_outcome, is_good_without_an_error) {
  load_outcome outcome;
  outcome.warnings.push_back("it may rain");
  EXPECT_TRUE(outcome);
  outcome.error = "it rains";
  EXPECT_FALSE(outcome);
}

TEST(certificate_source, is_two_files_or_two_texts) {
  const certificate_source files{"a.pem", "a.key"};
  EXPECT_EQ(files.chain_file, "a.pem");
  EXPECT_EQ(files.key_file, "a.key");
  const auto texts = certificate_source::from_pem("chain", "key");
  EXPECT_EQ(texts.chain_pem, "chain");
  EXPECT_EQ(texts.key_pem, "key");
  EXPECT_EQ(texts.chain_file, "");
}

}  // namespace
}  // namespace gatepost::smtp
