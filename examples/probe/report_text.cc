// The report for people.
#include <algorithm>
#include <cstdio>

#include "examples/probe/explain.hpp"
#include "examples/probe/report.hpp"

namespace probe {
namespace {

namespace smtp = gatepost::smtp;
using step = smtp::client_step;
using state = smtp::recipient_state;

constexpr std::string_view dim = "\x1b[2m";
constexpr std::string_view bold = "\x1b[1m";
constexpr std::string_view red = "\x1b[31m";
constexpr std::string_view green = "\x1b[32m";
constexpr std::string_view yellow = "\x1b[33m";
constexpr std::string_view cyan = "\x1b[36m";
constexpr std::string_view plain = "\x1b[0m";

// Where the meanings of EHLO keywords begin: behind most keyword lines.
constexpr std::size_t meaning_column = 28;

// Columns of the two times and of "S: ", for lines that have none.
constexpr std::string_view no_times = "                    ";
constexpr std::string_view no_side = "   ";

std::string ms(microseconds t) {
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), "%.2f", static_cast<double>(t.count()) / 1000);
  return text.data();
}

std::string right(std::string_view text, std::size_t width) {
  return std::string(width > text.size() ? width - text.size() : 0, ' ').append(text);
}

std::string left(std::string_view text, std::size_t width) {
  return std::string(text).append(width > text.size() ? width - text.size() : 0, ' ');
}

std::string_view color_of(int code) { return code >= 500 ? red : code >= 400 ? yellow : green; }

std::string times(moment when) {
  return right(ms(when.at), 9) + right("+" + ms(when.since), 10) + ' ';
}

class text_report final : public report {
 public:
  text_report(detail how_much, colors use)
      : quiet_(how_much == detail::result_only), colored_(use == colors::ansi) {}

  void note(moment when, std::string_view text) override {
    if (quiet_) return;
    line(times(when) + " * " + printable(text));
  }

  void said(moment when, step, std::string_view text) override {
    if (quiet_) return;
    line(times(when) + paint(cyan, "C: ") + printable(text));
  }

  void heard(moment when, const heard_reply& reply) override;
  void tls(moment when, const smtp::tls_facts& facts, std::chrono::sys_seconds now) override;
  void ended(const summary& all) override;

 private:
  // Lines appear as things happen.
  void line(std::string_view text) {
    headline();
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fputc('\n', stdout);
    std::fflush(stdout);
  }

  void headline() {
    if (begun_ || quiet_) return;
    begun_ = true;
    line(paint(dim, "       ms     since"));
  }

  std::string paint(std::string_view how, std::string_view text) const {
    if (!colored_) return std::string(text);
    return std::string(how).append(text).append(plain);
  }

  std::string comment(std::string_view text) const { return paint(dim, "# " + printable(text)); }

  void fact(std::string_view name, std::string_view value) {
    line(std::string(no_times) + "   " + left(name, 13) + printable(value));
  }

  void keyword(std::string_view times_or_blank, std::string_view text);
  void certificate(const smtp::certificate_facts& c, std::chrono::sys_seconds now);
  void show_times(const summary& all);
  void show_recipients(const summary& all);
  void show_recipient(const recipient_tally& r, std::size_t width, std::uint32_t messages);

  bool quiet_;
  bool colored_;
  bool begun_ = false;
};

void text_report::heard(moment when, const heard_reply& reply) {
  if (quiet_) return;
  std::string before = times(when);
  for (std::size_t i = 0; i < reply.lines.size(); ++i) {
    const std::string text = printable(reply.lines[i]);
    const bool keywords = reply.step == step::hello && reply.code == 250 && i > 0;
    if (keywords) {
      keyword(before, text);
    } else {
      line(before + paint(color_of(reply.code), "S: " + text.substr(0, 3)) + text.substr(3));
    }
    before = no_times;
  }
  if (reply.step == step::hello && reply.code == 250) return;
  line(std::string(no_times) + std::string(no_side) + comment(explain(reply.code, reply.enhanced)));
}

void text_report::keyword(std::string_view times_or_blank, std::string_view text) {
  line(std::string(times_or_blank) + paint(green, "S: " + std::string(text.substr(0, 3))) +
       left(text.substr(3), meaning_column - 3) + ' ' + comment(explain_keyword(text.substr(4))));
}

