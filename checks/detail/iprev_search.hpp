// The search behind find_iprev(), for checks that need no coroutine for what is at hand.
#ifndef GATEPOST_CHECKS_DETAIL_IPREV_SEARCH_HPP
#define GATEPOST_CHECKS_DETAIL_IPREV_SEARCH_HPP

#include <cstddef>
#include <optional>

#include "smtp/config.hpp"
#include "smtp/ip.hpp"

namespace gatepost::checks {

class iprev_result;

}  // namespace gatepost::checks

namespace gatepost::checks::detail {

class lookups;

class iprev_search {
 public:
  iprev_search(const smtp::ip_address& client, std::size_t most)
      : address(client.unmapped()), names(most) {}

  GATEPOST_DECL std::optional<iprev_result> operator()(lookups& dns) const;

 private:
  smtp::ip_address address;
  std::size_t names;
};

}  // namespace gatepost::checks::detail

#endif  // GATEPOST_CHECKS_DETAIL_IPREV_SEARCH_HPP
