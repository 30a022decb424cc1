// Stamps what happens in a session with the time, and hands it to a report.
#ifndef GATEPOST_EXAMPLES_PROBE_RECORDER_HPP
#define GATEPOST_EXAMPLES_PROBE_RECORDER_HPP

#include <chrono>
#include <string>
#include <string_view>

#include "examples/probe/report.hpp"
#include "examples/probe/timeline.hpp"
#include "smtp/client_session.hpp"

namespace probe {

class recorder final : public gatepost::smtp::client_tap {
 public:
  // `to` outlives this.
  explicit recorder(report& to) : report_(to) {}

  // Time begins.
  void start() { start_ = clock::now(); }

  // The session's lines.
  void on_line(side who, std::string_view line) override;

  void note(std::string_view text);
  void connected(std::string_view text);
  void handshake_done(const gatepost::smtp::tls_facts& facts);
  // Octets of the server, before anybody knows whether they are a reply.
  void read(std::string_view octets);
  // Everything that the client had to write is written.
  void wrote_all();
  // The session ended in this step; if that was what it was in, its time counts.
  void failed(gatepost::smtp::client_step step);

  const timeline& steps() const { return steps_; }
  microseconds total() const { return last_cut_; }
  // What was read last and is no reply, or not all of one.
  const std::string& unread() const { return unread_; }

 private:
  using clock = std::chrono::steady_clock;

  microseconds now() const {
    return std::chrono::duration_cast<microseconds>(clock::now() - start_);
  }
  moment shown();
  void cut(gatepost::smtp::client_step step);
  void on_client_line(std::string_view line);
  void on_server_line(std::string_view line);

  report& report_;
  clock::time_point start_ = clock::now();
  microseconds last_shown_{0};
  microseconds last_cut_{0};
  reply_matcher matcher_;
  timeline steps_;
  heard_reply reply_;
  std::string unread_;
  bool text_ends_ = false;  // the last of a message is on its way
  bool open_ = false;       // something has begun since the last cut
};

}  // namespace probe

#endif  // GATEPOST_EXAMPLES_PROBE_RECORDER_HPP
