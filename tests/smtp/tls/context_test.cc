// This header stands alone.
#include "smtp/tls/context.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/smtp/tls/pair.hpp"
#include "tests/smtp/tls/weak_keys.hpp"

namespace gatepost::smtp {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using tests::world;

// A folder of PEM files that goes away with the test.
class tls_files : public ::testing::Test {
 protected:
  tls_files() {
    std::string name = (fs::temp_directory_path() / "gatepost-tls-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~tls_files() override { fs::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  std::string put(const std::string& name, const std::string& text, ::mode_t mode = 0600) const {
    std::ofstream{path(name), std::ios::trunc} << text;
    ::chmod(path(name).c_str(), mode);
    return path(name);
  }

  // Writes the pair as NAME.pem and NAME.key.
  certificate_source put(const std::string& name, const pem_pair& pair) const {
    return {put(name + ".pem", pair.cert_pem), put(name + ".key", pair.key_pem)};
  }

  fs::path folder_;
};

load_outcome load(const certificate_source& source, bool allow_expired = false) {
  tls_server_options options;
  options.certificates = {source};
  options.allow_expired = allow_expired;
  server_context context;
  load_outcome outcome = context.load(std::move(options));
  EXPECT_EQ(context.ready(), static_cast<bool>(outcome));
  return outcome;
}

TEST_F(tls_files, load_reads_chain_and_key) {
  const load_outcome outcome = load(put("mx", tests::server_pair()));
  EXPECT_TRUE(outcome) << outcome.error;
  EXPECT_THAT(outcome.warnings, IsEmpty());
}

TEST_F(tls_files, load_reads_chain_and_key_from_one_file) {
  const pem_pair& pair = tests::server_pair();
  const load_outcome outcome = load({put("both.pem", pair.key_pem + pair.cert_pem), ""});
  EXPECT_TRUE(outcome) << outcome.error;
  EXPECT_THAT(outcome.warnings, IsEmpty());
}

TEST_F(tls_files, errors_name_the_file_and_what_is_wrong) {
  const pem_pair& pair = tests::server_pair();
  const pem_pair other = make_self_signed({"other.test"}, 1);
  const std::string chain = put("chain.pem", pair.cert_pem);
  const std::string key = put("key.pem", pair.key_pem);
  const std::string empty = put("empty.pem", "");
  fs::create_symlink(path("loop"), path("loop"));
  const std::string loop = path("loop");
  const std::string huge = put("huge.pem", std::string(5 << 20, '\n'));
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  const std::string locked_away =
      put("locked.pem",
          "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIGj\n-----END ENCRYPTED PRIVATE "
          "KEY-----\n");
  const std::string damaged =
      put("damaged.pem", "-----BEGIN PRIVATE KEY-----\nMIGj\n-----END PRIVATE KEY-----\n");
  // The authority first: the key belongs to the second certificate.
  const std::string wrong_way =
      put("wrong_way.pem",
          tests::authority().cert_pem +
              pair.cert_pem.substr(0, pair.cert_pem.size() - tests::authority().cert_pem.size()));
  const certificate_source expired = put("old", make_self_signed({"old.test"}, -10));
  const struct {
    certificate_source source;
    std::vector<std::string> says;
  } cases[] = {
      {{path("no.pem"), key}, {path("no.pem"), "certificate file not found"}},
      {{chain, path("no.key")}, {path("no.key"), "key file not found"}},
      {{folder_.string(), key}, {folder_.string(), "not a regular file"}},
      {{path("fifo"), key}, {path("fifo"), "not a regular file"}},
      {{loop, key}, {loop, "not readable"}},
      {{huge, key}, {huge, "not readable", "too large"}},
      {{empty, key}, {empty, "no certificate in it"}},
      {{key, key}, {key, "no certificate in it"}},
      {{chain, empty}, {empty, "no private key in it"}},
      {{chain, ""}, {chain, "no private key in it"}},
      {{chain, locked_away}, {locked_away, "passphrase", "openssl pkey"}},
      {{chain, damaged}, {damaged, "damaged"}},
      {{chain, put("other.key", other.key_pem)},
       {path("other.key"), "key does not match certificate " + chain, "CN=mx.example.test"}},
      {{wrong_way, key}, {key, "certificate 2 of that file, which has to be the first"}},
      {expired, {expired.chain_file, "CN=old.test expired on 20"}},
      {{"", key}, {"certificate 1: no file is named"}},
      {certificate_source::from_pem("nothing", "nothing"),
       {"certificate 1", "no certificate in it"}},
      {certificate_source::from_pem(pair.cert_pem, other.key_pem),
       {"key of certificate 1", "key does not match certificate certificate 1"}},
  };
  for (const auto& one : cases) {
    const load_outcome outcome = load(one.source);
    EXPECT_FALSE(outcome);
    for (const std::string& text : one.says) EXPECT_THAT(outcome.error, HasSubstr(text));
    EXPECT_EQ(outcome.error.find('\n'), std::string::npos);
  }
}

// Another user for as long as it lives, where the test runs as root, who may read everything.
class nobody {
 public:
  nobody() : was_root_{::geteuid() == 0 && ::seteuid(65534) == 0} {}
  ~nobody() {
    if (was_root_ && ::seteuid(0) != 0) std::abort();
  }

