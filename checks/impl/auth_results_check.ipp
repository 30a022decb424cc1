#ifndef GATEPOST_CHECKS_IMPL_AUTH_RESULTS_CHECK_IPP
#define GATEPOST_CHECKS_IMPL_AUTH_RESULTS_CHECK_IPP

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <utility>

#include "checks/arc/result.hpp"
#include "checks/auth_results_check.hpp"
#include "checks/dkim/result.hpp"

namespace gatepost::checks {

// RFC 8601 §2.7.2: of MAIL FROM the mailbox, where it has a local part of its own.
GATEPOST_DECL auth_method spf_method(const spf::outcome& found) {
  auth_method m{.method = "spf", .result = std::string(spf::to_string(found.result))};
  m.reason = found.problem;
  const bool mail = found.identity == spf::identity::mail_from;
  m.properties.push_back(
      {"smtp", mail ? "mailfrom" : "helo", mail ? found.sender : std::string(found.domain())});
  return m;
}

namespace detail {

// RFC 8601 §2.7.1; header.b as RFC 6008 §4 wants it, which tells signatures of one domain apart.
inline auth_method method_of(const dkim::signature_result& r) {
  auth_method m{.method = "dkim", .result = std::string(dkim::to_string(r.outcome))};
  m.reason = r.reason;
  const auto add = [&m](const char* property, std::string value) {
    if (!value.empty()) m.properties.push_back({"header", property, std::move(value)});
  };
  add("d", r.domain);
  add("i", r.identity);
  add("s", r.selector);
  add("a", r.algorithm);
  add("b", r.b.substr(0, 8));
  return m;
}

// RFC 8617 §8.2.
inline auth_method method_of(const arc::report& r) {
  auth_method m{.method = "arc", .result = std::string(arc::to_string(r.chain))};
  m.reason = r.reason;
  if (r.chain == arc::chain_status::pass)
    m.comment = "i=" + std::to_string(r.sets.back().instance) + " by " + r.sets.back().domain;
  return m;
}

using auth_methods = std::vector<auth_method>;

inline void spf_methods(const context& ctx, auth_methods& to) {
  const auto* helo = ctx.transaction_notes().find<spf::helo_note>();
  if (helo == nullptr) helo = ctx.notes().find<spf::helo_note>();
  if (helo != nullptr) to.push_back(spf_method(helo->outcome));
  if (const auto* mail = ctx.transaction_notes().find<spf::mail_note>())
    to.push_back(spf_method(mail->outcome));
}

inline void dkim_methods(const context& ctx, auth_methods& to) {
  const auto* report = ctx.transaction_notes().find<dkim::report>();
  if (report == nullptr) return;
  for (const dkim::signature_result& r : report->signatures()) to.push_back(method_of(r));
  if (report->signatures().empty()) to.push_back({.method = "dkim", .result = "none"});
}

inline void arc_methods(const context& ctx, auth_methods& to) {
  if (const auto* chain = ctx.transaction_notes().find<arc::report>())
    to.push_back(method_of(*chain));
}

// What the checks have left in notes of their own, unless somebody has told of the method himself.
inline void add_found(auth_methods& methods, const context& ctx) {
  auth_methods found;
  spf_methods(ctx, found);
  dkim_methods(ctx, found);
  arc_methods(ctx, found);
  const std::size_t told = methods.size();
  for (auth_method& m : found) {
    const auto end = methods.begin() + static_cast<std::ptrdiff_t>(told);
    const bool known = std::any_of(methods.begin(), end,
                                   [&m](const auth_method& t) { return t.method == m.method; });
    if (!known) methods.push_back(std::move(m));
  }
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
  const bool believed =
      facts.has_client_address() && options_.trusted.contains(facts.client.address);
  if (const auto& fields = ctx.fields(); fields && !believed)
    for (const smtp::octet_range range : forged_auth_results(fields->fields, ids_)) v.erase(range);
  auto methods = all_auth_results(ctx.notes(), ctx.transaction_notes());
  detail::add_found(methods, ctx);
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
