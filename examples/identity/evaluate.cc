#include "examples/identity/evaluate.hpp"

#include <asio/any_io_executor.hpp>
#include <asio/this_coro.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "checks/arc/lookup.hpp"
#include "checks/detail/errand.hpp"
#include "checks/dkim/lookup.hpp"
#include "checks/dmarc/author.hpp"
#include "checks/dmarc/check.hpp"
#include "checks/dmarc/gather.hpp"
#include "checks/spf/resolve.hpp"
#include "examples/identity/message.hpp"
#include "smtp/header_reader.hpp"

namespace identity {

namespace smtp = gatepost::smtp;
namespace dns = gatepost::smtp::dns;
namespace spf = gatepost::checks::spf;
namespace dkim = gatepost::checks::dkim;
namespace arc = gatepost::checks::arc;
namespace dmarc = gatepost::checks::dmarc;

namespace {

std::int64_t seconds_of(std::chrono::system_clock::time_point t) {
  return std::chrono::duration_cast<std::chrono::seconds>(t.time_since_epoch()).count();
}

// What the coroutines of one request share.
struct subject {
  subject(dns::resolver& inner, request r) : resolver(inner), what(std::move(r)) {}

  recording_resolver resolver;
  request what;
  std::string message;
};
using shared = std::shared_ptr<subject>;

asio::awaitable<spf::outcome> check_spf(shared s, spf::query asked) {
  spf::evaluation_options options;
  options.trace = true;
  spf::outcome found = co_await spf::evaluate(s->resolver, std::move(asked), options);
  co_return found;
}

asio::awaitable<checks::iprev_result> check_name(shared s) {
  checks::iprev_result found = co_await checks::find_iprev(s->resolver, *s->what.client);
  co_return found;
}

asio::awaitable<dkim::report> check_signatures(shared s) {
  const dkim::verify_options how;
  dkim::report found = co_await dkim::verify(s->resolver, s->message, how, s->what.now);
  co_return found;
}

asio::awaitable<arc::report> check_chain(shared s) {
  const arc::validate_options how;
  arc::report found = co_await arc::validate(s->resolver, s->message, how, s->what.now);
  co_return found;
}

// All that needs nothing of the others, side by side.
class side_by_side {
 public:
  side_by_side(const asio::any_io_executor& executor, const shared& s) {
    const request& r = s->what;
    if (r.client) {
      const std::int64_t now = seconds_of(r.now);
      if (!r.helo.empty())
        helo_spf_ =
            start(executor, check_spf(s, spf::query::helo_identity(*r.client, r.helo, now)));
      spf_ =
          start(executor, check_spf(s, spf::query::mail_from(*r.client, r.mail_from, r.helo, now)));
      iprev_ = start(executor, check_name(s));
    }
    if (r.message_file.empty()) return;
    dkim_ = start(executor, check_signatures(s));
    arc_ = start(executor, check_chain(s));
  }

  // The caller's frame keeps both.
  asio::awaitable<void> wait(findings& into) {
    co_await take(helo_spf_, into.helo_spf);
    co_await take(spf_, into.spf);
    co_await take(iprev_, into.iprev);
    co_await take(dkim_, into.dkim);
    co_await take(arc_, into.arc);
  }

 private:
  template <class T>
  using work = checks::detail::errand_ptr<T>;

  template <class T>
  static work<T> start(const asio::any_io_executor& executor, asio::awaitable<T> what) {
    return checks::detail::errand<T>::start(executor, std::move(what));
  }

  template <class T, class Into>
  static asio::awaitable<void> take(const work<T>& from, Into& into) {
    if (!from) co_return;
    co_await from->wait();
    into = from->result();
  }

  work<spf::outcome> helo_spf_;
  work<spf::outcome> spf_;
  work<checks::iprev_result> iprev_;
  work<dkim::report> dkim_;
  work<arc::report> arc_;
};

// As the checks of a server would leave it.
dmarc::identifiers identifiers_of(const findings& found) {
  checks::notes notes;
  if (found.spf) notes.emplace<spf::mail_note>().outcome = *found.spf;
  notes.emplace<dkim::report>(found.dkim);
  notes.emplace<arc::report>(found.arc);
  return dmarc::gather(notes);
}

asio::awaitable<void> answer_all(dns::resolver& resolver, dmarc::evaluator& by) {
  while (const std::optional<dmarc::question> asked = by.next()) {
    const dns::answer<std::string> said = co_await resolver.txt(asked->name);
    if (asked->type == dmarc::question::kind::txt)
      by.answer(said);
    else
      by.answer(said.status());
  }
}

// The domains that are evaluated, as dmarc::check does it by default; none: DMARC says nothing.
std::vector<std::string> authors_of(std::string_view message, const rules& by) {
  const auto fields = smtp::read_header(message);
  dmarc::authors who = fields ? dmarc::read_authors(fields->fields) : dmarc::authors();
  const std::size_t most =
      by.regime == dmarc::regime::rfc7489 ? dmarc::check_options().authors : std::size_t{1};
  if (who.domains.size() > most || !who.complete) return {};
  return std::move(who.domains);
}

asio::awaitable<void> evaluate_author(dns::resolver& resolver, const std::string& domain,
                                      const rules& by, const findings& found,
                                      dmarc::evaluation& into) {
  dmarc::evaluation_options options;
  options.regime = by.regime;
  options.suffixes = by.suffixes;
  dmarc::evaluator evaluator(domain, options);
  co_await answer_all(resolver, evaluator);
  evaluator.judge(identifiers_of(found));
  co_await answer_all(resolver, evaluator);
  into = evaluator.outcome();
}

asio::awaitable<void> evaluate_dmarc(dns::resolver& resolver, std::string_view message,
                                     const rules& by, findings& into) {
  const std::vector<std::string> authors = authors_of(message, by);
  if (authors.empty()) into.dmarc.reason = "there is no From field with one domain";
  for (std::size_t i = 0; i < authors.size(); ++i) {
    dmarc::evaluation one;
    co_await evaluate_author(resolver, authors[i], by, into, one);
    if (i == 0 || dmarc::severity(one) > dmarc::severity(into.dmarc)) into.dmarc = std::move(one);
  }
}

}  // namespace

asio::awaitable<findings> evaluate(dns::resolver& resolver, request what, const rules& by) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  findings found;
  const shared s = std::make_shared<subject>(resolver, std::move(what));
  const std::string& file = s->what.message_file;
  if (!file.empty() && !read_message(file, s->message, found.error)) co_return found;
  side_by_side work(executor, s);
  co_await work.wait(found);
  if (!file.empty()) co_await evaluate_dmarc(s->resolver, s->message, by, found);
  found.dns = s->resolver.take();
  co_return found;
}

}  // namespace identity
