// This header stands alone.
#include "checks/testing.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

#include "checks/check.hpp"

namespace gatepost::checks {
namespace {

// Writes down what it is asked.
class diary final : public check {
 public:
  explicit diary(std::string& to) : to_(to) {}
  std::string_view name() const override { return "diary"; }

  asio::awaitable<verdict> on_connect(context& c) override { return note(c); }
  asio::awaitable<verdict> on_helo(context& c) override { return note(c, c.facts().helo); }
  asio::awaitable<verdict> on_tls(context& c) override { return note(c); }
  asio::awaitable<verdict> on_auth(context& c) override { return note(c, c.facts().auth_identity); }
  asio::awaitable<verdict> on_mail(context& c) override {
    return note(c, c.envelope().reverse_path().text());
  }
  asio::awaitable<verdict> on_rcpt(context& c) override {
    const bool refused = c.recipient().forward_path.local_part() == "nobody";
    return note(c, c.recipient().forward_path.text(), refused);
  }
  asio::awaitable<verdict> on_data(context& c) override { return note(c); }
  asio::awaitable<verdict> on_header_end(context& c) override {
    return note(c, std::string(c.header()));
  }
  asio::awaitable<verdict> on_body(context& c, std::string_view text) override {
    return note(c, std::string(text), text == "virus");
  }
  asio::awaitable<verdict> on_message(context& c) override {
    return note(c, std::to_string(c.envelope().recipients().size()));
  }

 private:
  asio::awaitable<verdict> note(context& c, std::string what = {}, bool refused = false) {
    to_.append(to_string(c.stage())).append("(").append(what).append(") ");
    if (refused) co_return verdict::refuse(smtp::reply(550, {5, 7, 1}, "no"));
    co_return verdict::pass();
  }

  std::string& to_;
};

TEST(Trial, GoesTheWayOfASession) {
  std::string way;
  trial t;
  t.add<diary>(way);
  t.connect();
  t.helo("mx");
  t.tls();
  t.auth("ann");
  t.mail("<a@x.test>");
  t.rcpt("<b@x.test>");
  EXPECT_TRUE(t.rcpt("<nobody@x.test>").negative());
  EXPECT_TRUE(t.message("A: b\r\n\r\ntext\r\n", 8).passes());
  EXPECT_EQ(
      way,
      "connect() helo(mx) tls() auth(ann) mail(a@x.test) rcpt(b@x.test) rcpt(nobody@x.test) data() "
      "header_end(A: b\r\n) body(A: b\r\n\r\n) body(text\r\n) message(1) ");
  EXPECT_FALSE(t.envelope().active());
  EXPECT_EQ(t.facts().bad_recipients, 1u);
  EXPECT_EQ(t.verdicts().size(), 10u);  // chunks that pass are not reported
}

TEST(Trial, MessagesWithoutHeaderOrBody) {
  const char* const cases[][2] = {
      {"", "data() header_end() message(0) "},
      {"\r\n", "data() header_end() body(\r\n) message(0) "},
      {"A: b\r\n", "data() header_end(A: b\r\n) body(A: b\r\n) message(0) "},
  };
  for (const auto& c : cases) {
    std::string way;
    trial t;
    t.add<diary>(way);
    t.message(c[0]);
    EXPECT_EQ(way, c[1]);
  }
}

TEST(Trial, ARefusalEndsTheMessage) {
  std::string way;
  trial t;
  t.add<diary>(way);
  EXPECT_EQ(t.message("virusmore!", 5).reply().code(), 550);
  EXPECT_EQ(way, "data() header_end(virusmore!) body(virus) ");
}

TEST(Trial, BadPathsAreTheTestsMistake) {
  trial t;
  EXPECT_THROW(t.mail("a@x.test"), std::invalid_argument);
  EXPECT_THROW(t.rcpt("<>"), std::invalid_argument);
}

}  // namespace
}  // namespace gatepost::checks
