// This header stands alone.
#include "checks/dkim/crypto.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "checks/dkim/tag_list.hpp"
#include "tests/checks/dkim/samples.hpp"

namespace gatepost::checks::dkim {
namespace {

digest hash_of(std::string_view text) {
  sha256 hash;
  hash.update(text);
  return hash.finish();
}

std::string data_of(const char* record) {
  const auto tags = tag_list::parse(record);
  return *decode_base64(tags->find("p")->value);
}

// FIPS 180-2 appendix B.1
TEST(DkimCrypto, Sha256) {
  const digest d = hash_of("abc");
  EXPECT_EQ(d[0], 0xba);
  EXPECT_EQ(d[31], 0xad);
  sha256 pieces;
  for (const char* piece : {"a", "", "bc"}) pieces.update(piece);
  EXPECT_EQ(pieces.finish(), d);
}

TEST(DkimCrypto, WhatIsSignedVerifies) {
  for (const char* pem : {samples::rsa_pem, samples::ed25519_pem}) {
    const auto key = private_key::from_pem(pem);
    ASSERT_TRUE(key) << key.problem();
    const std::string data = data_of(key->dns_record().c_str());
    const auto half =
        key->type() == key_type::rsa ? public_key::from_rsa(data) : public_key::from_ed25519(data);
    ASSERT_TRUE(half);
    EXPECT_EQ(half->bits(), key->bits());
    std::string signature = key->sign(hash_of("text"));
    EXPECT_EQ(signature.size(), key->signature_size());
    EXPECT_TRUE(half->verifies(hash_of("text"), signature));
    EXPECT_FALSE(half->verifies(hash_of("texts"), signature));
    EXPECT_FALSE(half->verifies(hash_of("text"), signature.substr(1)));
    EXPECT_FALSE(half->verifies(hash_of("text"), ""));
    signature[5] = static_cast<char>(signature[5] ^ 1);
    EXPECT_FALSE(half->verifies(hash_of("text"), signature));
  }
}

// RFC 8463 A.2
TEST(DkimCrypto, ThePublicHalves) {
  EXPECT_EQ(private_key::from_pem(samples::ed25519_pem)->dns_record(), samples::ed25519_record);
  EXPECT_EQ(private_key::from_pem(samples::rsa_pem)->dns_record(), samples::rsa_record);
}

// RFC 6376 appendix C has an RSAPublicKey without what SubjectPublicKeyInfo puts around it.
TEST(DkimCrypto, ABareRsaKey) {
  const std::string spki = data_of(samples::rsa_record);
  const std::string bare = spki.substr(spki.size() - 140);
  const auto key = public_key::from_rsa(bare);
  ASSERT_TRUE(key);
  EXPECT_EQ(key->bits(), 1024u);
  EXPECT_FALSE(public_key::from_rsa(bare + "x"));
  EXPECT_FALSE(public_key::from_rsa(spki + "x"));
  EXPECT_FALSE(public_key::from_rsa(spki.substr(0, 100)));
  EXPECT_FALSE(public_key::from_rsa(""));
}

TEST(DkimCrypto, Ed25519KeysHave32Octets) {
  EXPECT_TRUE(public_key::from_ed25519(data_of(samples::ed25519_record)));
  EXPECT_FALSE(public_key::from_ed25519(std::string(31, 'x')));
  EXPECT_FALSE(public_key::from_ed25519(""));
}

// Texts that have the form of a key, and no key that signs in them.
TEST(DkimCrypto, KeysThatCannotSignSayWhy) {
  EXPECT_NE(private_key::from_pem("nothing").problem().find("no private key"), std::string::npos);
  const char* const locked =
      "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"
      "DEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\nAAAAAAAAAAAAAAAAAAAAAA==\n"
      "-----END RSA PRIVATE KEY-----\n";
  EXPECT_NE(private_key::from_pem(locked).problem().find("passphrase"), std::string::npos);
  const char* const curve =
      "-----BEGIN EC PRIVATE KEY-----\n"
      "MHcCAQEEIIEEdmcC45Vp9bfwRjFZ9S9Oo9iPQUqFcrTLsdvsvHp9oAoGCCqGSM49\n"
      "AwEHoUQDQgAEsD0rYd6Evi2p98BQ3AsFHIvRvsKwbeVHWjLvn/MQdzxhqOLvt0Qn\n"
      "b8CGkYOm7pUv7XL5iNPOD4Z0+iM0OX8ZkA==\n"
      "-----END EC PRIVATE KEY-----\n";
  EXPECT_FALSE(private_key::from_pem(curve));
  EXPECT_NE(private_key::from_file("/nonexistent/key.pem").problem().find("cannot be read"),
            std::string::npos);
}

TEST(DkimCrypto, FromAFile) {
  const std::string path = testing::TempDir() + "dkim_crypto_test.pem";
  std::ofstream(path) << samples::ed25519_pem;
  EXPECT_TRUE(private_key::from_file(path));
  std::remove(path.c_str());
}

}  // namespace
}  // namespace gatepost::checks::dkim
