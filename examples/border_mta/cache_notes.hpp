// What the caches have spared since the start, as notes of the log: at SIGUSR1, and at the end.
#ifndef GATEPOST_EXAMPLES_BORDER_MTA_CACHE_NOTES_HPP
#define GATEPOST_EXAMPLES_BORDER_MTA_CACHE_NOTES_HPP

#include <asio/io_context.hpp>
#include <string>
#include <vector>

#include "checks/text_cache.hpp"
#include "examples/border_mta/compose.hpp"
#include "smtp/dns/cares_resolver.hpp"
#include "smtp/json_log.hpp"

namespace border_mta {

std::string to_string(const gatepost::smtp::dns::resolver_counters& all);
std::string to_string(const gatepost::checks::text_cache_counters& all);

class cache_notes {
 public:
  using contexts = std::vector<asio::io_context*>;

  // All of them outlive the threads of `io`, and this.
  cache_notes(const contexts& io, const gatepost::smtp::dns::cares_resolvers& dns,
              const added_checks& checks, gatepost::smtp::json_log& log)
      : io_(io), dns_(dns), checks_(checks), log_(log) {}

  // While the threads run: each is asked for its counters, so the note on the DNS comes a little
  // later.
  void write_soon() const;
  // When they have stopped.
  void write_now() const;

 private:
  gatepost::smtp::dns::resolver_counters counters_of(const asio::io_context& io) const;
  void write_dns(const gatepost::smtp::dns::resolver_counters& all) const;
  void write_checks() const;

  const contexts& io_;
  const gatepost::smtp::dns::cares_resolvers& dns_;
  const added_checks& checks_;
  gatepost::smtp::json_log& log_;
};

}  // namespace border_mta

#endif  // GATEPOST_EXAMPLES_BORDER_MTA_CACHE_NOTES_HPP
