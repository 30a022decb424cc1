// Asks the DNS for several key records at the same time.
//
// Starts at once and goes on by itself; whoever needs the answers waits for all of them. When the
// object is destroyed first, the questions are cancelled. Belongs to one I/O thread, that of the
// executor and the resolver.
#ifndef GATEPOST_CHECKS_DKIM_KEY_FETCH_HPP
#define GATEPOST_CHECKS_DKIM_KEY_FETCH_HPP

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <string>
#include <vector>

#include "checks/detail/errand.hpp"
#include "smtp/config.hpp"
#include "smtp/dns/answer.hpp"
#include "smtp/dns/resolver.hpp"

namespace gatepost::checks::dkim {

using key_answers = std::vector<smtp::dns::answer<std::string>>;

class key_fetch {
 public:
  // Asks for the TXT records of each name. The resolver outlives the questions.
  GATEPOST_DECL key_fetch(const asio::any_io_executor& executor, smtp::dns::resolver& resolver,
                          std::vector<std::string> names);

  // Whether all are answered: wait() has nothing to wait for.
  bool done() const { return work_.done(); }

  // Until all are answered. Throws operation_aborted where the caller is cancelled meanwhile.
  GATEPOST_DECL asio::awaitable<void> wait();

  // One for each name, in their order; once done(). What the resolver threw at is a temporary
  // failure.
  const key_answers& answers() const { return work_->result(); }

 private:
  checks::detail::errand_ptr<key_answers> work_;
};

}  // namespace gatepost::checks::dkim

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/dkim/impl/key_fetch.ipp"
#endif

#endif  // GATEPOST_CHECKS_DKIM_KEY_FETCH_HPP
