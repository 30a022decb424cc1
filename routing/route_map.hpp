// Which recipient has which route: the contents of a routing::table.
//
// Keys, in the order in which they are asked: an address "user@example.test", its domain
// "example.test", the domains above it ".example.test" (all below it, but not itself; the longest
// first), and "*", which is everything. "postmaster" is the one without domain (RFC 5321 §4.5.1);
// where it has no route of its own it is the first domain's. Case does not matter, nor whether a
// domain is written in U-labels. A domain may have a list of its users: then others are unknown,
// but for those with a key of their own, and for its postmaster. Any key may have a policy class
// (smtp::recipient::policy_class), with or without a route; a recipient is of the first class that
// is found in that order. No I/O. Filled by one thread, then read by any.
#ifndef GATEPOST_ROUTING_ROUTE_MAP_HPP
#define GATEPOST_ROUTING_ROUTE_MAP_HPP

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "routing/route.hpp"
#include "smtp/address.hpp"
#include "smtp/config.hpp"

namespace gatepost::routing {

// What route_map::find() has found.
struct route_match {
  enum class by : std::uint8_t { nothing, address, domain, parent, any };

  by key = by::nothing;
  // nullptr where `key` is nothing, and where the user is unknown. Lives as long as the map,
  // unchanged.
  const routing::route* where = nullptr;
  bool user_unknown = false;
  // Of a recipient with a route; empty: none. Lives as `where` does.
  std::string_view policy_class = {};
};

class route_map {
 public:
  // Empty, or what is wrong with the key, or that it has a route already.
  [[nodiscard]] GATEPOST_DECL std::string try_add(std::string_view key, route where);
  // `key` is a domain. Adds to users named before. Each is a local part, unquoted.
  [[nodiscard]] GATEPOST_DECL std::string try_add_users(std::string_view key,
                                                        const std::vector<std::string>& users);
  // `name` is one word. A key has one class.
  [[nodiscard]] GATEPOST_DECL std::string try_add_class(std::string_view key,
                                                        std::string_view name);

  // The same; what is wrong is thrown as std::invalid_argument.
  GATEPOST_DECL void add(std::string_view key, route where);
  GATEPOST_DECL void add_users(std::string_view key, const std::vector<std::string>& users);
  GATEPOST_DECL void add_class(std::string_view key, std::string_view name);

  GATEPOST_DECL route_match find(const smtp::address& recipient) const;

  // The domain of <Postmaster>: that of the first key that has one; empty where none has.
  const std::string& first_domain() const { return first_domain_; }

  // Domains with users and without a route: they would never be found.
  GATEPOST_DECL std::vector<std::string> domains_without_route() const;

  std::size_t size() const { return addresses_.size() + domains_.size() + any_.has_value(); }

 private:
  // Lets a map of strings be asked for a view.
  struct hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };
  template <class Value>
  using string_map = std::unordered_map<std::string, Value, hash, std::equal_to<>>;

  struct domain_entry {
    std::optional<routing::route> where;
    bool has_users = false;
    std::unordered_set<std::string, hash, std::equal_to<>> users;
  };

  route_match find_route(std::string_view user, std::string_view domain, bool postmaster) const;
  std::string_view find_class(std::string_view user, std::string_view domain) const;
  const domain_entry* find_domain(std::string_view domain, route_match::by& key) const;
  const domain_entry* entry_with_route(std::string_view key) const;

  string_map<routing::route> addresses_;  // by local part, '@', domain; "postmaster"
  string_map<domain_entry> domains_;      // and parents, with their leading dot
  std::optional<routing::route> any_;
  string_map<std::string> classes_;  // by a key of any kind
  std::string first_domain_;
};

// What a text form of a map holds, or all that is wrong with it.
struct parsed_routes {
  route_map routes;
  std::vector<std::string> errors;  // "FILE:LINE: what is wrong"; the first max_errors
  static constexpr std::size_t max_errors = 20;
};

// Reads lines "KEY ROUTE" (see routing/route.hpp), "DOMAIN users: NAME, NAME ...", which may come
// several times, and "KEY class: NAME". Empty lines, and lines that begin with '#', are skipped.
// `file_name` is for messages.
GATEPOST_DECL parsed_routes parse_routes(std::string_view text, std::string_view file_name);

}  // namespace gatepost::routing

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "routing/impl/route_map.ipp"
#endif

#endif  // GATEPOST_ROUTING_ROUTE_MAP_HPP
