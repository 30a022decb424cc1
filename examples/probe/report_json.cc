// The report for programs: one JSON object per line. "ms" is since the start, "since_ms" since the
// event before.
#include <cstdio>

#include "examples/probe/explain.hpp"
#include "examples/probe/json.hpp"
#include "examples/probe/report.hpp"

namespace probe {
namespace {

namespace smtp = gatepost::smtp;
using step = smtp::client_step;
using state = smtp::recipient_state;

std::string ms(microseconds t) {
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), "%.3f", static_cast<double>(t.count()) / 1000);
  return text.data();
}

// RFC 3339.
std::string iso(std::chrono::sys_seconds time) {
  std::string text = time_text(time);
  text[10] = 'T';
  text.resize(19);
  return text + 'Z';
}

json_object event(std::string_view what, moment when) {
  json_object o;
  o.add("event", what).add_raw("ms", ms(when.at)).add_raw("since_ms", ms(when.since));
  return o;
}

json_object certificate(const smtp::certificate_facts& c) {
  json_object o;
  o.add("subject", c.subject).add("issuer", c.issuer).add("sha256", c.sha256);
  o.add("names", c.dns_names).add("emails", c.emails);
  o.add("not_before", iso(c.not_before)).add("not_after", iso(c.not_after));
  return o;
}

json_object keyword(std::string_view line) {
  const std::size_t end = line.find_first_of(" =");
  json_object o;
  o.add("keyword", line.substr(0, end));
  o.add("value", end == std::string_view::npos ? std::string_view() : line.substr(end + 1));
  o.add("meaning", explain_keyword(line));
  return o;
}

std::string keywords(const heard_reply& reply) {
  std::string out = "[";
  for (std::size_t i = 1; i < reply.lines.size(); ++i)
    out.append(i > 1 ? "," : "").append(keyword(reply.lines[i].substr(4)).text());
  return out + ']';
}

class json_report final : public report {
 public:
  explicit json_report(detail how_much) : quiet_(how_much == detail::result_only) {}

  void note(moment when, std::string_view text) override {
    write(event("note", when).add("text", text));
  }

  void said(moment when, step s, std::string_view line) override {
    write(event("command", when).add("step", step_name(s)).add("line", line));
  }

  void heard(moment when, const heard_reply& reply) override {
    json_object o = event("reply", when);
    o.add("step", step_name(reply.step)).add("code", reply.code);
    o.add("enhanced", to_text(reply.enhanced)).add("lines", reply.lines);
    o.add("meaning", explain(reply.code, reply.enhanced));
    if (reply.step == step::hello && reply.code == 250) o.add_raw("keywords", keywords(reply));
    write(o);
  }

  void tls(moment when, const smtp::tls_facts& facts, std::chrono::sys_seconds) override {
    json_object o = event("tls", when);
    o.add("version", facts.version).add("cipher", facts.cipher);
    o.add("cipher_bits", facts.cipher_bits).add("group", facts.group);
    o.add("server_name", facts.server_name).add("resumed", facts.resumed);
    o.add("verified", facts.peer_verified).add("not_verified_because", facts.peer_not_verified);
    if (facts.peer.present) o.add("certificate", certificate(facts.peer));
    write(o);
  }

  void ended(const summary& all) override;

 private:
  // `always`: with --quiet too.
  void write(const json_object& o) {
    if (!quiet_) put(o);
  }

  void put(const json_object& o) {
    const std::string text = o.text() + '\n';
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  }

  void put_recipient(const recipient_tally& r);

  bool quiet_;
};

void json_report::put_recipient(const recipient_tally& r) {
  json_object o;
  o.add("event", "recipient").add("address", r.address);
  for (const state s : {state::delivered, state::deferred, state::failed, state::untried})
    o.add(smtp::to_string(s), r.count(s));
  o.add("step", step_name(r.last.step)).add("code", r.last.reply.code());
  o.add("enhanced", to_text(r.last.reply.enhanced())).add("text", r.last.reply.text());
  o.add("from_server", r.last.from_server).add("in_doubt", r.last.in_doubt);
  put(o);
}

void json_report::ended(const summary& all) {
  for (const step s : timeline::steps) {
    const step_time& t = all.steps.of(s);
    if (t.count == 0) continue;
    json_object o;
    o.add("event", "timing").add("step", step_name(s)).add("count", t.count);
    o.add_raw("total_ms", ms(t.total)).add_raw("longest_ms", ms(t.longest));
    write(o);
  }
  for (const recipient_tally& r : all.recipients) put_recipient(r);
  json_object o;
  o.add("event", "result").add("good", all.good()).add("text", all.result());
  o.add("failure", all.failure).add("messages", all.messages).add_raw("total_ms", ms(all.total));
  put(o);
}

}  // namespace

std::unique_ptr<report> make_json_report(detail how_much) {
  return std::make_unique<json_report>(how_much);
}

}  // namespace probe
