#include "examples/border_mta/cache_notes.hpp"

#include <asio/post.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>

namespace border_mta {

namespace checks = gatepost::checks;
namespace smtp = gatepost::smtp;
namespace dns = gatepost::smtp::dns;

namespace {

std::string counted(std::uint64_t n, std::string_view what) {
  return std::to_string(n) + ' ' + std::string(what);
}

// What the threads tell, one after the other.
struct collection {
  std::mutex guard;
  dns::resolver_counters sum;
  std::size_t missing = 0;
};

}  // namespace

std::string to_string(const dns::resolver_counters& all) {
  const dns::cache_counters& cache = all.cache;
  return counted(all.questions, "asked, ") + counted(cache.hits, "known, ") +
         counted(cache.negative_hits, "known to have nothing, ") +
         counted(cache.failure_hits, "known to fail, ") + counted(cache.stale, "stale, ") +
         counted(all.coalesced, "joined, ") + counted(all.queries, "queries, ") +
         counted(all.timeouts, "timeouts, ") + counted(all.failures, "failed, ") +
         counted(all.overload, "too many, ") + counted(cache.evictions, "evicted");
}

std::string to_string(const checks::text_cache_counters& all) {
  return counted(all.hits, "known, ") + counted(all.misses, "read, ") +
         counted(all.evictions, "evicted");
}

dns::resolver_counters cache_notes::counters_of(const asio::io_context& io) const {
  const dns::cares_resolver* one = dns_.of(io);
  return one == nullptr ? dns::resolver_counters() : one->counters();
}

void cache_notes::write_dns(const dns::resolver_counters& all) const {
  log_.note(smtp::log_level::info, "dns", to_string(all));
}

void cache_notes::write_checks() const {
  const auto write = [this](std::string_view where, std::string_view what, const auto& counters) {
    log_.note(smtp::log_level::info, where, std::string(what) + to_string(counters));
  };
  if (checks_.spf != nullptr) write("check spf", "records: ", checks_.spf->records_kept());
  if (checks_.dkim != nullptr) write("check dkim", "keys: ", checks_.dkim->keys_kept());
  if (checks_.arc != nullptr) write("check arc", "keys: ", checks_.arc->keys_kept());
}

void cache_notes::write_soon() const {
  write_checks();
  const auto all = std::make_shared<collection>();
  all->missing = io_.size();
  for (asio::io_context* io : io_) {
    asio::post(*io, [this, io, all] {
      const std::lock_guard lock(all->guard);
      all->sum += counters_of(*io);
      if (--all->missing == 0) write_dns(all->sum);
    });
  }
}

void cache_notes::write_now() const {
  write_checks();
  dns::resolver_counters sum;
  for (const asio::io_context* io : io_) sum += counters_of(*io);
  write_dns(sum);
}

}  // namespace border_mta