void text_report::tls(moment when, const smtp::tls_facts& facts, std::chrono::sys_seconds now) {
  if (quiet_) return;
  std::string text = facts.version + ", " + facts.cipher;
  if (!facts.group.empty()) text.append(", key exchange by ").append(facts.group);
  if (facts.resumed) text.append(", resumed");
  note(when, "TLS is on: " + text);
  certificate(facts.peer, now);
  if (facts.peer_verified)
    fact("verified", "yes, trusted and of the right name");
  else
    fact("verified", "no: " + facts.peer_not_verified);
}

void text_report::certificate(const smtp::certificate_facts& c, std::chrono::sys_seconds now) {
  if (!c.present) return fact("certificate", "none");
  std::string names;
  for (const std::string& name : c.dns_names) names.append(names.empty() ? "" : ", ").append(name);
  const auto days = std::chrono::floor<std::chrono::days>(c.not_after - now).count();
  std::string until = time_text(c.not_after);
  if (now > c.not_after)
    until.append(", expired");
  else
    until.append(", ").append(std::to_string(days)).append(" days left");
  fact("certificate", c.subject.empty() ? "(no subject)" : c.subject);
  fact("issuer", c.issuer);
  fact("names", names.empty() ? "(none)" : names);
  fact("valid from", time_text(c.not_before) + (now < c.not_before ? ", not yet valid" : ""));
  fact("valid until", until);
  fact("SHA-256", c.sha256);
}

void text_report::ended(const summary& all) {
  if (!quiet_) show_times(all);
  if (!all.recipients.empty()) show_recipients(all);
  if (!quiet_) line("");
  line(paint(all.good() ? green : red, printable(all.result())));
}

void text_report::show_times(const summary& all) {
  bool often = false;
  for (const step s : timeline::steps) often = often || all.steps.of(s).count > 1;
  line("");
  line(paint(bold, left("Step", 16) + right("ms", 10)) +
       (often ? paint(bold, right("times", 8) + right("mean", 10) + right("longest", 10)) : ""));
  for (const step s : timeline::steps) {
    const step_time& t = all.steps.of(s);
    if (t.count == 0) continue;
    std::string text = left(step_name(s), 16) + right(ms(t.total), 10);
    if (t.count > 1)
      text += right(std::to_string(t.count), 8) +
              right(ms(t.total / static_cast<std::int64_t>(t.count)), 10) +
              right(ms(t.longest), 10);
    line(text);
  }
  line(left("total", 16) + right(ms(all.total), 10));
}

void text_report::show_recipients(const summary& all) {
  if (!quiet_) {
    line("");
    line(paint(bold, "Recipients"));
  }
  std::size_t width = 0;
  for (const recipient_tally& r : all.recipients) width = std::max(width, r.address.size());
  for (const recipient_tally& r : all.recipients) show_recipient(r, width, all.messages);
}

void text_report::show_recipient(const recipient_tally& r, std::size_t width,
                                 std::uint32_t messages) {
  std::string text = left(printable(r.address), width) + "  ";
  if (messages == 1) {
    const std::string_view word = smtp::to_string(r.last.state);
    const bool good = r.last.state == state::delivered;
    text += paint(good ? green : r.last.state == state::failed ? red : yellow, left(word, 10));
  } else {
    std::string counts;
    for (const state s : {state::delivered, state::deferred, state::failed, state::untried})
      if (r.count(s) > 0)
        counts += (counts.empty() ? "" : ", ") + std::to_string(r.count(s)) + ' ' +
                  std::string(smtp::to_string(s));
    text += left(counts, 12);
  }
  if (!r.last.reply.empty()) {
    text.append(" ").append(step_name(r.last.step));
    text.append(": ").append(printable(r.last.reply.to_string()));
    if (!r.last.from_server) text.append(" ").append(comment("ours, not the server's"));
  }
  while (text.ends_with(' ')) text.pop_back();
  if (r.last.in_doubt) text.append(" ").append(comment("it may have arrived all the same"));
  line(text);
}

}  // namespace

std::unique_ptr<report> make_text_report(detail how_much, colors use) {
  return std::make_unique<text_report>(how_much, use);
}

}  // namespace probe
