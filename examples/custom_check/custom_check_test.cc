// The checks of this example, tested as docs/writing-a-check.md says.
#include <gtest/gtest.h>

#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <chrono>
#include <stdexcept>
#include <string>

#include "checks/testing.hpp"
#include "examples/custom_check/first_contact.hpp"
#include "examples/custom_check/phrase_watch.hpp"

using namespace std::chrono_literals;

TEST(PhraseWatch, CountsAcrossChunks) {
  for (std::size_t chunk = 1; chunk < 30; ++chunk) {
    checks::trial t;
    t.add<phrase_watch>("act now", 3);
    t.mail("<a@example.test>");
    t.rcpt("<b@example.test>");
    const auto once = t.message("Subject: x\r\n\r\nact now\r\n", chunk);
    EXPECT_TRUE(once.passes());
    EXPECT_EQ(once.what_else().add_headers.at(0).value, "1");

    t.mail("<a@example.test>");
    t.rcpt("<b@example.test>");
    const auto often = t.message("Subject: act now\r\n\r\nact nowact now\r\n", chunk);
    EXPECT_EQ(often.kind(), smtp::decision::hold);
  }
}

TEST(PhraseWatch, SaysNothingOfOtherMessages) {
  checks::trial t;
  t.add<phrase_watch>("act now", 1);
  EXPECT_FALSE(t.message("Subject: x\r\n\r\nact no w, act\r\n").has_effects());
}

asio::awaitable<int> knows_them(std::string sender) {
  co_return sender == "spammer@example.test" ? -1 : 3;
}

TEST(FirstContact, RefusesWhomTheDirectoryDoesNotLike) {
  checks::trial t;
  t.add<first_contact>(knows_them);
  EXPECT_EQ(t.mail("<spammer@example.test>").reply().code(), 550);
  EXPECT_TRUE(t.mail("<ann@example.test>").passes());
  EXPECT_TRUE(t.mail("<>").passes());
}

asio::awaitable<int> is_down(std::string) {
  throw std::runtime_error("no route to 192.0.2.5");
  co_return 0;
}

TEST(FirstContact, ADirectoryThatIsDownStopsNobody) {
  checks::trial t;
  t.chain().add<first_contact>({.deadline = 2s, .on_error = checks::on_error::skip}, is_down);
  EXPECT_TRUE(t.mail("<ann@example.test>").passes());
  EXPECT_EQ(t.trouble().at(0).what, "at mail: no route to 192.0.2.5");
}

asio::awaitable<int> takes_an_hour(std::string) {
  const auto executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor, 1h);
  co_await timer.async_wait(asio::use_awaitable);
  co_return 0;
}

TEST(FirstContact, ASlowDirectoryIsNotWaitedFor) {
  checks::trial t;
  t.chain().add<first_contact>({.deadline = 5ms, .on_error = checks::on_error::defer},
                               takes_an_hour);
  EXPECT_EQ(t.mail("<ann@example.test>").reply().code(), 451);
}
