// What probe shows of a session: for people, or as JSON lines for programs.
//
// Text of the server is made harmless for terminals here: no control character gets through.
#ifndef GATEPOST_EXAMPLES_PROBE_REPORT_HPP
#define GATEPOST_EXAMPLES_PROBE_REPORT_HPP

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "examples/probe/timeline.hpp"
#include "smtp/reply.hpp"
#include "smtp/tls/facts.hpp"
#include "smtp/transaction.hpp"

namespace probe {

struct moment {
  microseconds at{0};     // since the start
  microseconds since{0};  // since the event before
};

struct heard_reply {
  heard_reply() = default;

  gatepost::smtp::client_step step = gatepost::smtp::client_step::idle;
  int code = 0;
  gatepost::smtp::enhanced_code enhanced;
  std::vector<std::string> lines;  // as they came, "250-SIZE 1000"; at least one
};

// What became of one recipient, in all messages.
struct recipient_tally {
  recipient_tally() = default;
  explicit recipient_tally(std::string to) : address(std::move(to)) {}

  std::uint64_t count(gatepost::smtp::recipient_state s) const {
    return counts[static_cast<std::size_t>(s)];
  }

  std::string address;
  std::array<std::uint64_t, 4> counts{};  // by recipient_state
  // The last that was not a delivery; else the last.
  gatepost::smtp::recipient_outcome last;
};

struct summary {
  summary() = default;

  timeline steps;
  microseconds total{0};
  std::vector<recipient_tally> recipients;
  std::uint32_t messages = 0;  // that were to be sent
  std::string failure;         // why the session ended before its time; empty: it did not

  bool good() const;  // exit status 0
  std::string result() const;
};

class report {
 public:
  virtual ~report() = default;
  virtual void note(moment when, std::string_view text) = 0;
  virtual void said(moment when, gatepost::smtp::client_step step, std::string_view line) = 0;
  virtual void heard(moment when, const heard_reply& reply) = 0;
  // `now`: for what is left of a certificate's time.
  virtual void tls(moment when, const gatepost::smtp::tls_facts& facts,
                   std::chrono::sys_seconds now) = 0;
  virtual void ended(const summary& all) = 0;
};

enum class detail : std::uint8_t { all, result_only };
enum class colors : std::uint8_t { none, ansi };

std::unique_ptr<report> make_text_report(detail how_much, colors use);
std::unique_ptr<report> make_json_report(detail how_much);

// Without control characters, C1 among them, and without what is not UTF-8: '?' instead.
std::string printable(std::string_view text);

// "2026-11-23 09:16:54 UTC".
std::string time_text(std::chrono::sys_seconds time);

}  // namespace probe

#endif  // GATEPOST_EXAMPLES_PROBE_REPORT_HPP
