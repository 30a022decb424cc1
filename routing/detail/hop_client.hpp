// Opening and leaving a session with a next hop: how the hop's settings become those of a client.
#ifndef GATEPOST_ROUTING_DETAIL_HOP_CLIENT_HPP
#define GATEPOST_ROUTING_DETAIL_HOP_CLIENT_HPP

#include <algorithm>
#include <asio/awaitable.hpp>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <unordered_set>
#include <utility>
#include <vector>

#include "routing/body_reader.hpp"
#include "routing/route.hpp"
#include "smtp/body_source.hpp"
#include "smtp/client.hpp"
#include "smtp/config.hpp"
#include "smtp/connector.hpp"
#include "smtp/server_features.hpp"
#include "smtp/transaction.hpp"
#include "smtp/transport.hpp"

namespace gatepost::routing::detail {

// Connections at work, so that somebody can end what they wait for. One thread.
class connections_at_work {
 public:
  void add(smtp::client_connection* c) { all_.insert(c); }
  void remove(smtp::client_connection* c) { all_.erase(c); }

  // For good: what is opened from now on is given up.
  void cancel() {
    cancelled_ = true;
    for (smtp::client_connection* c : all_) c->cancel();
  }
  bool cancelled() const { return cancelled_; }

 private:
  std::unordered_set<smtp::client_connection*> all_;
  bool cancelled_ = false;
};

// Notes a connection as at work, as long as it lives itself.
class work_mark {
 public:
  work_mark(connections_at_work* all, smtp::client_connection* one) : all_(all), one_(one) {
    if (all_ != nullptr) all_->add(one_);
  }
  work_mark(const work_mark&) = delete;
  work_mark& operator=(const work_mark&) = delete;
  ~work_mark() {
    if (all_ != nullptr) all_->remove(one_);
  }

 private:
  connections_at_work* all_;
  smtp::client_connection* one_;
};

struct hop_client {
  std::string hostname;              // our name in EHLO
  const smtp::client_options* base;  // what does not depend on the hop
  const smtp::client_context* tls;   // nullptr: no TLS
  connections_at_work* at_work;      // nullptr: nobody cancels
  // Then no connection is begun or awaited any more: one that is being made cannot be cancelled.
  smtp::time_point until = smtp::time_point::max();
};

// A kept text, for a client session.
class reader_source final : public smtp::body_source {
 public:
  // `text` outlives this.
  explicit reader_source(body_reader& text) : text_(text) {}

  asio::awaitable<smtp::result<std::string_view>> next() override {
    smtp::result<std::string_view> block = text_.next();
    if (!block && !error_) error_ = make_error_code(block.error());
    co_return block;
  }

  // Why the text could not be read, if so: what became of the transaction says nothing about the
  // next hop.
  std::error_code error() const { return error_; }

 private:
  body_reader& text_;
  std::error_code error_;
};

// A recipient about whom no next hop has decided yet.
struct open_recipient {
  open_recipient(std::size_t index, smtp::recipient_outcome last)
      : index(index), last(std::move(last)) {}

  // One more next hop could not serve it. What one lacks is no failure as long as another, which
  // may not lack it, could not be asked.
  void note(smtp::recipient_outcome o) {
    const bool may_do_better = asked && last.state == smtp::recipient_state::deferred;
    if (o.state != smtp::recipient_state::failed || !may_do_better) last = std::move(o);
    asked = true;
  }

