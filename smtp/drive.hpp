// Joins the parts of one session: engine, transport, policy, delivery, observer.
//
// The only place that knows all of them, and it decides nothing: it does what the engine's actions
// say. A `session_driver` lives as long as one connection and runs on one thread.
#ifndef GATEPOST_SMTP_DRIVE_HPP
#define GATEPOST_SMTP_DRIVE_HPP

#include <asio/awaitable.hpp>
#include <asio/cancellation_signal.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "smtp/auth.hpp"
#include "smtp/config.hpp"
#include "smtp/delivery.hpp"
#include "smtp/header_collector.hpp"
#include "smtp/limit_counters.hpp"
#include "smtp/memory_budget.hpp"
#include "smtp/observer.hpp"
#include "smtp/policy.hpp"
#include "smtp/session.hpp"
#include "smtp/trace.hpp"
#include "smtp/transport.hpp"

namespace gatepost::smtp {

// What a session works with. All of it outlives the session.
struct session_services {
  smtp::policy& policy;
  smtp::delivery& delivery;
  smtp::observer& observer;
  smtp::authenticator* authenticator = nullptr;  // none: AUTH is never offered
  const server_context* tls = nullptr;           // none: STARTTLS is never offered
  // Asked after a TLS handshake and after AUTH: the settings to go on with, which outlive the
  // session; nullptr: those that it began with. Empty: it is never asked.
  std::function<const channel*(const session_facts&)> channel_for = {};
  memory_budget* memory = nullptr;     // none: messages in flight have no common bound
  limit_counters* counters = nullptr;  // none: limits that are reached are not counted
  std::chrono::system_clock::time_point (*now)() = &std::chrono::system_clock::now;
};

class session_driver final : private busy_watch, private transcript_tap {
 public:
  GATEPOST_DECL session_driver(transport& connection, const channel& settings, session_facts& facts,
                               const session_services& services, buffer_pool& pool);

  // The whole session; ends with the connection closed. `cancel`: what the coroutine that awaits
  // this is cancelled by, that is, whose slot is bound to where it was spawned; it gives up a
  // delivery or an authenticator that does not answer in time.
  GATEPOST_DECL asio::awaitable<void> run(asio::cancellation_signal& cancel);

  // Graceful stop: a transaction in progress may finish, then 421. Same thread.
  GATEPOST_DECL void stop();
  // At once: 421, whatever goes on. Same thread.
  GATEPOST_DECL void stop_now();

  // As session_event::ended_by has it.
  GATEPOST_DECL std::string_view ended_by() const;

 private:
  struct judgement;
  class busy;
  class port_call;

  asio::awaitable<void> converse();
  asio::awaitable<void> listen_before_speaking();

  // --- Actions
  // ------------------------------------------------------------------------------------
  // Those that end in _now do it where nothing need be waited for; most of the time nothing need,
  // and a coroutine is saved. False: the other one is to be called.
  bool read_now();
  bool receive_now();
  asio::awaitable<void> read(std::chrono::milliseconds at_most);
  void received(std::size_t octets);
  bool flush_now();
  asio::awaitable<void> flush();
  asio::awaitable<void> pause(std::chrono::milliseconds wait);
  bool ask_now(smtp::stage s);
  asio::awaitable<void> ask(smtp::stage s);
  asio::awaitable<void> authenticate(std::string response);
  asio::awaitable<void> start_delivery(std::string node);
  asio::awaitable<void> start_tls();
  void tell_of_tls_error();
  asio::awaitable<void> take_body(std::string_view text);
  asio::awaitable<void> take_body_by_policy(std::string_view text, bool header_ends);
  void over(const reply* said);

  // --- Questions
  // ----------------------------------------------------------------------------------
  asio::awaitable<void> ask_policy_only(smtp::stage s);
  asio::awaitable<verdict> ask_policy(smtp::stage s);
  asio::awaitable<void> ask_recipient();
  asio::awaitable<void> ask_data();
  verdict make_room();
  asio::awaitable<verdict> begin_message();
  asio::awaitable<void> ask_message();
  void answer(const verdict& v);
  asio::awaitable<verdict> judge_message();
  verdict threw(std::string_view where);
  void complain(std::string_view where);
  void cancel_policy();
  void cancel_port();
  void choose_channel();

  // --- Message
  // ------------------------------------------------------------------------------------
  bool collect_header(std::string_view text);
  bool header_is_fine();
  asio::awaitable<void> header_complete();
  asio::awaitable<void> look_at(std::string_view text);
  asio::awaitable<void> write(std::string_view text);
  void settle(const verdict& v);
  void refuse(reply why);
  judgement judge(const verdict& v) const;
  void log_left_out(const verdict& v, const judgement& j) const;
  asio::awaitable<void> carry_out(const verdict& v);
  bool answer_undelivered(const judgement& j);
  disposition disposition_of(const verdict& v, const judgement& j) const;
  asio::awaitable<void> revoke();
  void fill_replies(delivery_outcome& outcome, judgement& j) const;
  void write_edits(const verdict& v, header_edits& edits) const;
  void end_header(header_edits& edits) const;
  void erase_fields(const verdict::effects& e, header_edits& edits) const;
  std::string received_field() const;
  void answer_message(std::string_view result, std::string_view queue_id, const reply& said,
                      std::span<const reply> each = {});
  void report_message(std::string_view result, const reply& said, std::string_view queue_id);

  // --- Watching
  // -----------------------------------------------------------------------------------
  void on_left() override;
  void on_late() override;
  void on_line(bool from_client, std::string_view line) override;
  void read_failed(std::error_code why);
  time_point deadline_in(std::chrono::milliseconds wait, time_point since) const;
  time_point rate_deadline(time_point now) const;

  transport& connection_;
  session_facts& facts_;
  const session_services& services_;
  const channel& first_channel_;
  session engine_;
  session_view view_;
  std::unique_ptr<session_policy> policy_;
  std::unique_ptr<auth_exchange> auth_;
  time_point started_;
  std::optional<time_point> waiting_since_;  // for the command that comes, or for more of a message
  std::uint64_t lines_ = 0;                  // engine_.lines() when it was last waited for one
  std::uint64_t octets_in_ = 0;
  std::uint64_t octets_out_ = 0;
  std::string_view ended_by_;  // where the engine cannot know it

  // The message that comes in.
  std::unique_ptr<intake> intake_;  // none: there is no message, or it was refused
  header_collector header_;
  memory_reservation memory_;
  std::optional<reply> refusal_;
  time_point message_started_{};                // its first octet; the epoch: there was none
  std::uint64_t message_octets_ = 0;            // on the wire
  std::chrono::nanoseconds message_waited_{0};  // for the client, since its first octet
  // What questions about it took, since the client was last waited for: it may be at its end since.
  std::chrono::nanoseconds message_asked_{0};
  bool reported_ = false;    // to the observer
  bool committing_ = false;  // it is being made durable, or revoked after that

  asio::cancellation_signal* cancel_ = nullptr;  // of run()
  std::string_view port_;        // whose answer is awaited: "delivery" or "auth"; empty: nobody's
  bool port_cancelled_ = false;  // that one was told to give up

  bool late_ = false;  // the question that is out took longer than limits.processing_time
  bool left_ = false;  // the client did not wait for its answer
};

}  // namespace gatepost::smtp

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/impl/drive.ipp"
#endif

#endif  // GATEPOST_SMTP_DRIVE_HPP
