// [sign]

#include <algorithm>
#include <chrono>
#include <string>

#include "examples/border_mta/sections.hpp"
#include "examples/border_mta/values.hpp"
#include "smtp/domain.hpp"

namespace border_mta {

using namespace std::chrono_literals;

namespace smtp = gatepost::smtp;

namespace {

void check_key(fields& f, const sign_key& k) {
  if (!smtp::valid_domain(k.domain) || k.domain.find('.') == std::string::npos)
    f.reject("domain", '"' + k.domain + "\" is no domain that mail comes from",
             "write for example domain = \"example.com\"");
  if (!smtp::valid_domain(k.selector))
    f.reject("selector", '"' + k.selector + "\" is no selector",
             "write the name below _domainkey that the DNS has the public key at, such as "
             "\"2026b\"");
  if (k.file.empty())
    f.reject("key", "the key's file is missing", "write key = \"FILE\", a private key in PEM");
}

void visit_key(fields& f, sign_key& k) {
  f.text("domain", k.domain);
  f.text("selector", k.selector);
  f.path("key", k.file);
}

void visit_dkim_key(fields& f, sign_key& k) {
  visit_key(f, k);
  f.text("from", k.from);
  check_key(f, k);
  if (!k.from.empty() && !parse_date(k.from))
    f.reject("from", '"' + k.from + "\" is no day", "write for example \"2026-12-01\"");
}

void check_fields(fields& f, const std::vector<std::string>& names) {
  // RFC 5322 §2.2; the list is written with colons between, and ends at a semicolon.
  const auto bad = [](char c) { return c <= ' ' || c >= 127 || c == ':' || c == ';'; };
  for (std::size_t i = 0; i < names.size(); ++i)
    if (names[i].empty() || std::any_of(names[i].begin(), names[i].end(), bad))
      f.reject_item("fields", i, '"' + names[i] + "\" is no name of a header field",
                    "write for example \"Subject\"");
}

// border_mta itself lets nobody log in: without a name here nothing would ever be signed, but what
// a proxy says of its clients (XCLIENT LOGIN).
void check_whose(fields& f, const sign_section& s, const std::vector<smtp::channel>& channels) {
  const auto named = [&channels](const std::string& name) {
    return std::any_of(channels.begin(), channels.end(),
                       [&name](const smtp::channel& c) { return c.name == name; });
  };
  for (std::size_t i = 0; i < s.channels.size(); ++i)
    if (!named(s.channels[i]))
      f.reject_item("channels", i, "there is no channel \"" + s.channels[i] + '"',
                    "add a [[channel]] with that name, or name one that there is");
  const bool proxied = std::any_of(channels.begin(), channels.end(),
                                   [](const smtp::channel& c) { return !c.xclient_from.empty(); });
  if (!s.dkim.empty() && s.networks.empty() && s.channels.empty() && !s.unix_sockets && !proxied)
    f.reject("networks", "nobody's mail would be signed",
             "write the networks of your own hosts, or channels by which your users send");
}

}  // namespace

void visit_sign(fields& f, sign_section& s, const std::vector<smtp::channel>& channels) {
  f.networks("networks", s.networks);
  f.flag("unix", s.unix_sockets);
  f.texts("channels", s.channels);
  f.texts("fields", s.fields);
  f.wait("expires", s.expires, or_none<milliseconds>(1s, longest_wait));
  check_fields(f, s.fields);
  f.tables("dkim", s.dkim, sign_key(), [&](sign_key& k) { visit_dkim_key(f, k); });
  f.table("arc", [&] {
    visit_key(f, s.arc);
    if (!s.arc.domain.empty() || !s.arc.selector.empty() || !s.arc.file.empty())
      check_key(f, s.arc);
  });
  check_whose(f, s, channels);
}

}  // namespace border_mta
