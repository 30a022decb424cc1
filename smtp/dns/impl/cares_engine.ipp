#ifndef GATEPOST_SMTP_DNS_IMPL_CARES_ENGINE_IPP
#define GATEPOST_SMTP_DNS_IMPL_CARES_ENGINE_IPP

#include <sys/random.h>

#include <algorithm>
#include <asio/post.hpp>
#include <chrono>
#include <exception>
#include <random>
#include <string_view>
#include <system_error>
#include <utility>
#include <variant>

#include "smtp/dns/detail/cares_engine.hpp"

namespace gatepost::smtp::dns::detail {

GATEPOST_DECL std::uint16_t random_ids::next() {
  if (used_ == ids_.size()) {
    const auto size = static_cast<ssize_t>(sizeof ids_);
    if (::getrandom(ids_.data(), sizeof ids_, 0) != size) {
      std::random_device device;
      for (auto& id : ids_) id = static_cast<std::uint16_t>(device());
    }
    used_ = 0;
  }
  return ids_[used_++];
}

// A query that c-ares has. It may outlive the engine.
struct cares_engine::attempt {
  std::weak_ptr<cares_engine> home;
  std::shared_ptr<flight> of;
  std::size_t server = 0;
  std::uint16_t id = 0;
};

// An answer is no better than the aliases that led to it.
inline void count_aliases(any_answer& a, const open_alias& behind) {
  std::visit(
      [&behind](auto& x) {
        x.set_ttl(std::min(x.ttl(), behind.ttl));
        x.set_authenticated(x.authenticated() && behind.authenticated);
      },
      a);
}

inline cares_options completed(cares_options o) {
  if (o.servers.empty()) o.servers = system_servers();
  for (endpoint& e : o.servers) {
    if (e.port == 0) e.port = dns_port;
  }
  // RFC 6891 §6.2.3 knows nothing below 512; c-ares' buffer ends at 4096.
  if (o.payload != 0) o.payload = std::clamp<std::uint16_t>(o.payload, 512, 4096);
  o.tries = std::max(o.tries, 1u);
  // RFC 6840 §5.7: without it many resolvers do not tell.
  if (o.response.ad == ad_bit::trusted && o.security == dnssec::off) o.security = dnssec::ad;
  return o;
}

GATEPOST_DECL cares_engine::cares_engine(asio::io_context& io, cares_options options)
    : io_(io), options_(completed(std::move(options))), cache_(options_.cache) {
  for (const endpoint& server : options_.servers)
    paths_.push_back(
        {std::make_shared<cares_channel>(io, server, options_.timeout, options_.payload)});
}

GATEPOST_DECL void cares_engine::close() {
  closed_ = true;
  for (const path& p : paths_) p.channel->close();
  for (const auto& old : retired_) {
    if (const auto channel = old.lock()) channel->close();
  }
  while (!flights_.empty()) {
    const std::shared_ptr<flight> f = flights_.begin()->second;
    finish(f, failed(f->asked.type, failure::shut_down));
  }
}

GATEPOST_DECL resolver_counters cares_engine::counters() const {
  resolver_counters all = counters_;
  all.cache = cache_.counters();
  return all;
}

// --- Questions -----------------------------------------------------------------------------------

GATEPOST_DECL std::optional<any_answer> cares_engine::at_hand(const question& asked) {
  if (closed_) return failed(asked.type, failure::shut_down);
  // What is no name is never in the cache.
  auto known = cache_.find(asked, std::chrono::steady_clock::now());
  if (!known && !is_name(asked.name)) known = no_such_name(asked.type);
  if (known) ++counters_.questions;
  return known;
}

GATEPOST_DECL std::optional<any_answer> cares_engine::told_at_once(const question& asked) {
  if (auto known = at_hand(asked)) return known;
  ++counters_.questions;
  cache_.count_miss();
  // Also what c-ares holds of questions whose time is over.
  const bool full = flights_.size() >= options_.outstanding || attempts_ >= options_.outstanding;
  if (!full || flights_.contains(cache::key_of(asked))) return std::nullopt;
  ++counters_.overload;
  return failed(asked.type, failure::overload);
}

GATEPOST_DECL std::shared_ptr<flight> cares_engine::board(const question& asked) {
  auto& place = flights_[cache::key_of(asked)];
  if (place) {
    ++counters_.coalesced;
    return place;
  }
  const auto f = std::make_shared<flight>(io_, asked);
  place = f;
  start(f);
  return f;
}

GATEPOST_DECL void cares_engine::start(const std::shared_ptr<flight>& f) {
  f->payload = options_.payload;
  f->gave_up.resize(paths_.size());
  f->deadline.expires_after(options_.deadline);
  f->deadline.async_wait([home = weak_from_this(), f](std::error_code ec) {
    const auto engine = home.lock();
    if (!ec && engine) engine->finish(f, failed(f->asked.type, failure::timeout));
  });
  send(f);
}

GATEPOST_DECL void cares_engine::finish(const std::shared_ptr<flight>& f, any_answer a) {
  if (f->result) return;
  if (f->behind) count_aliases(a, *f->behind);
  if (status_of(a) == status::temporary_failure) ++counters_.failures;
  f->result = closed_ ? std::move(a)
                      : cache_.store(f->asked, std::move(a), std::chrono::steady_clock::now());
  flights_.erase(cache::key_of(f->asked));
  f->deadline.cancel();
  // Resumes them later: this may be called from anywhere.
  for (asio::steady_timer* t : f->waiting) t->cancel();
}

GATEPOST_DECL void cares_engine::left() noexcept {
  if (--waiting_ > 0 || closed_ || (flights_.empty() && attempts_ == 0)) return;
  try {
    drop_all();
  } catch (...) {  // no memory: the deadlines end them
  }
}

// The cache does not hear of it: nobody has failed. c-ares only makes notes meanwhile.
GATEPOST_DECL void cares_engine::drop_all() {
  while (!flights_.empty()) {
    const std::shared_ptr<flight> f = flights_.begin()->second;
    f->result = failed(f->asked.type, failure::shut_down);
    flights_.erase(flights_.begin());
    f->deadline.cancel();
  }
  for (const path& p : paths_) p.channel->drop();
  for (const auto& old : retired_) {
    if (const auto channel = old.lock()) channel->drop();
  }
}

// --- Queries -------------------------------------------------------------------------------------

GATEPOST_DECL void cares_engine::send(const std::shared_ptr<flight>& f) {
  if (!next_server(*f)) return finish(f, failed(f->asked.type, f->last));
  const std::size_t server = f->turn % paths_.size();
  query_options options;
  options.id = ids_.next();
  options.payload = f->payload;
  options.security = options_.security;
  const auto query = encode_query(f->at, options);
  auto a = std::make_unique<attempt>(attempt{weak_from_this(), f, server, options.id});
  ++attempts_;
  ++counters_.queries;
  channel_to(server).send(*query, &landed, a.release());
}

// From here on `turn` is that of a server which may still answer; false: there is none.
GATEPOST_DECL bool cares_engine::next_server(flight& f) const {
  const std::size_t end = paths_.size() * options_.tries;
  while (f.turn < end && f.gave_up[f.turn % paths_.size()]) ++f.turn;
  return f.turn < end;
}

GATEPOST_DECL cares_channel& cares_engine::channel_to(std::size_t server) {
  path& p = paths_[server];
  if (++p.queries <= options_.queries_per_port) return *p.channel;
  std::erase_if(retired_, [](const auto& old) { return old.expired(); });
  try {
    auto fresh = std::make_shared<cares_channel>(io_, options_.servers[server], options_.timeout,
                                                 options_.payload);
    retired_.push_back(p.channel);
    p = {std::move(fresh), 1};
  } catch (const std::exception&) {
    // The old one serves on: better an old port than no answer.
  }
  return *p.channel;
}

// c-ares calls this from within any function of its own: nothing but a note is made here.
GATEPOST_DECL void cares_engine::landed(void* arg, int status, int, unsigned char* data, int size) {
  std::unique_ptr<attempt> a(static_cast<attempt*>(arg));
  const auto engine = a->home.lock();
  if (!engine || engine->closed_) return;
  std::string message;
  if (data != nullptr && size > 0) message.assign(reinterpret_cast<const char*>(data), size);
  asio::post(engine->io_, [a = std::move(a), status, message = std::move(message)] {
    const auto home = a->home.lock();
    if (home && !home->closed_) home->take(*a, status, message);
  });
}

GATEPOST_DECL void cares_engine::take(const attempt& a, int status, const std::string& message) {
  --attempts_;
  if (status == ARES_ETIMEOUT) ++counters_.timeouts;
  if (a.of->result) return;  // its time is over
  if (status != ARES_SUCCESS)
    return failed_with(a, status == ARES_ETIMEOUT ? failure::timeout : failure::unreachable);
  response_options options = options_.response;
  if (a.of->behind) options.aliases -= a.of->behind->aliases;
  response read = read_step(message, a.of->at, a.id, options);
  if (read.open) return go_on(a, *std::move(read.open));
  const failure why = failure_of(read.said);
  if (why != failure::none) return failed_with(a, why);
  finish(a.of, std::move(read.said));
}

// RFC 1034 §5.3.3 step 4c: the question changes to the alias' target. Of the server that has just
// answered, and of the others after it.
GATEPOST_DECL void cares_engine::go_on(const attempt& a, open_alias open) {
  flight& f = *a.of;
  f.at.name = open.target;
  if (f.behind) {
    open.aliases += f.behind->aliases;
    open.ttl = std::min(open.ttl, f.behind->ttl);
    open.authenticated = open.authenticated && f.behind->authenticated;
  }
  f.behind = std::move(open);
  f.turn = a.server;
  f.gave_up.assign(f.gave_up.size(), false);
  send(a.of);
}

GATEPOST_DECL void cares_engine::failed_with(const attempt& a, failure why) {
  flight& f = *a.of;
  f.last = why;
  const bool no_edns = why == failure::format_error || why == failure::not_implemented ||
                       why == failure::other_rcode;
  if (no_edns && f.payload != 0) {
    f.payload = 0;  // RFC 6891 §6.2.2: once more without, of the same server
    return send(a.of);
  }
  // It has answered, if badly; asking again would give the same (RFC 2308 §7.1).
  if (why != failure::timeout && why != failure::unreachable) f.gave_up[a.server] = true;
  ++f.turn;
  send(a.of);
}

}  // namespace gatepost::smtp::dns::detail

#endif  // GATEPOST_SMTP_DNS_IMPL_CARES_ENGINE_IPP
