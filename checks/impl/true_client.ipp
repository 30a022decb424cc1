#ifndef GATEPOST_CHECKS_IMPL_TRUE_CLIENT_IPP
#define GATEPOST_CHECKS_IMPL_TRUE_CLIENT_IPP

#include <algorithm>
#include <optional>

#include "checks/true_client.hpp"
#include "smtp/received_from.hpp"
#include "smtp/utf8.hpp"

namespace gatepost::checks {
namespace detail {

inline seen_client not_judged(std::string_view why) {
  return {client_knowledge::never, {}, {}, why};
}

}  // namespace detail

GATEPOST_DECL smtp::network_set private_networks() {
  using v4 = smtp::ip_address::v4_octets;
  smtp::network_set set = smtp::network_set::loopback();
  const auto add_v6 = [&set](std::uint8_t first, std::uint8_t second, unsigned bits) {
    set.add({smtp::ip_address(smtp::ip_address::v6_octets{first, second}), bits});
  };
  set.add({smtp::ip_address(v4{10, 0, 0, 0}), 8});      // RFC 1918
  set.add({smtp::ip_address(v4{172, 16, 0, 0}), 12});   // RFC 1918
  set.add({smtp::ip_address(v4{192, 168, 0, 0}), 16});  // RFC 1918
  set.add({smtp::ip_address(v4{100, 64, 0, 0}), 10});   // RFC 6598
  set.add({smtp::ip_address(v4{169, 254, 0, 0}), 16});  // RFC 3927
  add_v6(0xfc, 0, 7);                                   // RFC 4193
  add_v6(0xfe, 0x80, 10);                               // RFC 4291 §2.5.6
  return set;
}

GATEPOST_DECL seen_client true_client::find(const context& ctx) const {
  const bool has_header =
      ctx.stage() == smtp::stage::header_end || ctx.stage() == smtp::stage::message;
  if (!has_header) return find(ctx.facts());
  const auto& fields = ctx.fields();
  // A header that cannot be read names nobody.
  return find(ctx.facts(), fields ? std::span<const smtp::field_view>(fields->fields)
                                  : std::span<const smtp::field_view>());
}

GATEPOST_DECL bool true_client::judged_at(const context& ctx) const {
  const bool by_header = find(ctx.facts()).knowledge == client_knowledge::later;
  return by_header == (ctx.stage() == smtp::stage::header_end);
}

GATEPOST_DECL seen_client true_client::find(const smtp::session_facts& facts) const {
  const auto& inner = options_.inner_channels;
  if (!options_.border || std::find(inner.begin(), inner.end(), facts.channel) != inner.end())
    return detail::not_judged("behind another border");
  if (facts.from_this_machine()) return detail::not_judged("Unix socket");
  if (facts.authenticated()) return detail::not_judged("authenticated");
  const smtp::ip_address address = facts.client.address.unmapped();
  if (options_.upstreams.contains(address)) return {client_knowledge::later, address, {}, {}};
  return judge({client_knowledge::known, address, facts.helo, {}});
}

GATEPOST_DECL seen_client true_client::find(const smtp::session_facts& facts,
                                            std::span<const smtp::field_view> fields) const {
  seen_client who = find(facts);
  if (who.knowledge != client_knowledge::later) return who;
  return by_received(fields);
}

GATEPOST_DECL seen_client true_client::by_received(std::span<const smtp::field_view> fields) const {
  std::size_t read = 0;
  for (const smtp::field_view& field : fields) {
    if (!smtp::equal_ignoring_case(field.name, "Received")) continue;
    if (++read > options_.hops) return detail::not_judged("too many servers of our own");
    const auto from = smtp::read_received_from(field.value);
    if (!from) return detail::not_judged("no address in Received");
    if (from->authenticated) return detail::not_judged("authenticated at an upstream");
    const bool ours = options_.upstreams.contains(from->address) || from->address.is_loopback();
    if (ours) continue;  // it wrote the next field
    return judge({client_knowledge::known, from->address, std::string(from->helo), {}});
  }
  return detail::not_judged("no Received field of a client");
}

GATEPOST_DECL seen_client true_client::judge(seen_client who) const {
  if (options_.exempt.contains(who.address)) return detail::not_judged("exempt network");
  return who;
}

}  // namespace gatepost::checks

#endif  // GATEPOST_CHECKS_IMPL_TRUE_CLIENT_IPP
