// What a check, a policy or a delivery says of the thing it was asked about.
//
// A verdict is a decision, and effects that hold whatever the decision: header fields to add or
// remove, tags, a score. Replies are typed, so no check can put a raw string on the wire.
//
//     co_return verdict::refuse({550, {5, 7, 1}, "Your address is listed at bl.example.test"});
//     co_return verdict::pass().add_header("X-Spam-Score", "2.1").score(2.1, "HTML only");
#ifndef GATEPOST_SMTP_VERDICT_HPP
#define GATEPOST_SMTP_VERDICT_HPP

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "smtp/config.hpp"
#include "smtp/header_edits.hpp"
#include "smtp/reply.hpp"

namespace gatepost::smtp {

enum class decision : std::uint8_t {
  pass,          // nothing against it
  inconclusive,  // could not tell, and that is no reason to act
  accept,        // nothing against it, and no further check of this stage needs to look
  refuse,        // permanent: a 5xx reply
  defer,         // temporary: a 4xx reply
  discard,       // accept on the wire, then throw away (the log names the reason)
  hold,          // accept, keep, do not deliver until somebody releases it
  drop,          // end the connection at once, with a 421
};

GATEPOST_DECL std::string_view to_string(decision d);

struct header_field {
  std::string name;
  std::string value;
};

// Name and value of something a check found out; goes to the log and to later stages.
struct tag {
  std::string name;
  std::string value;
};

class verdict {
 public:
  // What comes with a decision; most verdicts have none of it.
  struct effects {
    std::vector<header_field> add_headers;    // in this order, on top of the message
    std::vector<std::string> remove_headers;  // every field of these names, in any case
    std::vector<octet_range> erased;          // single fields: field_view::octets of the header
    std::vector<tag> tags;
    double score = 0;
    std::string policy_class;  // at RCPT: see recipient::policy_class
    std::vector<std::pair<std::size_t, verdict>>
        recipients;  // by index into envelope::recipients()
  };

  static verdict pass() { return verdict(decision::pass); }
  static verdict accept() { return verdict(decision::accept); }
  GATEPOST_DECL static verdict inconclusive(std::string reason);
  // A reply below 400 has no place in a refusal: it becomes 550 5.7.1. A 4xx reply makes a `defer`.
  GATEPOST_DECL static verdict refuse(smtp::reply why);
  GATEPOST_DECL static verdict defer(smtp::reply why = replies::local_error);
  GATEPOST_DECL static verdict discard(std::string reason);
  GATEPOST_DECL static verdict hold(std::string reason);
  GATEPOST_DECL static verdict drop(std::string reason);

  verdict() : verdict(decision::pass) {}
  verdict(verdict&&) noexcept = default;
  verdict& operator=(verdict&&) noexcept = default;
  GATEPOST_DECL verdict(const verdict& other);
  GATEPOST_DECL verdict& operator=(const verdict& other);
  ~verdict() = default;

  // Effects; each returns *this, so that they chain.
  GATEPOST_DECL verdict& add_header(std::string name, std::string value) &;
  GATEPOST_DECL verdict& remove_header(std::string name) &;
  // One field, or several, by the octets they have in the message's header.
  GATEPOST_DECL verdict& erase(octet_range range) &;
  GATEPOST_DECL verdict& add_tag(std::string name, std::string value) &;
  GATEPOST_DECL verdict& score(double points) &;
  // At RCPT only: what distinguishes this recipient's mail from that of others, should the channel
  // split classes. What several checks say adds up: all of it has to be the same.
  GATEPOST_DECL verdict& policy_class(std::string name) &;
  // At the message stage only: a verdict of its own for one recipient.
  GATEPOST_DECL verdict& for_recipient(std::size_t index, verdict v) &;

  verdict&& add_header(std::string name, std::string value) && {
    return std::move(add_header(std::move(name), std::move(value)));
  }
  verdict&& remove_header(std::string name) && { return std::move(remove_header(std::move(name))); }
  verdict&& erase(octet_range range) && { return std::move(erase(range)); }
  verdict&& add_tag(std::string name, std::string value) && {
    return std::move(add_tag(std::move(name), std::move(value)));
  }
  verdict&& score(double points) && { return std::move(score(points)); }
  verdict&& policy_class(std::string name) && { return std::move(policy_class(std::move(name))); }
  verdict&& for_recipient(std::size_t index, verdict v) && {
    return std::move(for_recipient(index, std::move(v)));
  }

  decision kind() const { return decision_; }
  // True for pass, inconclusive and accept: nothing stands against going on.
  bool passes() const { return decision_ <= decision::accept; }
  // True for refuse, defer and drop: there is a reply to send.
  bool negative() const {
    return decision_ == decision::refuse || decision_ == decision::defer ||
           decision_ == decision::drop;
  }

  // For refuse, defer and drop.
  const smtp::reply& reply() const { return reply_; }
  // For logs: the reason given, or the reply's text.
  GATEPOST_DECL std::string_view reason() const;

  bool has_effects() const { return effects_ != nullptr; }
  // Only where has_effects() is true.
  const effects& what_else() const { return *effects_; }

 private:
  explicit verdict(decision d) : decision_(d) {}
  GATEPOST_DECL effects& more();

  decision decision_;
  smtp::reply reply_;
  std::string reason_;
  std::unique_ptr<effects> effects_;
};

}  // namespace gatepost::smtp

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/impl/verdict.ipp"
#endif

#endif  // GATEPOST_SMTP_VERDICT_HPP
