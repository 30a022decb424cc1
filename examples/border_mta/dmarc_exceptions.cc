#include "examples/border_mta/dmarc_exceptions.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include "checks/dmarc/gather.hpp"
#include "checks/dmarc/tree_walk.hpp"
#include "smtp/domain.hpp"

namespace border_mta {

namespace checks = gatepost::checks;
namespace dmarc = gatepost::checks::dmarc;

namespace {

bool is_one_of(std::string_view domain, const std::vector<std::string>& domains) {
  const auto name = dmarc::canonical_name(domain);
  return name && std::any_of(domains.begin(), domains.end(), [&name](const std::string& one) {
           const auto above = dmarc::canonical_name(one);
           return above && gatepost::smtp::is_subdomain_of(*name, *above);
         });
}

bool authenticated(const dmarc::identifiers& found, const std::vector<std::string>& domains) {
  const auto passed = [&domains](const auto& identifier) {
    return identifier.result == dmarc::auth_result::pass && is_one_of(identifier.domain, domains);
  };
  return (found.spf && passed(*found.spf)) ||
         std::any_of(found.dkim.begin(), found.dkim.end(), passed);
}

}  // namespace

std::optional<dmarc::override_reason> exception_for(const std::vector<dmarc_exception>& all,
                                                    const std::string& author,
                                                    const dmarc::identifiers& found) {
  for (const dmarc_exception& e : all) {
    const bool fits = (e.authors.empty() || is_one_of(author, e.authors)) &&
                      (e.authenticated.empty() || authenticated(found, e.authenticated));
    if (fits) return dmarc::override_reason{e.type, e.comment};
  }
  return std::nullopt;
}

std::function<std::optional<dmarc::override_reason>(const checks::context&,
                                                    const dmarc::evaluation&)>
local_policy_of(std::vector<dmarc_exception> all) {
  if (all.empty()) return {};
  return [all = std::move(all)](const checks::context& ctx, const dmarc::evaluation& e) {
    return exception_for(all, e.author_domain, dmarc::gather(ctx.transaction_notes()));
  };
}

}  // namespace border_mta
