#include "examples/probe/session.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "examples/probe/message.hpp"
#include "smtp/body_source.hpp"

namespace probe {
namespace {

namespace smtp = gatepost::smtp;
using state = smtp::recipient_state;

// Octets of a reply that could not be read, in a note.
constexpr std::size_t shown_octets = 200;

smtp::client_limits limits_of(const options& o) {
  smtp::client_limits l;
  for (auto* const wait : {&l.connect, &l.greeting, &l.hello, &l.mail, &l.rcpt, &l.data,
                           &l.data_block, &l.final_dot, &l.tls, &l.auth, &l.rset})
    *wait = o.timeout;
  l.quit = std::min<std::chrono::milliseconds>(l.quit, o.timeout);
  return l;
}

smtp::starttls_use starttls_of(tls_use wanted) {
  switch (wanted) {
    case tls_use::none:
    case tls_use::implicit: return smtp::starttls_use::none;
    case tls_use::opportunistic: return smtp::starttls_use::opportunistic;
    case tls_use::required: return smtp::starttls_use::required;
  }
  return smtp::starttls_use::none;
}

smtp::client_options client_options_of(const options& o, const inputs& in) {
  smtp::client_options c;
  c.hello_name = o.hello;
  if (o.lmtp) c.protocol = smtp::client_protocol::lmtp;
  c.starttls = starttls_of(o.tls);
  c.tls_active = o.tls == tls_use::implicit;
  if (!o.user.empty()) c.login = smtp::credentials(o.user, in.password);
  c.auth_without_tls = o.auth_without_tls;
  c.auth_without_verification = o.auth_without_verification;
  if (o.bdat) c.chunking = smtp::chunking_use::when_offered;
  c.prdr = o.prdr;
  if (!o.pipelining) c.ignored.add(smtp::extension::pipelining);
  c.limits = limits_of(o);
  return c;
}

// What a server sent in place of a reply: escaped, and not too much of it.
std::string escaped(std::string_view octets) {
  constexpr char digits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : octets.substr(0, shown_octets)) {
    const auto octet = static_cast<unsigned char>(c);
    if (c == '\r' || c == '\n') {
      out.append(c == '\r' ? "\\r" : "\\n");
    } else if (octet < 0x20 || octet > 0x7E || c == '\\') {
      out.append("\\x").append(1, digits[octet >> 4]).append(1, digits[octet & 15]);
    } else {
      out.push_back(c);
    }
  }
  return out.append(octets.size() > shown_octets ? "..." : "");
}

std::string text_of(const smtp::client_failure& f) {
  if (f.detail.empty()) return f.text();
  if (f.step == smtp::client_step::connect) return "no connection: " + f.detail;
  if (f.step == smtp::client_step::tls) return "no TLS: " + f.detail;
  return f.text();
}

}  // namespace

session::session(asio::io_context& io, const options& o, const inputs& in,
                 const smtp::client_context& tls, report& to)
    : options_(o),
      inputs_(in),
      recorder_(to),
      sockets_(io),
      connector_(sockets_, recorder_, o.verify ? certificates::verified : certificates::any),
      client_(client_options_of(o, in), o.tls == tls_use::none ? nullptr : &tls,
              smtp::tls_peer(o.server_name), &recorder_) {
  for (const smtp::recipient& r : o.to) tallies_.emplace_back(r.forward_path.text());
  if (in.message) given_ = transaction_of(o, *in.message);
}

asio::awaitable<void> session::run() {
  recorder_.start();
  smtp::connect_target target = options_.target;
  const std::error_code failed = co_await client_.connect(connector_, std::move(target));
  if (!failed) {
    note_missing();
    co_await send_all();
  }
  // What goes wrong about QUIT changes nothing any more.
  note_failure();
  co_await client_.quit();
}

bool session::cancel() {
  if (!connector_.made()) return false;
  client_.cancel();
  return true;
}

asio::awaitable<void> session::send_all() {
  if (options_.to.empty()) co_return;
  for (std::uint32_t sent = 0; sent < options_.repeat && !client_.failure().error; ++sent) {
    if (!client_.session().may_begin()) {
      recorder_.note("the server takes no more messages on this connection (MAILMAX)");
      co_return;
    }
    co_await send_one();
  }
}

