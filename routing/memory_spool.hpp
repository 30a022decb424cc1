// A spool that keeps messages in memory: for tests, and for relays that may lose mail.
//
// It keeps every other word of the spool's contract. Nothing waits, so its coroutines answer at
// once.
#ifndef GATEPOST_ROUTING_MEMORY_SPOOL_HPP
#define GATEPOST_ROUTING_MEMORY_SPOOL_HPP

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <system_error>

#include "routing/spool.hpp"
#include "routing/spool_id.hpp"
#include "smtp/config.hpp"

namespace gatepost::routing {

class memory_spool final : public spool {
 public:
  GATEPOST_DECL memory_spool();
  GATEPOST_DECL ~memory_spool() override;

  // From now on every change fails by this error, also a lazy one; none: no more.
  GATEPOST_DECL void fail_with(std::error_code error);

  GATEPOST_DECL std::error_code available() const override;
  GATEPOST_DECL std::unique_ptr<spool_writer> begin() override;
  GATEPOST_DECL asio::awaitable<std::error_code> update(const spool_message& message,
                                                        durability how) override;
  GATEPOST_DECL asio::awaitable<std::error_code> remove(std::string_view id,
                                                        durability how) override;
  GATEPOST_DECL smtp::result<spool_message> load(std::string_view id) const override;
  GATEPOST_DECL smtp::result<std::unique_ptr<body_reader>> open(std::string_view id) const override;
  GATEPOST_DECL std::error_code for_each(const spool_visitor& visitor) const override;
  GATEPOST_DECL spool_stats stats() const override;

 private:
  class writer;
  struct store;

  // Shared with the writers, which may outlive the spool.
  std::shared_ptr<store> store_;
};

}  // namespace gatepost::routing

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "routing/impl/memory_spool.ipp"
#endif

#endif  // GATEPOST_ROUTING_MEMORY_SPOOL_HPP
