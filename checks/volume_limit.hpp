// Limits how much one session, and one sender, sends.
//
// In a session: its messages, all their recipients, and the recipients that were refused (who
// guesses addresses is sent away). Over all sessions of a sender: messages and recipients within a
// time, where a sender is whom `by` names. Refusals are temporary, so that honest mail comes later.
// Counted per server process; the memory is bounded by `senders`. Thread-safe.
#ifndef GATEPOST_CHECKS_VOLUME_LIMIT_HPP
#define GATEPOST_CHECKS_VOLUME_LIMIT_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "checks/check.hpp"
#include "smtp/config.hpp"
#include "smtp/ip.hpp"

namespace gatepost::checks {

// `count` events within `per`; they may come all at once. count 0: no limit.
struct volume_rate {
  std::uint32_t count = 0;
  std::chrono::milliseconds per = std::chrono::hours(1);
};

struct volume_limit_options {
  // Who is one sender.
  enum class sender : std::uint8_t {
    identity,      // who is authenticated; who is not is not limited
    network,       // the client's network
    reverse_path,  // the sender's address; notifications, which have none, are not limited
  };

  // --- One session
  // --------------------------------------------------------------------------------- Messages:
  // 421 4.7.0. Who has more to send comes back with another connection, and is counted there.
  std::uint32_t messages = 100;
  // Recipients of all messages: 452 4.5.3. Ten full messages of RFC 5321 §4.5.3.1.8.
  std::uint32_t recipients = 1000;
  // Recipients that were refused: 421 4.7.0 after them. An old mailing list has a few.
  std::uint32_t unknown_recipients = 20;

  // --- One sender
  // ---------------------------------------------------------------------------------- What is
  // right here only the site knows. 450 4.7.1
  sender by = sender::identity;
  volume_rate sender_messages = {};
  volume_rate sender_recipients = {};
  // How many senders are remembered; about 200 octets each.
  std::size_t senders = 100'000;

  // Not limited at all.
  smtp::network_set exempt = smtp::network_set::loopback();

  // The clock; for tests.
  std::function<std::chrono::steady_clock::time_point()> now = std::chrono::steady_clock::now;
};

namespace detail {
class volume_table;
}

class volume_limit final : public check {
 public:
  GATEPOST_DECL explicit volume_limit(volume_limit_options options = {});
  GATEPOST_DECL ~volume_limit() override;

  std::string_view name() const override { return "volume_limit"; }
  bool waits(smtp::stage) const override { return false; }
  GATEPOST_DECL asio::awaitable<verdict> on_mail(context& ctx) override;
  GATEPOST_DECL asio::awaitable<verdict> on_rcpt(context& ctx) override;

 private:
  bool exempt(const smtp::session_facts& facts) const;
  std::string sender_of(const context& ctx) const;

  volume_limit_options options_;
  std::unique_ptr<detail::volume_table> table_;
};

}  // namespace gatepost::checks

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/impl/volume_limit.ipp"
#endif

#endif  // GATEPOST_CHECKS_VOLUME_LIMIT_HPP
