// Whole conversations of client_connection with a session of our own server, in memory: cut at each
// octet that goes either way, with the connection lost and the server silent there, and with a
// message that cannot be read to its end. Always the same holds: the client comes to its end; what
// it calls delivered is there, once, with all of its text; what is there and not called delivered
// is in doubt; and nobody is told that his message has failed for good.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <asio/co_spawn.hpp>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "smtp/client.hpp"
#include "smtp/testing/forwarding_transport.hpp"
#include "smtp/testing/memory_transport.hpp"
#include "tests/support/authenticators.hpp"
#include "tests/support/memory_sessions.hpp"

namespace gatepost::smtp {
namespace {

using namespace std::chrono_literals;
using namespace tests;  // NOLINT(google-build-using-namespace)

enum class mishap { none, pause, loss, silence };

// The client's end. What happens to it happens when so many octets have gone either way.
class fragile_transport final : public testing::forwarding_transport {
 public:
  fragile_transport(testing::memory_transport& t, mishap what, std::size_t at, bool& happened)
      : forwarding_transport(t), t_(t), what_(what), left_(at), happened_(happened) {}
  ~fragile_transport() override { t_.close(); }

  io_result try_read(std::span<char> into) override {
    if (left_ == 0 && !happens()) return {0, std::make_error_code(blocked)};
    const io_result r = t_.try_read(into.first(std::min(into.size(), left_)));
    left_ -= r.octets;
    return r;
  }
  io_result try_write(std::string_view text) override {
    if (left_ == 0 && !happens()) return {0, std::make_error_code(blocked)};
    const io_result r = t_.try_write(text.substr(0, left_));
    left_ -= r.octets;
    return r;
  }
  asio::awaitable<std::error_code> wait(readiness what, time_point deadline) override {
    const bool silent = happened_ && what_ == mishap::silence;
    return t_.wait(silent ? readiness::never : what, deadline);
  }

 private:
  static constexpr auto blocked = std::errc::operation_would_block;

  // Whether the call goes on.
  bool happens() {
    const bool first = !std::exchange(happened_, true);
    if (what_ == mishap::silence) return false;
    if (what_ == mishap::loss) t_.break_off();
    left_ = std::string::npos;
    return !(first && what_ == mishap::pause);
  }

  testing::memory_transport& t_;
  mishap what_;
  std::size_t left_;
  bool& happened_;
};

// A text of small pieces, so many of which can be had.
class pieces final : public body_source {
 public:
  pieces(std::string_view text, std::size_t count, bool& failed)
      : text_(text), left_(count), failed_(failed) {}
  asio::awaitable<result<std::string_view>> next() override {
    failed_ = failed_ || (!text_.empty() && left_ == 0);
    if (failed_) co_return result<std::string_view>(errc::spool_failed);
    const std::string_view piece = text_.substr(0, 4);
    text_.remove_prefix(piece.size());
    --left_;
    co_return result<std::string_view>(piece);
  }

 private:
  std::string_view text_;
  std::size_t left_;
  bool& failed_;
};

struct conversation {
  const char* name;
  client_protocol protocol = client_protocol::smtp;
  chunking_use chunking = chunking_use::when_needed;
  bool tls = false;
  bool prdr = false;
  bool auth = false;
};

const conversation conversations[] = {
    {.name = "data"},
    {.name = "chunks", .chunking = chunking_use::when_offered},
    {.name = "lmtp", .protocol = client_protocol::lmtp},
    {.name = "starttls", .tls = true},
    {.name = "prdr", .prdr = true},
    {.name = "auth", .auth = true},
};

const std::string texts[] = {"Subject: 1\r\n\r\n.one\r\n..\r\n", "Subject: 2\r\n\r\ntwo\r\n"};

// One conversation, from the greeting to the end.
class run {
 public:
  run(const conversation& c, mishap what, std::size_t at, std::size_t pieces_each = 100)
      : pieces_each_(pieces_each) {
    f_.settings.lmtp = c.protocol == client_protocol::lmtp;
    f_.settings.extensions.add(extension::prdr);
    f_.options.tls = c.tls;
    if (c.auth) log_in();
    f_.session =
        std::make_unique<testing::memory_session>(f_.settings, f_.policy, f_.delivery, f_.options);
    options_.protocol = c.protocol;
    options_.chunking = c.chunking;
    options_.prdr = c.prdr;
    options_.starttls = c.tls ? starttls_use::required : starttls_use::none;
    client_.emplace(options_, &tls_, tls_peer("mx.example.test"));
    auto t =
        std::make_unique<fragile_transport>(f_.session->connection.client(), what, at, happened_);
    asio::co_spawn(f_.session->io, converse(std::move(t)), [this](std::exception_ptr e) {
      done_ = true;
      thrown_ = e;
    });
    testing::settle(f_.session->io);
    for (int wait = 0; wait < 60 && !done_; ++wait) f_.session->advance(1min);
  }

