// What is in the spool, and what can be done about it by hand.
#ifndef GATEPOST_EXAMPLES_BORDER_MTA_QUEUE_HPP
#define GATEPOST_EXAMPLES_BORDER_MTA_QUEUE_HPP

#include <chrono>
#include <iosfwd>
#include <string>
#include <system_error>

#include "routing/spool.hpp"

namespace border_mta {

// Writes every message: id, age, size, sender, then each recipient with its state and the last
// reply.
//
//     1fzk3m9a2b7x4q  2h  14 KiB  from <alice@sender.test>
//         <bob@example.test>  waits 12m, after 3 attempts: 450 4.2.1 try again later
std::error_code list_queue(const gatepost::routing::spool& spool,
                           std::chrono::system_clock::time_point now, std::ostream& out);

// Makes a message that is held, or failed, or waits, due now. Errors: errc::not_found and the
// spool's.
std::error_code release_message(gatepost::routing::spool& spool, const std::string& id,
                                std::chrono::system_clock::time_point now);

std::error_code remove_message(gatepost::routing::spool& spool, const std::string& id);

}  // namespace border_mta

#endif  // GATEPOST_EXAMPLES_BORDER_MTA_QUEUE_HPP
