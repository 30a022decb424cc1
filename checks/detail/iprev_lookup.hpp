// The iprev of a session's client, looked up once for all checks that want it.
#ifndef GATEPOST_CHECKS_DETAIL_IPREV_LOOKUP_HPP
#define GATEPOST_CHECKS_DETAIL_IPREV_LOOKUP_HPP

#include <algorithm>
#include <asio/any_io_executor.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "checks/context.hpp"
#include "checks/detail/errand.hpp"
#include "checks/detail/iprev_search.hpp"
#include "checks/detail/lookups.hpp"
#include "checks/iprev.hpp"

namespace gatepost::checks::detail {

// The session's note.
struct iprev_lookup {
  smtp::ip_address address = {};
  errand_ptr<iprev_result> work = {};
  std::uint32_t message = 0;  // for which it was begun; what is begun before MAIL is for the first
};

// Begins it, unless it is under way for this address, or was answered; a failure holds for one
// message. With the `names` of whoever is first.
inline std::shared_ptr<errand<iprev_result>> look_up_iprev(context& ctx,
                                                           const asio::any_io_executor& executor,
                                                           smtp::dns::resolver& dns,
                                                           const smtp::ip_address& address,
                                                           std::size_t names = max_iprev_names) {
  iprev_lookup* note = ctx.notes().find<iprev_lookup>();
  if (note == nullptr) note = &ctx.notes().emplace<iprev_lookup>();
  const std::uint32_t message = std::max<std::uint32_t>(ctx.facts().transactions, 1);
  const bool failed = note->work && note->work->done() && note->message != message &&
                      note->work->result().status() == iprev_status::temperror;
  if (!note->work || failed || note->address != address) {
    note->address = address;
    note->message = message;
    note->work = errand_ptr<iprev_result>(
        begin_search<iprev_result>(executor, dns, iprev_search(address, names)));
  }
  return note->work.share();
}

}  // namespace gatepost::checks::detail

#endif  // GATEPOST_CHECKS_DETAIL_IPREV_LOOKUP_HPP
