// Who takes responsibility for a message: the port that routing plugs into.
//
// A server has one `delivery`. It resolves each recipient at RCPT, and takes the text of each
// message as it comes in. When `intake::commit` answers with a positive reply the message is safe:
// durable on disk, or taken by the next hop. Only then does the client get its 250.
//
// What takes longer than session_limits::answer_time is cancelled by Asio's cancellation
// (terminal), commit() excepted; who ignores that keeps the session waiting.
#ifndef GATEPOST_SMTP_DELIVERY_HPP
#define GATEPOST_SMTP_DELIVERY_HPP

#include <asio/awaitable.hpp>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "smtp/config.hpp"
#include "smtp/header_edits.hpp"
#include "smtp/policy.hpp"
#include "smtp/verdict.hpp"

namespace gatepost::smtp {

// What was decided about a message, given when all of it has come in.
struct disposition {
  header_edits edits;                   // trace and other fields to put on top, fields to leave out
  std::vector<std::size_t> recipients;  // indices into the envelope: who gets it
  // Those of `recipients` whose copy is kept, and not delivered until somebody releases it.
  std::vector<std::size_t> held;
  std::string hold_reason;  // of the held ones; several, where they differ, with "; " between them
  std::vector<tag> tags;
};

struct delivery_outcome {
  delivery_outcome() = default;
  explicit delivery_outcome(smtp::reply overall) : overall(std::move(overall)) {}

  smtp::reply overall = replies::local_error;
  // For LMTP and PRDR: one per entry of disposition::recipients; empty: `overall` holds for each.
  std::vector<smtp::reply> each;
  // The id under which the message is kept, for logs; empty where nothing is kept.
  std::string queue_id;
};

// One message on its way in. Destroyed without commit(): the message is forgotten, nothing is left.
class intake {
 public:
  virtual ~intake() = default;

  // Octets in order, as the client sent them, after dot-unstuffing; `text` is good until this
  // returns. An error (errc::spool_full, errc::spool_failed, ...) becomes a temporary refusal of
  // the message.
  virtual asio::awaitable<std::error_code> write(std::string_view text) = 0;

  // False where nobody looks at disposition::edits: they are then not made.
  virtual bool wants_edits() const { return true; }

  // Makes it durable. At most once, and nothing after it.
  virtual asio::awaitable<delivery_outcome> commit(const disposition& what) = 0;

  // commit() answered too late (session_limits::processing_time): the client will send the message
  // again, so forget it. Called at most once, after commit(). Has session_limits::answer_time, and
  // is cancelled then. The default does nothing: the message comes twice.
  GATEPOST_DECL virtual asio::awaitable<void> revoke();
};

class delivery {
 public:
  virtual ~delivery() = default;

  // May this recipient be had here, and how? Called at RCPT, after the policy let it pass; may fill
  // `to.route` and `to.policy_class`. `refuse`: relaying denied, unknown user, over quota; `defer`:
  // the directory cannot answer. Thread-safe.
  virtual asio::awaitable<verdict> resolve(const session_view& session, recipient& to) = 0;

  // Whether a message would be taken now; cheap, asked before begin(). errc::spool_full and
  // errc::resource_limit become 452, anything else 451. Thread-safe.
  virtual std::error_code available() const { return {}; }

  // A message with this envelope is about to come in. nullptr: it cannot be taken now (451).
  // Thread-safe; what is returned is used on the session's thread.
  virtual asio::awaitable<std::unique_ptr<intake>> begin(const session_view& session) = 0;

  // ETRN (RFC 1985 §5): start delivery of what is kept for this node. 250 to 253, 458, 459 or 501.
  GATEPOST_DECL virtual asio::awaitable<reply> etrn(const session_view& session, std::string node);
};

// Takes every recipient and throws every message away: for tests and benchmarks.
class discard_all final : public delivery {
 public:
  GATEPOST_DECL asio::awaitable<verdict> resolve(const session_view&, recipient&) override;
  GATEPOST_DECL asio::awaitable<std::unique_ptr<intake>> begin(const session_view&) override;
};

}  // namespace gatepost::smtp

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/impl/delivery.ipp"
#endif

#endif  // GATEPOST_SMTP_DELIVERY_HPP
