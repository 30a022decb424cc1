// How a message gets to next hops: one group of recipients, one hop after the other.
#ifndef GATEPOST_ROUTING_IMPL_RELAY_HOPS_IPP
#define GATEPOST_ROUTING_IMPL_RELAY_HOPS_IPP

#include <algorithm>
#include <cstddef>
#include <deque>
#include <iterator>
#include <optional>
#include <utility>

#include "routing/detail/relay_engine.hpp"

namespace gatepost::routing::detail {

// Reads what was an address when it came in, whatever the limits were then.
inline std::optional<smtp::address> kept_address(const std::string& text) {
  smtp::address_options any;
  any.utf8 = smtp::utf8_policy::smtputf8;
  any.tags = smtp::literal_tags::any;
  any.local_part = any.domain = any.path = text.size() + 2;  // with the path's <>
  const auto a = smtp::address::from_text(text, any);
  return a ? std::optional<smtp::address>(*a) : std::nullopt;
}

inline void say_of_all(std::vector<open_recipient>& open, const smtp::recipient_outcome& last) {
  for (open_recipient& r : open) r.note(last);
}

GATEPOST_DECL asio::awaitable<void> relay_engine::deliver_to_hops(message_at_work& w,
                                                                  const delivery_group& group) {
  std::vector<open_recipient> open;
  for (const std::size_t i : group.recipients) open.emplace_back(i, unreachable("no next hop"));
  std::string last;
  bool asked = group.where.hops().empty();
  bool crowded = false;
  smtp::time_point back = smtp::time_point::max();  // of the first of those that are dead
  for (const next_hop& listed : group.where.hops()) {
    const next_hop hop = hop_for(w.message.requiretls, listed);
    last = name_of(hop);
    hop_state& state = hops_[last];
    if (state.dead()) {
      say_of_all(open, unreachable(state.dead_because));
      back = std::min(back, state.dead_until);
      continue;
    }
    asked = true;
    {
      const hop_place place(state, state.places(options.deliveries_per_hop));
      if (!place) {
        park(w, last);
        co_return;
      }
      crowded = co_await deliver_by(w, open, hop, last) == hop_visit::crowded;
      if (crowded) park(w, last);
      // Before the next one gets the place: a crash makes no more messages come again than places.
      if (w.delivered) co_await save(w);
    }
    pump_soon();  // there is a place for somebody
    // What we broke off ourselves was no attempt: the next start tries again at once.
    if (open.empty() || crowded || stopping_) co_return;
  }
  if (!asked) co_return wait_for_hops(w, open, back, last);
  const attempt_place where(last, false);
  for (const open_recipient& r : open) settle(w, r.index, r.last.state, r.last.reply, where);
}

GATEPOST_DECL void relay_engine::park(message_at_work& w, const std::string& key) {
  hops_[key].parked.insert(w.message.id);
  w.parked = true;
}

// Transactions that bring nothing, one after the other, before the hop is to blame and not a
// recipient: the whole, its halves, its quarters, and one more.
inline constexpr std::size_t tries_in_vain = 8;

using recipient_parts = std::deque<std::vector<open_recipient>>;

inline void add_halves(recipient_parts& parts, std::vector<open_recipient> whole) {
  const auto middle = std::next(whole.begin(), static_cast<std::ptrdiff_t>(whole.size() / 2));
  parts.emplace_back(std::move_iterator(whole.begin()), std::move_iterator(middle));
  parts.emplace_back(std::move_iterator(middle), std::move_iterator(whole.end()));
}

inline void add_to(std::vector<open_recipient>& all, std::vector<open_recipient>& part) {
  std::move(part.begin(), part.end(), std::back_inserter(all));
}

// Tries one next hop. Takes those out of `open` about whom it has decided. A hop that drops the
// connection at one recipient would keep the message from all beside it, at each attempt: they are
// tried by halves, until it is alone. The larger parts come first, so that two transactions bring
// something again where one recipient is to blame.
GATEPOST_DECL asio::awaitable<relay_engine::hop_visit> relay_engine::deliver_by(
    message_at_work& w, std::vector<open_recipient>& open, const next_hop& hop,
    const std::string& key) {
  recipient_parts parts;
  parts.push_back(std::exchange(open, {}));
  hop_visit visit = hop_visit::made;
  bool split = false;
  bool go_on = true;
  for (std::size_t in_vain = 0; go_on && !stopping_ && !parts.empty();) {
    std::vector<open_recipient> part = std::move(parts.front());
    parts.pop_front();
    const std::size_t before = part.size();
    visit = co_await deliver_part(w, part, hop, key);
    in_vain = part.size() < before ? 0 : in_vain + 1;
    const bool alive = visit == hop_visit::made || visit == hop_visit::dropped;
    go_on = alive && in_vain < tries_in_vain;
    if (visit == hop_visit::dropped && part.size() > 1) {
      split = true;
      add_halves(parts, std::move(part));
    } else {
      add_to(open, part);
    }
  }
  for (std::vector<open_recipient>& part : parts) add_to(open, part);
  // Whoever was dropped has had an attempt, and does not wait for a place to have it once more.
  co_return split ? hop_visit::made : visit;
}

// The same for some of the recipients.
GATEPOST_DECL asio::awaitable<relay_engine::hop_visit> relay_engine::deliver_part(
    message_at_work& w, std::vector<open_recipient>& open, const next_hop& hop,
    const std::string& key) {
  hop_visit visit = hop_visit::made;
  for (bool more = true; more && !stopping_;) {
    // The next transaction may take long, and a crash meanwhile would deliver again.
    if (w.delivered) co_await save(w);
    hop_connection c = take_idle(key);
    const bool fresh = c.session == nullptr;
    if (fresh) {
      std::string why_not;
      c.session = co_await open_hop(us_, hop, connector_, why_not);
      if (!c.session) {
        if (stopping_) break;
        if (!mark_dead(key, why_not)) co_return hop_visit::crowded;
        say_of_all(open, unreachable(why_not));
        co_return hop_visit::unreachable;
      }
      ++counters_.connections;
      hops_[key].dead_until = {};  // others may have had less luck meanwhile
    }
    const hop_talk talk(hops_[key]);
    const smtp::transaction_outcome outcome = co_await send(w.message, c, open);
    // A connection that died while it was idle, or is closed because it was, says nothing about the
    // next hop.
    if (!fresh && (outcome.unanswered || is_goodbye(outcome))) continue;
    const attempt_place where(key, c.session->tls() != nullptr);
    more = settle_decided(open, outcome, [&](std::size_t i, const smtp::recipient_outcome& o) {
      settle(w, i, o.state, o.reply, where);
    });
    if (dropped_at_recipients(*c.session)) visit = hop_visit::dropped;
    give_back(key, std::move(c));
  }
  co_return visit;
}

GATEPOST_DECL asio::awaitable<smtp::transaction_outcome> relay_engine::send(
    const spool_message& m, hop_connection& c, const std::vector<open_recipient>& to) {
  smtp::transaction t = transaction_for(m, to);
  std::error_code why;
  if (asks_too_much(t, c.session->session().features())) {
    why = co_await fit(m, t);
    if (at_work_.cancelled()) co_return given_up(to.size());
  }
  smtp::transaction_outcome outcome;
  if (!why) {
    const std::error_code unread = co_await send_text(m, t, c, outcome);
    why = unread;
  }
  if (!why) co_return outcome;
  // Nothing that another next hop could do better.
  trouble("spool", "cannot read the text of message " + m.id + ": " + why.message(), m.session_id);
  outcome.unanswered = false;
  outcome.recipients.resize(to.size());
  for (smtp::recipient_outcome& o : outcome.recipients) {
    if (o.state != smtp::recipient_state::untried && o.from_server) continue;
    o.state = smtp::recipient_state::deferred;
    o.step = smtp::client_step::body;
    o.from_server = true;
    o.reply = smtp::reply(451, {4, 3, 0}, "The spool cannot read the message");
  }
  co_return outcome;
}

// The text is read once more, which only mail for hops that lack an extension has to bear.
GATEPOST_DECL asio::awaitable<std::error_code> relay_engine::fit(const spool_message& m,
                                                                 smtp::transaction& t) {
  auto text = store.open(m.id);
  if (!text) co_return make_error_code(text.error());
  edited_body edited(*std::move(text), m.edits);
  const std::error_code failed = co_await ask_for_what_is_needed(t, edited, at_work_);
  co_return failed;
}

// Why the text could not be read, if so.
GATEPOST_DECL asio::awaitable<std::error_code> relay_engine::send_text(
    const spool_message& m, smtp::transaction& t, hop_connection& c,
    smtp::transaction_outcome& outcome) {
  auto text = store.open(m.id);
  if (!text) co_return make_error_code(text.error());
  edited_body edited(*std::move(text), m.edits);
  t.size = edited.size();
  reader_source source(edited);
  const work_mark mark(&at_work_, c.session.get());
  outcome = co_await c.session->send(t, source);
  co_return source.error();
}

GATEPOST_DECL smtp::transaction relay_engine::transaction_for(
    const spool_message& m, const std::vector<open_recipient>& to) const {
  smtp::transaction t;
  // Both can be read, or destination_of() would not have sent us here.
  t.reverse_path = kept_address(m.reverse_path).value_or(smtp::address());
  for (const open_recipient& r : to) {
    const spool_recipient& kept = m.recipients[r.index];
    smtp::recipient& added = t.recipients.emplace_back();
    added.forward_path = with_domain(kept_address(kept.forward_path).value_or(smtp::address()));
    added.notify = kept.notify;
    added.orcpt = kept.orcpt;
  }
  t.body = m.body;
  t.smtputf8 = m.smtputf8;
  t.requiretls = m.requiretls;
  t.ret = m.ret;
  t.envid = m.envid;
  t.auth = m.auth;
  t.solicit = m.solicit;
  return t;
}

}  // namespace gatepost::routing::detail

#endif  // GATEPOST_ROUTING_IMPL_RELAY_HOPS_IPP
