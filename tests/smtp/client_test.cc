// This header stands alone.
#include "smtp/client.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <deque>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

namespace gatepost::smtp {
namespace {

// A next hop in memory: it says `says` when it has heard all of `hears`, line by line of its
// script, and time stands still but for waits that end at their deadline.
struct script_line {
  std::string hears;  // octets of the client; "<tls>" is a handshake
  std::string says;
};

struct next_hop {
  std::deque<script_line> script;
  std::string heard;                 // since the last line of the script
  std::string inbox;                 // for the client to read
  std::size_t read_size = 1 << 20;   // octets of one read
  std::size_t write_size = 1 << 20;  // octets of one write, before the client has to wait
  bool ends = false;                 // the connection is at its end when the script is
  bool broken = false;               // writing fails
  int to_write_waits = 0;
  std::vector<std::chrono::seconds> waited;  // to read in vain, for so long
  bool closed = false;

  void go_on() {
    while (!script.empty() && script.front().hears == heard) {
      inbox += script.front().says;
      heard.clear();
      script.pop_front();
    }
  }
};

class fake_transport final : public transport {
 public:
  explicit fake_transport(next_hop& peer) : peer_(peer) { peer_.go_on(); }

  io_result try_read(std::span<char> into) override {
    if (peer_.inbox.empty()) {
      if (peer_.ends && peer_.script.empty()) return {0, errc::connection_lost};
      return {0, std::make_error_code(std::errc::operation_would_block)};
    }
    const std::size_t n = std::min(peer_.read_size, into.size());
    const std::size_t got = peer_.inbox.copy(into.data(), n);
    peer_.inbox.erase(0, got);
    return {got, {}};
  }

  io_result try_write(std::string_view text) override {
    if (peer_.broken) return {0, errc::connection_lost};
    if (room_ == 0) return {0, std::make_error_code(std::errc::operation_would_block)};
    const std::size_t n = std::min(room_, text.size());
    room_ = peer_.write_size < 1 << 20 ? room_ - n : room_;
    peer_.heard.append(text.substr(0, n));
    peer_.go_on();
    return {n, {}};
  }

  asio::awaitable<std::error_code> wait(readiness what, time_point deadline) override {
    if (cancelled_) co_return errc::cancelled;
    if (what == readiness::to_write) {
      ++peer_.to_write_waits;
      room_ = peer_.write_size;
      co_return std::error_code{};
    }
    if (!peer_.inbox.empty()) co_return std::error_code{};
    if (peer_.ends && peer_.script.empty()) co_return std::error_code{};
    peer_.waited.push_back(std::chrono::duration_cast<std::chrono::seconds>(deadline - now_));
    now_ = deadline;
    co_return errc::timed_out;
  }

  asio::awaitable<std::error_code> accept_tls(const server_context&, time_point) override {
    co_return errc::tls_failed;
  }

  asio::awaitable<std::error_code> connect_tls(const client_context&, tls_peer peer,
                                               time_point) override {
    peer_.heard += "<tls " + peer.server_name + ">";
    peer_.go_on();
    if (!peer_.heard.empty()) co_return errc::tls_failed;
    facts_.emplace();
    co_return std::error_code{};
  }

  const tls_facts* tls() const override { return facts_ ? &*facts_ : nullptr; }
  std::string tls_error() const override { return "no common cipher"; }
  void cancel() override { cancelled_ = true; }
  void watch(busy_watch*, time_point) override {}
  void close() override { peer_.closed = true; }
  time_point now() const override { return now_; }

 private:
  next_hop& peer_;
  std::optional<tls_facts> facts_;
  std::size_t room_ = peer_.write_size;
  bool cancelled_ = false;
  time_point now_{};
};

class fake_connector final : public connector {
 public:
  explicit fake_connector(next_hop& peer) : peer_(peer) {}
  asio::awaitable<connect_result> connect(connect_target where, time_point) override {
    if (where.port() != 25) co_return connect_result(errc::not_found, "nobody there");
    co_return connect_result(std::make_unique<fake_transport>(peer_));
  }

 private:
  next_hop& peer_;
};

// Pieces, and an error where there are no more and `whole` is false.
class piece_source final : public body_source {
 public:
  explicit piece_source(std::deque<std::string> pieces, bool whole = true)
      : pieces_(std::move(pieces)), whole_(whole) {}
  asio::awaitable<result<std::string_view>> next() override {
    if (pieces_.empty() && !whole_) co_return result<std::string_view>(errc::spool_failed);
    if (pieces_.empty()) co_return result<std::string_view>(std::string_view());
    current_ = pieces_.front();
    pieces_.pop_front();
    co_return result<std::string_view>(std::string_view(current_));
  }

