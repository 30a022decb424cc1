// What the tests of spools share: directories, messages, and putting them in and getting them out.
#ifndef GATEPOST_TESTS_ROUTING_SPOOL_SUPPORT_HPP
#define GATEPOST_TESTS_ROUTING_SPOOL_SUPPORT_HPP

#include <gtest/gtest.h>

#include <asio/awaitable.hpp>
#include <chrono>
#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include "routing/spool.hpp"
#include "smtp/observer.hpp"
#include "tests/routing/scratch_directory.hpp"
#include "tests/support/run.hpp"

namespace gatepost::tests {

// A message with every member set to something.
inline routing::spool_message full_message() {
  using namespace std::chrono_literals;
  routing::spool_message m;
  m.session_id = "s-1";
  m.received_at = routing::spool_time(1'700'000'000'123'456us);
  m.reverse_path = "sender@example.test";
  m.body = smtp::body_type::eight_bit_mime;
  m.smtputf8 = true;
  m.requiretls = true;
  m.ret = smtp::dsn_return::headers;
  m.envid = "QQ314159";
  m.auth = "e+3Dmc2@example.test";
  m.solicit = "org.example:ADV:ADLT";
  m.hold_reason = "looks odd";
  m.tags = {{"spf", "pass"}, {"score", "2.1"}};
  m.edits.prepend("Received", "from a by b");
  m.edits.erase({.offset = 3, .size = 4});
  m.edits.erase({.offset = 20, .size = 1});
  routing::spool_recipient& first = m.recipients.emplace_back();
  first.forward_path = "first@example.test";
  first.notify = smtp::notify_failure | smtp::notify_delay;
  first.orcpt = "rfc822;first@example.test";
  first.route = "smtp:[192.0.2.1]:25";
  first.state = routing::recipient_state::failed;
  first.attempts = 300;
  first.next_attempt = routing::spool_time(1'800'000'000'000'000us);
  first.last_reply = "550 5.1.1 no such user";
  first.enhanced = {5, 1, 1};
  m.recipients.emplace_back().forward_path = "second@example.test";
  m.recipients.back().state = routing::recipient_state::held;
  return m;
}

// All of a text, or why it cannot be read.
inline smtp::result<std::string> read_all(routing::body_reader& body) {
  std::string text;
  for (;;) {
    const auto block = body.next();
    if (!block) return block.error();
    if (block->empty()) return text;
    text += *block;
  }
}

inline smtp::result<std::string> text_of(const routing::spool& spool, std::string_view id) {
  const auto body = spool.open(id);
  if (!body) return body.error();
  return read_all(**body);
}

// Writes `text` in pieces of `step` octets and commits it; the id, or an empty one on an error.
inline asio::awaitable<std::string> put(routing::spool& spool, std::string text,
                                        std::size_t step = 65536) {
  const auto writer = spool.begin();
  for (std::size_t at = 0; at < text.size(); at += step) {
    const std::error_code failed = co_await writer->write(std::string_view(text).substr(at, step));
    if (failed) co_return std::string();
  }
  const routing::spool_message message = full_message();
  const std::error_code failed = co_await writer->commit(message);
  co_return failed ? std::string() : writer->id();
}

inline std::vector<std::string> ids_in(const routing::spool& spool) {
  std::vector<std::string> ids;
  const std::error_code failed = spool.for_each([&](std::string_view id, const auto&) {
    ids.emplace_back(id);
    return true;
  });
  EXPECT_FALSE(failed) << failed.message();
  return ids;
}

// Text of that many octets, all lines ended by CRLF, that differs from place to place.
inline std::string text_of_size(std::size_t octets) {
  std::string text;
  text.reserve(octets + 32);
  for (std::size_t line = 0; text.size() < octets; ++line) {
    text += "line " + std::to_string(line) + " of a message\r\n";
  }
  text.resize(octets);
  return text;
}

// Whether `condition` comes to hold, by what other threads do.
template <class Condition>
bool eventually(Condition condition) {
  const auto until = std::chrono::steady_clock::now() + testing::patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::yield();
  }
  return true;
}

// Keeps what the spool complains of.
class trouble_log final : public smtp::observer {
 public:
  void on_trouble(const smtp::trouble_event& event) override {
    const std::lock_guard lock(mutex_);
    lines_.emplace_back(event.what);
  }

  bool contains(std::string_view part) const {
    const std::lock_guard lock(mutex_);
    for (const std::string& line : lines_) {
      if (line.find(part) != std::string::npos) return true;
    }
    return false;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
};

}  // namespace gatepost::tests

#endif  // GATEPOST_TESTS_ROUTING_SPOOL_SUPPORT_HPP
