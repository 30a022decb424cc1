#ifndef GATEPOST_CHECKS_IMPL_AUTH_RESULTS_CHECK_IPP
#define GATEPOST_CHECKS_IMPL_AUTH_RESULTS_CHECK_IPP

#include <stdexcept>
#include <utility>

#include "checks/auth_results_check.hpp"

namespace gatepost::checks {

GATEPOST_DECL auth_results::auth_results(auth_results_options options)
    : options_(std::move(options)), ids_(options_.other_ids) {
  if (options_.authserv_id.empty()) throw std::invalid_argument("auth_results: no authserv_id");
  ids_.push_back(options_.authserv_id);
}

GATEPOST_DECL asio::awaitable<verdict> auth_results::on_message(context& ctx) {
  co_return write(ctx);
}

GATEPOST_DECL verdict auth_results::write(context& ctx) const {
  verdict v = verdict::pass();
  const smtp::session_facts& facts = ctx.facts();
  const bool believed = facts.unix_peer.empty() && options_.trusted.contains(facts.client.address);
  if (const auto& fields = ctx.fields(); fields && !believed)
    for (const smtp::octet_range range : forged_auth_results(fields->fields, ids_)) v.erase(range);
  auto methods = all_auth_results(ctx.notes(), ctx.transaction_notes());
  if (options_.write_auth && facts.authenticated()) {
    auth_method auth{.method = "auth", .result = "pass"};
    auth.comment = facts.auth_mechanism;
    methods.insert(methods.begin(), std::move(auth));
  }
  if (!methods.empty() || options_.write_none)
    v.add_header("Authentication-Results", write_auth_results(options_.authserv_id, methods));
  return v;
}

}  // namespace gatepost::checks

#endif  // GATEPOST_CHECKS_IMPL_AUTH_RESULTS_CHECK_IPP