 private:
  bool was_root_;
};

TEST_F(tls_files, a_file_of_somebody_else_says_who_may_not_read_it) {
  const certificate_source source = put("mx", tests::server_pair());
  ::chmod(source.chain_file.c_str(), 0);
  const nobody now;
  if (std::ifstream{source.chain_file}) GTEST_SKIP() << "this user may read every file";
  const load_outcome outcome = load(source);
  EXPECT_THAT(outcome.error, HasSubstr(source.chain_file + ": certificate file is not readable: "));
  EXPECT_THAT(outcome.error, HasSubstr("user with id " + std::to_string(::geteuid())));
}

TEST_F(tls_files, a_key_that_all_may_read_is_a_warning) {
  certificate_source source = put("mx", tests::server_pair());
  ::chmod(source.key_file.c_str(), 0644);
  const load_outcome outcome = load(source);
  EXPECT_TRUE(outcome);
  EXPECT_THAT(outcome.warnings, ElementsAre(HasSubstr(source.key_file + ": key file is open to")));
}

TEST_F(tls_files, an_expired_certificate_can_be_allowed) {
  const load_outcome outcome = load(put("old", make_self_signed({"old.test"}, -10)), true);
  EXPECT_TRUE(outcome);
  EXPECT_THAT(outcome.warnings, ElementsAre(HasSubstr("expired on")));
}

TEST_F(tls_files, short_rsa_keys) {
  const load_outcome refused = load(put("weak", tests::rsa_512()));
  EXPECT_THAT(refused.error, HasSubstr(path("weak.pem") + ": the RSA key has 512 bits"));
  const load_outcome warned = load(put("short", tests::rsa_1024()));
  EXPECT_TRUE(warned) << warned.error;
  EXPECT_THAT(warned.warnings, ElementsAre(HasSubstr("the RSA key has 1024 bits")));
}

TEST_F(tls_files, a_chain_out_of_order_is_a_warning) {
  pem_pair pair = make_self_signed({"a.test"}, 1);
  pair.cert_pem += tests::authority().cert_pem;
  const load_outcome outcome = load(put("mx", pair));
  EXPECT_TRUE(outcome);
  EXPECT_THAT(outcome.warnings, ElementsAre(HasSubstr("certificate 2 did not sign certificate 1")));
}

TEST(server_context, options_that_cannot_be_are_errors) {
  const struct {
    const char* says;
    void (*change)(tls_server_options&);
  } cases[] = {
      {"no certificate is configured", [](auto& o) { o.certificates.clear(); }},
      {"minimum version is above", [](auto& o) { o.max_version = tls_version::tls_1_0; }},
      {"\"RC5:FOO\"", [](auto& o) { o.ciphers = "RC5:FOO"; }},
      {"no CA file", [](auto& o) { o.clients = client_certificates::require; }},
      {"/no/such/ca.pem: CA file not found",
       [](auto& o) {
         o.clients = client_certificates::request;
         o.client_ca_file = "/no/such/ca.pem";
       }},
      {"client CA: no certificate in it",
       [](auto& o) {
         o.clients = client_certificates::require;
         o.client_ca_pem = "?";
       }},
  };
  for (const auto& one : cases) {
    tls_server_options options = tests::server_options();
    one.change(options);
    server_context context;
    EXPECT_THAT(context.load(std::move(options)).error, HasSubstr(one.says));
    EXPECT_FALSE(context.ready());
  }
}

tls_server_options many_certificates() {
  tls_server_options options;
  const std::vector<std::vector<std::string>> names = {
      {"default.test"}, {"a.test", "www.a.test"}, {"*.w.test"}, {"in.w.test"}, {"*.a.test"}};
  for (const auto& list : names) {
    options.certificates.push_back(tests::source_of(make_self_signed(list, 1)));
  }
  return options;
}

TEST(server_context, certificates_are_chosen_by_server_name) {
  const world w{many_certificates()};
  ASSERT_TRUE(w.server_loaded) << w.server_loaded.error;
  const struct {
    const char* sni;
    const char* first_name;
  } cases[] = {
      {"default.test", "default.test"},
      {"", "default.test"},  // no SNI at all
      {"unknown.test", "default.test"},
      {"a.test", "a.test"},
      {"A.Test", "a.test"},
      {"a.test.", "a.test"},
      {"www.a.test", "a.test"},  // the exact name before the wildcard
      {"mx.a.test", "*.a.test"},
      {"mx.w.test", "*.w.test"},
      {"in.w.test", "in.w.test"},
      {"x.mx.w.test", "default.test"},  // RFC 9525 §6.3: '*' stands for one label
      {"w.test", "default.test"},
      {"test", "default.test"},
      {"127.0.0.1", "default.test"},  // RFC 6066 §3: addresses are not sent
  };
  for (const auto& one : cases) {
    tests::pair c = w.connect(tls_peer{one.sni});
    ASSERT_TRUE(c.shake()) << one.sni << c.client.error_text();
    EXPECT_EQ(c.client.facts().peer.dns_names.front(), one.first_name) << one.sni;
  }
}

TEST(server_context, the_first_of_two_certificates_has_the_name) {
  tls_server_options options;
  for (int i = 0; i < 2; ++i) {
    options.certificates.push_back(tests::source_of(make_self_signed({"a.test"}, 1)));
  }
  const world w{std::move(options)};
  EXPECT_TRUE(w.server_loaded);
  EXPECT_THAT(w.server_loaded.warnings,
              ElementsAre(HasSubstr("certificate 2: a.test is also in certificate 1")));
}

TEST(server_context, certificates_says_what_is_loaded) {
  server_context context;
  EXPECT_THAT(context.certificates(), IsEmpty());
  ASSERT_TRUE(context.load(many_certificates()));
  const auto list = context.certificates();
  ASSERT_EQ(list.size(), 5u);
  EXPECT_EQ(list[1].source, "certificate 2");
  EXPECT_THAT(list[1].names, ElementsAre("a.test", "www.a.test"));
  EXPECT_GT(list[1].facts.not_after, std::chrono::system_clock::now());
}

std::string name_served(const server_context& server) {
  client_context client;
  EXPECT_TRUE(client.load(tests::client_options()));
  tests::pair c{tls_engine{server}, tls_engine{client, tls_peer{"x.test"}}};
  EXPECT_TRUE(c.shake());
  const auto names = c.client.facts().peer.dns_names;
  return names.empty() ? "" : names.front();
}

TEST_F(tls_files, reload_serves_the_new_certificate_and_keeps_running_sessions) {
  tls_server_options options;
  options.certificates = {put("mx", make_self_signed({"old.test"}, 1))};
  world w{options};
  tests::pair running = w.connect(tls_peer{"x.test"});
  ASSERT_TRUE(running.shake());
  tests::pair half_way = w.connect(tls_peer{"x.test"});
  EXPECT_EQ(half_way.client.handshake(), tls_status::want_read);
  half_way.server_status = half_way.server.handshake(tests::take_output(half_way.client));

  put("mx", make_self_signed({"new.test"}, 1));
  const load_outcome again = w.server.reload();
  EXPECT_TRUE(again) << again.error;
  EXPECT_EQ(name_served(w.server), "new.test");
  EXPECT_EQ(running.to_the_server("still here"), "still here");
  EXPECT_EQ(running.client.facts().peer.dns_names.front(), "old.test");
  EXPECT_TRUE(half_way.shake());
  EXPECT_EQ(half_way.client.facts().peer.dns_names.front(), "old.test");
}

TEST_F(tls_files, reload_of_broken_files_keeps_the_old_state) {
  tls_server_options options;
  options.certificates = {put("mx", make_self_signed({"old.test"}, 1))};
  server_context context;
  ASSERT_TRUE(context.load(options));
  put("mx.pem", "rubbish");
  EXPECT_THAT(context.reload().error, HasSubstr(path("mx.pem") + ": no certificate in it"));
  EXPECT_EQ(name_served(context), "old.test");
  // A key without its certificate, as a renewal that is half done leaves it.
  put("mx.pem", make_self_signed({"new.test"}, 1).cert_pem);
  EXPECT_THAT(context.reload().error, HasSubstr("key does not match"));
  EXPECT_EQ(name_served(context), "old.test");
  put("mx", make_self_signed({"new.test"}, 1));
  EXPECT_TRUE(context.reload());
  EXPECT_EQ(name_served(context), "new.test");
}

TEST(server_context, a_failed_load_keeps_the_options_for_reload) {
  server_context context;
  EXPECT_FALSE(context.reload());
  ASSERT_TRUE(context.load(tests::server_options()));
  EXPECT_FALSE(context.load(tls_server_options{}));
  EXPECT_TRUE(context.reload());
  EXPECT_EQ(name_served(context), "mx.example.test");
}

TEST_F(tls_files, client_authorities_come_from_text_file_or_directory) {
  tls_client_options options;
  options.verify = verification::pkix;
  options.ca_directory = path("no");
  client_context context;
  EXPECT_THAT(context.load(options).error, HasSubstr(path("no") + ": CA directory not found"));
  EXPECT_FALSE(context.ready());
  options.verify = verification::opportunistic;
  EXPECT_THAT(context.load(options).warnings, ElementsAre(HasSubstr("CA directory not found")));
  EXPECT_TRUE(context.ready());
  options.ca_file = put("ca.pem", tests::authority().cert_pem, 0644);
  const load_outcome from_file = context.load(options);
  EXPECT_TRUE(from_file);
  EXPECT_THAT(from_file.warnings, IsEmpty());
  options.ca_file = put("none.pem", "");
  EXPECT_THAT(context.load(options).error, HasSubstr("none.pem: no certificate in it"));
  options.ca_pem = tests::authority().cert_pem;
  EXPECT_TRUE(context.load(options));
  EXPECT_TRUE(context.reload());
}

// The file's name that a directory of authorities is searched for, e.g. "1a2b3c4d.0".
std::string hashed_name(const std::string& pem) {
  bssl::UniquePtr<BIO> bio{BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))};
  bssl::UniquePtr<X509> certificate{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)};
  char name[32];
  std::snprintf(name, sizeof(name), "%08x.0",
                static_cast<unsigned>(X509_NAME_hash(X509_get_subject_name(certificate.get()))));
  return name;
}

TEST_F(tls_files, client_authorities_are_found_in_a_directory) {
  put(hashed_name(tests::authority().cert_pem), tests::authority().cert_pem, 0644);
  tls_client_options options;
  options.ca_directory = folder_.string();
  options.verify = verification::pkix;
  const world w{tests::server_options(), options};
  ASSERT_TRUE(w.client_loaded) << w.client_loaded.error;
  tests::pair c = w.connect();
  EXPECT_TRUE(c.shake()) << c.client.error_text();
  EXPECT_TRUE(c.client.facts().peer_verified);
}

TEST_F(tls_files, a_client_certificate_has_to_be_right) {
  tls_client_options options = tests::client_options();
  options.certificate = certificate_source{path("no.pem"), path("no.key")};
  client_context context;
  EXPECT_THAT(context.load(options).error, HasSubstr("no.pem: certificate file not found"));
  options.certificate = put("client", make_self_signed({"client.test"}, 1));
  EXPECT_TRUE(context.load(options));
}

}  // namespace
}  // namespace gatepost::smtp
