#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <string_view>
#include <utility>
#include <vector>

#include "examples/identity/report.hpp"

namespace identity {

namespace {

namespace spf = gatepost::checks::spf;
namespace dmarc = gatepost::checks::dmarc;

struct node {
  explicit node(std::string text) : text(std::move(text)) {}

  node& add(std::string line) { return below.emplace_back(std::move(line)); }

  std::string text;
  std::vector<node> below;
};

// What strangers wrote must not rule a terminal.
std::string printable(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = '?';
  return out;
}

void draw(const node& n, const std::string& indent, std::string& out) {
  for (std::size_t i = 0; i < n.below.size(); ++i) {
    const bool last = i + 1 == n.below.size();
    out += indent + (last ? "└─ " : "├─ ") + printable(n.below[i].text) + '\n';
    draw(n.below[i], indent + (last ? "   " : "│  "), out);
  }
}

std::string in_quotes(std::string_view text) { return '"' + std::string(text) + '"'; }

std::string joined(std::initializer_list<std::string_view> parts) {
  std::string out;
  for (const std::string_view part : parts) out += part;
  return out;
}

// The records and terms are a list with depths: records stand above their terms.
void add_trace(node& to, const std::vector<spf::trace_entry>& trace) {
  std::vector<node*> records = {&to};
  for (const spf::trace_entry& t : trace) {
    const std::size_t depth = std::min<std::size_t>(t.depth + 1, records.size());
    const bool record = t.kind == spf::trace_kind::record;
    records.resize(record ? depth : std::min(depth + 1, records.size()));
    const std::string text =
        record ? joined({t.domain, "  ", t.text.empty() ? t.finding : in_quotes(t.text)})
               : joined({t.text, ": ", t.finding, "  (record of ", t.domain, ")"});
    node& added = records.back()->add(text);
    if (record) records.push_back(&added);
  }
}

void add_spf(node& to, std::string_view identity, const spf::outcome& found) {
  const std::string_view domain = found.domain();
  node& spf = to.add(joined({"SPF of ", identity, " ", domain.empty() ? "(no domain)" : domain,
                             ": ", to_string(found.result)}));
  add_trace(spf, found.trace);
  if (!found.mechanism.empty())
    spf.add(joined({"matched ", found.mechanism, " of ", found.mechanism_domain}));
  if (!found.problem.empty()) spf.add(joined({"because ", found.problem}));
  if (!found.explanation.empty())
    spf.add(joined({found.explanation_domain, " explains: ", in_quotes(found.explanation)}));
  spf.add(joined({"look-ups ", std::to_string(found.dns_terms), " of 10, without an answer ",
                  std::to_string(found.void_lookups), " of 2"}));
}

void add_iprev(node& to, const checks::iprev_result& found) {
  node& iprev = to.add(joined({"reverse DNS: ", to_string(found.status())}));
  if (!found.name().empty()) iprev.add(found.name());
}

void add_dkim(node& to, const checks::dkim::report& report) {
  node& all = to.add(joined({"DKIM: ", to_string(report.outcome())}));
  for (const checks::dkim::signature_result& s : report.signatures()) {
    node& one = all.add(joined({"d=", s.domain, " s=", s.selector, ": ", to_string(s.outcome)}));
    if (!s.reason.empty()) one.add(s.reason);
    if (!s.algorithm.empty())
      one.add(joined({s.algorithm, ", key of ", std::to_string(s.key_bits), " bits"}));
    if (s.testing)
      one.add("the key is being tested (t=y): a failure means no more than no signature does");
  }
  if (report.skipped() > 0)
    all.add(std::to_string(report.skipped()) + " more signatures were not looked at");
}

void add_arc(node& to, const checks::arc::report& found) {
  node& all = to.add(joined({"ARC: ", to_string(found.chain)}));
  if (!found.reason.empty()) all.add(found.reason);
  for (const checks::arc::arc_set& set : found.sets)
    all.add(joined({"i=", std::to_string(set.instance), " d=", set.domain, " s=", set.selector,
                    " cv=", set.cv, "  saw ", set.results}));
}

std::string_view word(dmarc::mechanism_result r) {
  switch (r) {
    case dmarc::mechanism_result::none: return "nothing authenticated";
    case dmarc::mechanism_result::pass: return "authenticated and aligned";
    case dmarc::mechanism_result::fail: return "authenticated, not aligned";
    case dmarc::mechanism_result::temperror: return "cannot be told for now";
  }
  return "?";
}

void add_dmarc(node& to, const dmarc::evaluation& found) {
  node& all =
      to.add(joined({"DMARC of ", found.author_domain.empty() ? "(no author)" : found.author_domain,
                     ": ", to_string(found.result)}));
  if (!found.reason.empty()) all.add(found.reason);
  if (!found.record_domain.empty())
    all.add(
        joined({"record at _dmarc.", found.record_domain, ", asks for ", to_string(found.policy)}));
  if (!found.organizational_domain.empty())
    all.add("organizational domain " + found.organizational_domain);
  if (found.record) {
    all.add(joined({"SPF: ", word(found.spf)}));
    node& dkim = all.add(joined({"DKIM: ", word(found.dkim)}));
    for (const dmarc::identifier_alignment& a : found.dkim_each)
      dkim.add(
          joined({a.domain, ": signature ", to_string(a.authentication), ", ", word(a.result)}));
  }
  all.add(joined({"disposition: ", to_string(found.disposition)}));
  for (const dmarc::override_reason& o : found.overrides)
    all.add(joined({"changed by ", to_string(o.type), " ", o.comment}));
}

void add_dns(node& to, const std::vector<dns_step>& steps) {
  node& all = to.add("DNS: " + std::to_string(steps.size()) + " answers");
  for (const dns_step& s : steps) {
    node& one = all.add(joined({s.type, " ", s.name, ": ", s.rcode}));
    for (const std::string& record : s.records) one.add(record);
  }
}

}  // namespace

std::string as_tree(const request& what, const findings& found) {
  node top("");
  if (found.spf) add_spf(top, "MAIL FROM", *found.spf);
  if (found.helo_spf) add_spf(top, "HELO", *found.helo_spf);
  if (found.iprev) add_iprev(top, *found.iprev);
  if (!what.message_file.empty()) {
    add_dkim(top, found.dkim);
    add_arc(top, found.arc);
    add_dmarc(top, found.dmarc);
  }
  add_dns(top, found.dns);
  std::string out = joined({"client ", what.client ? what.client->text() : "(not given)", ", HELO ",
                            what.helo.empty() ? "(not given)" : printable(what.helo),
                            ", MAIL FROM <", printable(what.mail_from), ">\n"});
  draw(top, "", out);
  return out;
}

}  // namespace identity
