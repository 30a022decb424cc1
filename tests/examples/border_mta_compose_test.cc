// What is found wrong with what a configuration names: certificates, keys, tables, folders.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <string_view>

#include "examples/border_mta/compose.hpp"
#include "examples/border_mta/config.hpp"
#include "examples/border_mta/reload.hpp"
#include "smtp/tls/self_signed.hpp"
#include "tests/routing/scratch_directory.hpp"

namespace border_mta {
namespace {

namespace smtp = gatepost::smtp;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class BorderMtaCompose : public testing::Test {
 protected:
  BorderMtaCompose() {
    const smtp::pem_pair made = smtp::make_self_signed({"mx.example.test"}, 1);
    write("good.pem", made.cert_pem + made.key_pem);
  }

  void write(const std::string& name, std::string_view text) const {
    std::ofstream(folder_ / name) << text;
  }

  // All that is wrong with a configuration, and with what it names.
  problems problems_of(const std::string& toml) const {
    write("c.toml", toml);
    config c;
    problems all = read_config({.file = folder_ / "c.toml", .base = folder_.path()}, c);
    complete(c);
    reloadable parts;
    append(all, parts.load(c));
    append(all, try_files(c));
    for (std::string& line : all)
      if (line.starts_with(folder_ / "")) line.erase(0, folder_.path().size() + 1);
    return all;
  }

  // With routes and a spool that are right.
  problems problems_beside(const std::string& toml) const {
    return problems_of(toml + "\n[routes]\nmaildirs = \"mail\"\nrules = [\"a.test discard\"]\n" +
                       "[spool]\ndirectory = \"spool\"\n");
  }

  const gatepost::tests::scratch_directory folder_;
};

TEST_F(BorderMtaCompose, FindsNothingWrong) {
  EXPECT_THAT(problems_beside("[tls]\ncertificates = [{ chain = \"good.pem\" }]\n"), IsEmpty());
}

TEST_F(BorderMtaCompose, TellsOfKeysAndOfFilesInOneGo) {
  const problems all = problems_of(R"([limits]
hop = 30
[tls]
certificates = [{ chain = "absent.pem" }]
[routes]
file = "absent"
[spool]
directory = "no/spool"
[log]
file = "no/log"
lvel = "info"
)");
  EXPECT_THAT(all, ElementsAre(StartsWith("c.toml:2:1: limits.hop: there is no such key; "),
                               StartsWith("c.toml:11:1: log.lvel: there is no such key; "),
                               StartsWith("c.toml:4:27: tls.certificates[0].chain: "),
                               StartsWith("c.toml:6:8: routes.file: "),
                               StartsWith("c.toml:8:13: spool.directory: "),
                               StartsWith("c.toml:10:8: log.file: ")));
}

// What a key has wrong shows once, and not again in what follows from it.
TEST_F(BorderMtaCompose, TellsOfNoConsequences) {
  EXPECT_THAT(
      problems_beside("[tls]\ncertificates = [{ key = \"good.pem\" }]\n"),
      ElementsAre(HasSubstr(": tls.certificates.chain: the certificate's file is missing")));
  EXPECT_THAT(problems_of("[routes]\nmaildirs = \"mail\"\nrules = [\"a.test teleport:x\"]\n"
                          "[spool]\ndirectory = \"spool\"\n"),
              ElementsAre(HasSubstr(": routes.rules: ")));
  EXPECT_THAT(problems_of("[routes]\nmaildirs = \"mail\"\nrules = [\"a.test discard\"]\n"
                          "[spool]\ndirectry = \"spool\"\n"),
              ElementsAre(HasSubstr(": spool.directry: there is no such key; ")));
  EXPECT_THAT(problems_of("[routes]\nrules = [\"a.test smtp:[b.test]\"]\n"
                          "[relay]\nmode = \"cut_throug\"\n"),
              ElementsAre(HasSubstr(": relay.mode: \"cut_throug\" is unknown; ")));
  EXPECT_THAT(problems_of("[routes\n"), ElementsAre(HasSubstr("this is not TOML")));
}

TEST_F(BorderMtaCompose, LooksAtNothingWithoutAFile) {
  config c;
  const problems all = read_config({.file = folder_ / "absent.toml", .base = folder_.path()}, c);
  EXPECT_THAT(all, ElementsAre(HasSubstr("absent.toml: cannot be read: ")));
  EXPECT_THAT(try_files(c), IsEmpty());
}

TEST_F(BorderMtaCompose, PlacesCiphersAtTheirKey) {
  EXPECT_THAT(problems_beside("[tls]\nself_signed = true\nciphers = \"ROT13\"\n[relay.tls]\n"
                              "ciphers = \"ROT26\"\n"),
              ElementsAre(StartsWith("c.toml:3:11: tls.ciphers: TLS ciphers \"ROT13\": "),
                          StartsWith("c.toml:5:11: relay.tls.ciphers: TLS ciphers \"ROT26\": ")));
}

TEST_F(BorderMtaCompose, TellsOfAllThatTlsNames) {
  EXPECT_THAT(problems_beside(R"([tls]
ciphers = "ROT13"
client_certificates = "request"
client_ca = "ca.pem"
certificates = [
  { chain = "one.pem" },
  { chain = "good.pem" },
  { chain = "good.pem", key = "two.key" },
]
[relay.tls]
ca_file = "others.pem"
)"),
              ElementsAre(StartsWith("c.toml:2:11: tls.ciphers: "),
                          StartsWith("c.toml:6:13: tls.certificates[0].chain: "),
                          StartsWith("c.toml:8:31: tls.certificates[2].key: "),
                          StartsWith("c.toml:4:13: tls.client_ca: "),
                          StartsWith("c.toml:11:11: relay.tls.ca_file: ")));
}

}  // namespace
}  // namespace border_mta
