// What takes responsibility for messages: the relay with its spool, or cut-through delivery.
#ifndef GATEPOST_EXAMPLES_BORDER_MTA_OUTBOUND_HPP
#define GATEPOST_EXAMPLES_BORDER_MTA_OUTBOUND_HPP

#include <asio/io_context.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <system_error>

#include "examples/border_mta/config.hpp"
#include "routing/rocksdb_spool.hpp"
#include "routing/router.hpp"
#include "smtp/delivery.hpp"
#include "smtp/memory_budget.hpp"
#include "smtp/observer.hpp"
#include "smtp/tls/context.hpp"

namespace border_mta {

class outbound {
 public:
  virtual ~outbound() = default;

  virtual gatepost::smtp::delivery& delivery() = 0;

  // As routing::relay has them; nothing, where nothing is kept.
  virtual std::error_code start() { return {}; }
  virtual void flush() {}
  virtual void stop(std::chrono::milliseconds) {}
};

// All outlive what is made with them.
struct outbound_surroundings {
  asio::io_context& io;  // that the relay delivers on
  gatepost::routing::router& routes;
  gatepost::smtp::observer& observer;
  const gatepost::smtp::client_context& tls;
};

// Nothing where something is wrong; then `problem` is a line for people.
std::unique_ptr<outbound> make_outbound(const config& c, const outbound_surroundings& around,
                                        std::string& problem);

// The same for the spool alone; budget and observer may be nullptr.
std::unique_ptr<gatepost::routing::rocksdb_spool> open_spool(const config& c,
                                                             gatepost::smtp::memory_budget* budget,
                                                             gatepost::smtp::observer* observer,
                                                             std::string& problem);

}  // namespace border_mta

#endif  // GATEPOST_EXAMPLES_BORDER_MTA_OUTBOUND_HPP
