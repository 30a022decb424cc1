// The evaluation of SPF, check_host() of RFC 7208 §4: DNS answers in, questions and a result out.
//
// Sans-I/O. An evaluation asks what it has to know next, all of it that is independent at once: the
// addresses of all hosts of an mx, of all names of a ptr. It goes on when every one of those
// questions is answered.
//
//     spf::evaluation e(spf::query::mail_from(client, "a@example.com", "mx.example.com"));
//     while (!e.done())
//       for (std::size_t i = 0; i < e.questions().size(); ++i) ...; e.answer(i, ...);
//     e.outcome().result
//
// It ends whatever the records say: see evaluation_limits. Belongs to one thread.
#ifndef GATEPOST_CHECKS_SPF_EVALUATE_HPP
#define GATEPOST_CHECKS_SPF_EVALUATE_HPP

#include <absl/container/inlined_vector.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "checks/spf/macro.hpp"
#include "checks/spf/outcome.hpp"
#include "checks/spf/record.hpp"
#include "checks/spf/record_cache.hpp"
#include "smtp/config.hpp"
#include "smtp/dns/answer.hpp"
#include "smtp/ip.hpp"

namespace gatepost::checks::spf {

struct evaluation_limits {
  // include, a, mx, ptr, exists and redirect that are evaluated; one more is a permerror. It bounds
  // the depth of includes, too. RFC 7208 §4.6.4: 10.
  unsigned dns_terms = 10;

  // Terms whose name does not exist or has no such record; one more is a permerror. RFC 7208 §4.6.4
  // recommends 2.
  unsigned void_lookups = 2;

  // Hosts of one mx; a domain with more gets a permerror. RFC 7208 §4.6.4: 10.
  std::size_t mx_hosts = 10;

  // Names of the client that are looked at; the others are ignored. RFC 7208 §4.6.4: 10.
  std::size_t ptr_names = 10;

  // A longer record is a permerror. RFC 7208 §3.4 wants records in one UDP packet of 512 octets;
  // the longest in use are a tenth of this. It bounds the work that one record can cause.
  std::size_t record_octets = 8192;

  // An explanation is cut here: it is to fit into some lines of an SMTP reply (RFC 5321
  // §4.5.3.1.5).
  std::size_t explanation_octets = 500;
};

struct evaluation_options {
  evaluation_options() = default;  // goes through coroutines, so no aggregate

  evaluation_limits limits = {};
  std::string receiver = "unknown";  // our name, for explanations: %{r} (RFC 7208 §7.3)
  bool explain = true;               // ask for the explanation of a fail
  bool trace = false;                // keep a list of all that happened
  record_cache* records = nullptr;   // outlives the evaluation; without it each record is read anew
};

// Who is asked about.
struct query {
  query() = default;  // goes through coroutines, so no aggregate

  // The HELO identity (§2.3); `time`: seconds since 1970, for %{t}.
  GATEPOST_DECL static query helo_identity(const smtp::ip_address& client, std::string helo,
                                           std::int64_t time = 0);
  // The MAIL FROM identity (§2.4). `reverse_path`: the mailbox without <>; empty is the null
  // sender, for which postmaster@helo is asked about.
  GATEPOST_DECL static query mail_from(const smtp::ip_address& client, std::string reverse_path,
                                       std::string helo, std::int64_t time = 0);

  spf::identity identity = identity::mail_from;
  smtp::ip_address client = {};  // an IPv4-mapped address counts as IPv4 (§5)
  std::string sender = {};       // local-part@domain, or a domain
  std::string helo = {};
  std::int64_t time = 0;
};

enum class record_type : std::uint8_t { txt, a, aaaa, mx, ptr };

constexpr std::string_view to_string(record_type t) {
  switch (t) {
    case record_type::txt: return "TXT";
    case record_type::a: return "A";
    case record_type::aaaa: return "AAAA";
    case record_type::mx: return "MX";
    case record_type::ptr: return "PTR";
  }
  return "?";
}

struct question {
  record_type type = record_type::txt;
  std::string_view name = {};     // lies in the evaluation, see evaluation::questions()
  smtp::ip_address address = {};  // of a ptr question: whose names
};

class evaluation {
 public:
  GATEPOST_DECL explicit evaluation(query q, const evaluation_options& options = {});
  evaluation(const evaluation&) = delete;
  evaluation& operator=(const evaluation&) = delete;

  bool done() const { return done_; }

  // What is asked now; never empty before it is done. Good until the last one is answered, the
  // names too.
  std::span<const question> questions() const { return questions_; }

  // Answers one of them, in any order, each once: addresses for a and aaaa, texts for txt and ptr.
  // Answers of another type than was asked for count as a temporary failure.
  GATEPOST_DECL void answer(std::size_t which, const smtp::dns::answer<std::string>& said);
  GATEPOST_DECL void answer(std::size_t which, const smtp::dns::answer<smtp::ip_address>& said);
  GATEPOST_DECL void answer(std::size_t which, const smtp::dns::answer<smtp::dns::mx_record>& said);

  // Ends it with what there is: nobody waits any longer. A temperror (RFC 7208 §4.6.4), or a fail
  // without its explanation.
  GATEPOST_DECL void give_up(std::string why);