asio::awaitable<void> session::send_one() {
  std::string made;
  if (!inputs_.message) {
    const auto now = std::chrono::system_clock::now();
    made = made_message(options_, now, ids_.next(now));
  }
  const std::string& text = inputs_.message ? *inputs_.message : made;
  smtp::transaction t = inputs_.message ? given_ : transaction_of(options_, text);
  std::vector<std::size_t> whose(t.recipients.size());
  for (std::size_t i = 0; i < whose.size(); ++i) whose[i] = i;
  // RFC 9422: a server may take fewer recipients at once than there are.
  for (bool more = true; more && !whose.empty();) {
    smtp::text_source source(text);
    const smtp::transaction_outcome outcome = co_await client_.send(t, source);
    more = settle(t, whose, outcome);
  }
  for (const std::size_t i : whose) count(i, smtp::recipient_outcome());
}

// Leaves those that were not tried in `t`. False: none was tried.
bool session::settle(smtp::transaction& t, std::vector<std::size_t>& whose,
                     const smtp::transaction_outcome& outcome) {
  std::vector<smtp::recipient> left;
  std::vector<std::size_t> left_whose;
  for (std::size_t i = 0; i < whose.size(); ++i) {
    if (outcome.recipients[i].state == state::untried) {
      left.push_back(t.recipients[i]);
      left_whose.push_back(whose[i]);
    } else {
      count(whose[i], outcome.recipients[i]);
    }
  }
  const bool some = left.size() < t.recipients.size();
  t.recipients = std::move(left);
  whose = std::move(left_whose);
  return some;
}

void session::count(std::size_t recipient, const smtp::recipient_outcome& outcome) {
  recipient_tally& tally = tallies_[recipient];
  ++tally.counts[static_cast<std::size_t>(outcome.state)];
  const bool trouble = tally.last.state != state::delivered && !tally.last.reply.empty();
  if (!trouble || outcome.state != state::delivered) tally.last = outcome;
}

// What was asked for, and the server does not have.
void session::note_missing() {
  const smtp::server_features& f = client_.session().features();
  const auto missing = [&](bool wanted, smtp::extension what, std::string_view note) {
    if (wanted && !f.has(what)) recorder_.note(note);
  };
  const bool orcpt = std::any_of(options_.to.begin(), options_.to.end(),
                                 [](const smtp::recipient& r) { return !r.orcpt.empty(); });
  const bool dsn = orcpt || options_.notify != 0 || !options_.envid.empty() ||
                   options_.ret != smtp::dsn_return::unspecified;
  if (options_.tls != tls_use::none && !client_.session().tls_active())
    recorder_.note("no TLS: this session can be read on its way");
  missing(options_.bdat, smtp::extension::chunking,
          "CHUNKING is not offered: DATA instead of BDAT");
  missing(options_.prdr && !options_.lmtp, smtp::extension::prdr,
          "PRDR is not offered: one reply for all recipients");
  missing(dsn, smtp::extension::dsn, "DSN is not offered: NOTIFY, ORCPT, RET, ENVID are not sent");
}

void session::note_failure() {
  const smtp::client_failure& f = client_.failure();
  if (!f.error) return;
  failure_ = text_of(f);
  recorder_.failed(f.step);
  if (f.reply.empty()) recorder_.note("failed: " + failure_);
  const bool unreadable = f.error == smtp::errc::bad_reply || f.error == smtp::errc::reply_too_long;
  if (unreadable && !recorder_.unread().empty())
    recorder_.note("the server sent: " + escaped(recorder_.unread()));
}

summary session::result() const {
  summary s;
  s.steps = recorder_.steps();
  s.total = recorder_.total();
  s.recipients = tallies_;
  s.messages = options_.to.empty() ? 0 : options_.repeat;
  s.failure = failure_;
  for (recipient_tally& r : s.recipients) {
    std::uint64_t left = s.messages;
    for (const std::uint64_t n : r.counts) left -= std::min(left, n);
    r.counts[static_cast<std::size_t>(state::untried)] += left;
  }
  return s;
}

}  // namespace probe
