// The delivery of one message: its groups of recipients, and what becomes of each of them.
#ifndef GATEPOST_ROUTING_IMPL_RELAY_DELIVERY_IPP
#define GATEPOST_ROUTING_IMPL_RELAY_DELIVERY_IPP

#include <algorithm>
#include <asio/any_io_executor.hpp>
#include <asio/post.hpp>
#include <asio/this_coro.hpp>
#include <map>
#include <span>

#include "routing/detail/relay_engine.hpp"
#include "routing/detail/waiter.hpp"
#include "routing/impl/relay_hops.ipp"
#include "routing/maildir.hpp"
#include "smtp/detail/early_wait.hpp"

namespace gatepost::routing::detail {

// Between two attempts to note a delivery in a spool that fails.
inline constexpr std::chrono::milliseconds first_save_wait{100};
inline constexpr std::chrono::milliseconds longest_save_wait{60'000};

GATEPOST_DECL asio::awaitable<void> relay_engine::deliver(std::string id) {
  const bool forced = forced_.erase(id) != 0;
  smtp::result<spool_message> m = store.load(id);
  if (!m) {
    cannot_load(id, m.error());
    co_return;
  }
  message_at_work w(*std::move(m), forced, delivering_);
  std::exception_ptr failed;
  try {
    co_await deliver_all(w);
  } catch (...) {
    failed = std::current_exception();
  }
  // Whatever happened: who has got it must not get it again.
  if (w.changed) co_await save(w);
  if (failed) std::rethrow_exception(failed);
  if (w.parked) {
    parked_.insert(id);
    if (forced) forced_.insert(id);
  } else if (const auto due = w.message.due()) {
    again_.try_emplace(id, *due);
  }
}

GATEPOST_DECL asio::awaitable<void> relay_engine::deliver_all(message_at_work& w) {
  const std::vector<delivery_group> groups = co_await group_recipients(w);
  for (const delivery_group& group : groups) {
    if (stopping_) break;
    co_await deliver_group(w, group);
  }
}

GATEPOST_DECL void relay_engine::cannot_load(const std::string& id, smtp::errc why) {
  if (why == smtp::errc::not_found) return;  // taken back, or removed by hand
  trouble("spool", "cannot read message " + id + ": " + make_error_code(why).message());
  // What is damaged stays so; what could not be read may be readable later.
  if (why == smtp::errc::spool_corrupt) return;
  again_.try_emplace(id, options.now() + load_wait);
}

// By where they go; recipients of one destination share a transaction.
GATEPOST_DECL asio::awaitable<std::vector<delivery_group>> relay_engine::group_recipients(
    const message_at_work& w) {
  const spool_message& m = w.message;
  std::vector<delivery_group> groups;
  std::map<std::string, std::size_t> by_text;  // not hashed: recipients are chosen by strangers
  const spool_time now = options.now();
  const spool_time last = horizon(now);
  for (std::size_t i = 0; i < m.recipients.size(); ++i) {
    const spool_recipient& r = m.recipients[i];
    const bool waits = r.next_attempt > now && r.next_attempt <= last;
    if (r.state != recipient_state::pending || (waits && !w.forced)) continue;
    const route where = co_await destination_of(m, r);
    const auto [place, fresh] = by_text.try_emplace(to_string(where), groups.size());
    if (fresh) groups.emplace_back(where);
    groups[place->second].recipients.push_back(i);
  }
  co_return groups;
}

// As the routes are now, which may not be as they were when the message came in.
GATEPOST_DECL asio::awaitable<route> relay_engine::destination_of(const spool_message& m,
                                                                  const spool_recipient& r) {
  const std::optional<smtp::address> to = kept_address(r.forward_path);
  if (!to || to->is_null() || !kept_address(m.reverse_path))
    co_return route::refuse({553, {5, 1, 3}, "Not an address"});
  try {
    const route_result found = co_await routes.route(with_domain(*to), nullptr);
    if (found.status() == route_status::found) co_return found.where();
    co_return route::refuse(found.reply());
  } catch (const std::exception& e) {
    trouble("router", e.what(), m.session_id);
  }
  co_return route::refuse(smtp::replies::local_error);
}

GATEPOST_DECL asio::awaitable<void> relay_engine::deliver_group(message_at_work& w,
                                                                const delivery_group& group) {
  using smtp::recipient_state;
  const route& where = group.where;
  switch (where.kind()) {
    case route_kind::next_hops: co_await deliver_to_hops(w, group); break;
    case route_kind::maildir: co_await deliver_to_maildir(w, group); break;
    case route_kind::discard:
      settle_all(w, group, recipient_state::delivered, smtp::replies::ok, "discard");
      break;
    case route_kind::refuse: {
      const bool later = where.refusal().temporary();
      const auto state = later ? recipient_state::deferred : recipient_state::failed;
      settle_all(w, group, state, where.refusal(), "router");
      break;
    }
  }
}

GATEPOST_DECL void relay_engine::settle_all(message_at_work& w, const delivery_group& group,
                                            smtp::recipient_state state, const smtp::reply& said,
                                            std::string_view where) {
  for (const std::size_t i : group.recipients) settle(w, i, state, said, {where, false});
}

// --- Maildirs ------------------------------------------------------------------------------------

// One recipient's copy, written by a thread that may wait for the disk. It owns all it works with
// but the spool, which outlives that thread.
class maildir_job {
 public:
  maildir_job(const spool& store, const spool_message& m, const spool_recipient& r, maildir where)
      : store_(store),
        id_(m.id),
        edits_(m.edits),
        fields_(final_delivery_fields(m.reverse_path, std::span(&r.forward_path, 1))),
        where_(std::move(where)) {}

  void run() {
    try {
      auto text = store_.open(id_);
      if (!text) return fail(451, {4, 3, 0}, "The spool cannot read the message");
      edited_body edited(*std::move(text), std::move(edits_));
      const maildir_outcome outcome = where_.deliver(fields_, edited);
      if (outcome) return;
      const smtp::reply said = outcome.reply();
      fail(said.code(), said.enhanced(), outcome.problem());
    } catch (const std::exception& e) {
      fail(451, {4, 3, 0}, e.what());
    }
  }

  const smtp::reply& said() const { return said_; }

 private:
  void fail(int code, smtp::enhanced_code enhanced, std::string why) {
    said_ = smtp::reply(code, enhanced, std::move(why));
  }

  const spool& store_;
  std::string id_;
  smtp::header_edits edits_;
  std::string fields_;
  maildir where_;
  smtp::reply said_ = smtp::replies::ok;
};

GATEPOST_DECL asio::awaitable<void> relay_engine::deliver_to_maildir(message_at_work& w,
                                                                     const delivery_group& group) {
  const std::string name = to_string(group.where);
  maildir_options how;
  how.hostname = options.hostname;
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  for (const std::size_t i : group.recipients) {
    // A crash while this one is written would deliver the last one again.
    if (w.delivered) co_await save(w);
    if (stopping_) co_return;
    const auto job = std::make_shared<maildir_job>(store, w.message, w.message.recipients[i],
                                                   maildir(group.where.maildir_path(), how));
    waiter written(executor);
    asio::post(files_, [job, state = written.state()] {
      job->run();
      state->finish({});
    });
    const std::error_code given_up = co_await written.wait();
    if (given_up) co_return;
    const smtp::reply& said = job->said();
    if (!said.positive()) trouble("maildir", said.text(), w.message.session_id);
    const auto state =
        said.positive() ? smtp::recipient_state::delivered : smtp::recipient_state::deferred;
    settle(w, i, state, said, {name, false});
  }
}

// --- What became of a recipient ------------------------------------------------------------------

// Differs from message to message, but is one for all recipients of an attempt: they stay together
// and can share a transaction again.
GATEPOST_DECL double relay_engine::jitter_of(std::string_view id, std::uint32_t attempts) const {
  std::uint64_t bits = std::hash<std::string_view>{}(id) ^ seed_ ^ attempts * 0x9E3779B97F4A7C15ull;
  bits = (bits ^ bits >> 31) * 0xBF58476D1CE4E5B9ull;
  return static_cast<double>((bits ^ bits >> 29) >> 11) / 9007199254740992.0;  // 2^53
}

// What is kept of a reply: a hop that says much about each recipient must not fill the spool.
inline std::string words_of(const smtp::reply& said) {
  std::string words = said.to_string();
  words.resize(smtp::cut_text(words, max_kept_reply).size());
  words.shrink_to_fit();
  return words;
}

GATEPOST_DECL void relay_engine::settle(message_at_work& w, std::size_t index,
                                        smtp::recipient_state state, const smtp::reply& said,
                                        const attempt_place& where) {
  spool_recipient& r = w.message.recipients[index];
  w.changed = true;
  if (state == smtp::recipient_state::delivered) {  // first: no lack of memory may hide it
    r.state = recipient_state::delivered;
    w.delivered = true;
    ++counters_.delivered;
  }
  ++r.attempts;
  r.enhanced = said.enhanced();
  r.last_reply = words_of(said);
  if (state == smtp::recipient_state::delivered) {
    report(w.message, r, where.hop == "discard" ? "discarded" : "delivered", where);
    return;
  }
  if (state == smtp::recipient_state::deferred)
    put_off(w.message, r);
  else
    r.state = recipient_state::failed;
  const bool failed = r.state == recipient_state::failed;
  ++(failed ? counters_.failed : counters_.deferred);
  report(w.message, r, failed ? "failed" : "deferred", where);
}

GATEPOST_DECL void relay_engine::put_off(const spool_message& m, spool_recipient& r) {
  const double random = jitter_of(m.id, r.attempts);
  const spool_time now = options.now();
  const auto next = next_attempt(options.retry, r.attempts, m.received_at, now, random);
  if (next) {
    r.next_attempt = *next;
    return;
  }
  r.state = recipient_state::failed;
  r.last_reply = "Delivery time expired; the last attempt said: " + r.last_reply;
  r.enhanced = {5, 4, 7};  // RFC 3463 §3.5
}

// All next hops are known to be dead: nobody was asked, and that is no attempt. It neither counts
// nor ends the message, however old that is: the next one that asks a hop does. Old messages come
// less often, as they would after attempts.
GATEPOST_DECL void relay_engine::wait_for_hops(message_at_work& w,
                                               const std::vector<open_recipient>& open,
                                               smtp::time_point until, std::string_view hop) {
  const spool_time now = options.now();
  const auto left = until - std::chrono::steady_clock::now();
  const spool_time back = now + std::chrono::ceil<std::chrono::milliseconds>(left);
  const double random = jitter_of(w.message.id, 0);
  const spool_time again = next_visit(options.retry, w.message.received_at, now, random);
  w.changed = true;
  for (const open_recipient& o : open) {
    spool_recipient& r = w.message.recipients[o.index];
    r.next_attempt = std::max(back, again);
    r.enhanced = o.last.reply.enhanced();
    r.last_reply = words_of(o.last.reply);
    ++counters_.deferred;
    report(w.message, r, "deferred", {hop, false});
  }
}

GATEPOST_DECL void relay_engine::report(const spool_message& m, const spool_recipient& r,
                                        std::string_view result, const attempt_place& where) const {
  smtp::delivery_event event;
  event.queue_id = m.id;
  event.session_id = m.session_id;
  event.reverse_path = m.reverse_path;
  event.forward_path = r.forward_path;
  event.next_hop = where.hop;
  event.result = result;
  event.reply = r.last_reply;
  event.attempt = r.attempts;
  event.tls = where.tls;
  event.duration = options.now() - m.received_at;
  try {
    observer_.on_delivery(event);
  } catch (...) {
    // What was delivered has to be noted, whatever the observer thinks of it.
  }
}

// --- The spool -----------------------------------------------------------------------------------

// Notes what has changed. What was delivered is noted durably, and until that succeeds nothing more
// happens to the message: it would be delivered again. What was put off is tried again after a
// crash anyway.
GATEPOST_DECL asio::awaitable<void> relay_engine::save(message_at_work& w) {
  for (auto wait = first_save_wait;; wait = std::min(2 * wait, longest_save_wait)) {
    const std::error_code failed = co_await write(w);
    // Not found: somebody has removed it meanwhile.
    if (!failed || failed == smtp::errc::not_found) break;
    trouble("spool", "cannot note what became of message " + w.message.id + ": " + failed.message(),
            w.message.session_id);
    if (!w.delivered) break;
    if (stopping_) {
      trouble("spool", "message " + w.message.id + " may be delivered again", w.message.session_id);
      break;
    }
    co_await nap(wait);
  }
  w.changed = w.delivered = false;
}

GATEPOST_DECL asio::awaitable<std::error_code> relay_engine::write(const message_at_work& w) {
  const auto& all = w.message.recipients;
  const bool done = std::all_of(all.begin(), all.end(), [](const spool_recipient& r) {
    return r.state == recipient_state::delivered;
  });
  const durability how = w.delivered ? durability::synced : durability::lazy;
  std::error_code failed;
  if (done) {
    failed = co_await store.remove(w.message.id, durability::synced);
  } else {
    failed = co_await store.update(w.message, how);
  }
  co_return failed;
}

class napping {
 public:
  napping(std::unordered_set<asio::steady_timer*>& all, asio::steady_timer& timer)
      : all_(all), timer_(timer) {
    all_.insert(&timer_);
  }
  napping(const napping&) = delete;
  napping& operator=(const napping&) = delete;
  ~napping() { all_.erase(&timer_); }

 private:
  std::unordered_set<asio::steady_timer*>& all_;
  asio::steady_timer& timer_;
};

// Waits; stop() ends it.
GATEPOST_DECL asio::awaitable<void> relay_engine::nap(std::chrono::milliseconds wait) {
  asio::steady_timer timer(io, wait);
  const napping registered(naps_, timer);
  [[maybe_unused]] const std::error_code ended = co_await smtp::detail::wait_for(timer);
}

}  // namespace gatepost::routing::detail

#endif  // GATEPOST_ROUTING_IMPL_RELAY_DELIVERY_IPP
