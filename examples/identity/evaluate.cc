#include "examples/identity/evaluate.hpp"

#include <chrono>
#include <random>
#include <string_view>
#include <utility>

#include "checks/arc/lookup.hpp"
#include "checks/dkim/lookup.hpp"
#include "checks/dmarc/author.hpp"
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

asio::awaitable<void> evaluate_client(dns::resolver& resolver, const request& what,
                                      findings& into) {
  spf::evaluation_options options;
  options.trace = true;
  if (!what.helo.empty()) {
    spf::query helo = spf::query::helo_identity(*what.client, what.helo, seconds_of(what.now));
    spf::outcome found = co_await spf::evaluate(resolver, std::move(helo), options);
    into.helo_spf = std::move(found);
  }
  spf::query mail =
      spf::query::mail_from(*what.client, what.mail_from, what.helo, seconds_of(what.now));
  spf::outcome found = co_await spf::evaluate(resolver, std::move(mail), options);
  into.spf = std::move(found);
  checks::iprev_result name = co_await checks::find_iprev(resolver, *what.client);
  into.iprev = std::move(name);
}

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

asio::awaitable<void> evaluate_dmarc(dns::resolver& resolver, std::string_view message,
                                     const rules& by, findings& into) {
  const auto fields = smtp::read_header(message);
  const dmarc::authors who = fields ? dmarc::read_authors(fields->fields) : dmarc::authors();
  if (!who.single()) {
    into.dmarc.reason = "there is no From field with one domain";
    co_return;
  }
  dmarc::evaluation_options options;
  options.regime = by.regime;
  options.suffixes = by.suffixes;
  dmarc::evaluator evaluator(who.domains.front(), options);
  co_await answer_all(resolver, evaluator);
  evaluator.judge(identifiers_of(into));
  co_await answer_all(resolver, evaluator);
  into.dmarc = evaluator.outcome();
}

asio::awaitable<void> evaluate_message(dns::resolver& resolver, std::string_view message,
                                       const request& what, const rules& by, findings& into) {
  const dkim::verify_options signed_how;
  dkim::report signatures = co_await dkim::verify(resolver, message, signed_how, what.now);
  into.dkim = std::move(signatures);
  const arc::validate_options sealed_how;
  arc::report chain = co_await arc::validate(resolver, message, sealed_how, what.now);
  into.arc = std::move(chain);
  co_await evaluate_dmarc(resolver, message, by, into);
}

}  // namespace

asio::awaitable<findings> evaluate(dns::resolver& resolver, request what, const rules& by) {
  findings found;
  recording_resolver recorder(resolver);
  std::string message;
  if (!what.message_file.empty() && !read_message(what.message_file, message, found.error))
    co_return found;
  if (what.client) co_await evaluate_client(recorder, what, found);
  if (!what.message_file.empty()) co_await evaluate_message(recorder, message, what, by, found);
  found.dns = recorder.take();
  co_return found;
}

}  // namespace identity
