#include "examples/identity/recording_resolver.hpp"

#include <gtest/gtest.h>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "smtp/testing/fake_resolver.hpp"

namespace identity {
namespace {

using answer = gatepost::smtp::dns::answer<std::string>;

TEST(RecordingResolver, KeepsWhatWasAskedUntilItIsTaken) {
  asio::io_context io;
  gatepost::smtp::testing::fake_resolver dns;
  dns.add_txt("a.example", {"one", "two"}).fails("b.example", "SERVFAIL");
  recording_resolver recorder(dns);
  for (const char* name : {"a.example", "b.example", "c.example"}) {
    asio::co_spawn(io, recorder.txt(name), [](const std::exception_ptr&, const answer&) {});
    io.run();
    io.restart();
  }
  const std::vector<dns_step> steps = recorder.take();
  ASSERT_EQ(steps.size(), 3u);
  EXPECT_EQ(steps[0].name, "a.example");
  EXPECT_EQ(steps[0].type, "TXT");
  EXPECT_EQ(steps[0].rcode, "NOERROR");
  EXPECT_EQ(steps[0].records, (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(steps[1].rcode, "SERVFAIL");
  EXPECT_EQ(steps[2].rcode, "NXDOMAIN");
  EXPECT_TRUE(recorder.take().empty());
}

// As one that is cancelled when its answer has come already.
TEST(RecordingResolver, AQuestionMayEndLater) {
  asio::io_context io;
  gatepost::smtp::testing::fake_resolver dns;
  dns.add_txt("a.example", {"one"}).delay(std::chrono::milliseconds(1));
  auto recorder = std::make_unique<recording_resolver>(dns);
  std::vector<std::string> found;
  asio::co_spawn(
      io, recorder->txt("a.example"),
      [&found](const std::exception_ptr&, const answer& said) { found = said.records(); });
  while (dns.open() == 0) io.run_one();
  recorder.reset();
  io.run();
  EXPECT_EQ(found, std::vector<std::string>{"one"});
}

}  // namespace
}  // namespace identity
