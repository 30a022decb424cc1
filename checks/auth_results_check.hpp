// Writes Authentication-Results on top of a message, and takes forged ones away (RFC 8601 §5).
//
// Stands behind all checks that leave results, so add it last. What the client wrote under our
// authserv-id is removed at stage::message, with the fields that name no server at all and those of
// an unknown version; fields of other servers, and ARC's, stay.
#ifndef GATEPOST_CHECKS_AUTH_RESULTS_CHECK_HPP
#define GATEPOST_CHECKS_AUTH_RESULTS_CHECK_HPP

#include <string>
#include <string_view>
#include <vector>

#include "checks/auth_results.hpp"
#include "checks/check.hpp"
#include "checks/spf/outcome.hpp"
#include "smtp/config.hpp"
#include "smtp/ip.hpp"

namespace gatepost::checks {

struct auth_results_options {
  // Who did the work (RFC 8601 §2.5): our host's name, or that of the organization. Not empty.
  std::string authserv_id;

  // Other names whose word counts inside: other border MTAs, older names. Removed from what comes
  // in, like our own.
  std::vector<std::string> other_ids = {};

  // Clients that write such fields themselves and are believed: our own MTAs in front of this one.
  smtp::network_set trusted = {};

  // "none" where nothing was checked; else no field then.
  bool write_none = false;

  // For who authenticated by AUTH: auth=pass, with the mechanism and not the identity, which is no
  // reader's business (RFC 4954 §7 tells it to the next hop only).
  bool write_auth = true;
};

// What the field says of an SPF result; also for those who write it elsewhere (RFC 8617 §4.1.1).
GATEPOST_DECL auth_method spf_method(const spf::outcome& found);

class auth_results final : public check {
 public:
  using collected = collected_auth_results;

  // Throws std::invalid_argument where authserv_id is empty.
  GATEPOST_DECL explicit auth_results(auth_results_options options);

  std::string_view name() const override { return "auth_results"; }
  bool waits(smtp::stage) const override { return false; }
  GATEPOST_DECL asio::awaitable<verdict> on_message(context& ctx) override;

 private:
  verdict write(context& ctx) const;

  auth_results_options options_;
  std::vector<std::string> ids_;
};

}  // namespace gatepost::checks

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/impl/auth_results_check.ipp"
#endif

#endif  // GATEPOST_CHECKS_AUTH_RESULTS_CHECK_HPP
