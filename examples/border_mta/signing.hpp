// Signs what one's own clients send (DKIM), and seals what others bring (ARC).
//
// One check, the last in the chain: its options are [sign] of the configuration, and SIGHUP loads
// them and the keys again. A message is signed by what was loaded when its header came in.
#ifndef GATEPOST_EXAMPLES_BORDER_MTA_SIGNING_HPP
#define GATEPOST_EXAMPLES_BORDER_MTA_SIGNING_HPP

#include <asio/awaitable.hpp>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "checks/check.hpp"
#include "checks/dkim/key_set.hpp"
#include "checks/dkim/sign.hpp"
#include "examples/border_mta/compose.hpp"
#include "examples/border_mta/config.hpp"
#include "smtp/facts.hpp"
#include "smtp/json_log.hpp"

namespace border_mta {

// What [sign] says, with its keys.
struct signing_parts {
  sign_section whose;
  gatepost::checks::dkim::key_set keys;
  gatepost::checks::dkim::sign_options how;
  std::shared_ptr<gatepost::checks::check> signer;  // of these keys; nullptr: there are none
  std::shared_ptr<gatepost::checks::check> sealer;
  std::vector<std::string> records;  // what the DNS has to say, for people
};
using shared_signing = std::shared_ptr<const signing_parts>;

// Reads the keys. What is wrong, as compose.hpp tells it; `into` stays as it is then.
problems load_signing(const config& c, shared_signing& into);

// Says what the DNS has to have for these keys.
void tell_records(const signing_parts& parts, gatepost::smtp::json_log& log);

// A message of our own making, with the signatures of all keys for its author's domain.
std::string sign_message(const signing_parts& parts, const std::string& domain,
                         std::string message);

// Whether a session's mail is our own: who is authenticated, and whom [sign] names.
bool is_ours(const gatepost::smtp::session_facts& who, const sign_section& whose);

// Thread-safe.
class signing_check final : public gatepost::checks::check {
 public:
  explicit signing_check(shared_signing parts) : parts_(std::move(parts)) {}

  // For messages whose header comes in from now on.
  void replace(shared_signing parts);
  shared_signing parts() const;

  std::string_view name() const override { return "sign"; }
  bool waits(gatepost::smtp::stage) const override { return false; }
  asio::awaitable<gatepost::checks::verdict> on_header_end(gatepost::checks::context& ctx) override;
  asio::awaitable<gatepost::checks::verdict> on_body(gatepost::checks::context& ctx,
                                                     std::string_view text) override;
  asio::awaitable<gatepost::checks::verdict> on_message(gatepost::checks::context& ctx) override;

 private:
  // A mutex, because the atomic shared_ptr of GCC 12 is one inside, and sanitizers do not see it.
  mutable std::mutex mutex_;
  shared_signing parts_;  // never changed, only replaced
};

}  // namespace border_mta

#endif  // GATEPOST_EXAMPLES_BORDER_MTA_SIGNING_HPP
