#ifndef GATEPOST_CHECKS_IMPL_AUTH_RESULTS_CHECK_IPP
#define GATEPOST_CHECKS_IMPL_AUTH_RESULTS_CHECK_IPP

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "checks/auth_results_check.hpp"
#include "checks/spf/outcome.hpp"

namespace gatepost::checks {
namespace detail {

// RFC 8601 §2.7.2: of MAIL FROM the mailbox, where it has a local part of its own.
inline auth_method method_of(const spf::outcome& o) {
  auth_method m{.method = "spf", .result = std::string(spf::to_string(o.result))};
  m.reason = o.problem;
  const bool mail = o.identity == spf::identity::mail_from;
  m.properties.push_back({"smtp", mail ? "mailfrom" : "helo", mail ? o.sender : o.domain});
  return m;
}

// What spf::check has left, unless somebody has told of SPF himself.
inline void add_spf(std::vector<auth_method>& methods, const context& ctx) {
  const auto is_spf = [](const auth_method& m) { return m.method == "spf"; };
  if (std::any_of(methods.begin(), methods.end(), is_spf)) return;
  std::vector<auth_method> found;
  if (const auto* helo = ctx.notes().find<spf::helo_note>())
    found.push_back(method_of(helo->outcome));
  if (const auto* mail = ctx.transaction_notes().find<spf::mail_note>())
    found.push_back(method_of(mail->outcome));
  methods.insert(methods.end(), found.begin(), found.end());
  sort_auth_results(methods);
}

}  // namespace detail

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
  detail::add_spf(methods, ctx);
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
