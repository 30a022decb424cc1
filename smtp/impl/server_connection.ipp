#ifndef GATEPOST_SMTP_IMPL_SERVER_CONNECTION_IPP
#define GATEPOST_SMTP_IMPL_SERVER_CONNECTION_IPP

#include <utility>

#include "smtp/detail/exception_text.hpp"
#include "smtp/impl/server_parts.ipp"
#include "smtp/proxy_header.hpp"

// One connection of a server, up to where its session begins.
namespace gatepost::smtp {

GATEPOST_DECL server::connection::connection(std::shared_ptr<lane> in, const door& by,
                                             detail::owned_fd s, const endpoint& peer)
    : home(std::move(in)),
      common(home->common),
      where(by.where),
      transport(home->io, std::move(s)) {
  transport.linger_on_close();
  facts.connected_at = common.services.now();
  facts.id = common.ids.next(facts.connected_at);
  facts.peer = facts.client = peer;
  facts.local = by.at ? *by.at : transport.local();
  if (detail::at_unix_socket(where))
    facts.unix_peer = where.address.substr(detail::unix_scheme.size());
}

GATEPOST_DECL asio::awaitable<void> server::connection::serve() {
  const bool begun = co_await begin();
  if (begun && stopping) {
    say(replies::shutting_down);
    over("shutdown");
  } else if (begun) {
    driver = std::make_unique<session_driver>(transport, *channel, facts, common.services,
                                              io_local::of(home->io).buffers());
    co_await driver->run(cancel);
  }
  transport.close();
}

// Everything before the greeting: who is it, may it come in, is it protected?
GATEPOST_DECL asio::awaitable<bool> server::connection::begin() {
  if (abandoned) co_return false;
  if (where.proxy) {
    const bool known = co_await identify();
    if (!known) co_return false;
  }
  if (!admit()) co_return false;
  channel = &common.channel_for(where, facts);
  facts.channel = channel->name;
  if (where.implicit_tls) {
    const bool secured = co_await start_implicit_tls();
    if (!secured) co_return false;
  }
  co_return true;
}

GATEPOST_DECL asio::awaitable<bool> server::connection::identify() {
  // A Unix socket's mode says who is trusted.
  if (facts.unix_peer.empty() && !common.options.proxies.contains(facts.peer.address)) {
    turn_away("proxy_not_trusted");
    co_return false;
  }
  if (!hold()) co_return false;
  const std::error_code failed = co_await read_proxy_header();
  let_go();
  if (failed && stopping) {
    turn_away("stopping");
  } else if (failed == errc::timed_out) {
    common.limits.count(limit_kind::proxy_timeout);
    turn_away(to_string(limit_kind::proxy_timeout));
  } else if (failed) {
    turn_away("proxy_header");
  }
  co_return !failed;
}

// Until the proxy has said who the client is, only the limit in all can hold for it.
GATEPOST_DECL bool server::connection::hold() {
  const admittance a = common.admission.hold();
  held = a == admittance::admitted;
  if (!held) turn_away(a);
  return held;
}

GATEPOST_DECL void server::connection::let_go() {
  if (std::exchange(held, false)) common.admission.release();
}

GATEPOST_DECL bool server::connection::admit() {
  // Who comes by a Unix socket comes from this machine, and is counted as one network.
  const admittance a =
      common.admission.enter(facts.client.address, std::chrono::steady_clock::now());
  if (a != admittance::admitted) {
    turn_away(a);
    return false;
  }
  admitted_as = facts.client.address;
  common.accepted.fetch_add(1, std::memory_order_relaxed);
  common.services.observer.on_connection({facts, true, {}});
  return true;
}

GATEPOST_DECL void server::connection::turn_away(admittance a) {
  common.limits.count(limit_of(a));
  turn_away(to_string(a));
  // A handshake is what a flood would like us to do.
  if (!where.implicit_tls) say(refusal_of(a));
}

GATEPOST_DECL void server::connection::turn_away(std::string_view why) {
  common.refused.fetch_add(1, std::memory_order_relaxed);
  common.services.observer.on_connection({facts, false, why});
}

// As far as it goes without waiting.
GATEPOST_DECL void server::connection::say(const fixed_reply& r) {
  std::string words;
  append_reply(words, r);
  transport.try_write(words);
}

// Of a session that has not come as far as its greeting.
GATEPOST_DECL void server::connection::over(std::string_view why, std::string_view limit) {
  if (std::exchange(reported, true)) return;
  common.services.observer.on_session_end({facts, why, 0, 0, transport.now() - since, limit});
}

GATEPOST_DECL asio::awaitable<std::error_code> server::connection::read_proxy_header() {
  const session_limits& limits = common.find_channel(where.channel)->limits;
  const time_point deadline = transport.now() + limits.proxy_timeout;
  std::string header;
  char octets[512];
  while (true) {
    const io_result r = transport.try_read(octets);
    if (r.would_block()) {
      const std::error_code waited = co_await transport.wait(readiness::to_read, deadline);
      if (waited) co_return waited;
      if (stopping) co_return errc::cancelled;
      continue;
    }
    header.append(octets, r.octets);
    const auto told = smtp::read_proxy_header(header);
    const bool more = !told && told.error() == errc::need_more;
    if (more && !r.error) continue;
    if (!told) co_return told.error();
    if (told->source) {
      facts.client = {told->source->address.unmapped(), told->source->port};
      facts.local = {told->destination->address.unmapped(), told->destination->port};
      facts.trusted_hop = true;
    }
    transport.push_back(std::string_view(header).substr(told->consumed));
    co_return std::error_code{};
  }
}

GATEPOST_DECL asio::awaitable<bool> server::connection::start_implicit_tls() {
  const time_point deadline = transport.now() + channel->limits.tls_timeout;
  const std::error_code failed = co_await transport.accept_tls(*common.options.tls, deadline);
  if (!failed) {
    facts.tls = *transport.tls();
    co_return true;
  }
  if (stopping) {
    over("shutdown");
    co_return false;
  }
  const std::string why = transport.tls_error();
  common.services.observer.on_trouble({"tls", why, facts.id, true});
  const bool too_slow = failed == errc::timed_out;
  if (too_slow) common.limits.count(limit_kind::tls_timeout);
  over("tls failed", too_slow ? to_string(limit_kind::tls_timeout) : std::string_view());
  co_return false;
}

// The coroutine is done, by an exception or without.
GATEPOST_DECL void server::connection::ended(std::exception_ptr e) {
  let_go();
  if (admitted_as) common.admission.leave(*admitted_as);
  if (e) {
    // Nothing of it may reach the event loop, which would end the program.
    try {
      const std::string what = "a session ended by an exception: " + detail::exception_text(e);
      common.services.observer.on_trouble({"session", what, facts.id});
      if (admitted_as && !driver) over("error");
    } catch (...) {
    }
  }
  home->ended(*this);
}

GATEPOST_DECL void server::connection::stop() {
  stopping = true;
  if (driver)
    driver->stop();
  else
    transport.cancel();
}

GATEPOST_DECL void server::connection::stop_now() {
  stopping = true;
  transport.hurry();
  if (driver)
    driver->stop_now();
  else
    transport.cancel();
}

// The server is destroyed. Who waits for the client never comes back, and the driver can go at
// once: that coroutine holds nothing whose destructor would need it. Who waits for an answer does
// come back, perhaps.
GATEPOST_DECL void server::connection::abandon() {
  abandoned = stopping = true;
  if (!transport.abandon()) {
    if (driver) driver->stop_now();
    return;
  }
  driver.reset();
  if (admitted_as) over("shutdown");
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_SERVER_CONNECTION_IPP
