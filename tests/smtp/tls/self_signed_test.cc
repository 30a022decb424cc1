// This header stands alone.
#include "smtp/tls/self_signed.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <set>

#include "smtp/tls/context.hpp"
#include "tests/smtp/tls/pair.hpp"

namespace gatepost::smtp {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::system_clock;

certificate_facts facts_of(const pem_pair& made) {
  server_context context;
  tls_server_options options;
  options.certificates = {certificate_source::from_pem(made.cert_pem, made.key_pem)};
  options.allow_expired = true;
  const load_outcome loaded = context.load(std::move(options));
  EXPECT_TRUE(loaded) << loaded.error;
  return loaded ? context.certificates().front().facts : certificate_facts{};
}

TEST(make_self_signed, names_and_days_are_in_the_certificate) {
  const pem_pair made =
      make_self_signed({"mx.example.test", "*.Example.test", "127.0.0.1", "Post@example.test"}, 30);
  ASSERT_TRUE(made);
  const certificate_facts facts = facts_of(made);
  EXPECT_EQ(facts.subject, "CN=mx.example.test");
  EXPECT_EQ(facts.issuer, facts.subject);
  EXPECT_EQ(facts.dns_names, (std::vector<std::string>{"mx.example.test", "*.example.test"}));
  EXPECT_EQ(facts.emails, std::vector<std::string>{"Post@example.test"});
  const auto now = system_clock::now();
  EXPECT_LT(facts.not_before, now);
  EXPECT_GT(facts.not_before, now - hours{2});
  EXPECT_GT(facts.not_after, now + days{29});
  EXPECT_LT(facts.not_after, now + days{31});
}

TEST(make_self_signed, negative_days_have_expired) {
  const certificate_facts facts = facts_of(make_self_signed({"mx.example.test"}, -3));
  EXPECT_LT(facts.not_after, system_clock::now() - days{2});
  EXPECT_LT(facts.not_before, facts.not_after);
}

TEST(make_self_signed, every_one_is_another) {
  std::set<std::string> prints;
  for (int i = 0; i < 5; ++i) prints.insert(facts_of(make_self_signed({"a.test"}, 1)).sha256);
  EXPECT_EQ(prints.size(), 5u);
  EXPECT_EQ(prints.begin()->size(), 64u);
}

TEST(make_self_signed, a_name_too_long_for_a_common_name_is_an_alternative_name) {
  const std::string name = std::string(60, 'a') + ".example.test";
  const certificate_facts facts = facts_of(make_self_signed({name}, 1));
  EXPECT_EQ(facts.subject, "");
  EXPECT_EQ(facts.dns_names, std::vector<std::string>{name});
}

TEST(certificate_facts, names_are_bounded_in_number_and_length) {
  std::vector<std::string> names = {std::string(321, 'a'), std::string(320, 'b')};
  for (int i = 0; i < 300; ++i) names.push_back("n" + std::to_string(i) + ".test");
  const certificate_facts facts = facts_of(make_self_signed(names, 1));
  EXPECT_EQ(facts.dns_names.size(), 256u);
  EXPECT_EQ(facts.dns_names.front(), names[1]);
}

TEST(certificate_facts, a_name_with_a_space_in_it_is_left_out) {
  const certificate_facts facts = facts_of(make_self_signed({"a.test", "b c.test"}, 1));
  EXPECT_EQ(facts.dns_names, std::vector<std::string>{"a.test"});
}

TEST(make_self_signed, bad_names_make_nothing) {
  EXPECT_FALSE(make_self_signed({}, 1));
  EXPECT_FALSE(make_self_signed({""}, 1));
  EXPECT_FALSE(make_self_signed({"a.test", "b\r\nc"}, 1));
  EXPECT_FALSE(make_self_signed({std::string{"a\0b", 3}}, 1));
}

TEST(make_signed, names_the_authority_and_sends_its_certificate) {
  const pem_pair root = make_authority("Our own root", 30);
  const pem_pair made = make_signed(root, {"mx.example.test"}, 30);
  ASSERT_TRUE(made);
  EXPECT_EQ(facts_of(made).issuer, "CN=Our own root");
  EXPECT_NE(made.cert_pem.find(root.cert_pem), std::string::npos);
  EXPECT_FALSE(make_signed(pem_pair{}, {"mx.example.test"}, 30));
}

}  // namespace
}  // namespace gatepost::smtp
