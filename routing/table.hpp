// A router for those whose routes fit a table: domain or address to destination.
//
//     routing::table routes;
//     routes.add("example.test", next_hop("127.0.0.1", 2526));
//     routes.add("postmaster@example.test", route::maildir("/var/mail/postmaster"));
//
// Keys and the text form: see routing/route_map.hpp. A table may be changed while sessions use it:
// each question is answered from one state, before the change or after it.
#ifndef GATEPOST_ROUTING_TABLE_HPP
#define GATEPOST_ROUTING_TABLE_HPP

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "routing/route_map.hpp"
#include "routing/router.hpp"
#include "smtp/config.hpp"

namespace gatepost::routing {

// Thread-safe.
class table final : public router {
 public:
  table() : table(route_map()) {}
  GATEPOST_DECL explicit table(route_map routes);

  // As route_map's. Each call copies the table: for thousands of routes fill a route_map instead.
  // Throws std::invalid_argument.
  GATEPOST_DECL void add(std::string_view key, routing::route where);
  GATEPOST_DECL void add_users(std::string_view key, const std::vector<std::string>& users);
  GATEPOST_DECL void add_class(std::string_view key, std::string_view name);

  // Puts other routes in the place of all that were here.
  GATEPOST_DECL void replace(route_map routes);

  // The same by a text. On errors, which are "FILE:LINE: what is wrong", the table stays as it is.
  GATEPOST_DECL std::vector<std::string> parse(std::string_view text, std::string_view file_name);

  GATEPOST_DECL std::shared_ptr<const route_map> snapshot() const;

  // An address that has no place in a Maildir route's path is an unknown user.
  GATEPOST_DECL asio::awaitable<route_result> route(const smtp::address& recipient,
                                                    const smtp::session_view* session) override;
  // The same, at once.
  GATEPOST_DECL route_result find(const smtp::address& recipient) const;

 private:
  template <class Change>
  void change(Change how);

  // A mutex, because the atomic shared_ptr of GCC 12 is one inside, and sanitizers do not see it.
  mutable std::mutex mutex_;
  std::shared_ptr<const route_map> routes_;  // never changed, only replaced
};

}  // namespace gatepost::routing

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "routing/impl/table.ipp"
#endif

#endif  // GATEPOST_ROUTING_TABLE_HPP
