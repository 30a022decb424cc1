// Asks name servers, by c-ares on Asio: the resolver of real servers.
//
//     dns::cares_resolver resolver(io);                       // one thread
//     dns::cares_resolvers resolver(threads.contexts());      // a server with several
//     const auto mx = co_await resolver.mx("example.com");
//
// The servers must be recursive. They are asked in their order: the next one after a timeout, a
// failure or an answer that is none. A truncated answer is asked for again by TCP. Equal questions
// that are open at the same time are asked once, and answers are cached (smtp/dns/cache.hpp).
// /etc/hosts and search lists are never looked at. A name that cannot exist (an empty label, one of
// more than 63 octets, more than 255 octets in all) does not exist, and nobody is asked.
//
// A question that is cancelled throws operation_aborted; others who asked the same still get their
// answer. When nobody waits for any answer, what is open is dropped, and io_context::run() can end.
// When the resolver goes, who waits gets a temporary failure. It must go before its
// io_context, and be used by the one thread that runs it.
#ifndef GATEPOST_SMTP_DNS_CARES_RESOLVER_HPP
#define GATEPOST_SMTP_DNS_CARES_RESOLVER_HPP

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "smtp/config.hpp"
#include "smtp/dns/cache.hpp"
#include "smtp/dns/message.hpp"
#include "smtp/dns/resolver.hpp"
#include "smtp/ip.hpp"

namespace gatepost::smtp::dns {

struct cares_options {
  // Port 0 is 53. None: those of /etc/resolv.conf, as it is when the resolver is made.
  std::vector<endpoint> servers;

  // For one server to answer once. A recursive one that has to ask around takes a second or two.
  std::chrono::milliseconds timeout{2500};

  // How often each server is asked, where it does not answer. One that says it cannot is not asked
  // again.
  unsigned tries = 2;

  // From a question to its answer, whatever happens. Below the 20 s that RFC 7208 §4.6.4 gives all
  // of an SPF check.
  std::chrono::milliseconds deadline = std::chrono::seconds(10);

  // What we take by UDP; 0: no EDNS. A server that does not know EDNS is asked again without.
  std::uint16_t payload = default_payload;

  // Whether validated answers are asked for. With response.ad trusted at least the AD bit is set.
  dnssec security = dnssec::off;

  // Questions open at a time: each costs about 1 KiB. More get failure::overload at once.
  std::size_t outstanding = 4096;

  // After so many queries to a server another source port is taken; c-ares keeps one as long as any
  // answer is awaited, and a port that is long in use can be found out (RFC 5452 §9.2).
  std::size_t queries_per_port = 100;

  response_options response;
  cache_options cache;
};

struct resolver_counters {
  std::uint64_t questions = 0;  // asked of this resolver
  std::uint64_t coalesced = 0;  // joined one that was open
  std::uint64_t queries = 0;    // sent to servers, retries included
  std::uint64_t timeouts = 0;   // of queries
  std::uint64_t failures = 0;   // questions that ended without an answer; not those from the cache
  std::uint64_t overload = 0;   // refused: too many were open
  cache_counters cache;         // of which the hits never were queries

  GATEPOST_DECL resolver_counters& operator+=(const resolver_counters& other);
};

namespace detail {
class cares_engine;
}

class cares_resolver final : public resolver {
 public:
  // Throws std::runtime_error where c-ares cannot be set up.
  GATEPOST_DECL explicit cares_resolver(asio::io_context& io, cares_options options = {});
  cares_resolver(const cares_resolver&) = delete;
  cares_resolver& operator=(const cares_resolver&) = delete;
  GATEPOST_DECL ~cares_resolver() override;

  GATEPOST_DECL asio::awaitable<answer<ip_address>> a(std::string name) override;
  GATEPOST_DECL asio::awaitable<answer<ip_address>> aaaa(std::string name) override;
  GATEPOST_DECL asio::awaitable<answer<mx_record>> mx(std::string name) override;
  GATEPOST_DECL asio::awaitable<answer<std::string>> txt(std::string name) override;
  GATEPOST_DECL asio::awaitable<answer<std::string>> ptr(ip_address address) override;
  GATEPOST_DECL asio::awaitable<answer<tlsa_record>> tlsa(std::string name) override;
  // From the cache, and of what can have no answer.
  GATEPOST_DECL std::optional<any_answer> known(const question& asked) override;
  // What a name is an alias of; the alias is not followed.
  GATEPOST_DECL asio::awaitable<answer<std::string>> cname(std::string name);

  GATEPOST_DECL resolver_counters counters() const;
  // Questions that wait for an answer.
  GATEPOST_DECL std::size_t open() const;
  // Whom it asks, in order.
  GATEPOST_DECL const std::vector<endpoint>& servers() const;

 private:
  std::shared_ptr<detail::cares_engine> engine_;
};

// One cares_resolver for each thread of a server, each with a cache of its own, as one resolver: a
// question goes to that of the io_context on which the asking coroutine runs. On any other it is a
// temporary failure. Goes after the threads have stopped, before their io_contexts.
class cares_resolvers final : public resolver {
 public:
  GATEPOST_DECL explicit cares_resolvers(const std::vector<asio::io_context*>& contexts,
                                         const cares_options& options = {});

  GATEPOST_DECL asio::awaitable<answer<ip_address>> a(std::string name) override;
  GATEPOST_DECL asio::awaitable<answer<ip_address>> aaaa(std::string name) override;
  GATEPOST_DECL asio::awaitable<answer<mx_record>> mx(std::string name) override;
  GATEPOST_DECL asio::awaitable<answer<std::string>> txt(std::string name) override;
  GATEPOST_DECL asio::awaitable<answer<std::string>> ptr(ip_address address) override;
  GATEPOST_DECL asio::awaitable<answer<tlsa_record>> tlsa(std::string name) override;
  GATEPOST_DECL std::optional<any_answer> known(const question& asked) override;

  // That of one thread; nullptr where there is none. Its counters are read on that thread.
  GATEPOST_DECL cares_resolver* of(const asio::execution_context& context) const;

 private:
  template <class Record, class Key>
  asio::awaitable<answer<Record>> ask(asio::awaitable<answer<Record>> (cares_resolver::*how)(Key),
                                      Key key);

  std::vector<std::pair<asio::io_context*, std::unique_ptr<cares_resolver>>> all_;
};

}  // namespace gatepost::smtp::dns

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/dns/impl/cares_resolver.ipp"
#endif

#endif  // GATEPOST_SMTP_DNS_CARES_RESOLVER_HPP
