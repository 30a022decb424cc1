// This header stands alone.
#include "checks/dkim/key.hpp"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "tests/checks/dkim/samples.hpp"

namespace gatepost::checks::dkim {
namespace {

const std::string rsa_data = std::string(samples::rsa_record).substr(16);  // "p=..."

signature by(algorithm a, const char* identity_domain = "example.test") {
  signature s;
  s.algorithm = a;
  s.domain = "example.test";
  s.identity_domain = identity_domain;
  return s;
}

TEST(DkimKey, Records) {
  const auto plain = parse_key_record("p=QUJD");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->type, key_type::rsa);
  EXPECT_EQ(plain->data, "ABC");
  EXPECT_TRUE(plain->sha256 && plain->email);
  EXPECT_FALSE(plain->testing || plain->strict);

  const auto full = parse_key_record(
      "v=DKIM1; h=sha1:sha256; k=ed25519; n=a note; s=email:x; t=y : s : z; g=*; p=QU JD\n");
  ASSERT_TRUE(full);
  EXPECT_EQ(full->type, key_type::ed25519);
  EXPECT_TRUE(full->sha256 && full->email && full->testing && full->strict);

  EXPECT_FALSE(parse_key_record("h=sha1; p=QUJD")->sha256);
  EXPECT_FALSE(parse_key_record("s=tlsrpt; p=QUJD")->email);
  EXPECT_TRUE(parse_key_record("s=*; p=QUJD")->email);
  EXPECT_EQ(parse_key_record("k=dsa; p=QUJD")->type, std::nullopt);
  EXPECT_EQ(parse_key_record("v=DKIM1; p=")->data, "");
}

TEST(DkimKey, RecordsThatAreDiscarded) {
  for (const char* text :
       {"", "v=spf1 -all", "k=rsa; v=DKIM1; p=QUJD", "v=DKIM2; p=QUJD", "v=dkim1; p=QUJD",
        "v=DKIM1; k=rsa", "p=*", "p=QUJD; p=QUJD", "nonsense"})
    EXPECT_FALSE(parse_key_record(text)) << text;
  EXPECT_FALSE(parse_key_record("p=" + std::string(max_key_record_octets, 'A')));
}

TEST(DkimKey, TheKeyHasToFitTheSignature) {
  const auto judge = [](const std::string& record, const signature& s, key_policy policy = {}) {
    return std::string(key_for(owned_key(record), s, policy).problem());
  };
  const signature rsa = by(algorithm::rsa_sha256);
  const signature ed = by(algorithm::ed25519_sha256);
  EXPECT_EQ(judge(samples::rsa_record, rsa), "");
  EXPECT_EQ(judge(samples::ed25519_record, ed), "");
  EXPECT_NE(judge(samples::rsa_record, ed), "");
  EXPECT_NE(judge(samples::ed25519_record, rsa), "");
  EXPECT_EQ(judge("p=", rsa), "the key is revoked");
  EXPECT_NE(judge("h=sha1;" + rsa_data, rsa), "");
  EXPECT_NE(judge("s=other;" + rsa_data, rsa), "");
  EXPECT_NE(judge("k=other;" + rsa_data, rsa), "");
  EXPECT_NE(judge("p=QUJD", rsa), "");
  EXPECT_NE(judge("k=ed25519; p=QUJD", ed), "");
  EXPECT_EQ(judge("t=s;" + rsa_data, rsa), "");
  EXPECT_NE(judge("t=s;" + rsa_data, by(algorithm::rsa_sha256, "a.example.test")), "");
  EXPECT_EQ(judge("t=y;" + rsa_data, by(algorithm::rsa_sha256, "a.example.test")), "");
  EXPECT_EQ(judge(rsa_data, rsa, {.min_rsa_bits = 1025}), "the key is too short");
  EXPECT_EQ(judge(rsa_data, rsa, {.max_rsa_bits = 1023}), "the key is too long");
}

TEST(DkimKey, OfSeveralRecordsTheFirstThatFits) {
  const signature rsa = by(algorithm::rsa_sha256);
  const auto choose = [&](const std::vector<std::string>& records) {
    return choose_key(records, rsa, {});
  };
  EXPECT_TRUE(choose({samples::ed25519_record, samples::rsa_record}));
  EXPECT_TRUE(choose({"v=spf1 -all", "p=", std::string("t=y;") + rsa_data})->testing);
  EXPECT_EQ(choose({"nonsense", "p="}).problem(), "the key is revoked");
  EXPECT_EQ(choose({}).problem(), "there is no key record");
  std::vector<std::string> many(max_key_records, "p=");
  many.emplace_back(samples::rsa_record);
  EXPECT_FALSE(choose(many));
}

// What is kept is what reading would give; bad ones are read each time.
TEST(DkimKey, GoodOnesAreKept) {
  key_cache cache;
  const signature rsa = by(algorithm::rsa_sha256);
  const signature ed = by(algorithm::ed25519_sha256);
  const std::vector<std::string> records = {"nonsense", "p=", "p=QUJD", samples::ed25519_record,
                                            std::string("t=y;") + rsa_data};
  for (int round = 0; round < 3; ++round) {
    EXPECT_TRUE(choose_key(records, rsa, {}, &cache)->testing);
    EXPECT_EQ(choose_key(records, rsa, {}, &cache)->key.bits(), 1024u);
    EXPECT_FALSE(choose_key(records, ed, {}, &cache)->testing);
    // The policy is not part of what is kept.
    EXPECT_EQ(choose_key({&records.back(), 1}, rsa, {.min_rsa_bits = 1025}, &cache).problem(),
              "the key is too short");
  }
  EXPECT_EQ(cache.size(), 2u);
  EXPECT_EQ(cache.counters().misses, 2u + 9 * 3);
  EXPECT_EQ(cache.counters().hits, 3u * (2 + 2 + 1 + 1) - 2);
}

// Many threads verify by one key.
TEST(DkimKey, IsSharedByThreads) {
  key_cache cache;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&cache] {
      const std::vector<std::string> records = {std::string(rsa_data)};
      for (int n = 0; n < 200; ++n) {
        const auto chosen = choose_key(records, by(algorithm::rsa_sha256), {}, &cache);
        ASSERT_TRUE(chosen);
        EXPECT_FALSE(chosen->key.verifies(digest{}, std::string(128, 'x')));
      }
    });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(cache.size(), 1u);
}

}  // namespace
}  // namespace gatepost::checks::dkim
