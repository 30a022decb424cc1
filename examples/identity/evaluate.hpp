// Evaluates one request: every test that a border MTA makes of who a sender is.
#ifndef GATEPOST_EXAMPLES_IDENTITY_EVALUATE_HPP
#define GATEPOST_EXAMPLES_IDENTITY_EVALUATE_HPP

#include <asio/awaitable.hpp>
#include <optional>
#include <string>
#include <vector>

#include "checks/arc/result.hpp"
#include "checks/dkim/result.hpp"
#include "checks/dmarc/evaluate.hpp"
#include "checks/dmarc/public_suffix.hpp"
#include "checks/iprev.hpp"
#include "checks/spf/outcome.hpp"
#include "examples/identity/recording_resolver.hpp"
#include "examples/identity/request.hpp"
#include "smtp/dns/resolver.hpp"

namespace identity {

namespace checks = gatepost::checks;

struct findings {
  findings() = default;  // returned from coroutines, so no aggregate

  // Without a client's address there is none of these.
  std::optional<checks::spf::outcome> spf;
  std::optional<checks::spf::outcome> helo_spf;
  std::optional<checks::iprev_result> iprev;

  // Without a message these are empty.
  checks::dkim::report dkim;
  checks::dmarc::evaluation dmarc;
  checks::arc::report arc;

  std::vector<dns_step> dns;
  std::string error;  // what kept it from being evaluated; then nothing else counts
};

struct rules {
  checks::dmarc::regime regime = checks::dmarc::regime::rfc9989;
  const checks::dmarc::public_suffix_list* suffixes = nullptr;
};

// `resolver` and `by` outlive the coroutine.
asio::awaitable<findings> evaluate(gatepost::smtp::dns::resolver& resolver, request what,
                                   const rules& by);

}  // namespace identity

#endif  // GATEPOST_EXAMPLES_IDENTITY_EVALUATE_HPP
