// This header stands alone.
#include "checks/detail/lookups.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "smtp/testing/fake_resolver.hpp"
#include "tests/checks/stepped_resolver.hpp"
#include "tests/support/run.hpp"

namespace gatepost::checks::detail {
namespace {

using smtp::testing::fake_resolver;
using ::testing::ElementsAre;

// The addresses of all mail hosts, or what is in the way.
class hosts_search {
 public:
  explicit hosts_search(std::string domain) : domain_(std::move(domain)) {}

  std::optional<std::string> operator()(lookups& dns) {
    ++*runs;
    const auto* mx = dns.mx(domain_);
    if (mx == nullptr) return std::nullopt;
    std::string text = std::string(to_string(mx->status())) + ':';
    bool all = true;
    for (const auto& record : mx->records()) {
      const auto* found = dns.a(record.exchange);
      all = all && found != nullptr;
      if (found == nullptr) continue;
      if (!found->is_definite()) text += ' ' + found->reason();
      for (const auto& address : found->records()) text += ' ' + address.text();
    }
    if (!all) return std::nullopt;
    return text;
  }

  std::shared_ptr<int> runs = std::make_shared<int>(0);

 private:
  std::string domain_;
};

fake_resolver& fill(fake_resolver& dns) {
  dns.add_mx("example.test", {{10, "one.test"}, {20, "two.test"}})
      .add_a("one.test", {"192.0.2.1"})
      .add_a("two.test", {"192.0.2.2"});
  return dns;
}

TEST(Lookups, NeedNoCoroutineForWhatIsAtHand) {
  asio::io_context io(1);
  fake_resolver dns;
  fill(dns).at_hand();
  const hosts_search search("example.test");
  const auto work = begin_search<std::string>(io.get_executor(), dns, search);
  ASSERT_TRUE(work->done()) << "and nothing has run";
  EXPECT_EQ(work->result(), "found: 192.0.2.1 192.0.2.2");
  EXPECT_EQ(*search.runs, 1);
  EXPECT_THAT(dns.asked(), ElementsAre("MX example.test", "A one.test", "A two.test"));
  EXPECT_EQ(testing::run(io, search_for<std::string>(dns, search)), work->result());
}

TEST(Lookups, AskAtTheSameTimeWhatCanBeAskedAtTheSameTime) {
  asio::io_context io(1);
  kit::stepped_resolver dns(io);
  fill(dns.table());
  const hosts_search search("example.test");
  const auto work = begin_search<std::string>(io.get_executor(), dns, search);
  io.poll();
  EXPECT_EQ(dns.open(), 1u);
  dns.step();
  EXPECT_EQ(dns.open(), 2u);
  EXPECT_FALSE(work->done());
  dns.step();
  ASSERT_TRUE(work->done());
  EXPECT_EQ(work->result(), "found: 192.0.2.1 192.0.2.2");
  EXPECT_THAT(dns.table().asked(), ElementsAre("MX example.test", "A one.test", "A two.test"));
}

TEST(Lookups, AskEachQuestionOnce) {
  fake_resolver dns;
  const auto twice = [](lookups& l) -> std::optional<bool> {
    const auto* first = l.txt("a.test");
    const auto* again = l.txt("a.test");
    const auto* other = l.a("a.test");
    const auto* whose = l.ptr(*smtp::parse_ip_address("::ffff:192.0.2.1"));
    const auto* same = l.ptr(*smtp::parse_ip_address("192.0.2.1"));
    if (first == nullptr || other == nullptr || whose == nullptr) return std::nullopt;
    return first == again && whose == same;
  };
  asio::io_context io(1);
  EXPECT_TRUE(testing::run(io, search_for<bool>(dns, twice)));
  EXPECT_THAT(dns.asked(), ElementsAre("TXT a.test", "A a.test", "PTR 1.2.0.192.in-addr.arpa"));
}

TEST(Lookups, WhatIsNotAnsweredInTimeIsAFailure) {
  asio::io_context io(1);
  kit::stepped_resolver dns(io);
  fill(dns.table());
  bool late = false;
  const auto search = [&](lookups& l) -> std::optional<smtp::dns::failure> {
    const auto* found = l.a("one.test");
    if (found == nullptr) return std::nullopt;
    late = l.late();
    return found->failure();
  };
  const auto said = testing::run(
      io, search_for<smtp::dns::failure>(dns, search, std::chrono::steady_clock::now()));
  EXPECT_EQ(said, smtp::dns::failure::timeout);
  EXPECT_TRUE(late);
  io.restart();
  io.poll();
  EXPECT_EQ(dns.open(), 0u) << "and it is not asked any more";
}

TEST(Lookups, CancelWhatASearchDoesNotNeed) {
  asio::io_context io(1);
  kit::stepped_resolver slow(io);
  const auto any = [](lookups& l) -> std::optional<bool> {
    const auto* slow_one = l.a("one.test");
    const auto* failing = l.txt("two.test");
    if (slow_one == nullptr && failing == nullptr) return std::nullopt;
    return slow_one == nullptr;
  };
  // TXT is answered at once.
  class half : public smtp::dns::resolver {
   public:
    explicit half(kit::stepped_resolver& r) : r_(r) {}
    asio::awaitable<smtp::dns::answer<smtp::ip_address>> a(std::string n) override {
      return r_.a(std::move(n));
    }
    asio::awaitable<smtp::dns::answer<smtp::ip_address>> aaaa(std::string n) override {
      return r_.aaaa(std::move(n));
    }
    asio::awaitable<smtp::dns::answer<smtp::dns::mx_record>> mx(std::string n) override {
      return r_.mx(std::move(n));
    }
    asio::awaitable<smtp::dns::answer<std::string>> txt(std::string) override {
      co_return smtp::dns::answer<std::string>::no_data(std::chrono::seconds(1));
    }
    asio::awaitable<smtp::dns::answer<std::string>> ptr(smtp::ip_address a) override {
      return r_.ptr(a);
    }
    asio::awaitable<smtp::dns::answer<smtp::dns::tlsa_record>> tlsa(std::string n) override {
      return r_.tlsa(std::move(n));
    }

   private:
    kit::stepped_resolver& r_;
  } dns(slow);
  EXPECT_TRUE(testing::run(io, search_for<bool>(dns, any)));
  io.restart();
  io.poll();
  EXPECT_EQ(slow.open(), 0u);
}

TEST(Lookups, AreCancelledWithTheSearch) {
  asio::io_context io(1);
  kit::stepped_resolver dns(io);
  fill(dns.table());
  const hosts_search search("example.test");
  {
    const errand_ptr<std::string> work(begin_search<std::string>(io.get_executor(), dns, search));
    io.poll();
    EXPECT_EQ(dns.open(), 1u);
    dns.step();
    EXPECT_EQ(dns.open(), 2u);
  }
  const int runs = *search.runs;
  io.restart();
  io.poll();
  EXPECT_EQ(dns.open(), 0u);
  EXPECT_EQ(*search.runs, runs) << "it goes on for nobody";
}

// The answer is there, and nobody has been woken yet.
TEST(Lookups, DoNotGoOnForWhoHasLeftAsTheAnswerCame) {
  asio::io_context io(1);
  kit::stepped_resolver dns(io);
  fill(dns.table());
  const hosts_search search("example.test");
  auto work = begin_search<std::string>(io.get_executor(), dns, search);
  io.poll();
  const int runs = *search.runs;
  asio::post(io, [&] { work->cancel(); });
  dns.step();
  EXPECT_EQ(*search.runs, runs);
  EXPECT_FALSE(work->done());
  EXPECT_EQ(dns.open(), 0u);
}

template <class Record>
using reply = asio::awaitable<smtp::dns::answer<Record>>;

struct throwing_resolver : smtp::dns::resolver {
  reply<smtp::ip_address> a(std::string) override { throw std::runtime_error("out of order"); }
  reply<smtp::ip_address> aaaa(std::string) override { throw 1; }
  reply<smtp::dns::mx_record> mx(std::string) override { throw 1; }
  reply<std::string> txt(std::string) override { throw 1; }
  reply<std::string> ptr(smtp::ip_address) override { throw 1; }
  reply<smtp::dns::tlsa_record> tlsa(std::string) override { throw 1; }
};

TEST(Lookups, TakeAnExceptionForAFailure) {
  throwing_resolver dns;
  const auto search = [](lookups& l) -> std::optional<std::string> {
    const auto* v4 = l.a("a.test");
    const auto* mx = l.mx("a.test");
    if (v4 == nullptr || mx == nullptr) return std::nullopt;
    return v4->reason() + ", " + mx->reason();
  };
  asio::io_context io(1);
  EXPECT_EQ(testing::run(io, search_for<std::string>(dns, search)),
            "out of order, an exception that is no std::exception");
}

TEST(Lookups, AnAnswerOfAnotherTypeIsNone) {
  struct confused final : throwing_resolver {
    std::optional<smtp::dns::any_answer> known(const smtp::dns::question&) override {
      return smtp::dns::no_such_name(smtp::dns::record_type::tlsa);
    }
  } dns;
  lookups l(dns);
  const auto* texts = l.txt("a.test");
  ASSERT_NE(texts, nullptr);
  EXPECT_EQ(texts->failure(), smtp::dns::failure::other);
}

// The resolver outlives them, and waits for nothing itself.
TEST(Lookups, GoWithTheirExecutor) {
  auto io = std::make_unique<asio::io_context>(1);
  fake_resolver dns;
  fill(dns).delay(std::chrono::hours(1));
  const hosts_search search("example.test");
  std::weak_ptr<errand<std::string>> left;
  {
    auto work = begin_search<std::string>(io->get_executor(), dns, search);
    left = work;
    io->poll();
  }
  EXPECT_EQ(dns.open(), 1u);
  EXPECT_FALSE(left.expired()) << "its work goes on";
  io.reset();
  EXPECT_TRUE(left.expired());
  EXPECT_EQ(dns.open(), 0u);
  EXPECT_EQ(search.runs.use_count(), 1) << "the search went, too";
}

}  // namespace
}  // namespace gatepost::checks::detail