 private:
  std::deque<std::string> pieces_;
  std::string current_;
  bool whole_;
};

template <class Awaitable>
void run(Awaitable what) {
  asio::io_context io;
  std::exception_ptr thrown;
  asio::co_spawn(io, std::move(what), [&](std::exception_ptr e) { thrown = e; });
  io.run();
  if (thrown) std::rethrow_exception(thrown);
}

asio::awaitable<void> connect(client_connection& c, next_hop& peer, std::error_code& error,
                              std::uint16_t port = 25) {
  fake_connector by(peer);
  connect_target where("mx.example", port);
  error = co_await c.connect(by, std::move(where));
}

std::error_code connected(client_connection& c, next_hop& peer, std::uint16_t port = 25) {
  std::error_code error;
  run(connect(c, peer, error, port));
  return error;
}

asio::awaitable<void> send(client_connection& c, const transaction& t, body_source& text,
                           transaction_outcome& outcome) {
  outcome = co_await c.send(t, text);
}

transaction_outcome sent(client_connection& c, const transaction& t, body_source& text) {
  transaction_outcome outcome;
  run(send(c, t, text, outcome));
  return outcome;
}

transaction to_one() {
  transaction t;
  t.reverse_path = *address::from_text("a@a.example");
  t.recipients.emplace_back().forward_path = *address::from_text("b@b.example");
  return t;
}

std::deque<script_line> greeting(std::string_view features) {
  return {{"", "220 mx\r\n"},
          {"EHLO localhost\r\n", "250-mx\r\n250 " + std::string(features) + "\r\n"}};
}

constexpr std::string_view envelope =
    "MAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\nDATA\r\n";

next_hop one_message() {
  next_hop peer;
  peer.script = greeting("PIPELINING");
  peer.script.push_back({std::string(envelope), "250 ok\r\n250 ok\r\n354 go\r\n"});
  peer.script.push_back({"hello\r\n.\r\n", "250 queued\r\n"});
  peer.script.push_back({"QUIT\r\n", "221 bye\r\n"});
  return peer;
}

TEST(client, sends_a_message) {
  for (const std::size_t piece : {1u << 20, 1u, 7u}) {
    next_hop peer = one_message();
    peer.read_size = piece;
    client_connection c{client_options()};
    EXPECT_FALSE(connected(c, peer));
    EXPECT_TRUE(c.usable());
    piece_source text({"he", "llo", "\r\n"});
    const transaction_outcome outcome = sent(c, to_one(), text);
    EXPECT_EQ(outcome.count(recipient_state::delivered), 1u);
    EXPECT_EQ(outcome.recipients[0].reply.text(), "queued");
    EXPECT_TRUE(c.usable());
    EXPECT_FALSE(peer.closed);
    run(c.quit());
    EXPECT_TRUE(peer.closed);
    EXPECT_TRUE(peer.script.empty());
    EXPECT_FALSE(c.usable());
    EXPECT_FALSE(c.failure().error);
  }
}

TEST(client, waits_for_room_to_write) {
  next_hop peer = one_message();
  peer.write_size = 5;
  client_connection c{client_options()};
  EXPECT_FALSE(connected(c, peer));
  text_source text("hello\r\n");
  EXPECT_EQ(sent(c, to_one(), text).count(recipient_state::delivered), 1u);
  EXPECT_GT(peer.to_write_waits, 10);
}

TEST(client, does_not_connect) {
  next_hop peer;
  client_connection c{client_options()};
  EXPECT_EQ(connected(c, peer, 26), errc::not_found);
  EXPECT_EQ(c.failure().step, client_step::connect);
  EXPECT_EQ(c.failure().text(), "not found (the connection): nobody there");
  text_source text("hello\r\n");
  EXPECT_EQ(sent(c, to_one(), text).count(recipient_state::untried), 1u);
  run(c.quit());
  EXPECT_FALSE(c.usable());
}

TEST(client, each_step_has_its_own_deadline) {
  next_hop peer = one_message();
  peer.script.resize(3);
  client_connection c{client_options()};
  EXPECT_FALSE(connected(c, peer));
  text_source text("hello\r\n");
  const transaction_outcome outcome = sent(c, to_one(), text);
  EXPECT_EQ(c.failure().error, errc::timed_out);
  EXPECT_TRUE(outcome.in_doubt());
  EXPECT_EQ(peer.waited, std::vector<std::chrono::seconds>{std::chrono::minutes(10)});
  EXPECT_TRUE(peer.closed);

  next_hop silent;
  silent.script.push_back({"something else", ""});
  client_connection to_silent{client_options()};
  EXPECT_EQ(connected(to_silent, silent), errc::timed_out);
  EXPECT_EQ(silent.waited, std::vector<std::chrono::seconds>{std::chrono::minutes(5)});
  EXPECT_EQ(to_silent.failure().step, client_step::greeting);
}

TEST(client, a_transaction_has_a_deadline) {
  next_hop peer = one_message();
  peer.script.resize(3);
  client_options o;
  o.limits.transaction = std::chrono::seconds(90);
  client_connection c{o};
  EXPECT_FALSE(connected(c, peer));
  text_source text("hello\r\n");
  EXPECT_TRUE(sent(c, to_one(), text).in_doubt());
  EXPECT_EQ(peer.waited, std::vector<std::chrono::seconds>{std::chrono::seconds(90)});
}

TEST(client, reads_the_last_words_of_a_server_that_it_cannot_write_to) {
  next_hop peer;
  peer.script = greeting("PIPELINING");
  client_connection c{client_options()};
  EXPECT_FALSE(connected(c, peer));
  peer.broken = true;
  peer.inbox = "421 4.3.2 shutting down\r\n";
  text_source text("hello\r\n");
  const transaction_outcome outcome = sent(c, to_one(), text);
  EXPECT_EQ(outcome.recipients[0].reply.code(), 421);
  EXPECT_EQ(c.failure().error, errc::server_closing);
}

TEST(client, a_pooled_connection_that_has_ended) {
  for (const std::string_view last_words : {"", "421 idle too long\r\n", "250 what?\r\n"}) {
    next_hop peer;
    peer.script = greeting("PIPELINING");
    client_connection c{client_options()};
    EXPECT_FALSE(connected(c, peer));
    EXPECT_TRUE(c.usable());
    peer.inbox = last_words;
    peer.ends = true;
    EXPECT_FALSE(c.usable()) << last_words;
    text_source text("hello\r\n");
    const transaction_outcome outcome = sent(c, to_one(), text);
    EXPECT_EQ(outcome.count(recipient_state::untried), 1u);
    EXPECT_TRUE(outcome.unanswered);
  }
}

TEST(client, gives_up_a_message_whose_text_is_lost) {
  next_hop peer = one_message();
  client_connection c{client_options()};
  EXPECT_FALSE(connected(c, peer));
  piece_source text({"hello\r\n"}, false);
  const transaction_outcome outcome = sent(c, to_one(), text);
  EXPECT_EQ(outcome.count(recipient_state::deferred), 1u);
  EXPECT_FALSE(outcome.in_doubt());
  EXPECT_EQ(c.failure().error, errc::message_abandoned);
  EXPECT_TRUE(peer.closed);
  EXPECT_EQ(peer.heard, "");  // no dot
}

TEST(client, cancelled) {
  next_hop peer = one_message();
  peer.script.resize(3);
  client_connection c{client_options()};
  EXPECT_FALSE(connected(c, peer));
  c.cancel();
  text_source text("hello\r\n");
  const transaction_outcome outcome = sent(c, to_one(), text);
  EXPECT_EQ(c.failure().error, errc::cancelled);
  EXPECT_EQ(outcome.count(recipient_state::deferred), 1u);
}

std::deque<script_line> with_tls() {
  std::deque<script_line> script = greeting("STARTTLS");
  script.push_back({"STARTTLS\r\n", "220 go\r\n"});
  script.push_back({"<tls mx.example>", ""});
  script.push_back({"EHLO localhost\r\n", "250-mx\r\n250 PIPELINING\r\n"});
  return script;
}

TEST(client, starttls) {
  next_hop peer;
  peer.script = with_tls();
  client_context tls;
  client_connection c(client_options(), &tls, tls_peer("mx.example"));
  EXPECT_FALSE(connected(c, peer));
  EXPECT_TRUE(c.session().tls_active());
  EXPECT_NE(c.tls(), nullptr);
  EXPECT_TRUE(c.session().features().has(extension::pipelining));

  next_hop other;
  other.script = with_tls();
  client_connection wrong(client_options(), &tls, tls_peer("other.example"));
  EXPECT_EQ(connected(wrong, other), errc::tls_failed);
  EXPECT_EQ(wrong.failure().text(), "TLS handshake failed (the TLS handshake): no common cipher");
}

TEST(client, without_a_tls_context) {
  next_hop peer;
  peer.script = with_tls();
  client_connection plain{client_options()};
  EXPECT_FALSE(connected(plain, peer));  // STARTTLS is left alone
  EXPECT_EQ(plain.tls(), nullptr);

  client_options must;
  must.starttls = starttls_use::required;
  next_hop again;
  again.script = with_tls();
  client_connection c(must);
  EXPECT_EQ(connected(c, again), errc::tls_failed);
}

TEST(client, implicit_tls) {
  client_options o;
  o.tls_active = true;
  next_hop peer;
  peer.script.push_back({"<tls mx.example>", "220 mx\r\n"});
  peer.script.push_back({"EHLO localhost\r\n", "250 mx\r\n"});
  client_context tls;
  client_connection c(o, &tls, tls_peer("mx.example"));
  EXPECT_FALSE(connected(c, peer));

  next_hop other;
  other.script.push_back({"<tls mx.example>", "220 mx\r\n"});
  client_connection wrong(o, &tls, tls_peer("other.example"));
  EXPECT_EQ(connected(wrong, other), errc::tls_failed);
  EXPECT_EQ(wrong.failure().step, client_step::tls);
  EXPECT_TRUE(other.closed);
}

}  // namespace
}  // namespace gatepost::smtp
