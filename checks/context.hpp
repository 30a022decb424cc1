// What a check may look at: the session, the envelope, the message's header; and notes.
//
// A check gets a context with each call and may use it until its coroutine ends. References and
// views that it hands out are good for the same time, with one exception: a check that is cancelled
// (its deadline has passed, the client has left) and does not end may ask the context again, and
// then sees the state of that moment, but may not use what it got before. Belongs to the session's
// thread.
#ifndef GATEPOST_CHECKS_CONTEXT_HPP
#define GATEPOST_CHECKS_CONTEXT_HPP

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "checks/notes.hpp"
#include "smtp/config.hpp"
#include "smtp/envelope.hpp"
#include "smtp/facts.hpp"
#include "smtp/header_reader.hpp"
#include "smtp/stage.hpp"

namespace gatepost::checks {

namespace detail {

// The header's fields, read when somebody asks for them first.
struct header_cache {
  std::optional<smtp::result<smtp::header_view>> fields;
};

// The two scopes of notes, and what all contexts of a session share.
struct session_store {
  checks::notes session_notes;
  checks::notes transaction_notes;
  header_cache header;
};

// What is shown to a check that outlives its question.
struct snapshot {
  smtp::session_facts facts;
  smtp::envelope envelope;
  std::string header;
  header_cache cache;
};

}  // namespace detail

class context {
 public:
  smtp::stage stage() const { return stage_; }

  // Who the client is, what it said, how it is protected.
  const smtp::session_facts& facts() const { return *facts_; }

  // Sender and recipients; empty before MAIL.
  const smtp::envelope& envelope() const { return *envelope_; }

  // The recipient that RCPT names. Only at stage::rcpt.
  const smtp::recipient& recipient() const { return envelope_->recipients().back(); }

  // The header's lines, each with CRLF. At stage::header_end and stage::message, else empty.
  std::string_view header() const { return header_; }

  // The header's fields; they are read once for all checks of the stage. Where header() is empty
  // there are none.
  GATEPOST_DECL const smtp::result<smtp::header_view>& fields() const;

  // Octets of the message: so far, or at stage::message all of it.
  std::uint64_t message_size() const { return size_; }

  // Notes that live as long as the session.
  checks::notes& notes() const { return store_->session_notes; }
  // Notes that are cleared when the transaction ends. Before MAIL there is none: a note that is
  // left here then is gone by MAIL.
  checks::notes& transaction_notes() const { return store_->transaction_notes; }

  // --- For whoever calls checks
  // ---------------------------------------------------------------------
  context(const smtp::session_facts& facts, const smtp::envelope& envelope,
          detail::session_store& store)
      : facts_(&facts), envelope_(&envelope), store_(&store), cache_(&store.header) {}

  GATEPOST_DECL void enter(smtp::stage s, std::string_view header, std::uint64_t size);
  GATEPOST_DECL std::shared_ptr<detail::snapshot> take_snapshot() const;
  // From now on shows the copy, and keeps it.
  GATEPOST_DECL void show(std::shared_ptr<detail::snapshot> copy);

 private:
  const smtp::session_facts* facts_;
  const smtp::envelope* envelope_;
  detail::session_store* store_;
  detail::header_cache* cache_;
  std::string_view header_;
  std::uint64_t size_ = 0;
  std::shared_ptr<detail::snapshot> kept_;
  smtp::stage stage_ = smtp::stage::connect;
};

}  // namespace gatepost::checks

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/impl/context.ipp"
#endif

#endif  // GATEPOST_CHECKS_CONTEXT_HPP