  // What was found; final when it is done.
  const spf::outcome& outcome() const& { return outcome_; }
  spf::outcome&& outcome() && { return std::move(outcome_); }

 private:
  // What the questions are for.
  enum class step : std::uint8_t {
    record,
    addresses,  // of an a
    exists,
    mx,
    mx_addresses,
    ptr_names,
    ptr_addresses,
    explanation,
  };

  // One run of check_host(): the domain's, or that of an include.
  struct frame {
    std::string_view domain;  // lies in the query, in the record around, or in kept_domain
    std::string kept_domain;
    shared_record found;   // nothing: not answered yet
    std::size_t next = 0;  // directive
    bool included = false;
    bool redirected = false;

    const spf::record& record() const { return found->record(); }
  };

  // A name whose addresses are asked for, and what has come of it.
  struct host {
    explicit host(std::string_view n) : name(n) {}

    std::string name;
    bool answered = false;
    bool definite = false;
    bool found = false;    // any address
    bool matched = false;  // the one that the term is about
    std::string reason;    // why it is not definite
  };

  // A name that a term is about, and whether the DNS can be asked about it.
  struct target {
    std::string_view name;
    bool is_valid = false;
  };

  // Why a record is looked for.
  enum class origin : std::uint8_t { query, include, redirect };

  enum class explaining : std::uint8_t { no, target, text };

  // --- evaluate.ipp: the way through the records
  void set_identity();
  target asked_domain();
  void run();
  void advance();
  void enter(target where, origin from);
  void push_frame();
  void took_record(const smtp::dns::answer<std::string>& said);
  void no_record();
  void conclude(spf::result r, const directive* matched);
  void end_of_record();
  void explain();
  void ask_for_explanation();
  void took_explanation(const smtp::dns::answer<std::string>& said);
  void give_explanation();
  void finish(spf::result r);
  void finish(spf::result r, std::string problem);
  void fail_for_now(const question& q, const std::string& reason);

  // --- evaluate_terms.ipp: single terms
  void evaluate_next(const directive& d);
  void look_up(const directive& d);
  void match_ptr(const directive& d);
  void took_addresses(const directive& d, const smtp::dns::answer<smtp::ip_address>& said);
  void took_exists(const directive& d, const smtp::dns::answer<smtp::ip_address>& said);
  void took_mx(const directive& d, const smtp::dns::answer<smtp::dns::mx_record>& said);
  void take_hosts(const std::vector<smtp::dns::mx_record>& all);
  void add_host(std::string_view name);
  void took_mx_addresses(const directive& d);
  void took_ptr_names(const smtp::dns::answer<std::string>& said);
  void took_ptr_addresses();
  void matched(const directive& d);
  void not_matched(const directive& d);
  void void_lookup(const directive& d);
  bool too_many_terms();
  bool waits_for_names();
  bool in_network(const smtp::ip_address& address, const directive& d) const;
  bool has_ascii_local_part() const;
  target target_of(const macro_string& spec);
  macro_values values() const;
  std::string_view validated_name() const;

  // --- evaluate.ipp: questions and answers
  void ask(step what, record_type type, std::string_view name);
  void ask_addresses(step what);
  record_type address_type() const { return client_.is_v4() ? record_type::a : record_type::aaaa; }
  void took_text(const smtp::dns::answer<std::string>& said);
  void took_one(const smtp::dns::answer<smtp::ip_address>& said);
  void took_several(std::size_t which, const smtp::dns::answer<smtp::ip_address>& said);
  void took_wrong_type(std::size_t which);
  bool asks_several() const { return step_ == step::mx_addresses || step_ == step::ptr_addresses; }
  bool is_match(const smtp::ip_address& address) const;
  frame& top() { return depth_ == 0 ? base_ : *includes_[depth_ - 1]; }
  const frame& top() const { return depth_ == 0 ? base_ : *includes_[depth_ - 1]; }
  const directive& current() const { return top().record().directives[top().next]; }
  void note(trace_kind kind, std::string_view text, std::string_view finding) {
    if (options_.trace) keep_trace(kind, text, finding);
  }
  void keep_trace(trace_kind kind, std::string_view text, std::string_view finding);

  evaluation_options options_;
  smtp::ip_address client_;
  std::string helo_;
  std::int64_t time_;
  std::size_t local_part_ = 0;  // how much of outcome_.sender it is
  spf::outcome outcome_;

  frame base_;
  std::vector<std::unique_ptr<frame>> includes_;  // the first depth_ of them are in use
  std::size_t depth_ = 0;
  explaining explaining_ = explaining::no;
  std::string explanation_;  // the text as published
  bool done_ = false;

  step step_ = step::record;
  std::span<const question> questions_;  // the single one, or several
  question single_;
  std::vector<question> several_;
  std::size_t missing_ = 0;
  std::string target_;  // an expanded name, as long as it is asked about
  absl::InlinedVector<host, 1> hosts_;

  // The client's names, once somebody wanted to know (§5.5).
  bool names_known_ = false;
  bool names_void_ = false;
  std::vector<std::string> names_;
};

}  // namespace gatepost::checks::spf

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/spf/impl/evaluate.ipp"
#endif

#endif  // GATEPOST_CHECKS_SPF_EVALUATE_HPP
