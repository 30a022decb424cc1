#ifndef GATEPOST_SMTP_DNS_IMPL_CARES_RESOLVER_IPP
#define GATEPOST_SMTP_DNS_IMPL_CARES_RESOLVER_IPP

#include <asio/any_io_executor.hpp>
#include <asio/error.hpp>
#include <asio/execution/context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <optional>
#include <system_error>
#include <utility>
#include <variant>

#include "smtp/detail/early_wait.hpp"
#include "smtp/dns/cares_resolver.hpp"
#include "smtp/dns/detail/cares_engine.hpp"
#include "smtp/dns/impl/cares_channel.ipp"
#include "smtp/dns/impl/cares_engine.ipp"

namespace gatepost::smtp::dns {
namespace detail {

// On a flight's list of who waits, as long as it lives: also when the coroutine is destroyed.
class seat {
 public:
  seat(cares_engine& home, flight& f, asio::steady_timer& landing)
      : home_(home), flight_(f), landing_(landing) {
    f.waiting.push_back(&landing);
    home.seated();
  }
  seat(const seat&) = delete;
  seat& operator=(const seat&) = delete;
  ~seat() {
    std::erase(flight_.waiting, &landing_);
    home_.left();
  }

 private:
  cares_engine& home_;
  flight& flight_;
  asio::steady_timer& landing_;
};

// Holds the engine and the flight, so that the resolver may go meanwhile.
template <class Record>
asio::awaitable<answer<Record>> ask(std::shared_ptr<cares_engine> engine, std::string name,
                                    record_type type) {
  question asked;
  asked.name = std::move(name);
  asked.type = type;
  if (auto known = engine->told_at_once(asked))
    co_return std::get<answer<Record>>(*std::move(known));
  const std::shared_ptr<flight> f = engine->board(asked);
  if (!f->result) {
    asio::steady_timer landing(engine->io(), asio::steady_timer::time_point::max());
    const seat mine(*engine, *f, landing);
    [[maybe_unused]] const std::error_code ended = co_await smtp::detail::wait_for(landing);
    // Woken by nobody of ours: cancelled.
    if (!f->result) throw std::system_error(asio::error::operation_aborted);
  }
  co_return std::get<answer<Record>>(*f->result);
}

}  // namespace detail

GATEPOST_DECL resolver_counters& resolver_counters::operator+=(const resolver_counters& other) {
  questions += other.questions;
  coalesced += other.coalesced;
  queries += other.queries;
  timeouts += other.timeouts;
  failures += other.failures;
  overload += other.overload;
  cache.hits += other.cache.hits;
  cache.negative_hits += other.cache.negative_hits;
  cache.failure_hits += other.cache.failure_hits;
  cache.stale += other.cache.stale;
  cache.misses += other.cache.misses;
  cache.evictions += other.cache.evictions;
  return *this;
}

// --- One thread ----------------------------------------------------------------------------------

GATEPOST_DECL cares_resolver::cares_resolver(asio::io_context& io, cares_options options)
    : engine_(std::make_shared<detail::cares_engine>(io, std::move(options))) {}

GATEPOST_DECL cares_resolver::~cares_resolver() { engine_->close(); }

GATEPOST_DECL asio::awaitable<answer<ip_address>> cares_resolver::a(std::string name) {
  return detail::ask<ip_address>(engine_, std::move(name), record_type::a);
}
GATEPOST_DECL asio::awaitable<answer<ip_address>> cares_resolver::aaaa(std::string name) {
  return detail::ask<ip_address>(engine_, std::move(name), record_type::aaaa);
}
GATEPOST_DECL asio::awaitable<answer<mx_record>> cares_resolver::mx(std::string name) {
  return detail::ask<mx_record>(engine_, std::move(name), record_type::mx);
}
GATEPOST_DECL asio::awaitable<answer<std::string>> cares_resolver::txt(std::string name) {
  return detail::ask<std::string>(engine_, std::move(name), record_type::txt);
}
GATEPOST_DECL asio::awaitable<answer<std::string>> cares_resolver::ptr(ip_address address) {
  return detail::ask<std::string>(engine_, reverse_name(address.unmapped()), record_type::ptr);
}
GATEPOST_DECL asio::awaitable<answer<tlsa_record>> cares_resolver::tlsa(std::string name) {
  return detail::ask<tlsa_record>(engine_, std::move(name), record_type::tlsa);
}
GATEPOST_DECL std::optional<any_answer> cares_resolver::known(const question& asked) {
  return engine_->at_hand(asked);
}
GATEPOST_DECL asio::awaitable<answer<std::string>> cares_resolver::cname(std::string name) {
  return detail::ask<std::string>(engine_, std::move(name), record_type::cname);
}

GATEPOST_DECL resolver_counters cares_resolver::counters() const { return engine_->counters(); }
GATEPOST_DECL std::size_t cares_resolver::open() const { return engine_->open(); }
GATEPOST_DECL const std::vector<endpoint>& cares_resolver::servers() const {
  return engine_->servers();
}

// --- One for each thread -------------------------------------------------------------------------

GATEPOST_DECL cares_resolvers::cares_resolvers(const std::vector<asio::io_context*>& contexts,
                                               const cares_options& options) {
  for (asio::io_context* io : contexts)
    all_.emplace_back(io, std::make_unique<cares_resolver>(*io, options));
}

GATEPOST_DECL cares_resolver* cares_resolvers::of(const asio::execution_context& context) const {
  for (const auto& [io, resolver] : all_) {
    if (static_cast<const asio::execution_context*>(io) == &context) return resolver.get();
  }
  return nullptr;
}

template <class Record, class Key>
asio::awaitable<answer<Record>> cares_resolvers::ask(
    asio::awaitable<answer<Record>> (cares_resolver::*how)(Key), Key key) {
  const auto executor = co_await asio::this_coro::executor;
  cares_resolver* mine = of(asio::query(executor, asio::execution::context));
  if (mine == nullptr)
    co_return answer<Record>::temporary_failure("no resolver is on this io_context");
  answer<Record> got = co_await (mine->*how)(std::move(key));
  co_return got;
}

GATEPOST_DECL asio::awaitable<answer<ip_address>> cares_resolvers::a(std::string name) {
  return ask(&cares_resolver::a, std::move(name));
}
GATEPOST_DECL asio::awaitable<answer<ip_address>> cares_resolvers::aaaa(std::string name) {
  return ask(&cares_resolver::aaaa, std::move(name));
}
GATEPOST_DECL asio::awaitable<answer<mx_record>> cares_resolvers::mx(std::string name) {
  return ask(&cares_resolver::mx, std::move(name));
}
GATEPOST_DECL asio::awaitable<answer<std::string>> cares_resolvers::txt(std::string name) {
  return ask(&cares_resolver::txt, std::move(name));
}
GATEPOST_DECL asio::awaitable<answer<std::string>> cares_resolvers::ptr(ip_address address) {
  return ask(&cares_resolver::ptr, address);
}
GATEPOST_DECL asio::awaitable<answer<tlsa_record>> cares_resolvers::tlsa(std::string name) {
  return ask(&cares_resolver::tlsa, std::move(name));
}
GATEPOST_DECL std::optional<any_answer> cares_resolvers::known(const question& asked) {
  for (const auto& [io, resolver] : all_) {
    if (io->get_executor().running_in_this_thread()) return resolver->known(asked);
  }
  return std::nullopt;
}

}  // namespace gatepost::smtp::dns

#endif  // GATEPOST_SMTP_DNS_IMPL_CARES_RESOLVER_IPP
