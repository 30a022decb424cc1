// Finds messages that go round in circles.
//
// By what every loop leaves in the header: more Received fields than any way has (RFC 5321 §6.3),
// our own name in too many of them, or a Delivered-To field that names a recipient of this very
// message. 554 5.4.6 ends the loop with a notification to the sender; the last of the three speaks
// for that recipient only.
#ifndef GATEPOST_CHECKS_LOOP_HPP
#define GATEPOST_CHECKS_LOOP_HPP

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "checks/check.hpp"
#include "smtp/config.hpp"
#include "smtp/limits.hpp"

namespace gatepost::checks {

struct loop_options {
  // Received fields at most; 0: not counted. RFC 5321 §6.3 speaks of 100, the servers in use take
  // 25 to 50, and real mail has fewer than 20.
  std::size_t hops = smtp::session_limits().hops;

  // Names that we write into Received fields.
  std::vector<std::string> own_names = {};
  // How often one of them may be found there; 0: not counted. Mail that leaves us and comes back by
  // a forward is found once or twice, a list behind a list more often.
  std::size_t own_visits = 5;

  // A recipient that the message was delivered to before.
  bool delivered_to = true;
};

class loop final : public check {
 public:
  explicit loop(loop_options options = {}) : options_(std::move(options)) {}

  std::string_view name() const override { return "loop"; }
  bool waits(smtp::stage) const override { return false; }
  GATEPOST_DECL asio::awaitable<verdict> on_header_end(context& ctx) override;
  GATEPOST_DECL asio::awaitable<verdict> on_message(context& ctx) override;

 private:
  loop_options options_;
};

}  // namespace gatepost::checks

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/impl/loop.ipp"
#endif

#endif  // GATEPOST_CHECKS_LOOP_HPP
