// The base class of every check: override the stages that you have something to say about.
//
//     class no_nulls final : public checks::check {
//      public:
//       std::string_view name() const override { return "no_nulls"; }
//       asio::awaitable<checks::verdict> on_mail(checks::context& ctx) override {
//         if (!ctx.envelope().reverse_path().is_null()) co_return verdict::pass();
//         co_return verdict::refuse({550, {5, 7, 1}, "We send nothing that could bounce"});
//       }
//     };
//
// One object serves all sessions on all threads: a stage function may run for many sessions at
// once, so whatever a check holds in members is constant, atomic or locked. The state of one
// session goes into notes (context.hpp). docs/writing-a-check.md is the tutorial.
#ifndef GATEPOST_CHECKS_CHECK_HPP
#define GATEPOST_CHECKS_CHECK_HPP

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <string_view>

#include "checks/context.hpp"
#include "smtp/config.hpp"
#include "smtp/stage.hpp"
#include "smtp/verdict.hpp"

namespace gatepost::checks {

using smtp::verdict;

class check {
 public:
  virtual ~check() = default;

  // For logs and metrics: lower case, constant, and good as long as the check.
  virtual std::string_view name() const = 0;

  // False promises that this check never waits at this stage, for whatever it does co_await; it is
  // then called in the cheapest way, and no deadline is watched. Asked once, when it joins a chain.
  virtual bool waits(smtp::stage) const { return true; }

  // Called before each call at a stage at which it waits(), that of ctx, right before the checks of
  // its group are: begins what the call is to wait for, on that executor, and keeps it in a note.
  // True promises that everything was at hand, so that the call will not wait; where it holds for
  // all checks of a group, they are called in the cheapest way, without a deadline. An exception
  // counts as false. The call may still not come, where another check of the group has decided;
  // what was begun is then replaced by the next prepare(), or goes with its note. So what decides
  // without asking anybody had better be in a group before. The verdict's duration does not count
  // this.
  virtual bool prepare(context&, const asio::any_io_executor&) { return false; }

  // The stages; smtp::stage says what is known at each. Overridden functions are called, others
  // cost nothing. Instead of an answer there may be an exception: then the check's on_error policy
  // holds. When the deadline passes or the client leaves, the check is cancelled: what it waits for
  // ends with asio::error::operation_aborted, and it had better end, too.
  virtual asio::awaitable<verdict> on_connect(context&) { co_return verdict::pass(); }
  virtual asio::awaitable<verdict> on_helo(context&) { co_return verdict::pass(); }
  virtual asio::awaitable<verdict> on_tls(context&) { co_return verdict::pass(); }
  virtual asio::awaitable<verdict> on_auth(context&) { co_return verdict::pass(); }
  virtual asio::awaitable<verdict> on_mail(context&) { co_return verdict::pass(); }
  virtual asio::awaitable<verdict> on_rcpt(context&) { co_return verdict::pass(); }
  virtual asio::awaitable<verdict> on_data(context&) { co_return verdict::pass(); }
  virtual asio::awaitable<verdict> on_header_end(context&) { co_return verdict::pass(); }

  // Some octets of the message, header included; `text` is good until this returns. Called as often
  // as octets come in, so a check's own state belongs into transaction_notes(). The client is held
  // back meanwhile.
  virtual asio::awaitable<verdict> on_body(context&, std::string_view /*text*/) {
    co_return verdict::pass();
  }

  // All of the message has come in; the verdict may have parts for_recipient().
  virtual asio::awaitable<verdict> on_message(context&) { co_return verdict::pass(); }
};

}  // namespace gatepost::checks

#endif  // GATEPOST_CHECKS_CHECK_HPP
