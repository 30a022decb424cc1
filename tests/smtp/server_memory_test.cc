// Memory that runs out at each single allocation of a whole session: the session may end, but the
// server goes on, and what a client heard 250 for is kept.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "smtp/server.hpp"
#include "smtp/tls/self_signed.hpp"
#include "tests/support/failing_new.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/running_server.hpp"

namespace gatepost::smtp {
namespace {

using tests::raw_client;
using tests::running_server;
namespace failing_new = tests::failing_new;

// A client's side of a conversation: false where the server has closed before its end.
using conversation = bool (*)(raw_client&, int& accepted);

bool says(raw_client& c, std::string_view line, std::string_view expected) {
  c.send(std::string(line) + "\r\n");
  return c.reply().starts_with(expected);
}

bool one_by_data(raw_client& c, int& accepted) {
  if (!c.reply().starts_with("220 ")) return false;
  if (!says(c, "EHLO client.example", "250")) return false;
  if (!says(c, "MAIL FROM:<a@client.example> SIZE=1000", "250 ")) return false;
  for (const char* to : {"b", "c", "d"})
    if (!says(c, "RCPT TO:<" + std::string(to) + "@example.test>", "250 ")) return false;
  if (!says(c, "DATA", "354 ")) return false;
  const std::string text =
      "Received: from a\r\nSubject: out of memory\r\n\r\n" + std::string(900, 'x') + "\r\n.";
  if (!says(c, text, "250 ")) return false;
  ++accepted;
  return says(c, "QUIT", "221 ") && c.closed();
}

bool two_by_bdat(raw_client& c, int& accepted) {
  if (!c.reply().starts_with("220 ")) return false;
  if (!says(c, "EHLO client.example", "250")) return false;
  for (int i = 0; i < 2; ++i) {
    // One segment: the envelope and the first chunk.
    c.send("MAIL FROM:<>\r\nRCPT TO:<b@example.test>\r\nBDAT 12\r\nSubject: x\r\n");
    bool fine = true;
    for (int replies = 0; replies < 3; ++replies) fine = c.reply().starts_with("250 ") && fine;
    if (!fine) return false;
    c.send("BDAT 6 LAST\r\n\r\nhi\r\n");
    if (!c.reply().starts_with("250 ")) return false;
    ++accepted;
  }
  return says(c, "QUIT", "221 ") && c.closed();
}

// One segment, so that the session does many things at a stretch.
bool many_at_once(raw_client& c, int& accepted) {
  if (!c.reply().starts_with("220 ")) return false;
  if (!says(c, "EHLO client.example", "250")) return false;
  constexpr int messages = 30;
  std::string all;
  for (int i = 0; i < messages; ++i)
    all += "MAIL FROM:<>\r\nRCPT TO:<b@example.test>\r\nBDAT 18 LAST\r\nSubject: x\r\n\r\nhi\r\n";
  c.send(all);
  bool fine = true;
  for (int i = 0; i < messages; ++i) {
    for (int replies = 0; replies < 2; ++replies) fine = c.reply().starts_with("250 ") && fine;
    const bool taken = c.reply().starts_with("250 ");
    fine = fine && taken;
    if (taken) ++accepted;
  }
  return fine && says(c, "QUIT", "221 ") && c.closed();
}

bool refused_things(raw_client& c, int&) {
  if (!c.reply().starts_with("220 ")) return false;
  for (const char* line :
       {"HELP", "VRFY x", "WHAT", "RSET", "NOOP", "MAIL", "DATA", "AUTH PLAIN"}) {
    c.send(std::string(line) + "\r\n");
    if (c.reply().empty()) return false;
  }
  return says(c, "QUIT", "221 ") && c.closed();
}

bool starttls_and_leave(raw_client& c, int&) {
  if (!c.reply().starts_with("220 ")) return false;
  if (!says(c, "EHLO client.example", "250")) return false;
  if (!says(c, "STARTTLS", "220 ")) return false;
  c.send("this is no handshake");
  while (!c.line().empty()) continue;  // an alert may come before the end
  return true;
}

bool left_in_a_message(raw_client& c, int&) {
  if (!c.reply().starts_with("220 ")) return false;
  c.send("EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.test>\r\nDATA\r\nSubject: x\r\n\r\nhi");
  c.half_close();
  while (!c.line().empty()) continue;
  return true;
}

// Counts what is committed.
class counting final : public delivery {
 public:
  asio::awaitable<verdict> resolve(const session_view&, recipient&) override {
    co_return verdict::pass();
  }
  asio::awaitable<std::unique_ptr<intake>> begin(const session_view&) override {
    co_return std::make_unique<message>(*this);
  }
  std::atomic<int> committed{0};

