#include "examples/border_mta/report_steps.hpp"

#include <algorithm>
#include <asio/any_io_executor.hpp>
#include <asio/co_spawn.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <string>
#include <utility>

#include "checks/detail/errand.hpp"
#include "smtp/dns/answer.hpp"

namespace border_mta {

namespace checks = gatepost::checks;
namespace dmarc = gatepost::checks::dmarc;
namespace smtp = gatepost::smtp;

namespace {

using dns_answer = smtp::dns::answer<std::string>;
using dns_errand = checks::detail::errand<dns_answer>;

asio::awaitable<void> perform(std::function<void()> work) {
  work();
  co_return;
}

}  // namespace

asio::awaitable<void> verify(dmarc::destinations& to, smtp::dns::resolver& dns,
                             question_pace pace) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  const auto end = std::chrono::steady_clock::now() + pace.all;
  while (const auto name = to.next()) {
    dns_answer records;  // a temporary failure
    const auto now = std::chrono::steady_clock::now();
    if (now < end) {
      const auto until = std::min(now + pace.each, end);
      const checks::detail::errand_ptr<dns_answer> asked(
          dns_errand::start(executor, dns.txt(*name), until));
      const bool in_time = co_await asked->wait();
      if (in_time) records = asked->result();
    }
    to.answer(records);
  }
}

asio::awaitable<void> run_on(asio::thread_pool& helper, std::function<void()> work) {
  asio::awaitable<void> job = perform(std::move(work));
  co_await asio::co_spawn(helper, std::move(job), asio::use_awaitable);
}

}  // namespace border_mta
