// Notices clients that do not wait for their turn.
//
// RFC 5321 §3.1 has the client wait for the greeting, and RFC 2920 §3.1 lets it send commands ahead
// only once we have offered PIPELINING. Mail servers do both right; programs that only ever send
// spam often do not. The first is only noticed where the channel delays its greeting
// (channel::greeting_delay).
#ifndef GATEPOST_CHECKS_EARLY_TALKER_HPP
#define GATEPOST_CHECKS_EARLY_TALKER_HPP

#include <cstdint>
#include <string_view>
#include <utility>

#include "checks/check.hpp"
#include "smtp/config.hpp"
#include "smtp/ip.hpp"

namespace gatepost::checks {

enum class early_talker_action : std::uint8_t {
  ignore,
  score,   // add `points`
  refuse,  // 554 5.5.1
};

struct early_talker_options {
  // Spoke before the greeting. No working mail server does.
  early_talker_action greeting = early_talker_action::refuse;
  // Sent commands ahead without PIPELINING. Some devices and old libraries do.
  early_talker_action pipelining = early_talker_action::score;

  // For early_talker_action::score.
  double points = 2.0;

  // Not looked at.
  smtp::network_set exempt = smtp::network_set::loopback();
};

class early_talker final : public check {
 public:
  explicit early_talker(early_talker_options options = {}) : options_(std::move(options)) {}

  std::string_view name() const override { return "early_talker"; }
  bool waits(smtp::stage) const override { return false; }
  GATEPOST_DECL asio::awaitable<verdict> on_connect(context& ctx) override;
  GATEPOST_DECL asio::awaitable<verdict> on_mail(context& ctx) override;

 private:
  early_talker_options options_;
};

}  // namespace gatepost::checks

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/impl/early_talker.ipp"
#endif

#endif  // GATEPOST_CHECKS_EARLY_TALKER_HPP
