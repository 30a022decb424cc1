// An observer that writes each event as one line of JSON, to a file or the standard error output.
//
//     {"time":"2026-11-23T09:16:54.123Z","level":"info","event":"message","session":"35ABC...",
//     ...}
//
// Every line is with the kernel when the event's function returns, so that a crash loses none. What
// a client chose (names, addresses) can neither break a line nor make one. docs/operations.md lists
// the events. Thread-safe.
#ifndef GATEPOST_SMTP_JSON_LOG_HPP
#define GATEPOST_SMTP_JSON_LOG_HPP

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "smtp/config.hpp"
#include "smtp/ip.hpp"
#include "smtp/observer.hpp"

namespace gatepost::smtp {

enum class log_level : std::uint8_t {
  error,    // trouble in our own house
  warning,  // connections that a limit turned away
  info,     // sessions, messages, deliveries, and verdicts that are not just "pass"
  debug,    // every connection and every verdict
};

GATEPOST_DECL std::string_view to_string(log_level level);

struct json_log_options {
  json_log_options() = default;

  std::string file;  // empty: the standard error output
  log_level at_least = log_level::info;

  // Whose sessions get a transcript: all of these clients', and this share (0 to 1) of all others'.
  // Which ones is decided by the session's id, so that every part of a system picks the same.
  network_set transcript_clients;
  double transcript_share = 0;
};

class json_log final : public observer {
 public:
  // nullptr: the file cannot be written to; `problem` then has the words.
  GATEPOST_DECL static std::unique_ptr<json_log> open(const json_log_options& options,
                                                      std::string& problem);
  GATEPOST_DECL ~json_log() override;

  // Opens the file again, under its name: after it was moved away by log rotation. On an error the
  // old file stays in use, and the error is returned; else empty.
  GATEPOST_DECL std::string reopen();

  // A line of the program's own.
  GATEPOST_DECL void note(log_level level, std::string_view where, std::string_view what);

  GATEPOST_DECL void on_connection(const connection_event& e) override;
  GATEPOST_DECL void on_session_end(const session_event& e) override;
  GATEPOST_DECL void on_verdict(const verdict_event& e) override;
  GATEPOST_DECL void on_message(const message_event& e) override;
  GATEPOST_DECL void on_delivery(const delivery_event& e) override;
  GATEPOST_DECL void on_trouble(const trouble_event& e) override;
  GATEPOST_DECL bool wants_transcript(const session_facts& facts) override;
  GATEPOST_DECL void on_transcript(const session_facts& facts, direction d,
                                   std::string_view line) override;

 private:
  struct output;
  explicit json_log(const json_log_options& options);
  bool wants(log_level level) const { return level <= options_.at_least; }

  const json_log_options options_;
  std::unique_ptr<output> output_;
};

}  // namespace gatepost::smtp

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/impl/json_log.ipp"
#endif

#endif  // GATEPOST_SMTP_JSON_LOG_HPP
