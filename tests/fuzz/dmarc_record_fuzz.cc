// DMARC's texts: records, report addresses and From fields. What is read keeps its promises; an
// evaluation over one record for every name ends, within its questions.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "checks/dmarc/author.hpp"
#include "checks/dmarc/evaluate.hpp"
#include "checks/dmarc/record.hpp"
#include "checks/dmarc/report_store.hpp"
#include "checks/dmarc/tree_walk.hpp"
#include "tests/fuzz/check.hpp"

namespace {

using namespace gatepost::checks::dmarc;  // NOLINT(google-build-using-namespace)

void check_record(std::string_view text) {
  const auto r = parse_record(text);
  if (!r) return;
  FUZZ_CHECK(text.size() <= max_record_octets);
  FUZZ_CHECK(r->pct <= 100);
  FUZZ_CHECK(r->rua.size() <= max_report_uris && r->ruf.size() <= max_report_uris);
  FUZZ_CHECK(!(r->fo.all_fail && r->fo.any_fails));
  if (r->usable()) FUZZ_CHECK(r->applied().p && !(r->bad_policy && r->applied().sp));
  report one;
  one.policy.published = *r;
  const auto again = read_reports(write_reports({one}));
  FUZZ_CHECK(again && again->size() == 1 && again->front() == one);
}

void check_authors(std::string_view from) {
  const authors found = read_authors(from);
  FUZZ_CHECK(found.mailboxes <= max_authors && found.domains.size() <= 2 * max_authors);
  for (const std::string& domain : found.domains) {
    FUZZ_CHECK(canonical_name(domain) == domain);
    FUZZ_CHECK(std::count(found.domains.begin(), found.domains.end(), domain) == 1);
    FUZZ_CHECK(tree_walk(domain).size() <= max_tree_walk_queries);
  }
}

void check_evaluation(std::string_view author, std::string_view record) {
  identifiers found;
  found.spf = authenticated_spf{std::string(author), auth_result::pass};
  found.dkim.push_back({"x." + std::string(author), "s", auth_result::pass});
  evaluator e(author);
  e.judge(found);
  std::size_t questions = 0;
  while (const auto q = e.next()) {
    FUZZ_CHECK(++questions < 40);
    if (q->type == question::kind::existence)
      e.answer(gatepost::smtp::dns::status::no_such_name);
    else
      e.answer(gatepost::smtp::dns::answer<std::string>::found({std::string(record)}, {}));
  }
  FUZZ_CHECK(e.outcome().result != result::temperror);
  FUZZ_CHECK(e.outcome().record || e.outcome().result == result::none);
  // SPF passes for the Author Domain itself.
  FUZZ_CHECK(!e.outcome().record || e.outcome().result == result::pass);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  check_record(text);
  check_record("v=DMARC1;" + text);
  check_authors(text);
  parse_report_uris(text);
  read_reports(text);
  const auto end = std::min(text.find('\n'), text.size());
  check_evaluation(std::string_view(text).substr(0, end),
                   "v=DMARC1;p=reject;" + text.substr(std::min(end + 1, text.size())));
  return 0;
}