  // What holds always.
  void check() {
    ASSERT_TRUE(done_);
    if (thrown_) std::rethrow_exception(thrown_);
    for (std::size_t i = 0; i < std::size(texts); ++i) check_message(i);
    for (const testing::kept_message& m : f_.delivery.kept)
      EXPECT_THAT(texts, ::testing::Contains(m.received));
  }
  // And where nothing went wrong.
  void check_whole() {
    check();
    EXPECT_EQ(f_.delivery.kept.size(), std::size(texts));
    EXPECT_FALSE(client_->failure().error) << client_->failure().text();
    EXPECT_TRUE(f_.session->ended());
    EXPECT_EQ(f_.session->ended_by(), "quit");
    EXPECT_EQ(f_.session->facts().tls.has_value(), f_.options.tls);
  }
  // It came that far.
  bool happened() const { return happened_ || unreadable_; }

 private:
  void log_in() {
    f_.settings.extensions.add(extension::auth);
    f_.settings.auth_mechanisms = {"PLAIN"};
    f_.settings.auth_without_tls = f_.settings.require_auth = true;
    f_.options.authenticator = &anybody_;
    options_.login = credentials("user", "secret");
    options_.auth_without_tls = true;
  }

  asio::awaitable<void> converse(std::unique_ptr<transport> t) {
    co_await client_->hello(std::move(t));
    for (const std::string& text : texts) {
      if (!client_->usable()) break;
      transaction message;
      message.reverse_path = *address::from_text("a@client.example");
      for (const char* to : {"b@example.test", "c@example.test"})
        message.recipients.emplace_back().forward_path = *address::from_text(to);
      pieces source(text, pieces_each_, unreadable_);
      const transaction_outcome outcome = co_await client_->send(message, source);
      outcomes_.push_back(outcome);
    }
    co_await client_->quit();
  }

  void check_message(std::size_t i) {
    const auto& kept = f_.delivery.kept;
    const auto copies = std::count_if(kept.begin(), kept.end(),
                                      [&](const auto& m) { return m.received == texts[i]; });
    EXPECT_LE(copies, 1) << texts[i];
    if (i >= outcomes_.size()) {
      EXPECT_EQ(copies, 0) << texts[i];
      return;
    }
    for (const recipient_outcome& r : outcomes_[i].recipients) {
      EXPECT_NE(r.state, recipient_state::failed) << r.reply.text();
      EXPECT_NE(r.state, recipient_state::untried);
      const bool delivered = r.state == recipient_state::delivered;
      EXPECT_TRUE(copies == 1 || !delivered) << "it is lost: " << texts[i];
      EXPECT_TRUE(copies == 0 || delivered || r.in_doubt) << "it is there: " << texts[i];
    }
  }

  std::size_t pieces_each_;
  client_options options_;
  trusting_authenticator anybody_;
  fake_session f_;
  client_context tls_;
  std::optional<client_connection> client_;
  std::vector<transaction_outcome> outcomes_;
  bool done_ = false;
  std::exception_ptr thrown_;
  bool happened_ = false;    // to the connection
  bool unreadable_ = false;  // a text
};

class client_replay : public ::testing::TestWithParam<conversation> {};

// Once for each octet, until the conversation is over before it happens.
std::size_t at_each_octet(const conversation& c, mishap what) {
  std::size_t at = 0;
  for (bool happened = true; happened; ++at) {
    SCOPED_TRACE(at);
    run r(c, what, at);
    if (what == mishap::pause)
      r.check_whole();
    else
      r.check();
    happened = r.happened();
  }
  return at;
}

TEST_P(client_replay, as_it_stands) {
  run(GetParam(), mishap::none, std::string::npos).check_whole();
}

TEST_P(client_replay, cut_at_each_octet) {
  EXPECT_GT(at_each_octet(GetParam(), mishap::pause), 500u);
}

TEST_P(client_replay, the_connection_is_lost_at_each_octet) {
  EXPECT_GT(at_each_octet(GetParam(), mishap::loss), 500u);
}

TEST_P(client_replay, the_server_is_silent_at_each_octet) {
  EXPECT_GT(at_each_octet(GetParam(), mishap::silence), 500u);
}

TEST_P(client_replay, a_message_that_cannot_be_read) {
  std::size_t had = 0;
  for (bool happened = true; happened; ++had) {
    SCOPED_TRACE(had);
    run r(GetParam(), mishap::none, std::string::npos, had);
    r.check();
    happened = r.happened();
  }
  EXPECT_GT(had, 5u);
}

INSTANTIATE_TEST_SUITE_P(all, client_replay, ::testing::ValuesIn(conversations),
                         [](const auto& p) { return std::string(p.param.name); });

}  // namespace
}  // namespace gatepost::smtp
