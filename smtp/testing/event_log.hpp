// An observer that writes every event down as one line of text, for tests to compare.
//
//     event_log log;
//     ...
//     EXPECT_THAT(log.lines, ElementsAre("message accepted Q1 250 2.0.0 OK (1234 octets)", "session
//     quit"));
//
// Thread-safe while it is written to; read the lines when the threads are done.
#ifndef GATEPOST_SMTP_TESTING_EVENT_LOG_HPP
#define GATEPOST_SMTP_TESTING_EVENT_LOG_HPP

#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "smtp/config.hpp"
#include "smtp/observer.hpp"

namespace gatepost::smtp::testing {

class event_log final : public observer {
 public:
  std::vector<std::string> lines;
  std::vector<std::string> transcript;  // "C: EHLO a.example", "S: 250 mx"
  bool with_transcript = false;
  std::chrono::nanoseconds last_duration{0};  // of the last message or verdict
  std::string ended_by_limit;                 // the last session, if it was ended by one

  void on_connection(const connection_event& e) override {
    add(e.accepted ? "connection" : "connection refused by " + std::string(e.refused_by));
  }
  void on_session_end(const session_event& e) override {
    ended_by_limit = e.limit;
    add("session " + std::string(e.ended_by));
  }
  void on_verdict(const verdict_event& e) override {
    last_duration = e.duration;
    add("verdict " + std::string(e.stage) + " " + std::string(e.check) + " " +
        std::string(to_string(e.verdict.kind())) + described(e.verdict.reason()));
  }
  void on_message(const message_event& e) override {
    last_duration = e.duration;
    add("message " + std::string(e.result) + described(e.queue_id) + " " + e.reply.to_string() +
        " (" + std::to_string(e.size) + " octets)");
  }
  void on_delivery(const delivery_event& e) override {
    add("delivery " + std::string(e.result) + " " + std::string(e.forward_path) +
        described(e.reply));
  }
  void on_trouble(const trouble_event& e) override {
    add("trouble " + std::string(e.where) + ": " + std::string(e.what));
  }
  bool wants_transcript(const session_facts&) override { return with_transcript; }
  void on_transcript(const session_facts&, direction d, std::string_view line) override {
    const std::lock_guard lock(mutex_);
    transcript.push_back((d == direction::from_client ? "C: " : "S: ") + std::string(line));
  }

 private:
  static std::string described(std::string_view text) {
    return text.empty() ? std::string() : " " + std::string(text);
  }
  void add(std::string line) {
    const std::lock_guard lock(mutex_);
    lines.push_back(std::move(line));
  }

  std::mutex mutex_;
};

}  // namespace gatepost::smtp::testing

#endif  // GATEPOST_SMTP_TESTING_EVENT_LOG_HPP