  std::size_t index;
  // Of the next hops that were asked: deferred, or failed where all lack what the message needs.
  smtp::recipient_outcome last;
  bool asked = false;
};

// Deferred, because a next hop cannot be asked.
GATEPOST_DECL smtp::recipient_outcome unreachable(std::string why);

// Of a transaction that was given up before it began.
GATEPOST_DECL smtp::transaction_outcome given_up(std::size_t recipients);

// Where to connect to. Nothing: the hop needs an MX look-up, and there is no resolver here.
GATEPOST_DECL std::optional<smtp::connect_target> target_of(const next_hop& hop);

// What logs call it, and connections are pooled by.
GATEPOST_DECL std::string name_of(const next_hop& hop);

// The hop as a message with or without REQUIRETLS wants it: RFC 8689 §4.2.1 asks for a verified
// certificate.
GATEPOST_DECL next_hop hop_for(bool requiretls, const next_hop& hop);

GATEPOST_DECL smtp::client_options options_for(const hop_client& us, const next_hop& hop,
                                               bool without_tls);

// A connection that is ready for a message; or nullptr, and why in `why_not`. `us`, `hop`, `by` and
// `why_not` outlive the call.
GATEPOST_DECL asio::awaitable<std::unique_ptr<smtp::client_connection>> open_hop(
    const hop_client& us, const next_hop& hop, smtp::connector& by, std::string& why_not);

// Says QUIT, waits a little for the answer, closes (RFC 5321 §4.1.1.10). Where the session has
// ended already there is nothing to say.
GATEPOST_DECL asio::awaitable<void> leave_hop(std::unique_ptr<smtp::client_connection> session,
                                              connections_at_work* at_work);

// Whether the message was announced with BODY=8BITMIME or SMTPUTF8, and the hop lacks that: it may
// have it all the same if the text does not need it. BINARYMIME stays what it is: whether a text is
// made of lines is not looked at.
GATEPOST_DECL bool asks_too_much(const smtp::transaction& t, const smtp::server_features& f);

// Announces in `t` what its text needs, and no more (routing/detail/text_needs.hpp). Reads `text`,
// as it would be sent, to its end, and lets others run between its blocks. Errors, and then `t` is
// as it was: cancelled, where `at_work` is; why the text cannot be read. `t`, `text` and `at_work`
// outlive the call.
GATEPOST_DECL asio::awaitable<std::error_code> ask_for_what_is_needed(
    smtp::transaction& t, body_reader& text, const connections_at_work& at_work);

// Whether our own client has refused for what the hop lacks: an extension, room for the size, or
// what REQUIRETLS asks for. The next one may have it (RFC 5321 §5.1, RFC 8689 §4.2.1).
GATEPOST_DECL bool lacks_what_is_needed(const smtp::recipient_outcome& o);

// Whether the hop, and not the message or the recipient, was the trouble: then another hop may do
// better. Not where the message may have arrived.
GATEPOST_DECL bool is_trouble_of_hop(const smtp::recipient_outcome& o);

// Whether the hop has only said that it closes this connection (RFC 5321 §3.8), before it decided
// about anybody. On a connection that had been idle that is no word about the hop.
GATEPOST_DECL bool is_goodbye(const smtp::transaction_outcome& outcome);

// Whether the hop has closed the connection without a word while it was told the recipients: one of
// them may be what it does not bear, and the others may get through without it. Which one it is
// cannot be known where commands are pipelined: replies of before may be lost with the connection.
GATEPOST_DECL bool dropped_at_recipients(const smtp::client_connection& c);

// Whether the hop takes no more recipients in this transaction, and will take this one in another
// (RFC 5321 §4.5.3.1.10).
GATEPOST_DECL bool is_one_too_many(const smtp::recipient_outcome& o);

// Takes those out of `open` about whom a next hop has decided in a transaction with all of them,
// and calls settle(index, outcome) for each. True: it takes the others in another transaction, at
// once. One too many is a recipient only beside another that RCPT has accepted.
template <class Settle>
bool settle_decided(std::vector<open_recipient>& open, const smtp::transaction_outcome& outcome,
                    Settle settle) {
  std::vector<open_recipient> left;
  const bool some = std::any_of(outcome.recipients.begin(), outcome.recipients.end(),
                                [](const auto& o) { return o.step > smtp::client_step::rcpt; });
  bool trouble = false;
  bool again = false;
  for (std::size_t k = 0; k < open.size(); ++k) {
    const smtp::recipient_outcome& o = outcome.recipients[k];
    const bool too_many = some && is_one_too_many(o);
    trouble = trouble || is_trouble_of_hop(o);
    again = again || too_many || o.state == smtp::recipient_state::untried;
    if (o.state == smtp::recipient_state::untried) {
      open[k].note(unreachable("the next hop takes no more recipients"));
    } else if (too_many || is_trouble_of_hop(o) || lacks_what_is_needed(o)) {
      open[k].note(o);
    } else {
      settle(open[k].index, o);
      continue;
    }
    left.push_back(std::move(open[k]));
  }
  const bool stuck = left.size() == open.size();
  open = std::move(left);
  // Another transaction does not give the hop what it lacks for a recipient, but serves the others.
  return again && !stuck && !trouble;
}

}  // namespace gatepost::routing::detail

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "routing/impl/hop_client.ipp"
#endif

#endif  // GATEPOST_ROUTING_DETAIL_HOP_CLIENT_HPP
