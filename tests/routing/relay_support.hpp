// What the tests of relay and cut_through share: clients without sockets, and a log of what
// happened.
#ifndef GATEPOST_TESTS_ROUTING_RELAY_SUPPORT_HPP
#define GATEPOST_TESTS_ROUTING_RELAY_SUPPORT_HPP

#include <gtest/gtest.h>

#include <asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <numeric>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "routing/memory_spool.hpp"
#include "routing/relay.hpp"
#include "routing/spool.hpp"
#include "routing/table.hpp"
#include "smtp/delivery.hpp"
#include "smtp/envelope.hpp"
#include "smtp/facts.hpp"
#include "smtp/observer.hpp"
#include "tests/support/run.hpp"

namespace gatepost::tests {

// The text that most tests send.
inline constexpr std::string_view some_text = "Subject: hello\r\n\r\nHi.\r\n.a dot\r\n";

// One on_delivery.
struct delivery_note {
  delivery_note() = default;
  std::string queue_id;
  std::string to;
  std::string hop;
  std::string result;
  std::string reply;
  unsigned attempt = 0;
  bool tls = false;
};

class delivery_log : public smtp::observer {
 public:
  void on_delivery(const smtp::delivery_event& e) override {
    const std::lock_guard lock(mutex_);
    delivery_note& n = notes_.emplace_back();
    n.queue_id = e.queue_id;
    n.to = e.forward_path;
    n.hop = e.next_hop;
    n.result = e.result;
    n.reply = e.reply;
    n.attempt = e.attempt;
    n.tls = e.tls;
  }
  void on_trouble(const smtp::trouble_event& e) override {
    const std::lock_guard lock(mutex_);
    troubles_.push_back(std::string(e.where) + ": " + std::string(e.what));
  }

  std::vector<delivery_note> notes() const {
    const std::lock_guard lock(mutex_);
    return notes_;
  }
  std::size_t count() const { return notes().size(); }
  std::size_t count(std::string_view result) const {
    std::size_t n = 0;
    for (const delivery_note& note : notes()) n += note.result == result;
    return n;
  }
  // The last one about this recipient; an empty one where there is none.
  delivery_note last(std::string_view to) const {
    delivery_note found;
    for (const delivery_note& note : notes()) {
      if (note.to == to) found = note;
    }
    return found;
  }
  std::vector<std::string> troubles() const {
    const std::lock_guard lock(mutex_);
    return troubles_;
  }
  bool complained(std::string_view part) const {
    for (const std::string& t : troubles()) {
      if (t.find(part) != std::string::npos) return true;
    }
    return false;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<delivery_note> notes_;
  std::vector<std::string> troubles_;
};

// Runs `io` until `condition` holds. False: it does not come to hold.
template <class Condition>
bool run_until(asio::io_context& io, Condition condition) {
  const auto until = std::chrono::steady_clock::now() + testing::patience;
  io.restart();
  while (!condition()) {
    if (io.run_one_until(until) == 0) return condition();
  }
  return true;
}

// Runs `io` until it has nothing more to do. False: it always has.
inline bool run_out(asio::io_context& io) {
  io.restart();
  io.run_until(std::chrono::steady_clock::now() + testing::patience);
  return io.stopped();
}

// A client's session with a delivery, without the server between them.
class mail_session {
 public:
  explicit mail_session(smtp::delivery& to) : to_(to) {
    facts.id = "s-1";
    facts.protocol = smtp::protocol::esmtp;
    facts.client.address = *smtp::parse_ip_address("192.0.2.1");
  }

  // MAIL with its parameters: "<a@b.test> SMTPUTF8".
  mail_session& from(std::string_view mail) {
    const smtp::parse_options all = everything();
    const std::string argument = "FROM:" + std::string(mail);
    const auto command = smtp::parse_mail(argument, all);
    if (!command) throw std::invalid_argument(argument);
    envelope.begin(*command);
    return *this;
  }

