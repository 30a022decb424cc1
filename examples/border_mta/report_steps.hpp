// What the writers of aggregate and of failure reports have in common: both ask the DNS who may
// have a report, and leave to a thread of their own what takes long.
#ifndef GATEPOST_EXAMPLES_BORDER_MTA_REPORT_STEPS_HPP
#define GATEPOST_EXAMPLES_BORDER_MTA_REPORT_STEPS_HPP

#include <asio/awaitable.hpp>
#include <asio/thread_pool.hpp>
#include <chrono>
#include <functional>

#include "checks/dmarc/destinations.hpp"
#include "smtp/dns/resolver.hpp"

namespace border_mta {

// Owners choose the names that are asked for. One that never answers holds up the other addresses
// of its report for no longer than `each`, and all of them whoever serves the report for no longer
// than `all`; five addresses may cost nine questions each.
struct question_pace {
  std::chrono::milliseconds each = std::chrono::seconds(10);
  std::chrono::milliseconds all = std::chrono::minutes(1);
};

// RFC 9990 §4: asks those outside the owner's domain for leave. What is not answered in time has
// failed for now: to.incomplete().
asio::awaitable<void> verify(gatepost::checks::dmarc::destinations& to,
                             gatepost::smtp::dns::resolver& dns, question_pace pace);

// Runs what takes long on the helper's thread, and comes back to this one. Never cancelled.
asio::awaitable<void> run_on(asio::thread_pool& helper, std::function<void()> work);

}  // namespace border_mta

#endif  // GATEPOST_EXAMPLES_BORDER_MTA_REPORT_STEPS_HPP