 private:
  class message final : public intake {
   public:
    explicit message(counting& all) : all_(all) {}
    asio::awaitable<std::error_code> write(std::string_view text) override {
      text_ += text;
      co_return std::error_code{};
    }
    asio::awaitable<delivery_outcome> commit(const disposition&) override {
      delivery_outcome done(replies::ok);
      done.queue_id = "a queue id that is longer than what a string keeps in itself";
      ++all_.committed;
      co_return done;
    }

   private:
    counting& all_;
    std::string text_;
  };
};

class server_memory : public ::testing::Test {
 protected:
  server_memory() {
    const pem_pair pem = make_self_signed({"mx.example.test"}, 1);
    tls_server_options o;
    o.certificates.push_back(certificate_source::from_pem(pem.cert_pem, pem.key_pem));
    EXPECT_TRUE(tls_.load(o));
    begin();
  }

  // On a thread of its own, which has no memory at hand of what went before.
  void begin() {
    server_.reset();
    server_options options;
    options.channels.front().hostname = "mx.example.test";
    options.connections.per_network = 0;
    options.tls = &tls_;
    server_ = std::make_unique<running_server>(std::move(options),
                                               std::vector<listener>{{.address = "127.0.0.1:0"}}, 1,
                                               nullptr, &delivery_);
  }

  // Says what happened: how the client's side went, and how many allocations the server's took.
  struct went {
    bool whole = false;
    int accepted = 0;
    std::size_t allocations = 0;
    std::size_t failed = 0;
  };

  went run(conversation say, std::size_t fails, std::size_t count) {
    went w;
    raw_client c;
    server_->on_front([&] { failing_new::arm(fails, count); });
    c.connect(server_->port());
    try {
      w.whole = say(c, w.accepted);
    } catch (const std::exception& e) {
      // The server has closed while we sent; but silence is none of its rights.
      EXPECT_STRNE(e.what(), "the server says nothing") << "allocation " << fails;
    }
    c.close();
    EXPECT_TRUE(server_->no_session_left());
    server_->on_front([&] {
      w.failed = failing_new::failed();
      w.allocations = failing_new::disarm();
    });
    return w;
  }

  // Each allocation fails by itself, then with all that follow it for a while.
  void check(conversation say) {
    run(say, 0, 0);  // what is made once is made now
    const std::size_t all = run(say, 0, 0).allocations;
    ASSERT_GT(all, 5u);
    for (const std::size_t count : {1u, 3u, 30u}) {
      for (std::size_t n = 1; n <= all; ++n) {
        SCOPED_TRACE("allocation " + std::to_string(n) + " of " + std::to_string(all) + ", and " +
                     std::to_string(count - 1) + " more");
        const int before = delivery_.committed;
        const went w = run(say, n, count);
        EXPECT_LE(w.accepted, delivery_.committed - before);
        const went after = run(say, 0, 0);  // the server is as it was
        ASSERT_TRUE(after.whole);
        ASSERT_EQ((*server_)->memory().used(), 0u);
      }
    }
    std::printf("%zu allocations\n", all);
  }

  // Each allocation of the first session that a thread has fails: what later ones find in Asio's
  // caches has to be allocated.
  void check_first(conversation say) {
    std::size_t n = 0;
    bool failed = true;
    while (failed) {
      SCOPED_TRACE("allocation " + std::to_string(++n));
      begin();
      const int before = delivery_.committed;
      const went w = run(say, n, 1);
      EXPECT_LE(w.accepted, delivery_.committed - before);
      const went after = run(say, 0, 0);
      ASSERT_TRUE(after.whole);
      ASSERT_EQ((*server_)->memory().used(), 0u);
      failed = w.failed != 0;
    }
    std::printf("%zu allocations\n", n - 1);
  }

  server_context tls_;
  counting delivery_;
  std::unique_ptr<running_server> server_;
};

TEST_F(server_memory, ends_in_the_first_message_by_data) { check_first(one_by_data); }
TEST_F(server_memory, ends_in_the_first_message_by_bdat) { check_first(two_by_bdat); }
TEST_F(server_memory, ends_while_the_first_things_are_refused) { check_first(refused_things); }
TEST_F(server_memory, ends_at_a_stretch) { check_first(many_at_once); }
TEST_F(server_memory, ends_in_the_first_handshake) { check_first(starttls_and_leave); }
TEST_F(server_memory, ends_in_a_message_by_data) { check(one_by_data); }
TEST_F(server_memory, ends_in_messages_by_bdat) { check(two_by_bdat); }
TEST_F(server_memory, ends_while_things_are_refused) { check(refused_things); }
TEST_F(server_memory, ends_in_a_handshake) { check(starttls_and_leave); }
TEST_F(server_memory, ends_when_the_client_leaves) { check(left_in_a_message); }

}  // namespace
}  // namespace gatepost::smtp