  // RCPT: what the delivery says; a recipient that it refuses is taken back.
  smtp::verdict rcpt(asio::io_context& io, std::string_view to) {
    const smtp::parse_options all = everything();
    const std::string argument = "TO:" + std::string(to);
    const auto command = smtp::parse_rcpt(argument, all, true);
    if (!command) throw std::invalid_argument(argument);
    smtp::recipient& added = envelope.add(*command);
    smtp::verdict v = testing::run(io, to_.resolve(view, added));
    if (!v.passes()) envelope.take_back();
    return v;
  }

  mail_session& to(asio::io_context& io, std::initializer_list<std::string_view> recipients) {
    for (const std::string_view r : recipients) {
      const smtp::verdict v = rcpt(io, "<" + std::string(r) + ">");
      EXPECT_TRUE(v.passes()) << r << ": " << v.reply().to_string();
    }
    return *this;
  }

  // DATA, in pieces of `step` octets, to all recipients.
  smtp::delivery_outcome data(asio::io_context& io, std::string_view text,
                              std::size_t step = 65536) {
    std::unique_ptr<smtp::intake> message = begin(io, text, step);
    smtp::disposition what = to_all();
    smtp::delivery_outcome outcome = testing::run(io, message->commit(what));
    message.reset();
    return outcome;
  }

  // The same up to the commit.
  std::unique_ptr<smtp::intake> begin(asio::io_context& io, std::string_view text,
                                      std::size_t step = 65536) {
    auto message = testing::run(io, to_.begin(view));
    for (; !text.empty(); text.remove_prefix(std::min(step, text.size()))) {
      const std::error_code failed = testing::run(io, message->write(text.substr(0, step)));
      EXPECT_FALSE(failed) << failed.message();
    }
    return message;
  }

  smtp::disposition to_all() const {
    smtp::disposition what;
    what.edits = edits;
    what.recipients.resize(envelope.recipients().size());
    std::iota(what.recipients.begin(), what.recipients.end(), 0u);
    return what;
  }

  smtp::session_facts facts;
  smtp::envelope envelope;
  smtp::header_edits edits;
  smtp::session_view view{facts, envelope};

 private:
  static smtp::parse_options everything() {
    smtp::parse_options all;
    for (const smtp::extension_row& row : smtp::extension_table) all.offered.add(row.bit);
    return all;
  }

  smtp::delivery& to_;
};

// A relay, its spool and its routes.
struct relay_bench {
  asio::io_context io{1};
  routing::memory_spool store;
  routing::table routes;
  delivery_log log;
  routing::relay_options options;
  std::unique_ptr<routing::relay> relay;

  routing::relay& start(routing::spool* other_store = nullptr) {
    options.hostname = "relay.test";
    options.observer = &log;
    routing::spool& used = other_store != nullptr ? *other_store : store;
    relay = std::make_unique<routing::relay>(io, used, routes, options);
    EXPECT_FALSE(relay->start());
    return *relay;
  }

  // Sends some_text; the id under which it is kept.
  std::string send(std::initializer_list<std::string_view> to,
                   std::string_view from = "<s@a.test>") {
    mail_session client(*relay);
    const smtp::delivery_outcome outcome = client.from(from).to(io, to).data(io, some_text);
    EXPECT_TRUE(outcome.overall.positive()) << outcome.overall.to_string();
    return outcome.queue_id;
  }

  // Until so many attempts have been made, of recipients, in all; and what they led to is in the
  // spool.
  bool settled(std::size_t attempts) {
    return run_until(io, [&] { return log.count() >= attempts && relay->stats().active == 0; });
  }

  // As an administrator does it.
  bool stop() {
    relay->stop();
    return run_out(io);
  }

  routing::spool_message kept(const std::string& id) const {
    const auto m = store.load(id);
    EXPECT_TRUE(m);
    return m ? *m : routing::spool_message();
  }
};

}  // namespace gatepost::tests

#endif  // GATEPOST_TESTS_ROUTING_RELAY_SUPPORT_HPP
